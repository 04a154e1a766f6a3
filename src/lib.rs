//! Skitai: a web application server whose handlers fan out, cheaply and safely, to many HTTP, XML-RPC and JSON-RPC
//! members and many SQL shards, and use whatever came back in time.
//!
//! ```
//! use skitai::prelude::*;
//!
//! #[route("/company/<int:cid>/<cname>")]
//! async fn company(cid: i64, cname: String) -> String {
//!     format!("{cid} - {cname}")
//! }
//!
//! /// Searches every member and merges what came back in time.
//! #[route("/search")]
//! async fn search(was: Was, #[arg(default = "Mozart")] keyword: String) -> Result<Vec<Value>> {
//!     let found = was.map("mysearch/rpc2").call("search", (keyword,)).getswait(secs(2)).await;
//!     Ok(found.ok()?.flat_map(Value::into_list).collect())
//! }
//!
//! let app = App::new("webapp").routes(routes![company, search]);
//! // fn main() -> std::process::ExitCode { skitai::main([app]) }
//! ```
//!
//! One function is a page (`/company/555/Skitai`), an XML-RPC method and a JSON-RPC method (`company(555, "Skitai")`).
//!
//! # The rooms
//!
//! In the order a request meets them:
//!
//! - `serve`: one process: sockets, threads, the actors of each; `tls`: certificates;
//! - `connection`: HTTP/1 between a client's socket and the code that answers;
//! - `edge`: one request, step by step; `rpc`: the same by name;
//! - [`app`]: what an app author touches: routes, arguments, `was`, calls, replies;
//! - [`sql`]: merging the rows of shards;
//! - `builtin`: the status page (`admin`) and the page of the methods, written on `app` alone;
//! - [`mod@test`]: for an author's own tests: the app on a free port, a client, fake clusters;
//! - [`config`]: a conf file, checked as a whole; `cli`: the command line; `observe`: log, counters, panics.
//!
//! Below them are two crates: `skitai-actors` (clusters, databases, cache and sessions as actors, one of each on every
//! thread) and `skitai-wire` (the codecs).

// The code that #[route] generates names this crate, and the built-in apps in this crate use #[route] too.
extern crate self as skitai;

#[doc(hidden)]
pub mod __private;
pub mod app;
mod builtin;
mod cli;
pub mod config;
mod connection;
mod edge;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod ipc;
mod observe;
pub mod prelude;
mod proxy;
mod rpc;
mod serve;
pub mod sql;
mod supervise;
pub mod test;
mod tls;

/// The examples of the documents. `cargo test --doc` compiles them, and runs those that are no whole program.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    mod readme {}
    #[doc = include_str!("../docs/GUIDE.md")]
    mod guide {}
    #[doc = include_str!("../docs/TEMPLATES.md")]
    mod templates {}
}

/// The actix-web that this server is built on, for [`App::actix`].
pub use actix_web;
pub use app::{App, Closing, Error, Package, Result, Was};
pub use cli::program::{Program, main};
pub use cli::setup::Setup;
pub use serve::background::{Background, NotStarted, StillRunning};
