//! Routes: from a path or a name to a handler, and back.
//!
//! - [`route`]: the table that `#[route]` makes from a function;
//! - [`pattern`]: the path of a rule, with its placeholders; [`table`]: the routes of one app;
//! - [`mount`]: a path and the files and app served below it; [`router`]: all mounts of a site;
//! - [`links`]: makes the path that leads to a route.

pub(crate) mod links;
pub(crate) mod mount;
pub(crate) mod pattern;
pub(crate) mod route;
pub(crate) mod router;
pub(crate) mod table;
