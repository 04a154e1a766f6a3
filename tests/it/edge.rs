//! What a conf says in `[mount /path]` and of names, limits and the user `admin`, seen by clients that know nothing of
//! us.
//!
//! - [`access`]: who may come in, for pages and methods alike;
//! - [`admin`]: the password of `admin`, guesses at it, and its hash;
//! - [`browsers`]: CORS and security headers; [`ids`]: `X-Request-Id`;
//! - [`limits`]: heads, connections, requests under way, and rates;
//! - [`names`]: what a site answers to, and whole addresses.

mod access;
mod admin;
mod browsers;
mod ids;
mod limits;
mod names;

use crate::harness::{Reply, TestServer};

/// The message of an error in JSON.
fn message(reply: &Reply) -> String {
    reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

/// A GET in the name of a client behind a proxy.
fn get_for(site: &TestServer, path: &str, client: &str) -> Reply {
    site.ask("GET", path, &[("X-Forwarded-For", client)], b"")
}
