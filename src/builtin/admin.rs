//! The status page: an app written on `app` alone, like any other, and mounted at `/status`.
//!
//! It requires the password of `admin` (`require_admin`). The probes of that path are the edge's.

use crate::prelude::*;

/// The app.
pub(crate) fn app() -> App {
    App::new("status").routes(routes![tree])
}

/// The server's status tree. `filter` picks one branch, such as `clusters` or `cluster:mysearch`.
#[route("/", methods = ["GET", "HEAD"], name = "tree")]
async fn tree(was: Was, filter: Option<String>) -> Result<Value> {
    was.require_admin("the status page asks for the user `admin` and the admin_password").await?;
    Ok(was.status(filter.as_deref()).await)
}
