//! A route: the one table that binding, introspection, error messages and the list of methods are made from.

use std::future::Future;
use std::pin::Pin;

use crate::app::args::argument::Kind;
use crate::app::args::bind::{Bind, Faults};
use crate::app::reply::Answer;
use crate::app::was::Was;

/// The work of one call. It stays on the thread that started it, so it need not be `Send`.
pub type Work = Pin<Box<dyn Future<Output = Answer>>>;

/// What `#[route]` knows of a function.
#[derive(Debug)]
pub struct Route {
    /// The rule, relative to the mount: `/company/<int:cid>/<cname>`.
    pub rule: &'static str,
    /// The methods of the web; RPC is always open.
    pub methods: &'static [&'static str],
    /// The name over RPC where it was written by hand.
    pub name: Option<&'static str>,
    /// The function's name.
    pub function: &'static str,
    /// The module it stands in.
    pub module: &'static str,
    /// The file it stands in, as the compiler names it.
    pub file: &'static str,
    /// The line of its `#[route]`.
    pub line: u32,
    /// Its doc comment.
    pub doc: &'static str,
    /// True for a plain `fn`, which runs on the blocking pool.
    pub blocking: bool,
    /// How many seconds a call of it may take, where that is not the server's `deadline`.
    pub deadline: Option<f64>,
    /// What it gives back on the wire, as far as its return type tells.
    pub returns: Kind,
    /// Its arguments, in order.
    pub params: &'static [Param],
    /// Binds and calls.
    pub call: fn(Was, &mut Bind) -> Result<Work, Faults>,
}

/// One argument.
#[derive(Debug)]
pub struct Param {
    /// As clients write it.
    pub name: &'static str,
    /// Its type on the wire.
    pub kind: Kind,
    /// Whether a call without it is refused.
    pub required: bool,
    /// The default as it stands in the source.
    pub default: Option<&'static str>,
    /// What `#[arg(doc = "…")]` says.
    pub doc: &'static str,
}

impl Param {
    /// False for `was` and catch-alls, which take no value of their own.
    pub fn is_wire(&self) -> bool {
        !matches!(self.kind, Kind::Context | Kind::Rest)
    }
}

/// A type that carries a route; `#[route]` writes one beside each function, where rule and function agree:
///
/// ```compile_fail
/// # use skitai::prelude::*;
/// #[route("/company/<int:cid>")]
/// async fn company(id: i64) {} // no argument is called `cid`
/// ```
///
/// and where no two arguments have one name outside:
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
