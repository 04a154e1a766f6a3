//! What runs around every handler of a package: who is not signed in gets a form, what was done is noted, what goes
//! wrong is said in the package's own words. A package inside has its own around its handlers, within these.
//!
//! `/orders/greetings/morning` runs: before of the package, before of the inner one, the handler, after of the inner
//! one, after of the package; and from where something fails on, teardown in place of after.

use skitai::prelude::*;

const LOGIN_FORM: &str =
    r#"<form action="/test/signin"><input name="username"><input type="submit" value="Sign in"></form>"#;

/// Orders and cart of who is signed in.
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

/// Where a site would log what its users do, the demo tells what ran.
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

/// Greets, but only who is signed in.
#[route("/morning")]
async fn morning() -> &'static str {
    "Good Morning"
}
