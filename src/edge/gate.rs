//! The gate of a mount: what a conf says in `[mount /path]`, applied to each request before anything of the site runs.
//!
//! - [`access`]: who may come in at all.
//!
//! A request has one gate, that of the longest section whose path holds its own, whichever mount answers in the end: a
//! file that falls through to a shorter mount is behind the same gate. What a section does not say, it takes from the
//! next shorter one, limits with their counts. A call over RPC is led to its method by name, from any path: so it
//! passes the gate of its method's mount as well ([`of_method`]).

mod access;

use access::AccessLists;

use super::thread::ServingThread;
use crate::app::routing::pattern::canonical;
use crate::app::{Error, Request};
use crate::config::MountSettings;

/// The gates of a site, the longest path first.
#[derive(Debug, Default)]
pub(crate) struct Gates(Vec<Gate>);

/// The gate of a mount.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Without a trailing slash; empty for `/`.
    path: String,
    access: AccessLists,
}

impl Gates {
    /// The gates of a conf. What a longer section does not say, it has from the next shorter one.
    pub(crate) fn of(mounts: &[MountSettings]) -> Gates {
        let mut by_length: Vec<&MountSettings> = mounts.iter().collect();
        by_length.sort_by_key(|mount| mount.path.len());
        let mut gates: Vec<Gate> = Vec::new();
        for mount in by_length {
            // Those so far are shorter, the longest of them last.
            let outer = gates.iter().rev().find(|outer| holds(&outer.path, &mount.path));
            let access = AccessLists::of(mount, outer.map(|outer| &outer.access));
            gates.push(Gate { path: mount.path.clone(), access });
        }
        gates.reverse();
        Gates(gates)
    }

    /// The gate of a request, by its path.
    pub(crate) fn at(&self, request: &Request) -> Option<&Gate> {
        if self.0.is_empty() { None } else { self.holding(&canonical(request.uri.path())) }
    }

    fn holding(&self, path: &str) -> Option<&Gate> {
        self.0.iter().find(|gate| holds(&gate.path, path))
    }
}

/// Whether a path is that of a mount or below it.
fn holds(mount: &str, path: &str) -> bool {
    path.strip_prefix(mount).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Gate {
    /// Lets a request in, or says why not.
    pub(crate) fn admit(&self, request: &Request) -> Result<(), Error> {
        self.access.check(request)
    }
}

/// The gate of a method's mount, for a call that came to a path with another one.
pub(crate) fn of_method<'t>(thread: &'t ServingThread, request: &Request, mount: usize) -> Option<&'t Gate> {
    let gates = &thread.gates;
    if gates.0.is_empty() {
        return None;
    }
    let own = gates.holding(thread.site.router.mounts()[mount].path())?;
    let passed = gates.at(request);
    if passed.is_some_and(|passed| std::ptr::eq(passed, own)) { None } else { Some(own) }
}
