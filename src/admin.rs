//! The status page: written on `app` alone, like any other app, and mounted at `/status`.
//!
//! Everything here asks for the password of `admin`. It is compared in constant time, by digests, so neither its length
//! nor its beginning can be guessed from how long a refusal takes.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

use crate::prelude::*;

/// What the pages need, registered as an object like an app's own.
struct Admin {
    login: Vec<u8>,
    requests: Requests,
}

/// Gives the counters of the edge, which the pages cannot see themselves.
type Requests = Arc<dyn Fn() -> Value + Send + Sync>;

const OBJECT: &str = "skitai.admin";

/// The app.
pub(crate) fn app(password: &str, requests: impl Fn() -> Value + Send + Sync + 'static) -> App {
    let login = digest(&SHA256, format!("admin:{password}").as_bytes()).as_ref().to_vec();
    let requests: Requests = Arc::new(requests);
    App::new("status")
        .startup(move |wasc| wasc.register(OBJECT, Admin { login: login.clone(), requests: requests.clone() }))
        .routes(routes![tree])
}

/// Everything this server knows of itself. `filter` picks one branch, such as `clusters` or `cluster:mysearch`.
#[route("/", methods = ["GET", "HEAD"], name = "tree")]
async fn tree(was: Was, filter: Option<String>) -> Result<Value> {
    let admin = was.registered::<Admin>(OBJECT)?;
    if !admin.admits(was.request.get_header("authorization")) {
        if was.face() == Face::Web {
            was.response.update("www-authenticate", "Basic realm=\"status\", charset=\"UTF-8\"");
        }
        return Err(Error::new(401, "the status page asks for the user `admin` and the admin_password"));
    }
    let mut tree = was.status(filter.as_deref()).await;
    if let (None, Value::Map(map)) = (&filter, &mut tree) {
        map.0.push(("requests".into(), (admin.requests)()));
    }
    Ok(tree)
}

impl Admin {
    fn admits(&self, authorization: Option<&str>) -> bool {
        let given = authorization
            .and_then(|header| header.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
            .and_then(|(_, credentials)| STANDARD.decode(credentials.trim()).ok());
        // Compared even when nothing came, so that every refusal takes the same way.
        let given = digest(&SHA256, &given.unwrap_or_default());
        given.as_ref().ct_eq(&self.login).into()
    }
}
