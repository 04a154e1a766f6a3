//! The status page: an app written on `app` alone, like any other, and mounted at `/status`.
//!
//! It requires the password of `admin` ([`Was::is_admin`]). The probes of that path are the edge's.

use std::sync::Arc;

use crate::prelude::*;

/// The state that the pages need, registered as an object like an app's own.
struct Admin {
    requests: Requests,
}

/// Returns the counters of the edge and the threads that are held, to which the pages have no access of their own.
type Requests = Arc<dyn Fn() -> [(&'static str, Value); 2] + Send + Sync>;

const OBJECT: &str = "skitai.admin";

/// The app.
pub(crate) fn app(requests: impl Fn() -> [(&'static str, Value); 2] + Send + Sync + 'static) -> App {
    let requests: Requests = Arc::new(requests);
    let admin = move || Admin { requests: requests.clone() };
    App::new("status").startup(move |wasc| wasc.register(OBJECT, admin())).routes(routes![tree])
}

/// The server's status tree. `filter` picks one branch, such as `clusters` or `cluster:mysearch`.
#[route("/", methods = ["GET", "HEAD"], name = "tree")]
async fn tree(was: Was, filter: Option<String>) -> Result<Value> {
    let admin = was.registered::<Admin>(OBJECT)?;
    if !was.is_admin() {
        if was.face() == Face::Web {
            was.response.update("www-authenticate", "Basic realm=\"status\", charset=\"UTF-8\"");
        }
        return Err(Error::new(401, "the status page asks for the user `admin` and the admin_password"));
    }
    let mut tree = was.status(filter.as_deref()).await;
    if let (None, Value::Map(map)) = (&filter, &mut tree) {
        map.0.extend((admin.requests)().map(|(name, value)| (name.into(), value)));
    }
    Ok(tree)
}
