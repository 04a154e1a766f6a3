//! The status page: an app written on `app` alone, like any other, and mounted at `/status`; and the same for programs,
//! at `/status.json` and as the RPC method `system.status`.
//!
//! All of it requires the password of `admin` (`require_admin`). The probes of `/status` are the edge's.

use crate::prelude::*;

/// The name of the method.
pub(crate) const NAME: &str = "system.status";

/// The app.
pub(crate) fn app() -> App {
    App::new("status").routes(routes![tree])
}

/// The app of the same for programs.
pub(crate) fn json() -> App {
    App::new("status.json").routes(routes![system_status])
}

/// The server's status tree. `filter` picks one branch, such as `clusters` or `cluster:mysearch`.
#[route("/", methods = ["GET", "HEAD"], name = "tree")]
async fn tree(was: Was, filter: Option<String>) -> Result<Value> {
    shown(&was, filter).await
}

/// The same as JSON, whoever asks, and over RPC.
#[route("/", methods = ["GET", "HEAD"], name = "system.status")]
async fn system_status(was: Was, filter: Option<String>) -> Result<Value> {
    shown(&was, filter).await
}

async fn shown(was: &Was, filter: Option<String>) -> Result<Value> {
    was.require_admin("the status page asks for the user `admin` and the admin_password").await?;
    if was.face() == Face::Web {
        // A kept answer would be out of date.
        was.response.update("cache-control", "no-store");
    }
    Ok(was.status(filter.as_deref()).await)
}
