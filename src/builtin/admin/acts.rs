//! Where an operator acts: links beside a member and beside the instance. Each leads to a page that says what will
//! happen and asks, so a link by itself changes nothing.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::words;
use crate::prelude::*;

/// A link by which an operator acts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ActLink {
    label: &'static str,
    link: String,
}

impl ActLink {
    /// One with the fields of the form.
    fn new(label: &'static str, fields: &[(&str, &str)]) -> ActLink {
        let pair = |(name, value): &(&str, &str)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
        let fields: Vec<String> = fields.iter().map(pair).collect();
        ActLink { label, link: format!("/status/act?{}", fields.join("&")) }
    }
}

/// What can be done to a member, by what is said of it already.
pub(super) fn of_member(cluster: &str, member: &Value) -> Vec<ActLink> {
    let node = words::text(&member["node"]);
    let act = |label, action| ActLink::new(label, &[("action", action), ("cluster", cluster), ("member", &node)]);
    let (drain, eject, restore) = (act("Drain", "drain"), act("Eject", "eject"), act("Restore", "restore"));
    match member["operator"]["word"].as_str() {
        Some("drained") => vec![restore, eject],
        Some(_) => vec![restore],
        None if words::text(&member["state"]) == "healthy" => vec![drain, eject],
        None => vec![drain, eject, restore],
    }
}

/// What can be done to the whole instance.
pub(super) fn of_instance() -> Vec<ActLink> {
    let act = |label, action| ActLink::new(label, &[("action", action)]);
    vec![
        act("Reload", "reload"),
        act("Restart", "restart"),
        act("Shut down", "shutdown"),
        ActLink::new("Log at debug for 10 minutes", &[("action", "log"), ("level", "debug"), ("for", "10m")]),
        ActLink::new("Log as at the start", &[("action", "log"), ("level", "default")]),
    ]
}
