//! The expected latency of a member.
//!
//! It is the median of the last few answers. A pause of our own machine delays the calls of all members at once, so
//! their slowest answers become alike, and an average dominated by peaks no longer separates slow from fast members;
//! the median is rarely affected. Beside it stands the capacity: how many calls the member had at once while it was
//! that fast. Up to that number further calls cost nothing; beyond it each call waits longer.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::history::{before, since};

/// Samples that count. Few, so that a changed member shows after eight; enough that two stalls in a row do not count.
const KEPT: usize = 15;
/// Older samples are dropped, except the last: after an idle time, a member is judged by what it does now.
const FRESH: Duration = Duration::from_secs(10);
/// Time constant with which the expectation fades while the member gets no calls: a member ten times slower than the
/// others is tried again after 16 s (ln 5 of it), one a hundred times slower after 39 s. The value is Finagle's.
const FADE: f64 = 10.0;

/// The recent answers of a member.
#[derive(Clone, Debug, Default)]
pub struct RecentLatencies {
    /// The oldest first.
    answers: VecDeque<LatencySample>,
    /// The recent capacity, and when it was last seen. Kept longer than the samples: after a pause of our own machine
    /// the answers arrive all at once, and the few calls before it say little about the capacity.
    room: (u32, Duration),
}

#[derive(Clone, Copy, Debug)]
struct LatencySample {
    micros: u32,
    /// Calls in flight when it was sent, this one included.
    among: u32,
    at: Duration,
}

/// The estimate from the recent answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencyEstimate {
    /// The median latency in microseconds; 0 if unknown.
    pub micros: u32,
    /// The capacity: the most calls in flight, within ten seconds, when it answered no slower than the median.
    pub room: u32,
}

/// What a successor is told of the recent answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecentHistory {
    /// The oldest first: microseconds, calls in flight, and how many milliseconds ago.
    pub answers: Vec<(u32, u32, u64)>,
    /// The capacity.
    pub room: u32,
    /// How long ago it was seen.
    pub room_ms: u64,
}

impl RecentLatencies {
    /// As of `now`; `None` without an answer.
    pub(crate) fn history(&self, now: Duration) -> Option<RecentHistory> {
        let told = |answer: &LatencySample| (answer.micros, answer.among, since(answer.at, now));
        let answers: Vec<_> = self.answers.iter().map(told).collect();
        (!answers.is_empty()).then(|| RecentHistory { answers, room: self.room.0, room_ms: since(self.room.1, now) })
    }

    /// The answers that were like this at `then`.
    pub(crate) fn resumed(history: &RecentHistory, then: Duration) -> RecentLatencies {
        let last = &history.answers[history.answers.len().saturating_sub(KEPT)..];
        let heard = |(micros, among, ago): &(u32, u32, u64)| LatencySample {
            micros: (*micros).max(1),
            among: (*among).max(1),
            at: before(then, *ago),
        };
        RecentLatencies {
            answers: last.iter().map(heard).collect(),
            room: (history.room, before(then, history.room_ms)),
        }
    }

    /// Records an answer to a call that was one of `among` in flight.
    pub fn learn(&mut self, took: Duration, among: usize, now: Duration) -> LatencyEstimate {
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(1);
        let answer = LatencySample { micros, among: u32::try_from(among).unwrap_or(u32::MAX).max(1), at: now };
        if self.answers.len() == KEPT {
            self.answers.pop_front();
        }
        self.answers.push_back(answer);
        let estimate = self.estimate(now);
        // `estimate.room` already includes the remembered value if that is fresh.
        self.room = (estimate.room, now);
        estimate
    }

    /// Records that a call lasted this long without an answer. It counts only if the member seemed faster.
    pub fn waited(&mut self, waited: Duration, among: usize, now: Duration) -> LatencyEstimate {
        let estimate = self.estimate(now);
        if waited.as_micros() > estimate.micros.into() { self.learn(waited, among, now) } else { estimate }
    }

    fn estimate(&self, now: Duration) -> LatencyEstimate {
        let is_fresh = |answer: &&LatencySample| now < FRESH || answer.at > now - FRESH;
        let mut latencies: SmallVec<[u32; KEPT]> =
            self.answers.iter().filter(is_fresh).map(|answer| answer.micros).collect();
        if latencies.is_empty() {
            return LatencyEstimate::default();
        }
        latencies.sort_unstable();
        let median = latencies[(latencies.len() - 1) / 2];
        let before = if now.saturating_sub(self.room.1) < FRESH { self.room.0 } else { 1 };
        // Answers slower than the median say nothing about the capacity.
        let quick = self.answers.iter().filter(is_fresh).filter(|answer| answer.micros <= median);
        LatencyEstimate { micros: median, room: quick.fold(before, |room, answer| room.max(answer.among)) }
    }
}

impl LatencyEstimate {
    /// The estimate after this long without a call.
    #[must_use]
    pub fn faded(self, idle: Duration) -> LatencyEstimate {
        LatencyEstimate { micros: (f64::from(self.micros) * (-idle.as_secs_f64() / FADE).exp()) as u32, ..self }
    }

    /// Packed into the word of one atomic.
    pub(crate) fn packed(self) -> u64 {
        (u64::from(self.micros) << 32) | u64::from(self.room)
    }

    pub(crate) fn unpacked(packed: u64) -> LatencyEstimate {
        LatencyEstimate { micros: (packed >> 32) as u32, room: packed as u32 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLI: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);

    fn learnt(recent: &mut RecentLatencies, millis: u32, count: usize, now: Duration) -> LatencyEstimate {
        (0..count).map(|_| recent.learn(MILLI * millis, 1, now)).last().expect("there is one")
    }

    #[test]
    fn a_stall_of_a_few_answers_is_not_believed() {
        let mut recent = RecentLatencies::default();
        learnt(&mut recent, 20, KEPT, SECOND);
        assert_eq!(learnt(&mut recent, 400, KEPT / 2, SECOND).micros, 20_000);
    }

    #[test]
    fn a_change_is_known_after_eight_answers_in_either_direction() {
        let mut recent = RecentLatencies::default();
        learnt(&mut recent, 20, 100, SECOND);
        assert_eq!(learnt(&mut recent, 200, 8, SECOND).micros, 200_000);
        learnt(&mut recent, 200, 100, SECOND);
        assert_eq!(learnt(&mut recent, 20, 8, SECOND).micros, 20_000);
    }

    #[test]
    fn one_answer_is_enough_after_a_while() {
        let mut recent = RecentLatencies::default();
        learnt(&mut recent, 200, 100, SECOND);
        assert_eq!(learnt(&mut recent, 20, 1, SECOND + FRESH).micros, 20_000);
    }

    #[test]
    fn it_has_room_for_what_it_bore_while_it_was_quick() {
        let mut recent = RecentLatencies::default();
        // A serial server: more waiting calls, longer answers.
        let serial = (1..=9).map(|among| recent.learn(MILLI * 10 * among, among as usize, SECOND)).last();
        assert_eq!(serial, Some(LatencyEstimate { micros: 50_000, room: 5 }));
        // A parallel server.
        let mut recent = RecentLatencies::default();
        let roomy = (1..=9).map(|among| recent.learn(MILLI * 10, among, SECOND)).last();
        assert_eq!(roomy, Some(LatencyEstimate { micros: 10_000, room: 9 }));
        // The capacity is remembered for a while.
        assert_eq!(learnt(&mut recent, 10, 100, SECOND * 5).room, 9);
        assert_eq!(learnt(&mut recent, 10, 100, SECOND * 16).room, 1);
    }

    #[test]
    fn waiting_in_vain_makes_it_slower_and_never_quicker() {
        let mut recent = RecentLatencies::default();
        assert_eq!(recent.waited(MILLI * 50, 1, SECOND), LatencyEstimate { micros: 50_000, room: 1 });
        let known = learnt(&mut recent, 200, KEPT, SECOND);
        assert_eq!(recent.waited(MILLI * 50, 1, SECOND), known);
        let waited = (0..8).map(|_| recent.waited(SECOND * 9, 1, SECOND)).last();
        assert_eq!(waited, Some(LatencyEstimate { micros: 9_000_000, room: 1 }));
    }

    #[test]
    fn it_fades_and_fits_an_atomic() {
        let estimate = LatencyEstimate { micros: 200_000, room: 3 };
        assert_eq!(estimate.faded(Duration::ZERO), estimate);
        // Twice the latency of a member ten times faster.
        assert!(estimate.faded(SECOND * 16).micros > 40_000 && estimate.faded(SECOND * 17).micros < 40_000);
        assert_eq!(LatencyEstimate::unpacked(estimate.packed()), estimate);
        let extreme = LatencyEstimate { micros: u32::MAX, room: u32::MAX };
        assert_eq!(LatencyEstimate::unpacked(extreme.packed()), extreme);
    }

    proptest! {
        #[test]
        fn it_is_the_median_of_the_fresh_answers(
            answers in prop::collection::vec((1u32..9, 0u32..4), 1..60),
        ) {
            let (mut recent, mut now) = (RecentLatencies::default(), SECOND);
            for (millis, pause) in answers {
                now += SECOND * pause;
                let estimate = recent.learn(MILLI * millis, 1, now);
                let is_fresh = |answer: &&LatencySample| answer.at + FRESH > now;
                let mut fresh: Vec<u32> = recent.answers.iter().filter(is_fresh).map(|answer| answer.micros).collect();
                fresh.sort_unstable();
                prop_assert_eq!(estimate.micros, fresh[(fresh.len() - 1) / 2]);
            }
        }

        #[test]
        fn it_is_one_of_the_answers_and_half_of_them_were_no_slower(
            answers in prop::collection::vec((1u32..1_000, 1usize..50), 1..40),
        ) {
            let mut recent = RecentLatencies::default();
            let estimate = answers.iter().map(|(millis, among)| recent.learn(MILLI * *millis, *among, SECOND)).last();
            let estimate = estimate.expect("there is one");
            let kept = &answers[answers.len().saturating_sub(KEPT)..];
            let quick: Vec<_> = kept.iter().filter(|(millis, _)| millis * 1_000 <= estimate.micros).collect();
            prop_assert!(quick.len() * 2 >= kept.len());
            prop_assert!(quick.iter().any(|(millis, _)| millis * 1_000 == estimate.micros));
            prop_assert!(quick.iter().all(|(_, among)| *among as u32 <= estimate.room));
            prop_assert!(answers.iter().any(|(_, among)| *among as u32 == estimate.room));
        }
    }
}
