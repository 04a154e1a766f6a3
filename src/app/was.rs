//! `was`: everything a handler can ask, in one cheap handle per request.
//!
//! It is an `Arc`, `Send` and `Sync`, because a plain `fn` handler takes it to another thread. The request's head is
//! moved out of actix for the same reason.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use skitai_actors::spec::Spread;

use super::application::Mounted;
use super::args::argument::Kind;
use super::calls::Calls;
use super::calls::budget::Budget;
use super::calls::protocol::Protocol;
use super::closing::Closing;
use super::coverage::RequestCoverage;
use super::request::Request;
use super::request::cookie::Cookies;
use super::request::response::ResponseHead;
use super::request::session::Session;
use super::routing::links::{IntoRouteRef, about};
use super::routing::route::{Route, RouteInfo};
use super::routing::table::RouteEntry;
use super::services::Services;
use super::sql::Sql;
use super::trail::Trail;
use super::trail::trace_context::TraceContext;
use crate::config::Unwritable;
use crate::ipc::messages::Wish;
use crate::ipc::recorder::Announcement;

/// How the client speaks, which decides the form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// A page or JSON.
    Web,
    /// XML-RPC.
    XmlRpc,
    /// JSON-RPC.
    JsonRpc,
}

/// The handle of one request.
#[derive(Clone)]
#[doc(alias = "Context")]
pub struct Was(pub(super) Arc<RequestContext>);

/// The contents of the handle.
pub struct RequestContext {
    /// What the client sent.
    pub request: Request,
    /// Status and headers of the reply, for handlers that change them.
    pub response: ResponseHead,
    /// Cookies in and out.
    pub cookie: Cookies,
    /// The session; empty and without effect unless the app sets `use_session(true)`.
    pub session: Session,
    pub(super) face: Face,
    pub(super) route: &'static Route,
    /// Its position in its app's table.
    pub(super) entry: Option<usize>,
    /// The index of its app's mount.
    pub(super) mount: usize,
    pub(super) services: Arc<Services>,
    pub(super) budget: Budget,
    pub(crate) coverage: RequestCoverage,
    pub(crate) trail: Trail,
    /// The trace that it belongs to, once somebody asks.
    pub(super) trace: OnceLock<Option<Box<TraceContext>>>,
}

/// The placeholder for a request without a route, which gets an error page.
pub(crate) static NO_ROUTE: Route = Route {
    rule: "",
    methods: &[],
    name: None,
    function: "",
    module: "",
    file: "",
    line: 0,
    doc: "",
    blocking: false,
    deadline: None,
    partial: None,
    covered: false,
    rpc: false,
    params: &[],
    returns: Kind::Any,
    call: |_, bind| Err(bind.faults()),
};

impl Deref for Was {
    type Target = RequestContext;
    fn deref(&self) -> &RequestContext {
        &self.0
    }
}

impl std::fmt::Debug for Was {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Was").field("uri", &self.request.uri()).field("face", &self.face).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestContext").field("request", &self.request).finish_non_exhaustive()
    }
}

impl Was {
    /// Calls every member of a cluster: `was.map("mysearch/rpc2").call("search", (keyword,))`. A path that ends in
    /// `/rpc3` speaks JSON-RPC, any other path XML-RPC; without a path RPC goes to `/RPC2`, `get` and the other verbs
    /// to `/`. The name may have the `@` of the configuration. If the configuration has no such cluster, the one
    /// outcome says `undeclared`.
    #[doc(alias = "fan_out")]
    #[doc(alias = "broadcast")]
    pub fn map(&self, cluster: &str) -> Calls {
        Calls::cluster(self, Spread::All, cluster)
    }

    /// Calls one member of a cluster, the least busy one. Another member is tried only if the first certainly has not
    /// received the call.
    #[doc(alias = "load_balance")]
    pub fn lb(&self, cluster: &str) -> Calls {
        Calls::cluster(self, Spread::One, cluster)
    }

    /// Calls a method at a URL: `was.rpc("http://host/RPC2").call("add", (1, 2))`.
    pub fn rpc(&self, url: &str) -> Calls {
        Calls::url(self, url)
    }

    /// Calls a URL with JSON over plain HTTP: `was.rest("http://host/cities/7").get()`, `.post_json(&city)`,
    /// `.put(&city)`, `.patch(&part)`, `.delete()`. The data of a JSON answer is its value.
    pub fn rest(&self, url: &str) -> Calls {
        Calls::url(self, url).protocol(Protocol::Rest)
    }

    /// Fetches a URL: `was.wget("http://host/page").get()` or `.post(&[("name", "value")])`.
    pub fn wget(&self, url: &str) -> Calls {
        Calls::url(self, url)
    }

    /// One statement on a PostgreSQL database given in the code:
    /// `was.db("127.0.0.1:5432", "mydb", "user", "password")`. The default port is 5432; without
    /// [`tls`](Sql::tls) the connection is not encrypted. Connections are pooled, at most 10 per instance. A statement
    /// waits at most 1 s for a connection, a connection takes at most 1 s to open, and a statement runs at most 10 s.
    pub fn db(&self, server: &str, database: &str, user: &str, password: &str) -> Sql {
        Sql::server(self, server, database, user, password)
    }

    /// One statement on every database of a cluster.
    #[doc(alias = "fan_out")]
    #[doc(alias = "broadcast")]
    pub fn dmap(&self, cluster: &str) -> Sql {
        Sql::cluster(self, Spread::All, cluster)
    }

    /// One statement on one database of a cluster, the least busy one.
    #[doc(alias = "load_balance")]
    pub fn dlb(&self, cluster: &str) -> Sql {
        Sql::cluster(self, Spread::One, cluster)
    }

    /// Waits for a future from a plain `fn` handler: `was.wait(task.getswait(secs(2)))`.
    ///
    /// # Panics
    /// In an `async fn` handler. Use `.await` there: blocking would stop every request of the thread.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.0.services.runtime.block_on(future)
    }

    /// The tree of the server's status, collected from every actor. `filter` picks one branch, such as `clusters` or
    /// `cluster:mysearch`.
    pub async fn status(&self, filter: Option<&str>) -> skitai_wire::Value {
        self.0.services.tree(filter).await
    }

    /// Tells when the server begins to close, for a handler that streams or waits for long: a future, which can be
    /// [asked](Closing::has_begun) without waiting, too. What has not ended at `drain_timeout` is cut.
    pub fn closing(&self) -> Closing {
        self.0.services.lifecycle.closing()
    }

    /// Asks that the instance ends, all its processes: what is under way may finish, this request included. Exit code
    /// 0.
    ///
    /// # Errors
    /// If this server is a part of another program ([`Background`](crate::test)), which alone can end it.
    pub fn shutdown(&self) -> super::Result<()> {
        self.wish(Wish::Shutdown)
    }

    /// Asks that the instance ends, as by [`shutdown`](Was::shutdown), and starts anew. Without a supervisor its exit
    /// code, 3, asks for the second. To take up a changed configuration without a pause, use the command `reload`.
    ///
    /// # Errors
    /// As [`shutdown`](Was::shutdown).
    pub fn restart(&self) -> super::Result<()> {
        self.wish(Wish::Restart)
    }

    fn wish(&self, wish: Wish) -> super::Result<()> {
        match self.0.services.lifecycle.wish(wish) {
            true => Ok(()),
            false => Err(super::Error::internal("this server is a part of another program, which alone can end it")),
        }
    }

    /// Any `Serialize` value as JSON text.
    ///
    /// # Errors
    /// An internal error (500) if the value's own `Serialize` fails.
    #[track_caller]
    pub fn tojson<T: serde::Serialize + ?Sized>(&self, value: &T) -> super::Result<String> {
        Ok(String::from_utf8(skitai_wire::json::to_vec(value)?)?)
    }

    /// Any `Serialize` value as XML-RPC text: a complete response document.
    ///
    /// # Errors
    /// An internal error (500) if XML-RPC has no form for the value: a number beyond 63 bits, NaN, infinity, or a
    /// control character in a text.
    #[track_caller]
    pub fn toxml<T: serde::Serialize + ?Sized>(&self, value: &T) -> super::Result<String> {
        Ok(String::from_utf8(skitai_wire::xmlrpc::write_response(value)?)?)
    }

    /// The path, with its query, that leads to a route: `was.url_for("company", (555, "Skitai Corp"))` is
    /// `/company/555/Skitai%20Corp`, and `/test/company/555/Skitai%20Corp` if the app is mounted at `/test`.
    ///
    /// `to` is the route's RPC name, the name of its function, or the type of its function: `company {}`. `arguments`
    /// is a tuple in the order of the function's parameters (without `was`), or a structure, a map or a
    /// [`Value`](skitai_wire::Value) with their names; `()` for none. Arguments without a placeholder in the path
    /// become the query: a list repeats its name, and `None` is left out. A route of another app is found by its full
    /// name (`shop.cart` of the app at `/shop`) or by its type. In templates the same is
    /// `url_for(route="company", cid=555, cname=name)`, for routes of the template's own app.
    ///
    /// # Errors
    /// An internal error (500) with the reason, if there is no such route, or if an argument of the path is missing or
    /// cannot be part of it.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "a link is written with its arguments in it, as a call is")]
    pub fn url_for(&self, to: impl IntoRouteRef, arguments: impl serde::Serialize) -> super::Result<String> {
        // In a closure, so that `track_caller` reports the caller's line.
        let link = || {
            let (links, entry) = self.0.services.site.router.linked(self.0.mount, to.sought())?;
            let arguments = skitai_wire::to_value(&arguments).map_err(|error| about(entry, error))?;
            links.path_to(entry, arguments).map_err(|why| about(entry, why))
        };
        match link() {
            Ok(url) => Ok(url),
            Err(problem) => Err(super::Error::internal(problem)),
        }
    }

    /// The whole address of a route, with scheme and host: `https://example.org/company/555/Skitai%20Corp`, for what
    /// leaves this site, such as mail and feeds. The host is the one that the client asked for, so give the
    /// configuration its `server_names`: without them a client chooses what stands in the link.
    ///
    /// # Errors
    /// As [`url_for`](Was::url_for).
    #[track_caller]
    pub fn full_url_for(&self, to: impl IntoRouteRef, arguments: impl serde::Serialize) -> super::Result<String> {
        match self.url_for(to, arguments) {
            Ok(path) => Ok(self.base_url() + &path),
            Err(problem) => Err(problem),
        }
    }

    /// Finds an object that the app shared at start-up with [`Wasc::register`](super::Wasc::register), by name and
    /// type.
    ///
    /// # Errors
    /// An internal error (500) if there is no object of this name, or it has another type.
    #[track_caller]
    pub fn registered<T: Send + Sync + 'static>(&self, name: &str) -> super::Result<Arc<T>> {
        self.0.services.registry.get(name)
    }
}

impl RequestContext {
    /// How the client speaks.
    pub fn face(&self) -> Face {
        self.face
    }

    /// What becomes of an answer that XML cannot carry.
    pub(super) fn unwritable(&self) -> Unwritable {
        self.services.site.server.unwritable
    }

    /// True for a route that takes GET: a page.
    pub(crate) fn takes_get(&self) -> bool {
        self.route.methods.contains(&"GET")
    }

    /// The app this request belongs to.
    pub fn app(&self) -> &Mounted {
        self.services.site.router.app(self.mount)
    }

    /// The path of the app's mount, without a trailing slash; empty for the root.
    pub(super) fn mount_path(&self) -> &str {
        self.services.site.router.mounts()[self.mount].path()
    }

    /// The request's body: see [`Request::body`].
    pub fn body(&self) -> &Bytes {
        self.request.body()
    }

    /// The instant by which this request must be answered.
    pub(crate) fn deadline(&self) -> Instant {
        self.budget.deadline()
    }

    /// The instant at which a wait must end: the deadline less a reserve to merge and answer (5 % of the time, at most
    /// 50 ms).
    pub(crate) fn latest_wait(&self) -> Instant {
        self.budget.latest_wait()
    }

    /// The time left for a member that is called now, in milliseconds.
    pub(crate) fn remaining_ms(&self, now: Instant) -> u64 {
        self.budget.remaining_ms(now)
    }

    /// The rule of the route, as the author wrote it: actors name the request by it.
    pub(crate) fn rule(&self) -> &'static str {
        self.route.rule
    }

    /// The route that answers: its rule, its RPC name, its function. The same in all three faces; in `on_error` of a
    /// path without a route all of it is empty.
    pub fn route(&self) -> RouteInfo {
        let mount = &self.services.site.router.mounts()[self.mount];
        let entry = self.entry.and_then(|index| self.app().table().entries().get(index));
        let (function, module) = (self.route.function, self.route.module);
        let rule = entry.map(|entry| mount.path_of(&entry.rule)).unwrap_or_default();
        let rpc_name = entry.and_then(RouteEntry::rpc_name).map(|name| mount.name_of(name));
        RouteInfo { rule, rpc_name, function, module }
    }

    /// The definition of the route that answers.
    pub(crate) fn definition(&self) -> &'static Route {
        self.route
    }

    /// The configuration keys that have changed and take effect only after a restart.
    pub(crate) fn restart_needed(&self) -> &[String] {
        &self.services.site.restart_needed
    }

    /// The handler and its request, for who is to know what runs; `None` unless that is wanted.
    pub(crate) fn announcement(&self) -> Option<Announcement> {
        let recorder = self.services().recorder.as_ref()?;
        recorder.announcement(|| {
            let route = self.definition();
            // The query is left out: it may hold what is nobody's business.
            let (method, path) = (self.request.method(), self.request.path());
            format!("{method} {path} ({}::{})", route.module, route.function)
        })
    }

    pub(crate) fn services(&self) -> &Arc<Services> {
        &self.services
    }
}
