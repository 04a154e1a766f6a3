//! For an author's own tests: the app on a free port of this process, a small client, and fake clusters that are real
//! listeners.
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
//! assert_eq!(page.header("x-coverage"), Some("2 of 3 ok (1 not sent)"));
//! assert_eq!(site.xmlrpc("search", ("Mozart",)).map(|found| found.len()), Ok(2));
//! ```
//!
//! Everything here blocks the thread it is used on, as a test's own thread may, and stops the test with a panic that
//! says what went wrong where it cannot go on: a configuration that does not fit, a server that hangs up.
//!
//! - [`TestSite`]: what to serve; [`TestServer`]: it, served;
//! - [`Client`]: asks pages, keeps cookies, calls methods; [`Reply`] and [`Fault`] are what comes back;
//! - [`FakeCluster`] of [`FakeMember`]s: canned answers, latency, errors, and what was asked of them.

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
