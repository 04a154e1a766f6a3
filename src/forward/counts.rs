//! What the status says of the forward proxy.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use skitai_wire::Value;

/// Why a client is not led anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyRefusal {
    /// `max_connections` and `max_connections_per_address`.
    Full,
    /// `allow`.
    Client,
    /// There was no login.
    NoLogin,
    /// It was wrong, or came before its time.
    Login,
    /// What came is no request, or too large a one.
    Head,
    /// It is a request that a site would serve, and no proxy.
    Form,
    /// The host is spelled in an odd way.
    Spelling,
    /// The host is not listed.
    Host,
    /// The port is not.
    Port,
    /// Its address is not public, and not listed.
    Address,
    /// It leads to where this site listens.
    Own,
    /// It has been here before.
    Loop,
    /// There was no place for the look-up of its host.
    LookUps,
}

/// Their names, in the order of [`ProxyRefusal`].
const NAMES: [&str; 13] = [
    "full", "client", "no_login", "login", "head", "form", "spelling", "host", "port", "address", "own", "loop",
    "look_ups",
];

/// What was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    Tunnel,
    Exchange,
}

/// Counters of a process.
#[derive(Debug, Default)]
pub(super) struct ForwardCounts {
    requests: AtomicU64,
    tunnels: OpenedCount,
    exchanges: OpenedCount,
    refused: [AtomicU64; NAMES.len()],
    /// A host was not found, not reached, or gave no whole answer.
    failed: AtomicU64,
    /// Ended by `idle_timeout` or `lifetime`; by `max_bytes`.
    timed_out: AtomicU64,
    too_large: AtomicU64,
    pub(super) to_clients: AtomicU64,
    pub(super) to_hosts: AtomicU64,
}

#[derive(Debug, Default)]
struct OpenedCount {
    opened: AtomicU64,
    open: AtomicUsize,
}

impl ForwardCounts {
    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(super) fn refused(&self, why: ProxyRefusal) {
        self.refused[why as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    pub(super) fn timed_out(&self) {
        self.timed_out.fetch_add(1, Relaxed);
    }

    pub(super) fn too_large(&self) {
        self.too_large.fetch_add(1, Relaxed);
    }

    fn of(&self, what: Opened) -> &OpenedCount {
        match what {
            Opened::Tunnel => &self.tunnels,
            Opened::Exchange => &self.exchanges,
        }
    }

    pub(super) fn opened(&self, what: Opened) {
        self.of(what).opened.fetch_add(1, Relaxed);
        self.of(what).open.fetch_add(1, Relaxed);
    }

    pub(super) fn closed(&self, what: Opened) {
        self.of(what).open.fetch_sub(1, Relaxed);
    }

    /// Names must mean to `status::merge` that they are added up.
    pub(super) fn tree(&self) -> Value {
        let count = |counter: &AtomicU64| Value::Int(counter.load(Relaxed).cast_signed());
        let of = |counts: &OpenedCount| {
            let open = counts.open.load(Relaxed) as i64;
            Value::from_pairs([("opened", count(&counts.opened)), ("open", Value::Int(open))])
        };
        let refused = NAMES.iter().zip(&self.refused).map(|(name, refused)| (*name, count(refused)));
        let sent = [("to_clients", count(&self.to_clients)), ("to_hosts", count(&self.to_hosts))];
        Value::from_pairs([
            ("requests", count(&self.requests)),
            ("tunnels", of(&self.tunnels)),
            ("exchanges", of(&self.exchanges)),
            ("refused", Value::from_pairs(refused)),
            ("failed", count(&self.failed)),
            ("timed_out", count(&self.timed_out)),
            ("too_large", count(&self.too_large)),
            ("sent", Value::from_pairs(sent)),
        ])
    }
}
