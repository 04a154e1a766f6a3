//! A package: routes in a module of their own, added to the app in one line.

use skitai::prelude::*;

/// The routes of this module.
pub(crate) fn package() -> Package {
    Package::at("/greetings").routes(routes![morning])
}

/// Greets in the morning.
#[route("/morning")]
async fn morning() -> &'static str {
    "good Morning"
}
