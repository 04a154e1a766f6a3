//! Pages and errors: templates that a test writes, a page that waits for a call, errors of ours with all there is to
//! tell of them, and an app with its own answer to errors.

use skitai::prelude::*;

pub(crate) fn package() -> Package {
    Package::new().routes(routes![page, found_page, broken, slow_page])
}

/// Answers errors itself: 404 as a page, 409 as a reply in full, 418 by a panic, every other not at all.
pub(crate) fn own() -> App {
    App::new("own")
        .on_error(|was, failure| match failure.status {
            404 => Some(Response::new(404).body(format!("own: {} {}", was.request.uri(), failure.message))),
            409 => Some(Response::new(200).header("content-type", "text/plain").body("all is well")),
            418 => panic!("on purpose, in on_error"),
            _ => None,
        })
        .routes(routes![fails])
}

#[route("/page")]
async fn page() -> Page {
    Page::new("page.html").with("title", "a title")
}

/// Waits for the cluster when it is rendered.
#[route("/found-page")]
async fn found_page(was: Was, cluster: String) -> Page {
    let asked = was.map(&cluster).call("search", ("Mozart",));
    Page::new("found.html").with("title", "found").with_task("works", asked, secs(2))
}

/// As that, with more time than the request has.
#[route("/slow-page", deadline = 0.3)]
async fn slow_page(was: Was, cluster: String) -> Page {
    Page::new("found.html").with("title", "found").with_task("works", was.lb(&cluster).call("search", ("x",)), secs(9))
}

/// Asks a cluster, then fails in a way that is ours.
#[route("/broken")]
async fn broken(was: Was, cluster: String, password: String) -> Result<String> {
    let asked = was.map(&cluster).call("search", (password.len(),)).getswait(secs(2)).await;
    Ok(std::fs::read_to_string(format!("/nonexistent/{}", asked.coverage().ok))?)
}

#[route("/fails")]
async fn fails(status: u16) -> Result<String> {
    Err(Error::new(status, "as it was asked to"))
}
