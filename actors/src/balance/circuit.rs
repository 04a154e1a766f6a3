//! The circuit breaker of one member: a state machine without clock, socket or thread, so that it can be simulated.
//!
//! ```text
//!            eject_after failures in a row, or fall checks
//!   Healthy ────────────────────────────────────────────────► Ejected ◄───┐
//!      ▲                                                          │       │ the trial failed: twice as long
//!      │ one good trial call, or rise checks      its time passed │       │
//!      └──────────────────────── Probing ◄────────────────────────┘       │
//!                                   └─────────────────────────────────────┘
//! ```
//!
//! Without active checks, a probing member gets one live call at a time. With them, it gets no live call until the
//! checks readmit it. Times are durations since an origin that the owner chooses.
//!
//! - `reason`: which outcomes count against a member, and the causes of state changes;
//! - `history`: what the process that takes our place is told of it.

mod history;
mod reason;

use std::time::Duration;

use crate::spec::Rules;

pub use history::CircuitHistory;
pub use reason::{EjectReason, Judged, ReadmitReason, judge};

/// The state of a member's circuit breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CircuitState {
    /// Takes calls.
    #[default]
    Healthy,
    /// Takes no calls for a time.
    Ejected,
    /// The time of its ejection is over; a trial call or the checks decide about it.
    Probing,
}

impl CircuitState {
    /// The word used in logs and on the status page.
    pub fn word(self) -> &'static str {
        match self {
            CircuitState::Healthy => "healthy",
            CircuitState::Ejected => "ejected",
            CircuitState::Probing => "probing",
        }
    }
}

/// A change of a member's state, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The member is ejected.
    Ejected {
        /// The failure that ejected it.
        why: EjectReason,
        /// How long.
        time: Duration,
    },
    /// It was not ejected, because too many members are ejected already.
    Spared(EjectReason),
    /// The time of its ejection is over.
    Probing,
    /// It takes part again.
    Readmitted(ReadmitReason),
}

/// Whether a call may go to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// As any call.
    Yes,
    /// As the trial call, which decides about the member. Its result must be reported.
    Trial,
    /// Not now: the member is ejected, or its trial call is in flight.
    No,
}

/// The kind of a call that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// An ordinary call.
    Regular,
    /// The trial call of a probing member.
    Trial,
}

/// The facts that a member's circuit breaker needs from the cluster.
pub struct CircuitContext<'a> {
    /// The configuration.
    pub rules: &'a Rules,
    /// Whether the cluster has active checks.
    pub has_checks: bool,
    /// The time.
    pub now: Duration,
    /// Reserves one of the places for ejected members; false if there is none. `Readmitted` frees it.
    pub take_place: &'a mut dyn FnMut() -> bool,
    /// A random number below the given one.
    pub draw: &'a mut dyn FnMut(u64) -> u64,
}

impl std::fmt::Debug for CircuitContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CircuitContext").field("now", &self.now).finish_non_exhaustive()
    }
}

/// The circuit breaker of one member.
#[derive(Clone, Debug, Default)]
pub struct Circuit {
    state: CircuitState,
    since: Duration,
    until: Duration,
    /// Failed calls in a row.
    failures: u32,
    /// Ejections in a row, without `eject_time_max` in health between them.
    row: u32,
    ejections: u64,
    spared: u64,
    on_trial: bool,
    passed: u32,
    missed: u32,
    why: Option<EjectReason>,
    readmitted: Option<(Duration, ReadmitReason)>,
}

impl Circuit {
    /// The state.
    pub fn state(&self) -> CircuitState {
        self.state
    }

    /// When the state last changed.
    pub fn since(&self) -> Duration {
        self.since
    }

    /// The end of the latest ejection.
    pub fn until(&self) -> Duration {
        self.until
    }

    /// Failed calls in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Ejections so far.
    pub fn ejections(&self) -> u64 {
        self.ejections
    }

    /// How often it was not ejected because too many members were ejected already.
    pub fn spared(&self) -> u64 {
        self.spared
    }

    /// The last failure or check that counted against it.
    pub fn why(&self) -> Option<EjectReason> {
        self.why
    }

    /// When and why it was last readmitted.
    pub fn readmitted(&self) -> Option<(Duration, ReadmitReason)> {
        self.readmitted
    }

    /// True while its trial call is in flight.
    pub fn is_on_trial(&self) -> bool {
        self.on_trial
    }

    /// Decides whether a call may go to the member. Starts probing if the time of its ejection is over.
    pub fn admit(&mut self, context: &CircuitContext<'_>) -> (Admitted, Option<Change>) {
        let change = self.expire(context);
        let admitted = match self.state {
            CircuitState::Healthy => Admitted::Yes,
            CircuitState::Probing if !context.has_checks && !self.on_trial => {
                self.on_trial = true;
                Admitted::Trial
            }
            CircuitState::Probing | CircuitState::Ejected => Admitted::No,
        };
        (admitted, change)
    }

    /// Records the result of a call. Calls that began before the ejection, or that went to an ejected member because no
    /// other was left, decide nothing.
    pub fn call_ended(&mut self, call: CallKind, judged: Judged, context: &mut CircuitContext<'_>) -> Option<Change> {
        if call == CallKind::Trial {
            self.on_trial = false;
        }
        match (self.state, judged) {
            (CircuitState::Healthy, Judged::Good) => {
                self.failures = 0;
                None
            }
            (CircuitState::Healthy, Judged::Failed(why)) => {
                self.failures = self.failures.saturating_add(1);
                self.why = Some(why);
                let after = context.rules.eject_after;
                if self.failures >= after { self.eject(why, self.failures == after, context) } else { None }
            }
            (CircuitState::Probing, Judged::Good) if call == CallKind::Trial => {
                Some(self.readmit(ReadmitReason::Answered, context.now))
            }
            (CircuitState::Probing, Judged::Failed(why)) if call == CallKind::Trial => {
                self.failures = self.failures.saturating_add(1);
                Some(self.leave(why, context))
            }
            (CircuitState::Healthy | CircuitState::Probing | CircuitState::Ejected, _) => None,
        }
    }

    /// Records the result of an active check.
    pub fn checked(&mut self, is_passed: bool, context: &mut CircuitContext<'_>) -> Option<Change> {
        if is_passed {
            self.missed = 0;
            self.passed = self.passed.saturating_add(1);
        } else {
            self.passed = 0;
            self.missed = self.missed.saturating_add(1);
        }
        match self.state {
            CircuitState::Healthy if self.missed >= context.rules.fall => {
                self.why = Some(EjectReason::CheckFailed);
                self.eject(EjectReason::CheckFailed, self.missed == context.rules.fall, context)
            }
            CircuitState::Healthy => None,
            CircuitState::Ejected | CircuitState::Probing => {
                let change = self.expire(context);
                if self.state == CircuitState::Probing && self.passed >= context.rules.rise {
                    return Some(self.readmit(ReadmitReason::ChecksPassed, context.now));
                }
                change
            }
        }
    }

    fn expire(&mut self, context: &CircuitContext<'_>) -> Option<Change> {
        if self.state != CircuitState::Ejected || context.now < self.until {
            return None;
        }
        self.state = CircuitState::Probing;
        self.since = context.now;
        Some(Change::Probing)
    }

    /// `is_first`: this failure is the first that ejects. That the member is spared is reported for it alone.
    fn eject(&mut self, why: EjectReason, is_first: bool, context: &mut CircuitContext<'_>) -> Option<Change> {
        if !(context.take_place)() {
            self.spared += 1;
            return is_first.then_some(Change::Spared(why));
        }
        if context.now.saturating_sub(self.since) >= context.rules.eject_time_max {
            self.row = 0;
        }
        Some(self.leave(why, context))
    }

    /// Ejects the member for twice as long as last time, ±10 % so that members that failed together do not return
    /// together.
    fn leave(&mut self, why: EjectReason, context: &mut CircuitContext<'_>) -> Change {
        let Rules { eject_time, eject_time_max, .. } = *context.rules;
        let doubled = eject_time.saturating_mul(1 << self.row.min(20)).min(eject_time_max);
        let permille = u32::try_from((context.draw)(201)).unwrap_or(0) + 900;
        let time = doubled * permille / 1_000;
        self.row += 1;
        self.ejections += 1;
        self.state = CircuitState::Ejected;
        self.since = context.now;
        self.until = context.now + time;
        self.why = Some(why);
        self.on_trial = false;
        self.passed = 0;
        Change::Ejected { why, time }
    }

    /// An operator wants it to take part again. `None` if it does.
    pub fn restore(&mut self, now: Duration) -> Option<Change> {
        (self.state != CircuitState::Healthy).then(|| self.readmit(ReadmitReason::Restored, now))
    }

    fn readmit(&mut self, why: ReadmitReason, now: Duration) -> Change {
        self.state = CircuitState::Healthy;
        self.since = now;
        self.failures = 0;
        self.missed = 0;
        self.on_trial = false;
        self.readmitted = Some((now, why));
        Change::Readmitted(why)
    }

    /// The percentage of its weight that counts: a readmitted member starts with 10 %.
    pub fn ramp(&self, rules: &Rules, now: Duration) -> u32 {
        let Some((at, _)) = self.readmitted else { return FULL };
        ramp(now.saturating_sub(at), rules.slow_start)
    }
}

/// The full weight, in percent.
pub const FULL: u32 = 100;

/// The percentage of the weight that counts at this time after readmission.
pub fn ramp(age: Duration, window: Duration) -> u32 {
    const FIRST: u64 = 10;
    if age >= window {
        return FULL;
    }
    let grown = (u128::from(100 - FIRST) * age.as_micros() / window.as_micros().max(1)) as u64;
    u32::try_from(FIRST + grown).unwrap_or(FULL).min(FULL)
}

#[cfg(test)]
mod tests;
