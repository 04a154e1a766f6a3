//! The edge: one request, in the order that [`pipeline`] names.
//!
//! - [`pipeline`]: the steps of a request, from head to log;
//! - [`body`]: reading the body, within its limit and its time, [`large`] ones within a memory that all have together;
//!   [`upload`]: a multipart form, its files onto the [`shelf`];
//! - [`arguments`]: path, query, forms and JSON body, laid before the binder;
//! - [`hooked`]: a handler with the hooks around it;
//! - [`files`]: static files, which stand before apps;
//! - [`behind`]: actix-web's `App`, for what takes its kind of request: files;
//! - [`sessions`]: the session, loaded before and kept after the handler;
//! - [`refused`]: the answer to what is no request;
//! - [`stream`]: the body of a reply that is made while it is sent;
//! - [`respond`]: what a client sees: pages, JSON, errors. The one place that decides it; [`error_page`]: an error's
//!   page.

pub(crate) mod arguments;
pub(crate) mod behind;
pub(crate) mod body;
mod error_page;
pub(crate) mod files;
mod hooked;
pub(crate) mod large;
pub(crate) mod pipeline;
pub(crate) mod refused;
pub(crate) mod respond;
pub(crate) mod sessions;
pub(crate) mod shelf;
mod stream;
#[cfg(test)]
mod tests;
pub(crate) mod upload;
