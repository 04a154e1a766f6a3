//! The budget of extra requests of a cluster: retries and hedges together are at most a fifth of the requests of the
//! last ten seconds, and at least ten a second are always allowed.
//!
//! The figures are Finagle's (RetryBudget: 20 %, 10 per second, 10 s). An extra request is counted when it is decided,
//! not when it is sent: otherwise a thousand failures at once could all decide to retry.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Extra requests per hundred.
const PERCENT: u64 = 20;
/// Extra requests per second that are always allowed: without them a cluster with two calls a minute would never retry.
const FLOOR: u64 = 10;
/// The length of the window, in slots of a second.
const WINDOW: usize = 10;
/// The most requests of a second that a history is believed to have had.
const MOST: u64 = 1 << 40;

/// The budget of one cluster.
#[derive(Clone, Debug, Default)]
pub struct RetryBudget {
    slots: [BudgetSlot; WINDOW],
}

#[derive(Clone, Copy, Debug, Default)]
struct BudgetSlot {
    /// The slot's second, since the owner's origin.
    second: u64,
    requests: u64,
    extra: u64,
}

/// What a successor is told of one second of a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BudgetSlotHistory {
    /// How many seconds before the present one.
    pub ago_s: u64,
    /// Requests of callers.
    pub requests: u64,
    /// Extra requests.
    pub extra: u64,
}

impl RetryBudget {
    /// Its seconds that still count at `now`.
    pub(crate) fn history(&self, now: Duration) -> Vec<BudgetSlotHistory> {
        let second = now.as_secs();
        let slots = self.slots.iter().filter(|slot| slot.second + WINDOW as u64 > second);
        let used = slots.filter(|slot| slot.requests > 0 || slot.extra > 0);
        let told = used.map(|slot| BudgetSlotHistory {
            ago_s: second.saturating_sub(slot.second),
            requests: slot.requests,
            extra: slot.extra,
        });
        told.collect()
    }

    /// The budget that was like this at `then`.
    pub(crate) fn resumed(history: &[BudgetSlotHistory], then: Duration) -> RetryBudget {
        let mut budget = RetryBudget::default();
        for told in history {
            let Some(second) = then.as_secs().checked_sub(told.ago_s).filter(|_| told.ago_s < WINDOW as u64) else {
                continue;
            };
            budget.slots[second as usize % WINDOW] =
                BudgetSlot { second, requests: told.requests.min(MOST), extra: told.extra.min(MOST) };
        }
        budget
    }

    /// Counts a caller's request.
    pub fn deposit(&mut self, now: Duration) {
        self.slot(now).requests += 1;
    }

    /// Takes an extra request; false if the budget is used up.
    pub fn withdraw(&mut self, now: Duration) -> bool {
        let second = now.as_secs();
        let (mut requests, mut extra) = (0, 0);
        for slot in self.slots.iter().filter(|slot| slot.second + WINDOW as u64 > second) {
            requests += slot.requests;
            extra += slot.extra;
        }
        // Unused allowance of earlier seconds is not saved up: a burst after a quiet hour gets no more than any other.
        let floor = FLOOR.saturating_sub(self.slot(now).extra);
        if floor == 0 && (extra + 1) * 100 > requests * PERCENT {
            return false;
        }
        self.slot(now).extra += 1;
        true
    }

    fn slot(&mut self, now: Duration) -> &mut BudgetSlot {
        let second = now.as_secs();
        let slot = &mut self.slots[second as usize % WINDOW];
        if slot.second != second {
            *slot = BudgetSlot { second, ..BudgetSlot::default() };
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Extra requests granted in `seconds` when each of `rate` requests a second asks for `each` of them.
    fn extra(rate: u64, seconds: u64, each: u64) -> u64 {
        let mut budget = RetryBudget::default();
        let mut taken = 0;
        for nth in 0..rate * seconds {
            let now = Duration::from_micros(nth * 1_000_000 / rate);
            budget.deposit(now);
            taken += (0..each).filter(|_| budget.withdraw(now)).count() as u64;
        }
        taken
    }

    #[test]
    fn total_failure_costs_a_fifth_and_the_floor() {
        for (rate, seconds) in [(1_000, 60), (100, 60), (20, 60), (10_000, 3)] {
            let (taken, requests) = (extra(rate, seconds, 3), rate * seconds);
            assert!(taken <= requests / 5 + FLOOR * seconds, "{taken} of {requests}");
            assert!(taken >= requests / 5, "{taken} of {requests}");
        }
    }

    #[test]
    fn what_was_asked_before_the_window_counts_no_more() {
        let mut budget = RetryBudget::default();
        (0..1_000).for_each(|_| budget.deposit(Duration::ZERO));
        // Not a whole number of windows later: the slot of those requests is not used again meanwhile.
        for (second, granted) in [(9, 200), (15, FLOOR)] {
            let mut budget = budget.clone();
            let now = Duration::from_secs(second);
            assert_eq!((0..1_000).filter(|_| budget.withdraw(now)).count() as u64, granted, "after {second} s");
        }
    }

    #[test]
    fn a_quiet_cluster_may_retry() {
        assert_eq!(extra(1, 60, 1), 60);
    }

    #[test]
    fn a_thousand_decisions_at_once_are_a_thousand_questions() {
        let mut budget = RetryBudget::default();
        (0..1_000).for_each(|_| budget.deposit(Duration::ZERO));
        assert_eq!((0..1_000).filter(|_| budget.withdraw(Duration::ZERO)).count(), 200);
    }

    #[test]
    fn the_budget_of_long_ago_is_gone() {
        let mut budget = RetryBudget::default();
        (0..1_000).for_each(|_| budget.deposit(Duration::ZERO));
        let later = Duration::from_secs(10);
        assert_eq!((0..1_000).filter(|_| budget.withdraw(later)).count() as u64, FLOOR);
    }
}
