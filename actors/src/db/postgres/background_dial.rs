//! A dial that goes on when nobody waits for it any more.
//!
//! Askers may have less time than a dial takes. Without this a server that hangs would never be found out by them, and
//! a distant one never reached: each would begin anew and leave too early. There is one such dial per pool at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use super::Postgres;
use super::queue::PostgresPool;
use crate::balance::circuit::{CallKind, Judged};
use crate::balance::health::MemberHealth;
use crate::db::health_report::judged;
use crate::kit::tasks;

/// The right to be the one that goes on.
pub(in crate::db) struct BackgroundDial {
    queue: Arc<PostgresPool>,
    persists: Arc<AtomicBool>,
}

impl Postgres {
    /// `None` where somebody does so already, or where the pool is full and a wait was given up, not a dial.
    pub(in crate::db) fn go_on_dialling(&self) -> Option<BackgroundDial> {
        let is_full = self.dialer.open() >= self.limits.connections;
        if is_full || self.dialer.unusable().is_some() || self.persists.swap(true, Relaxed) {
            return None;
        }
        Some(BackgroundDial { queue: self.queue.clone(), persists: self.persists.clone() })
    }
}

impl BackgroundDial {
    /// Dials, leaves the connection to the pool and tells how it went.
    pub(in crate::db) fn spawn(self, pulse: Arc<MemberHealth>, call: CallKind) {
        // The asker may have left because its thread ends.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            pulse.told(call, Judged::Neutral, "");
            return;
        };
        let mut end = End { going_on: self, pulse, call: Some(call) };
        runtime.spawn(tasks::named("dials without an asker", async move {
            match end.going_on.queue.lend(Instant::now()).await {
                // Given back at once: the next asker finds it.
                Ok(_) => end.tell(Judged::Good, ""),
                Err(failure) => end.tell(judged(&failure), &failure.msg),
            }
        }));
    }
}

/// Sees to it that a trial comes to an end, also where the task is dropped with its thread.
struct End {
    going_on: BackgroundDial,
    pulse: Arc<MemberHealth>,
    call: Option<CallKind>,
}

impl End {
    fn tell(&mut self, judged: Judged, msg: &str) {
        if let Some(call) = self.call.take() {
            self.pulse.told(call, judged, msg);
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.tell(Judged::Neutral, "");
        self.going_on.persists.store(false, Relaxed);
    }
}
