//! Whether a request is for this site, by the name it asks for: where the configuration has `server_names`, one of
//! these. In devel mode, without any, `localhost` and addresses alone: a page of somebody else's, whose name was made
//! to resolve to this machine (DNS rebinding), reads nothing from an author's server.
//!
//! A load balancer asks its probes by address. It gets their answers, unless something of the site stands before them.

use super::dispatch;
use super::thread::ServingThread;
use crate::app::request::host::is_of_this_machine;
use crate::app::{Error, Request, shortened};
use crate::observe::counts::TurnedAway;

/// Refuses a request for another name with 421.
#[inline]
pub(crate) fn check(thread: &ServingThread, request: &Request) -> Result<(), Error> {
    let server = &thread.site.server;
    if server.server_names.is_empty() && !server.devel {
        return Ok(());
    }
    judged(thread, request)
}

fn judged(thread: &ServingThread, request: &Request) -> Result<(), Error> {
    let server = &thread.site.server;
    let name = request.host_name();
    let is_own = match name {
        Some(name) => server.server_names.has(name) || (server.devel && is_of_this_machine(name)),
        // HTTP/1.0 alone lets a client say no name; no browser does.
        None => server.server_names.is_empty(),
    };
    if is_own || dispatch::is_probe(thread, request) {
        return Ok(());
    }
    thread.counts.turned_away(TurnedAway::Name);
    let name = name.map_or_else(|| "a request without a name".to_owned(), |name| format!("`{}`", shortened(name)));
    let why = match server.devel {
        true => {
            format!("{name} is not answered: in devel mode this server is `localhost` or an address (`server_names`)")
        }
        false => format!("{name} is not answered here"),
    };
    Err(Error::new(421, why))
}
