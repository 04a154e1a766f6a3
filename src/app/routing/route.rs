//! A route: the one table from which binding, introspection, error messages and the list of methods are made.

use std::future::Future;
use std::pin::Pin;

use crate::app::args::argument::Kind;
use crate::app::args::bind::{Bind, Faults};
use crate::app::reply::Answer;
use crate::app::was::Was;
use crate::config::PartialAnswers;

/// The work of one call. It stays on the thread that started it, so it need not be `Send`.
pub type Work = Pin<Box<dyn Future<Output = Answer>>>;

/// The description of a function that `#[route]` makes.
#[derive(Debug)]
pub struct Route {
    /// The rule, relative to the mount: `/company/<int:cid>/<cname>`.
    pub rule: &'static str,
    /// The HTTP methods it accepts on the web. RPC calls need none of them.
    pub methods: &'static [&'static str],
    /// The RPC name, if the author set one.
    pub name: Option<&'static str>,
    /// The function's name.
    pub function: &'static str,
    /// The module that contains it.
    pub module: &'static str,
    /// The file that contains it, as the compiler names it.
    pub file: &'static str,
    /// The line of its `#[route]`.
    pub line: u32,
    /// Its doc comment.
    pub doc: &'static str,
    /// True for a plain `fn`, which runs on the blocking pool.
    pub blocking: bool,
    /// The time limit of one call in seconds, if it differs from the server's `deadline`.
    pub deadline: Option<f64>,
    /// What becomes of an answer from which members are missing, if it differs from the server's `partial`.
    pub partial: Option<PartialAnswers>,
    /// True if JSON answers have their coverage in the body, whether the client asks for it or not.
    pub covered: bool,
    /// False for a route that cannot be called over RPC.
    pub rpc: bool,
    /// The type of its result on the wire, as far as the return type tells.
    pub returns: Kind,
    /// Its arguments, in order.
    pub params: &'static [Param],
    /// Binds the arguments and calls the function.
    pub call: fn(Was, &mut Bind) -> Result<Work, Faults>,
}

/// The route of a request, as [`was.route()`](crate::app::RequestContext::route) tells it to hooks and handlers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteInfo {
    /// The rule from the root of the site, with the path of the mount and the prefixes of packages:
    /// `/shop/company/<int:cid>`.
    pub rule: String,
    /// The name by which RPC clients call it, with the mount's part: `shop.company`. `None` if they cannot.
    pub rpc_name: Option<String>,
    /// The name of its function.
    pub function: &'static str,
    /// The module of its function.
    pub module: &'static str,
}

/// One argument.
#[derive(Debug)]
pub struct Param {
    /// The name that clients use.
    pub name: &'static str,
    /// Its type on the wire.
    pub kind: Kind,
    /// Whether a call without it is refused.
    pub required: bool,
    /// The default, as written in the source.
    pub default: Option<&'static str>,
    /// The text of `#[arg(doc = "…")]`.
    pub doc: &'static str,
}

impl Param {
    /// False for `was` and catch-alls, which have no value of their own.
    pub fn is_wire(&self) -> bool {
        !matches!(self.kind, Kind::Context | Kind::Rest)
    }
}

/// A type that carries a route. `#[route]` generates one beside each function, provided that the rule matches the
/// function:
///
/// ```compile_fail
/// # use skitai::prelude::*;
/// #[route("/company/<int:cid>")]
/// async fn company(id: i64) {} // no argument is called `cid`
/// ```
///
/// and no two arguments have the same name for clients:
///
/// ```compile_fail
/// # use skitai::prelude::*;
/// #[route("/company")]
/// async fn company(#[arg(name = "id")] cid: i64, id: i64) {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a route",
    note = "put #[route(\"/…\")] above the function; in routes![…] a function is named by its path, such as greetings::morning"
)]
pub trait Routed {
    /// The route.
    const ROUTE: &'static Route;
}

/// Collects routes for [`App::routes`](crate::app::App::routes): `routes![hello, greetings::morning]`.
#[macro_export]
macro_rules! routes {
    ($($route:path),* $(,)?) => {
        [$(<$route as $crate::__private::Routed>::ROUTE),*]
    };
}
