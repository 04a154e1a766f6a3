//! The demo: an app written on Skitai as a user would write one, one file per topic.
//!
//! Read in this order: [`hello`] (one function, three faces), [`arguments`] (paths, queries, types), [`search`] (a call
//! to every member of a cluster, and to one), [`cities`] (a statement on every shard), [`signin`] (sessions), [`page`]
//! (a template), [`upload`] (files from a form), [`streaming`] (files to a client), [`greetings`] (a package), [`websocket`] (a service of actix-web's). What the demo needs around it, so that nothing else must be started, is in
//! [`members`] and [`shards`].

mod arguments;
mod cities;
mod greetings;
mod hello;
mod members;
mod page;
mod search;
mod shards;
mod signin;
mod streaming;
#[cfg(test)]
mod tests;
mod upload;
mod websocket;

use std::path::Path;
use std::process::ExitCode;

use skitai::prelude::*;
use skitai::{Background, Program};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    Program::new([demo()])
        .conf("demo.conf", conf())
        .prepare(surroundings)
        .hint("/", "what there is to see")
        .hint("/hello", "a page, an XML-RPC and a JSON-RPC method at once")
        .hint("/search?keyword=Mozart", "three RPC members asked at once")
        .hint("/cities?at_least=5000000", "three SQL shards asked at once")
        .hint("/status/methods", "every method, and a form to try it")
        .main()
}

/// The app.
fn demo() -> App {
    App::new("demo")
        .use_session(true)
        .template("index.html", include_str!("../../../templates/demo/index.html"))
        .template("upload.html", include_str!("../../../templates/demo/upload.html"))
        .template("layout.html", include_str!("../../../templates/demo/layout.html"))
        .routes(routes![page::index, hello::hello, hello::add, hello::echo])
        .routes(routes![arguments::company, arguments::company_by_name])
        .routes(routes![search::search, search::lb])
        .routes(routes![cities::cities, cities::all_cities, cities::top_city, cities::countries])
        .routes(routes![signin::sign_in, signin::sign_out])
        .routes(routes![upload::form, upload::up, upload::lines])
        .routes(routes![streaming::streaming, streaming::download])
        .package(greetings::package())
        .actix(websocket::services)
}

/// The configuration where the command line names none: everything on this machine. The folder `static` is mounted
/// before the app where there is one.
fn conf() -> String {
    let folder = if Path::new("static").is_dir() { "/ = static\n" } else { "" };
    format!("{}{folder}", include_str!("../demo.conf"))
}

/// What that configuration needs: three RPC members and three SQLite shards.
fn surroundings(var: &Path) -> Result<Vec<Background>> {
    shards::fill(var)?;
    members::start()
}
