//! AccessLists lists: which clients may come to a mount, by the address of the real client.
//!
//! A loopback address counts only where the client is certainly on this machine: behind a proxy that nobody trusts
//! every client has the proxy's address, and `allow = 127.0.0.1` would let in the whole world through nginx.

use crate::app::{Error, Request};
use crate::config::{MountSettings, NetworkList};
use crate::connection::Peer;

/// The lists of a mount.
#[derive(Clone, Debug, Default)]
pub(super) struct AccessLists {
    allow: Option<NetworkList>,
    deny: Option<NetworkList>,
}

/// How a client is related to a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnList {
    Yes,
    No,
    /// It has a loopback address, and came through a proxy that is not trusted.
    Unproven,
}

impl AccessLists {
    pub(super) fn of(mount: &MountSettings, outer: Option<&AccessLists>) -> AccessLists {
        AccessLists {
            allow: mount.allow.clone().or_else(|| outer?.allow.clone()),
            deny: mount.deny.clone().or_else(|| outer?.deny.clone()),
        }
    }

    /// Refuses who is denied, and, where some are allowed, who is none of them.
    pub(super) fn check(&self, request: &Request) -> Result<(), Error> {
        if self.allow.is_none() && self.deny.is_none() {
            return Ok(());
        }
        let client = request.client_addr();
        let refused = |why: &str| Err(Error::new(403, why));
        if self.deny.as_ref().is_some_and(|deny| listed(deny, client, true) == OnList::Yes) {
            return refused("this is not for your address");
        }
        match self.allow.as_ref().map_or(OnList::Yes, |allow| listed(allow, client, request.is_local())) {
            OnList::Yes => Ok(()),
            OnList::No => refused("this is not for your address"),
            OnList::Unproven => refused(
                "this is not for your address: the request came through a proxy on this machine that is none of \
                 `trusted_proxies`",
            ),
        }
    }
}

fn listed(list: &NetworkList, client: Option<Peer>, is_local: bool) -> OnList {
    let is_in = match client {
        Some(Peer::Address(address)) => list.networks.iter().any(|network| network.contains(address.ip())),
        Some(Peer::Unix) => list.unix,
        None => false,
    };
    match is_in {
        false => OnList::No,
        true if client.is_some_and(Peer::is_here) && !is_local => OnList::Unproven,
        true => OnList::Yes,
    }
}
