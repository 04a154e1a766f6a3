//! Routes behind a hook that tests the path, in an app that is mounted below the root, and an app without RPC.

use skitai::prelude::*;

/// Refuses everything below `/admin` and what a hook should know of the rest.
async fn guard(was: Was) -> Result<()> {
    was.response.set("x-path", was.request.path());
    let route = was.route();
    was.response
        .set("x-route", format!("{} {} {}", route.rule, route.rpc_name.as_deref().unwrap_or("-"), route.function));
    let path = was.request.path();
    if path.starts_with("/guarded/admin") || path == "/guarded/city/7/S%C3%A3o%20Paulo" {
        return Err(Error::new(401, format!("{path} is guarded")));
    }
    Ok(())
}

pub(crate) fn app() -> App {
    let admin = Package::at("/admin").routes(routes![secret, of_user, root]);
    App::new("behind")
        .before_request(guard)
        .routes(routes![city, told, page_alone, shared_page, shared, file])
        .package(admin)
}

/// None of its routes can be called over RPC.
pub(crate) fn pages() -> App {
    App::new("pagesonly").rpc(false).routes(routes![lonely])
}

#[route("/")]
async fn root() -> &'static str {
    "root"
}

#[route("/secret")]
async fn secret() -> &'static str {
    "a secret"
}

#[route("/user/<int:id>")]
async fn of_user(id: i64) -> i64 {
    id
}

#[route("/city/<int:id>/<name>")]
async fn city(id: i64, name: String) -> String {
    format!("{id} {name}")
}

#[route("/file/<path:name>")]
async fn file(name: String) -> String {
    name
}

#[route("/told")]
async fn told(was: Was) -> Vec<String> {
    let route = was.route();
    let name = route.rpc_name.unwrap_or_default();
    vec![was.request.path().to_owned(), route.rule, name, route.function.to_owned(), route.module.to_owned()]
}

/// A page that RPC does not know.
#[route("/page-alone", rpc = false, name = "alone")]
async fn page_alone(was: Was) -> Result<String> {
    was.url_for("alone", ())
}

/// A page and a method of one name.
#[route("/shared", methods = ["GET"], rpc = false)]
async fn shared_page() -> &'static str {
    "the page"
}

#[route("/shared", methods = ["POST"])]
async fn shared() -> &'static str {
    "the method"
}

#[route("/lonely")]
async fn lonely() -> &'static str {
    "a page"
}
