//! The server's own apps, written on `app` as a user would write them.
//!
//! - [`act`]: what operators do by the web;
//! - [`admin`]: the status page, and the same for programs;
//! - [`metrics`]: the figures for monitoring;
//! - [`trail`]: the records of slow, failed and partial requests;
//! - [`methods`]: introspection of the site's methods, for programs and for readers;
//! - [`assets`]: the style sheets and scripts of their pages.

pub(crate) mod act;
pub(crate) mod admin;
pub(crate) mod assets;
pub(crate) mod methods;
pub(crate) mod metrics;
pub(crate) mod trail;

/// Whether the server itself answers to this RPC name, unless an app does.
pub(crate) fn is_own(name: &str) -> bool {
    name == admin::NAME || methods::is_own(name)
}
