//! A page from a template: the index.

use skitai::prelude::*;

use crate::{arguments, fanout};

/// What the demo's pages may load: only resources of this server. No other site may frame them.
const POLICY: &str = "default-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The source of `/search`, which the index shows.
const SEARCH: &str = include_str!("search.rs");

/// The index. The template makes its links itself, from the names of the routes.
#[route("/")]
pub(crate) async fn index(was: Was) -> Result<Page> {
    // By its function, because its RPC name is not `company`: that is the route without placeholders.
    let company = was.url_for(arguments::company {}, (555, "Skitai Corp"))?;
    let company_mixed = was.url_for(arguments::company_mixed {}, (555, "Skitai Corp"))?;
    Ok(fanout::page(&was, "index.html", "Mozart", &[])?
        .with("company", company)
        .with("company_mixed", company_mixed)
        .with("username", was.session.get::<String>("username"))
        .with("handler", handler(SEARCH))
        .with("host", was.request.get_header("host").unwrap_or("127.0.0.1:5000")))
}

/// A page of this template, with the headers and values that every page of the demo has.
pub(crate) fn of(was: &Was, template: &'static str) -> Page {
    was.response.update("Content-Security-Policy", POLICY);
    Page::new(template).with("version", env!("CARGO_PKG_VERSION"))
}

/// The first handler of a source file, without the comment above it.
fn handler(source: &str) -> &str {
    let begin = source.find("#[route").unwrap_or(0);
    let end = source[begin..].find("\n}\n").map_or(source.len(), |end| begin + end + 3);
    source[begin..end].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handler_that_is_shown_is_whole() {
        let shown = handler(SEARCH);
        assert!(shown.starts_with("#[route(\"/search\", partial = \"tell\")]") && shown.ends_with("\n}"), "{shown}");
        assert!(shown.contains("getswait(secs(2))") && shown.matches("#[route").count() == 1, "{shown}");
    }
}
