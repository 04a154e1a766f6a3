//! What an app author touches.
//!
//! A request's way through these files: a [`route`] found in a [`table`] by its [`pattern`] binds what the client sent
//! ([`bind`]) to the handler's [`argument`]s ([`form`], also as one's own type by [`fields`]; [`upload`]); the handler
//! uses [`was`] (until then a [`draft`]) to read the [`request`] (also as [`env`]) and whose it is ([`client`]), set
//! the [`response`], [`cookie`] and [`session`] (guarded by [`mod@csrf`]), and to make [`calls`], each a [`task`] whose
//! [`results`] come back ([`tasks`]: several), or [`rows`] as they come ([`export`]: straight to the client); what it
//! returns becomes an answer by [`reply`] ([`files`] among them, [`either`] of two), [`page`], [`streaming`] ([`more`]:
//! from an object that blocks) or [`error`] (which an app's own page sees as a [`failure`]). An [`application`]
//! collects routes, [`hooks`] around them, [`templates`] and a [`registry`] of shared objects; [`links`] makes the
//! paths that lead back to routes.

mod application;
mod argument;
mod arrivals;
mod bind;
mod blocking;
mod budget;
mod caching;
mod calls;
pub(crate) mod client;
mod cookie;
mod csrf;
mod csv;
mod draft;
mod either;
mod env;
mod error;
mod excerpt;
mod export;
mod failure;
mod fields;
pub(crate) mod files;
mod form;
pub mod hooks;
mod links;
mod merged;
mod more;
mod page;
mod paper;
pub(crate) mod pattern;
mod registry;
mod reply;
mod request;
mod response;
mod results;
mod route;
mod rows;
mod session;
mod sql;
pub(crate) mod streaming;
pub(crate) mod table;
mod task;
mod tasks;
mod template_error;
mod templates;
mod trace;
mod transaction;
mod upload;
mod was;

pub use application::{App, Mounted, Package};
pub use argument::{Argument, Json, Kind};
pub use arrivals::AsCompleted;
pub(crate) use bind::shortened;
pub use bind::{Bind, Faults, Given, Values};
pub use blocking::blocking;
pub use calls::{Calls, Protocol};
pub use cookie::{Cookie, Cookies, SameSite};
pub(crate) use csrf::FIELD as CSRF_FIELD;
pub use csrf::csrf;
pub(crate) use draft::{Draft, Spares};
pub use either::Either;
pub use env::Env;
pub use error::{Error, ErrorId, IntoError, Result, code};
pub(crate) use excerpt::Excerpt;
pub use failure::Failure;
pub use files::path_in;
pub use form::Form;
pub use hooks::{Done, Instead, Verdict};
pub(crate) use links::Links;
pub use links::{Destination, Sought};
pub use merged::Merged;
pub use more::More;
pub use page::Page;
pub use registry::{Registry, Wasc};
pub(crate) use reply::Content;
pub use reply::{Answer, Give, GivePlain, Later, Reply, Response};
pub use request::{Request, SplitUri};
pub(crate) use response::Parts;
pub use response::ResponseHead;
pub use results::{All, AllFailed, Answered, Fault, Require, Results};
pub use route::{Param, Route, Routed, Work};
pub use rows::Rows;
pub use session::Session;
pub use sql::Sql;
pub use streaming::Streaming;
pub use task::Task;
pub use tasks::Tasks;
pub use template_error::TemplateError;
pub use templates::Templates;
pub use transaction::{Connection, Tx};
pub use upload::Upload;
pub(crate) use was::NO_ROUTE;
pub use was::{Face, Inner, Was};
