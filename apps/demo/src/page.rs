//! A page from a template.

use skitai::prelude::*;

/// What there is to see.
#[route("/")]
pub(crate) async fn index(was: Was) -> Page {
    Page::new("index.html")
        .with("username", was.session.get::<String>("username"))
        .with("version", env!("CARGO_PKG_VERSION"))
}
