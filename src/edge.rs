//! The edge: one request, in the order that [`pipeline`] names.
//!
//! - [`pipeline`]: the steps of a request of the web; [`thread`]: what they find on the thread that serves it;
//! - [`dispatch`]: where its path leads;
//! - [`body`]: reading the body, within its limit and its time, [`large`] ones within a memory that all have together;
//!   [`upload`]: a multipart form, its files onto the [`shelf`];
//! - [`arguments`]: path, query, forms and JSON body, laid before the binder;
//! - [`invoke`]: a handler is called, with the hooks around it ([`hooked`]); [`slow_polls`]: it is named if it holds its
//!   thread;
//! - [`error_log`]: errors of ours in the log;
//! - [`files`]: static files, which stand before apps;
//! - [`behind`]: actix-web's `App`, for what takes its kind of request: files;
//! - [`sessions`]: the session, loaded before and kept after the handler;
//! - [`refused`]: the answer to what is no request;
//! - [`stream`]: the body of a reply that is made while it is sent;
//! - [`respond`]: what a client sees: pages, JSON, errors. The one place that decides it; [`error_page`]: an error's
//!   page.

pub(crate) mod actix_fallback;
pub(crate) mod arguments;
pub(crate) mod body;
mod dispatch;
pub(crate) mod error_log;
mod error_page;
pub(crate) mod files;
mod hooked;
pub(crate) mod invoke;
pub(crate) mod large;
pub(crate) mod pipeline;
pub(crate) mod refused;
pub(crate) mod respond;
pub(crate) mod sessions;
pub(crate) mod shelf;
mod slow_polls;
mod stream;
pub(crate) mod thread;
pub(crate) mod upload;
