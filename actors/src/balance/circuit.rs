//! Whether a member takes part: a state machine without a clock, a socket or a thread, so that it can be simulated.
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
//! Without active checks a probing member is given one live call at a time; with them no live call meets it before the
//! checks are content. Times are counted from an origin that the owner chooses.
//!
//! - `reason`: what counts against a member, and why it changes its state.

mod reason;

use std::time::Duration;

use crate::spec::Rules;

pub use reason::{EjectReason, Judged, ReadmitReason, judge};

/// Where a member stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CircuitState {
    /// Takes part.
    #[default]
    Healthy,
    /// Left out for a time.
    Ejected,
    /// The time is over; it has to prove itself.
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
    /// It is left out from now on.
    Ejected {
        /// The last failure of the row.
        why: EjectReason,
        /// For how long.
        time: Duration,
    },
    /// It would have been, were there not too many out already.
    Spared(EjectReason),
    /// Its time is over.
    Probing,
    /// It takes part again.
    Readmitted(ReadmitReason),
}

/// Whether a call may go to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// Like any other.
    Yes,
    /// As the one that decides. What becomes of it must be told.
    Trial,
    /// Not now.
    No,
}

/// What a call was when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// One of many.
    Usual,
    /// The one that decides.
    Trial,
}

/// What the owner of all members knows and a single one does not.
pub struct CircuitContext<'a> {
    /// The configuration.
    pub rules: &'a Rules,
    /// Whether active checks are made.
    pub has_checks: bool,
    /// The time.
    pub now: Duration,
    /// Takes one of the places for ejected members; false if there is none. It is free again after `Readmitted`.
    pub take_place: &'a mut dyn FnMut() -> bool,
    /// A number below the given one.
    pub draw: &'a mut dyn FnMut(u64) -> u64,
}

impl std::fmt::Debug for CircuitContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground").field("now", &self.now).finish_non_exhaustive()
    }
}

/// One member's health.
#[derive(Clone, Debug, Default)]
pub struct Circuit {
    state: CircuitState,
    since: Duration,
    until: Duration,
    /// Of calls, in a row.
    failures: u32,
    /// Ejections without a long healthy span between them.
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

    /// When it came into this state.
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

    /// How often it would have been ejected, were there not too many out already.
    pub fn spared(&self) -> u64 {
        self.spared
    }

    /// The last thing that counted against it.
    pub fn why(&self) -> Option<EjectReason> {
        self.why
    }

    /// When and why it last came back.
    pub fn readmitted(&self) -> Option<(Duration, ReadmitReason)> {
        self.readmitted
    }

    /// True while its one trial call is under way.
    pub fn is_on_trial(&self) -> bool {
        self.on_trial
    }

    /// Asks whether a call may go to it, and notes that its time is over.
    pub fn admit(&mut self, ground: &CircuitContext<'_>) -> (Admitted, Option<Change>) {
        let change = self.expire(ground);
        let admitted = match self.state {
            CircuitState::Healthy => Admitted::Yes,
            CircuitState::Probing if !ground.has_checks && !self.on_trial => {
                self.on_trial = true;
                Admitted::Trial
            }
            CircuitState::Probing | CircuitState::Ejected => Admitted::No,
        };
        (admitted, change)
    }

    /// Takes in what became of a call. A call made before the ejection, or against it because nobody else was left,
    /// decides nothing.
    pub fn call_ended(&mut self, call: CallKind, judged: Judged, ground: &mut CircuitContext<'_>) -> Option<Change> {
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
                if self.failures >= ground.rules.eject_after { self.eject(why, ground) } else { None }
            }
            (CircuitState::Probing, Judged::Good) if call == CallKind::Trial => {
                Some(self.readmit(ReadmitReason::Answered, ground.now))
            }
            (CircuitState::Probing, Judged::Failed(why)) if call == CallKind::Trial => {
                self.failures = self.failures.saturating_add(1);
                Some(self.leave(why, ground))
            }
            (CircuitState::Healthy | CircuitState::Probing | CircuitState::Ejected, _) => None,
        }
    }

    /// Takes in an active check.
    pub fn checked(&mut self, is_passed: bool, ground: &mut CircuitContext<'_>) -> Option<Change> {
        if is_passed {
            self.missed = 0;
            self.passed = self.passed.saturating_add(1);
        } else {
            self.passed = 0;
            self.missed = self.missed.saturating_add(1);
        }
        match self.state {
            CircuitState::Healthy if self.missed >= ground.rules.fall => {
                self.why = Some(EjectReason::CheckFailed);
                self.eject(EjectReason::CheckFailed, ground)
            }
            CircuitState::Healthy => None,
            CircuitState::Ejected | CircuitState::Probing => {
                let change = self.expire(ground);
                if self.state == CircuitState::Probing && self.passed >= ground.rules.rise {
                    return Some(self.readmit(ReadmitReason::ChecksPassed, ground.now));
                }
                change
            }
        }
    }

    fn expire(&mut self, ground: &CircuitContext<'_>) -> Option<Change> {
        if self.state != CircuitState::Ejected || ground.now < self.until {
            return None;
        }
        self.state = CircuitState::Probing;
        self.since = ground.now;
        Some(Change::Probing)
    }

    fn eject(&mut self, why: EjectReason, ground: &mut CircuitContext<'_>) -> Option<Change> {
        if !(ground.take_place)() {
            self.spared += 1;
            // Said once for a row, not with every call of it.
            let is_news = self.failures == ground.rules.eject_after || self.missed == ground.rules.fall;
            return is_news.then_some(Change::Spared(why));
        }
        if ground.now.saturating_sub(self.since) >= ground.rules.eject_time_max {
            self.row = 0;
        }
        Some(self.leave(why, ground))
    }

    /// Out, for twice as long as the last time, within a tenth so that members that fell together do not return
    /// together.
    fn leave(&mut self, why: EjectReason, ground: &mut CircuitContext<'_>) -> Change {
        let Rules { eject_time, eject_time_max, .. } = *ground.rules;
        let doubled = eject_time.saturating_mul(1 << self.row.min(20)).min(eject_time_max);
        let permille = u32::try_from((ground.draw)(201)).unwrap_or(0) + 900;
        let time = doubled * permille / 1_000;
        self.row += 1;
        self.ejections += 1;
        self.state = CircuitState::Ejected;
        self.since = ground.now;
        self.until = ground.now + time;
        self.why = Some(why);
        self.on_trial = false;
        self.passed = 0;
        Change::Ejected { why, time }
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

    /// The share of its weight that is in force, in percent: a readmitted member begins with a tenth.
    pub fn ramp(&self, rules: &Rules, now: Duration) -> u32 {
        let Some((at, _)) = self.readmitted else { return FULL };
        ramp(now.saturating_sub(at), rules.slow_start)
    }
}

/// All of the weight, in percent.
pub const FULL: u32 = 100;

/// The share of the weight in force this long after the readmission.
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
