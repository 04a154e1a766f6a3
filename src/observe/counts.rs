//! Counters of the edge: one set per thread, summed on demand.
//!
//! If two cores counted in one place, each request would move its cache line between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use skitai_wire::Value;

/// Why a client was refused before anything of the site ran for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    /// `max_connections`.
    Full,
    /// `max_connections_per_address`.
    OfAddress,
    /// A TLS handshake failed or was not over in time.
    Handshake,
    /// What came is no request, too large a one, or came too slowly.
    Head,
    /// `server_names`.
    Name,
    /// `allow` and `deny`.
    Access,
    /// `rate`.
    Rate,
    /// `max_in_flight`.
    UnderWay,
    /// A wrong password of `admin`, or one that came before its time.
    Login,
}

/// Their names in the status, in the order of [`TurnedAway`]. A name must mean to `status::merge` that it is added up.
const TURNED_AWAY: [&str; 9] =
    ["full", "of_address", "handshake", "head", "name", "access", "rate", "under_way", "login"];

/// Requests by their result. Aligned to two cache lines, because processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Counts {
    requests: AtomicU64,
    /// By the first digit of the status: 1xx to 5xx.
    classes: [AtomicU64; 5],
    rpc: AtomicU64,
    rpc_errors: AtomicU64,
    panics: AtomicU64,
    /// Finished answers from which members were missing.
    partial: AtomicU64,
    /// By [`TurnedAway`].
    turned_away: [AtomicU64; TURNED_AWAY.len()],
}

impl Counts {
    pub(crate) fn request(&self, status: u16) {
        self.requests.fetch_add(1, Relaxed);
        if let Some(class) = usize::from(status / 100).checked_sub(1).and_then(|class| self.classes.get(class)) {
            class.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn rpc(&self, failed: bool) {
        self.rpc.fetch_add(1, Relaxed);
        self.rpc_errors.fetch_add(u64::from(failed), Relaxed);
    }

    pub(crate) fn panic(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    pub(crate) fn partial(&self) {
        self.partial.fetch_add(1, Relaxed);
    }

    /// A connection, a request or a call was refused before anything of the site ran for it.
    pub(crate) fn turned_away(&self, why: TurnedAway) {
        self.turned_away[why as usize].fetch_add(1, Relaxed);
    }

    /// The sums of all threads.
    pub(crate) fn tree(threads: &[Arc<Counts>]) -> Value {
        let sum = |counter: &dyn Fn(&Counts) -> &AtomicU64| {
            Value::Int(threads.iter().map(|counts| counter(counts).load(Relaxed)).sum::<u64>().cast_signed())
        };
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let mut pairs = vec![("requests", sum(&|counts| &counts.requests))];
        pairs
            .extend(classes.into_iter().enumerate().map(|(class, name)| (name, sum(&|counts| &counts.classes[class]))));
        pairs.extend([
            ("rpc_calls", sum(&|counts| &counts.rpc)),
            ("rpc_errors", sum(&|counts| &counts.rpc_errors)),
            ("panics", sum(&|counts| &counts.panics)),
            ("partial", sum(&|counts| &counts.partial)),
        ]);
        let turned_away =
            TURNED_AWAY.iter().enumerate().map(|(why, name)| (*name, sum(&|counts| &counts.turned_away[why])));
        pairs.push(("refused", Value::from_pairs(turned_away)));
        Value::from_pairs(pairs)
    }
}
