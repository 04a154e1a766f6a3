//! The server's own apps, written on `app` as a user would write them.
//!
//! - [`admin`]: the status page;
//! - [`methods`]: introspection of the site's methods, for programs and for readers.

pub(crate) mod admin;
pub(crate) mod methods;
