//! The demo: an app written on Skitai as a user would write one, one file per topic.
//!
//! Read in this order: [`hello`] (one function, three faces), [`quickstart`] (an app below a path), [`greetings`] (a
//! package), [`life`] (start and end), [`request`] and [`response`], [`arguments`] (paths, queries, types),
//! [`requesting`] (a call to a URL), [`search`] (a call to every member of a cluster, and to one), [`mapreduce`]
//! (answers filtered on arrival), [`database`] (a statement on a database), [`cities`] (on every shard), [`caching`],
//! [`page`] (a template), [`signin`] (sessions), [`orders`] (hooks around handlers), [`streaming`] (files to a client),
//! [`upload`] (files from a form), [`websocket`] (a service of actix-web). The index draws a call to every member
//! ([`fanout`]), with a switch for each ([`switches`]). The demo starts its own back ends: [`members`], [`catalogue`]
//! (the app of the members) and [`shards`].
//!
//! Every example in the first README of the Python server Skitai has a counterpart here; `docs/coming-from-skitai.md`
//! lists them.

mod arguments;
mod caching;
mod catalogue;
mod cities;
mod database;
mod fanout;
mod greetings;
mod hello;
mod life;
mod mapreduce;
mod members;
mod orders;
mod page;
mod quickstart;
mod request;
mod requesting;
mod response;
mod search;
mod shards;
mod signin;
mod streaming;
mod switches;
#[cfg(test)]
mod tests;
mod upload;
mod websocket;

use std::path::Path;
use std::process::ExitCode;

use skitai::prelude::*;
use skitai::{Program, Setup};

use crate::members::Members;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let members = Members::default();
    Program::new([demo(&members), quickstart::app()])
        .conf("demo.conf", conf())
        .prepare(move |setup| surroundings(setup, members))
        .hint("/", "what there is to see, and a picture of the fan-out")
        .hint("/hello", "a page, an XML-RPC and a JSON-RPC method at once")
        .hint("/search?keyword=Mozart", "three RPC members asked at once")
        .hint("/cities?at_least=5000000", "three SQL shards asked at once")
        .hint("/status/methods", "every method, and a form to try it")
        .main()
}

/// The app. It shows these members and switches them.
fn demo(members: &Members) -> App {
    let members = members.clone();
    App::new("demo")
        .use_session(true)
        .startup(life::startup)
        .startup(move |wasc| wasc.register("members", members.clone()))
        .shutdown(life::shutdown)
        .template("index.html", include_str!("../../../templates/demo/index.html"))
        .template("fanout.html", include_str!("../../../templates/demo/fanout.html"))
        .template("picture.html", include_str!("../../../templates/demo/picture.html"))
        .template("multi_purpose.html", include_str!("../../../templates/demo/multi_purpose.html"))
        .template("upload.html", include_str!("../../../templates/demo/upload.html"))
        .template("layout.html", include_str!("../../../templates/demo/layout.html"))
        .routes(routes![page::index, fanout::fanout, hello::hello, hello::add, hello::echo])
        .routes(routes![
            request::request,
            request::environment,
            response::banned,
            response::moved,
            response::headers,
            response::no_get,
            response::no_get_error
        ])
        .routes(routes![response::multi_purpose, response::text])
        .routes(routes![arguments::company, arguments::company_by_name, arguments::company_mixed])
        .routes(routes![arguments::company_form, arguments::company_called])
        .routes(routes![requesting::wget, requesting::post, requesting::multipart, requesting::rpc])
        .routes(routes![search::search, search::lb, mapreduce::map, mapreduce::filtered])
        .routes(routes![database::db, cities::get_top_city, cities::dlb, caching::database, caching::members])
        .routes(routes![cities::cities, cities::all_cities, cities::top_city, cities::countries])
        .routes(routes![signin::sign_in, signin::sign_out])
        .routes(routes![upload::form, upload::up, upload::lines])
        .routes(routes![streaming::streaming, streaming::download])
        .package(greetings::package())
        .package(orders::package())
        .package(switches::package())
        .actix(websocket::services)
}

/// The configuration if the command line names none: everything on this machine. Style sheet, script and pictures are
/// mounted before the app: the folder `static` here, else that of the sources of this program, if one of them exists.
fn conf() -> String {
    let folders = ["static", concat!(env!("CARGO_MANIFEST_DIR"), "/../../static")];
    let folder = folders.into_iter().find(|folder| Path::new(folder).is_dir());
    let mount = folder.map(|folder| format!("/ = {folder}\n")).unwrap_or_default();
    format!("{}{mount}", include_str!("../demo.conf"))
}

/// Starts what that configuration needs: three SQLite shards, and three RPC members on free ports.
fn surroundings(setup: &mut Setup<'_>, members: Members) -> Result<Members> {
    shards::fill(setup.var())?;
    setup.members("mysearch", &members.start(setup.port())?)?;
    Ok(members)
}
