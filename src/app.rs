//! The API for the author of an app.
//!
//! In the order a request meets them:
//!
//! - `routing`: finds the route of a path or a name, and makes the path of a route;
//! - `args`: turns what the client sent into the handler's arguments;
//! - `was`: the handle of a request, for everything a handler can ask; `request`: the client, its headers, cookies,
//!   the session, and the head of the response; `site` and `services`: what the handle uses to reach the server;
//! - `calls`: calls to clusters and URLs, and their outcomes; `sql`: statements on databases;
//! - `reply`: turns a handler's return value into an answer; `error`: does the same for an error;
//! - `live_status`: the status, anew each second, for pages that follow it;
//! - `application`: an `App` collects routes, [`hooks`] around them, templates and a `registry` of shared objects;
//! - [`Closing`]: the end of the process, as a request sees it;
//! - `blocking` and `blocking_pool`: run plain functions and other blocking work;
//! - `trail`: the record of a request: what it asked, when, of whom and why.

pub(crate) mod acting;
mod application;
pub(crate) mod args;
pub(crate) mod blocking;
pub(crate) mod blocking_pool;
pub(crate) mod calls;
pub(crate) mod closing;
pub(crate) mod coverage;
pub(crate) mod error;
pub mod hooks;
pub(crate) mod live_status;
pub(crate) mod registry;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod routing;
pub(crate) mod services;
pub(crate) mod site;
mod sql;
pub(crate) mod trail;
mod was;

pub use application::{App, Mounted, Package};
pub(crate) use args::argument::Kind;
pub use args::argument::{Argument, Json};
pub(crate) use args::bind::{Bind, Given, shortened};
pub use args::form::Form;
pub use args::upload::Upload;
pub use calls::Calls;
pub use calls::arrivals::AsCompleted;
pub use calls::budget::secs;
pub use calls::protocol::Protocol;
pub use calls::results::{All, AllFailed, Answered, Fault, Results};
pub use calls::task::Task;
pub use calls::tasks::Tasks;
pub use closing::Closing;
pub(crate) use error::excerpt::Excerpt;
pub use error::failure::Failure;
pub use error::incomplete::Incomplete;
pub use error::{Error, ErrorId, IntoError, Result, code};
pub(crate) use hooks::ErrorOverride;
pub use hooks::{Done, Verdict};
pub use registry::{HasStatus, Registry, Wasc};
pub use reply::either::Either;
pub use reply::files::path_in;
pub use reply::more::More;
pub use reply::page::Page;
pub use reply::sse::Event;
pub use reply::streaming::Streaming;
pub use reply::template_error::TemplateError;
pub use reply::templates::Templates;
pub(crate) use reply::{Answer, Content, Later};
pub use reply::{Reply, Response};
pub use request::admin_login::Role;
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
pub(crate) use routing::route::{Param, Work};
pub use routing::route::{Route, RouteInfo};
pub use sql::Sql;
pub use sql::merged::Merged;
pub use sql::rows::Rows;
pub use sql::transaction::{Connection, Tx};
pub(crate) use was::NO_ROUTE;
pub use was::{Face, RequestContext, Was};

pub use crate::tls::client::ClientCertificate;
