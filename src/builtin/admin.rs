//! The status page: an app written on `app` alone, like any other, and mounted at `/status`.
//!
//! Every path but `/status/ready` requires the password of `admin` ([`Was::is_admin`]).

use std::sync::Arc;

use crate::prelude::*;

/// The state that the pages need, registered as an object like an app's own.
struct Admin {
    requests: Requests,
    failed: Failed,
}

/// Returns the counters of the edge and the threads that are held, to which the pages have no access of their own.
type Requests = Arc<dyn Fn() -> [(&'static str, Value); 2] + Send + Sync>;

/// Returns the names of failed parts that keep this server from working.
type Failed = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

const OBJECT: &str = "skitai.admin";

/// The app.
pub(crate) fn app(
    requests: impl Fn() -> [(&'static str, Value); 2] + Send + Sync + 'static,
    failed: impl Fn() -> Vec<String> + Send + Sync + 'static,
) -> App {
    let requests: Requests = Arc::new(requests);
    let failed: Failed = Arc::new(failed);
    let admin = move || Admin { requests: requests.clone(), failed: failed.clone() };
    App::new("status").startup(move |wasc| wasc.register(OBJECT, admin())).routes(routes![tree, ready])
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

/// Whether requests should be sent to this server: 200, or 503 with the names of the failed actors. For load balancers
/// and orchestrators, so it needs no login, shows no details, and asks no actor that might hang.
#[route("/ready", methods = ["GET", "HEAD"], name = "ready")]
async fn ready(was: Was) -> Result<Value> {
    let failed = (was.registered::<Admin>(OBJECT)?.failed)();
    // A cached answer would be out of date.
    was.response.update("cache-control", "no-store");
    if failed.is_empty() {
        return Ok(Value::from_pairs([("ready", Value::Bool(true))]));
    }
    was.response.reply(503);
    let names = failed.into_iter().map(Value::String).collect();
    Ok(Value::from_pairs([("ready", Value::Bool(false)), ("failed", Value::List(names))]))
}
