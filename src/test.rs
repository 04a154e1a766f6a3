//! Tools for tests of your app: the app on a free port of this process, a small client, and fake clusters that are
//! real listeners.
//!
//! ```
//! use skitai::prelude::*;
//! use skitai::test::{FakeCluster, TestSite};
//!
//! #[route("/search")]
//! async fn search(was: Was, #[arg(default = "Mozart")] keyword: String) -> Result<Vec<Value>> {
//!     let found = was.map("mysearch/RPC2").call("search", (keyword,)).getswait(secs(2)).await;
//!     Ok(found.ok()?.flat_map(Value::into_list).collect())
//! }
//!
//! // In a test: #[test] fn what_is_missing_is_told() { … }
//! let members = FakeCluster::start(3);
//! members.answer("search", ["Requiem"]);
//! members.member(2).stop();
//! let site = TestSite::of([App::new("webapp").routes(routes![search])])
//! #   .folder("docs") // not the templates of this repository
//!     .cluster("mysearch", &members)
//!     .start();
//!
//! let page = site.get("/search?keyword=Mozart");
//! assert_eq!((page.status, page.text()), (200, r#"["Requiem","Requiem"]"#));
//! assert_eq!(page.header("x-coverage"), Some("mysearch;ok=2;asked=3;not_sent=1"));
//! assert_eq!(site.xmlrpc("search", ("Mozart",)).map(|found| found.len()), Ok(2));
//! ```
//!
//! Everything here blocks its thread, as a test may. If it cannot continue (an invalid configuration, a server that
//! hangs up), it panics with the reason and so fails the test.
//!
//! - [`TestSite`]: the site to serve; [`TestServer`]: the running server;
//! - [`Client`]: requests pages, keeps cookies, calls methods; it returns [`TestReply`] and [`TestFault`];
//! - [`FakeCluster`] of [`FakeMember`]s: canned answers, latency, errors, and the calls they received.

mod client;
mod conduct;
mod fake;
mod listening;
mod message;
mod site;

pub use client::{Client, TestFault, TestReply};
pub use conduct::ReceivedCall;
pub use fake::{FakeCluster, FakeMember};
pub use site::{TestServer, TestSite};
