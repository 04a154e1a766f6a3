//! What is told of one request: a line of the access log when it has ended, however it ends, and the counts.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use super::Forward;
use super::counts::Opened;
use crate::app::request::client;
use crate::app::request::id::RequestId;
use crate::connection::{Incoming, Peer};
use crate::observe::access::{AccessLine, AccessLog};

/// The client disconnected before the answer, as in the site's log.
const CLIENT_LEFT: u16 = 499;

/// One request. Shared by what serves it; the last of these to end writes the line.
pub(super) struct Ledger {
    forward: Arc<Forward>,
    log: Option<Arc<AccessLog>>,
    pub(super) client: Option<Peer>,
    method: String,
    pub(super) target: String,
    since: Instant,
    pub(super) id: RequestId,
    status: AtomicU16,
    /// Octets that were sent to the client, behind the head.
    to_client: AtomicU64,
    opened: OnceLock<Opened>,
}

impl Ledger {
    pub(super) fn new(
        forward: Arc<Forward>,
        log: Option<Arc<AccessLog>>,
        incoming: &Incoming,
        peer: Option<Peer>,
    ) -> Arc<Ledger> {
        forward.counts.request();
        Arc::new(Ledger {
            forward,
            log,
            client: peer.map(client::canonical),
            method: incoming.method().to_string(),
            target: incoming.uri().to_string(),
            since: Instant::now(),
            id: RequestId::new(),
            status: AtomicU16::new(CLIENT_LEFT),
            to_client: AtomicU64::new(0),
            opened: OnceLock::new(),
        })
    }

    /// The status of the answer.
    pub(super) fn status(&self, status: u16) {
        self.status.store(status, Relaxed);
    }

    /// The connection to the host is there.
    pub(super) fn opened(&self, what: Opened) {
        if self.opened.set(what).is_ok() {
            self.forward.counts.opened(what);
        }
    }

    /// Octets have moved.
    pub(super) fn moved(&self, to_client: bool, octets: u64) {
        let counts = &self.forward.counts;
        if to_client {
            self.to_client.fetch_add(octets, Relaxed);
            counts.to_clients.fetch_add(octets, Relaxed);
        } else {
            counts.to_hosts.fetch_add(octets, Relaxed);
        }
    }

    /// What an answer of our own has.
    pub(super) fn answered(&self, status: u16, octets: Option<u64>) {
        self.status(status);
        self.to_client.store(octets.unwrap_or(0), Relaxed);
    }

    pub(super) fn forward(&self) -> &Forward {
        &self.forward
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if let Some(what) = self.opened.get() {
            self.forward.counts.closed(*what);
        }
        if let Some(log) = &self.log {
            let (status, bytes) = (self.status.load(Relaxed), Some(self.to_client.load(Relaxed)));
            let (method, uri, id) = (self.method.as_str(), self.target.as_str(), Some(self.id.as_str()));
            log.line(self.client, &AccessLine { method, uri, status, bytes, since: self.since, id });
        }
    }
}
