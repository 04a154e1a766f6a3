//! The status page: written on `app` alone, like any other app, and mounted at `/status`.
//!
//! Everything here asks for the password of `admin`. It is compared in constant time, by digests, so neither its length
//! nor its beginning can be guessed from how long a refusal takes.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use skitai_actors::spec::Secret;
use skitai_macros::route;
use skitai_wire::Value;
use subtle::ConstantTimeEq;

use crate as skitai;
use crate::app::{App, Error, Face, Result, Was};
use crate::observe::counts::Counts;

/// What the pages need, registered as an object like an app's own.
struct Admin {
    login: Vec<u8>,
    counts: Arc<Counts>,
}

const OBJECT: &str = "skitai.admin";

/// The app.
pub(crate) fn app(password: &Secret, counts: Arc<Counts>) -> App {
    let login = digest(&SHA256, format!("admin:{}", password.0).as_bytes()).as_ref().to_vec();
    App::new("status")
        .startup(move |wasc| wasc.register(OBJECT, Admin { login: login.clone(), counts: counts.clone() }))
        .routes(skitai::routes![tree])
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
        map.0.push(("requests".into(), admin.counts.tree()));
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
