//! A statement on a database that is not in the configuration.

use skitai::prelude::*;

/// The environment variable with the demo's database: `host:port/database/user/password`. Clients cannot set it.
const VARIABLE: &str = "SKITAI_DEMO_DB";

/// Ten rows of a PostgreSQL database. Connections are pooled; there is nothing to close.
#[route("/test/db")]
pub(crate) async fn db(was: Was) -> Result<Value> {
    let place = std::env::var(VARIABLE).map_err(|_| Error::new(404, format!("{VARIABLE} names no database")))?;
    let [server, database, user, password] = *place.split('/').collect::<Vec<_>>() else {
        return Err(Error::internal(format!("{VARIABLE} is no host:port/database/user/password")));
    };
    let s = was.db(server, database, user, password).execute("SELECT * FROM cities ORDER BY name LIMIT 20", ());
    let rs = s.getwait(secs(2)).await;
    Ok(rs.ok()?.into_list().into_iter().take(10).collect::<Vec<_>>().into())
}
