//! An app for the tests of connections to databases while processes are replaced.

use serde::{Deserialize, Serialize};
use skitai::prelude::*;

#[derive(Debug, Deserialize, Serialize)]
struct Found {
    n: i64,
}

/// The id of the process that answers.
#[route("/pid")]
fn pid() -> u32 {
    std::process::id()
}

/// One statement, which gives a column `n`.
#[route("/select", deadline = 40)]
async fn select(
    was: Was,
    #[arg(default = "SELECT 1::bigint AS n")] sql: String,
    #[arg(default = "db")] cluster: String,
    #[arg(default = false)] shared: bool,
) -> Result<Vec<Found>> {
    let statement = was.dlb(&cluster);
    let statement = if shared { statement.pipelined() } else { statement };
    statement.execute(sql, ()).getwait(secs(30)).await.rows()
}

/// Holds a connection for so long without a statement on it, then uses it again.
#[route("/holds-connection", deadline = 40)]
async fn holds_connection(was: Was, ms: u64) -> Result<u32> {
    let session = was.dlb("db").patience(secs(40)).session(|session| async move {
        session.execute("SELECT 1::bigint AS n", ()).await?;
        actix_web::rt::time::sleep(std::time::Duration::from_millis(ms)).await;
        session.execute("SELECT 2::bigint AS n", ()).await?;
        Ok(std::process::id())
    });
    session.await
}

pub(crate) fn app() -> App {
    App::new("rolling").routes(routes![pid, select, holds_connection])
}
