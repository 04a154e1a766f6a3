//! The switches of the members, and the clients that may use them.
//!
//! A switch stops a part of a running program, so it is for the person at this machine, and not for a foreign page in
//! that person's browser. [`here`] checks the connection and the headers that browsers set, and [`skitai::app::csrf`]
//! requires a token that a page of another site cannot know.

use std::net::IpAddr;

use skitai::app::{Request, csrf};
use skitai::prelude::*;

use crate::fanout::fanout;
use crate::members::Members;

/// The switches, `POST /members/switch`.
pub(crate) fn package() -> Package {
    let from_here = |was: Was| async move { here(&was.request).map_err(|why| Error::new(403, why)) };
    Package::at("/members").before_request(from_here).before_request(csrf).routes(routes![switch])
}

/// Switches a member of the demo on or off, then shows the result of the next call. It waits for threads, so it is a
/// plain `fn`.
#[route("/switch", methods = ["POST"])]
fn switch(
    was: Was,
    #[arg(doc = "which, counted from 1")] member: usize,
    on: bool,
    #[arg(default = "Mozart")] keyword: String,
) -> Result<String> {
    was.registered::<Members>("members")?.switch(member, on)?;
    if was.face() == Face::Web {
        was.response.reply(303);
        was.response.update("Location", was.url_for(fanout {}, (keyword,))?);
    }
    Ok(format!("member {member} is {}", if on { "on" } else { "off" }))
}

/// Whether a request came from this machine, from a program or a page of this demo; the error says why not.
pub(crate) fn here(request: &Request) -> Result<(), String> {
    if !request.is_local() {
        let from = request.get_remote_addr().filter(|address| !address.is_loopback());
        let from = from.map_or_else(|| "came through a proxy".to_owned(), |address| format!("comes from {address}"));
        return Err(format!("members are switched from the demo's own machine, and this {from}"));
    }
    // A foreign host name that resolves to this machine would make its page look like one of ours (DNS rebinding).
    let host = request.get_header("host").unwrap_or_default();
    if !is_loopback(host) {
        return Err(format!("members are switched at localhost or 127.0.0.1, and this asks `{host}`"));
    }
    let origin = request.get_header("origin").filter(|origin| *origin != format!("http://{host}"));
    let site = request.get_header("sec-fetch-site").filter(|site| !matches!(*site, "same-origin" | "none"));
    match origin.or(site) {
        Some(foreign) => {
            Err(format!("members are switched by the demo's own pages, and this is of another: {foreign}"))
        }
        None => Ok(()),
    }
}

/// Whether a `Host` is a name that always means this machine.
fn is_loopback(host: &str) -> bool {
    let port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let name = host.rsplit_once(':').filter(|(_, behind)| port(behind)).map_or(host, |(name, _)| name);
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn names_of_this_machine_are_known_with_a_port_and_without() {
        for host in ["localhost", "LocalHost:5000", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "x",
            "example.org:5000",
            "localhost.example.org",
            "127.0.0.1.example.org",
            "10.0.0.1",
            "[::2]:80",
            ":80",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
