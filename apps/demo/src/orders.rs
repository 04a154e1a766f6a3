//! Hooks around every handler of a package: a visitor who is not signed in gets a form, each request is recorded, and
//! errors get the package's own text. A package inside it has its own hooks within these.
//!
//! `/orders/greetings/morning` runs: the package's before, the inner before, the handler, the inner after, the
//! package's after. After a failure, teardown runs in place of after.

use skitai::prelude::*;

const LOGIN_FORM: &str =
    r#"<form action="/test/signin"><input name="username"><input type="submit" value="Sign in"></form>"#;

/// Orders and cart of a visitor who is signed in.
pub(crate) fn package() -> Package {
    Package::at("/orders")
        .before_request(require_login)
        .after_request(|was: Was| async move { ran(&was, "after") })
        .teardown_request(|_: Was, _: Failure| async move { Some("Sorry, something went wrong") })
        .routes(routes![my_orders, my_cart, checkout])
        .package(greetings())
}

fn greetings() -> Package {
    Package::at("/greetings")
        .before_request(|was: Was| async move { ran(&was, "inner before") })
        .after_request(|was: Was| async move { ran(&was, "inner after") })
        .routes(routes![morning])
}

async fn require_login(was: Was) -> Option<&'static str> {
    ran(&was, "before");
    was.session.get::<String>("username").is_none().then_some(LOGIN_FORM)
}

/// A site would log here what its users do; the demo reports the hook in a header.
fn ran(was: &Was, hook: &str) {
    was.response.set("X-Ran", hook);
}

/// The orders.
#[route("/mine")]
async fn my_orders(was: Was) -> String {
    format!("orders of {}", was.cookie.get("username").unwrap_or_default())
}

/// The cart.
#[route("/cart")]
async fn my_cart(was: Was) -> String {
    format!("cart of {}", was.cookie.get("username").unwrap_or_default())
}

/// Fails.
#[route("/checkout")]
async fn checkout() -> Result<String> {
    Err(Error::internal("the till is locked"))
}

/// Greets a visitor who is signed in.
#[route("/morning")]
async fn morning() -> &'static str {
    "Good Morning"
}
