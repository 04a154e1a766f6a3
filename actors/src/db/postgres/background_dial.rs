//! A dial that continues after its caller has given up.
//!
//! Callers may have deadlines shorter than a dial. Without this, such callers would never find out that a server hangs,
//! and never reach a distant one: each would start a new dial and leave too early. Each pool has at most one such dial.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use super::Postgres;
use super::queue::PostgresPool;
use crate::balance::circuit::{CallKind, Judged};
use crate::balance::health::MemberHealth;
use crate::db::health_report::judged;
use crate::kit::tasks;

/// The right to be the pool's one background dial.
pub(in crate::db) struct BackgroundDial {
    queue: Arc<PostgresPool>,
    is_dialling: Arc<AtomicBool>,
}

impl Postgres {
    /// `None` if a background dial runs already, or if the pool is full, so that the caller waited and did not dial.
    pub(in crate::db) fn continue_dial(&self) -> Option<BackgroundDial> {
        // Connections that were made: a dial that was just given up still has its seat, and says nothing here.
        let is_full = self.queue.pool().status().size >= self.queue.limit();
        if is_full || self.dialer.unusable().is_some() || self.is_dialling.swap(true, Relaxed) {
            return None;
        }
        Some(BackgroundDial { queue: self.queue.clone(), is_dialling: self.is_dialling.clone() })
    }
}

impl BackgroundDial {
    /// Dials, returns the connection to the pool, and reports the result to member health.
    pub(in crate::db) fn spawn(self, health: Arc<MemberHealth>, call: CallKind) {
        // The caller may have gone because its thread ends.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            health.record(call, Judged::Neutral, "");
            return;
        };
        let mut end = End { dial: self, health, call: Some(call) };
        runtime.spawn(tasks::named("dials without an asker", async move {
            match end.dial.queue.lend(Instant::now()).await {
                // The connection is returned at once: the next caller finds it.
                Ok(_) => end.report(Judged::Good, ""),
                Err(failure) => end.report(judged(&failure), &failure.msg),
            }
        }));
    }
}

/// Makes sure that a trial ends, even if the task is dropped with its thread.
struct End {
    dial: BackgroundDial,
    health: Arc<MemberHealth>,
    call: Option<CallKind>,
}

impl End {
    fn report(&mut self, judged: Judged, msg: &str) {
        if let Some(call) = self.call.take() {
            self.health.record(call, judged, msg);
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.report(Judged::Neutral, "");
        self.dial.is_dialling.store(false, Relaxed);
    }
}
