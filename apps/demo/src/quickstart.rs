//! The first steps: an app of its own, mounted below a path, with a package in a module of its own.
//!
//! `/quick/ = quickstart` mounts it as a folder: `/quick` is sent to `/quick/`. Written `/quick = quickstart` it is
//! like a file. Over RPC `hello_world` is `quick.hello.world` from anywhere, and `hello.world` below `/quick`.

use skitai::prelude::*;

use crate::greetings;
use crate::life::Searcher;

/// The app. What the package has becomes its own: mount, templates, devel mode.
pub(crate) fn app() -> App {
    App::new("quickstart")
        .template("index.html", include_str!("../../../templates/quickstart/index.html"))
        .template("layout.html", include_str!("../../../templates/quickstart/layout.html"))
        .routes(routes![hello, hello_world, page, searcher])
        .package(greetings::package())
}

/// A page from a template, `templates/quickstart/index.html`, which extends another.
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

/// Uses what another app shared at the start.
#[route("/searcher")]
async fn searcher(was: Was, keyword: String) -> Result<Vec<String>> {
    Ok(was.registered::<Searcher>("searcher")?.titles(&keyword))
}
