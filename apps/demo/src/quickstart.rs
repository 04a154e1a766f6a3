//! The first steps: a second app, mounted below a path, with a package in a module.
//!
//! `/quick/ = quickstart` mounts it like a folder: `/quick` redirects to `/quick/`. `/quick = quickstart` mounts it
//! like a file. The full RPC name of `hello_world` is `quick.hello.world`; in a call to `/quick` it is `hello.world`.

use skitai::prelude::*;

use crate::greetings;
use crate::life::Searcher;

/// The app. The routes of the package become its own.
pub(crate) fn app() -> App {
    App::new("quickstart")
        .template("index.html", include_str!("../../../templates/quickstart/index.html"))
        .template("layout.html", include_str!("../../../templates/quickstart/layout.html"))
        .routes(routes![hello, hello_world, page, searcher])
        .package(greetings::package())
}

/// A page from the template `templates/quickstart/index.html`, which extends another.
#[route("/page")]
async fn page() -> Page {
    Page::new("index.html").with("url", "https://www.python.org")
}

/// The root of the mount.
#[route("/")]
async fn hello() -> &'static str {
    "Hello"
}

/// A path below it.
#[route("/hello/world")]
async fn hello_world() -> &'static str {
    "Hello"
}

/// Uses an object that another app registered at the start.
#[route("/searcher")]
async fn searcher(was: Was, keyword: String) -> Result<Vec<String>> {
    Ok(was.registered::<Searcher>("searcher")?.titles(&keyword))
}
