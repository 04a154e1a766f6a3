//! What an app's author touches.
//!
//! In the order a request meets them:
//!
//! - [`routing`]: a path or a name leads to a route, and a route back to its path;
//! - [`args`]: what the client sent becomes the handler's arguments;
//! - [`was`]: all that a handler can ask, as one handle; [`request`]: who asked, what was sent, cookies, the session, and
//!   what the reply's head will say; [`site`] and [`services`] are what the handle reaches out with;
//! - [`calls`]: calls to clusters and URLs, and what came of them; [`sql`]: statements on databases;
//! - [`reply`]: what a handler returned becomes an answer; [`error`]: an error does, too;
//! - [`application`]: an `App` collects routes, [`hooks`] around them, templates and a [`registry`] of shared objects;
//! - [`blocking`] and [`blocking_pool`]: plain functions and other work that blocks;
//! - [`trace`]: what devel mode remembers of a request.

mod application;
pub(crate) mod args;
pub(crate) mod blocking;
pub(crate) mod blocking_pool;
mod calls;
mod error;
pub mod hooks;
mod registry;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod routing;
pub(crate) mod services;
pub(crate) mod site;
mod sql;
mod trace;
mod was;

pub use application::{App, Mounted, Package};
pub(crate) use args::argument::Kind;
pub use args::argument::{Argument, Json};
pub(crate) use args::bind::{Bind, Given, shortened};
pub use args::form::Form;
pub use args::upload::Upload;
pub use calls::arrivals::AsCompleted;
pub use calls::budget::secs;
pub use calls::results::{All, AllFailed, Answered, Fault, Results};
pub use calls::task::Task;
pub use calls::tasks::Tasks;
pub use calls::{Calls, Protocol};
pub(crate) use error::excerpt::Excerpt;
pub use error::failure::Failure;
pub use error::{Error, ErrorId, IntoError, Result, code};
pub(crate) use hooks::ErrorOverride;
pub use hooks::{Done, Verdict};
pub use registry::{Registry, Wasc};
pub use reply::either::Either;
pub use reply::files::path_in;
pub use reply::more::More;
pub use reply::page::Page;
pub use reply::streaming::Streaming;
pub use reply::template_error::TemplateError;
pub use reply::templates::Templates;
pub(crate) use reply::{Answer, Content, Later};
pub use reply::{Reply, Response};
pub(crate) use request::builder::RequestBuilder;
pub use request::cookie::{Cookie, Cookies, SameSite};
pub(crate) use request::csrf::FIELD as CSRF_FIELD;
pub use request::csrf::csrf;
pub use request::env::Env;
pub(crate) use request::response::Parts;
pub use request::response::ResponseHead;
pub use request::session::Session;
pub use request::{Request, SplitUri};
pub use routing::links::IntoRouteRef;
pub(crate) use routing::links::Links;
pub use routing::route::Route;
pub(crate) use routing::route::{Param, Work};
pub use sql::Sql;
pub use sql::merged::Merged;
pub use sql::rows::Rows;
pub use sql::transaction::{Connection, Tx};
pub(crate) use was::NO_ROUTE;
pub use was::{Face, RequestContext, Was};
