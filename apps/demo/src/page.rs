//! A page from a template.

use skitai::prelude::*;

use crate::arguments;

/// What there is to see. The template makes its links itself, by the names of the routes.
#[route("/")]
pub(crate) async fn index(was: Was) -> Result<Page> {
    // By the function, where it has no name of its own: over RPC `company` is the one without placeholders.
    let company = was.url_for(arguments::company {}, (555, "Skitai Corp"))?;
    Ok(Page::new("index.html")
        .with("company", company)
        .with("username", was.session.get::<String>("username"))
        .with("version", env!("CARGO_PKG_VERSION")))
}
