//! A call to one member, chosen by load, with failover, retries and hedging.
//!
//! If no connection is made, the call always goes on to another member, until each was tried once. A call that may have
//! run is retried only if it is idempotent, the cluster has `retries`, and the retry budget allows it; never on a
//! member that was tried. With `hedge`, an idempotent call that takes longer than the 95th percentile of its member
//! goes to a second member too; the first good answer counts, and the loser's connection is closed before the caller is
//! woken.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Instant;

use super::ClusterParts;
use super::attempt::{Attempt, AttemptInfo};
use super::broadcast::within;
use super::member::TOO_MANY;
use crate::balance::circuit;
use crate::balance::circuit::{CallKind, Judged};
use crate::balance::health::Extra;
use crate::http::PreparedRequest;
use crate::kit::Responder;
use crate::outcome::{Outcome, Reason};

/// Tries members until an answer settles the call. Needs at least one member.
pub(super) async fn ask(shared: &ClusterParts, request: &PreparedRequest, key: u64, responder: &Responder<Outcome>) {
    let asking = BalancedCall { shared, request, key, responder, begun: Instant::now(), tried: RefCell::default() };
    let mut outcome = asking.settle().await;
    outcome.attempts = asking.attempts();
    responder.put(0, outcome);
}

/// One call, as it moves from member to member.
struct BalancedCall<'a> {
    shared: &'a ClusterParts,
    request: &'a PreparedRequest,
    key: u64,
    responder: &'a Responder<Outcome>,
    begun: Instant,
    tried: RefCell<Vec<usize>>,
}

impl<'a> BalancedCall<'a> {
    async fn settle(&self) -> Outcome {
        let spec = self.shared.spec();
        let may_repeat = self.request.is_idempotent && (spec.retries > 0 || spec.hedge);
        if may_repeat {
            self.shared.health().deposit(self.shared.health().now());
        }
        let mut left = if may_repeat { spec.retries } else { 0 };
        // A failure that may have run outweighs a later one that certainly did not.
        let mut may_have_run: Option<Outcome> = None;
        let mut unreached: Option<Outcome> = None;
        while let Some((index, call)) = self.next() {
            let outcome = self.attempt(index, call, may_have_run.is_some()).await;
            if outcome.reason.never_ran() {
                unreached = Some(outcome);
                continue;
            }
            if left == 0 || !is_worth_repeating(&outcome) || self.is_exhausted() || !self.withdraw(Extra::Retry) {
                return outcome;
            }
            left -= 1;
            may_have_run = Some(outcome);
        }
        // All were tried: report the last cause.
        let last = may_have_run.or(unreached);
        last.unwrap_or_else(|| {
            let node = format!("@{}", self.shared.spec().name).into();
            Outcome::failed(node, Reason::Unsendable, "not sent: the cluster has no members")
        })
    }

    /// The next member to try: one whose trial is due, or the choice of the balance among the untried.
    fn next(&self) -> Option<(usize, CallKind)> {
        let health = self.shared.health();
        let mut tried = self.tried.borrow_mut();
        if tried.is_empty()
            && let Some(index) = health.due(health.now())
        {
            tried.push(index);
            return Some((index, CallKind::Trial));
        }
        let index = self.choice(&tried, false)?;
        tried.push(index);
        Some((index, CallKind::Regular))
    }

    fn choice(&self, tried: &[usize], is_picky: bool) -> Option<usize> {
        let (health, picker) = (self.shared.health(), &self.shared.picker);
        let (now, wants_estimate) = (health.now(), picker.wants_estimate());
        picker.pick(self.key, |index| {
            let mut candidate = health.candidate(index, now, wants_estimate);
            candidate.is_barred = tried.contains(&index) || (is_picky && candidate.is_out);
            candidate
        })
    }

    fn is_exhausted(&self) -> bool {
        self.tried.borrow().len() >= self.shared.members.len()
    }

    fn attempts(&self) -> u32 {
        u32::try_from(self.tried.borrow().len()).unwrap_or(u32::MAX)
    }

    fn withdraw(&self, extra: Extra) -> bool {
        self.shared.health().withdraw(extra, self.shared.health().now())
    }

    fn begin(&self, index: usize, call: CallKind, is_repeated: bool) -> Attempt<'a> {
        let part = AttemptInfo { attempt: self.attempts(), call, is_repeated };
        Attempt::begin(&self.shared.members[index], self.responder, 0, part, self.begun)
    }

    async fn attempt(&self, index: usize, call: CallKind, is_repeated: bool) -> Outcome {
        let timeout = self.shared.spec().member_timeout;
        let first = self.begin(index, call, is_repeated);
        let mut running = pin!(within(&first, self.request, timeout));
        let is_hedged = self.shared.spec().hedge && self.request.is_idempotent;
        let Some(late) = is_hedged.then(|| self.shared.health().member(index).p95()).flatten() else {
            return running.await;
        };
        let mut is_late = pin!(tokio::time::sleep(late));
        let in_time = poll_fn(|context| match running.as_mut().poll(context) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending => is_late.as_mut().poll(context).map(|()| None),
        });
        if let Some(outcome) = in_time.await {
            return outcome;
        }
        match self.second() {
            Some(second) => self.hedged(&first, running, second).await,
            None => running.await,
        }
    }

    /// A healthy member for the hedge, with a withdrawal from the retry budget.
    fn second(&self) -> Option<usize> {
        let mut tried = self.tried.borrow_mut();
        let index = self.choice(&tried, true)?;
        if !self.withdraw(Extra::Hedge) {
            return None;
        }
        tried.push(index);
        Some(index)
    }

    /// Runs both exchanges: returns the first answer that settles the call, or if both fail, the one that may have run.
    async fn hedged(
        &self,
        first: &Attempt<'_>,
        mut one: Pin<&mut impl Future<Output = Outcome>>,
        index: usize,
    ) -> Outcome {
        let timeout = self.shared.spec().member_timeout;
        let second = self.begin(index, CallKind::Regular, true);
        let mut other = Box::pin(within(&second, self.request, timeout));
        let (mut failed_one, mut failed_other) = (None, None);
        let outcome = poll_fn(|context| {
            if failed_one.is_none()
                && let Poll::Ready(outcome) = one.as_mut().poll(context)
            {
                if settles(&outcome) {
                    return Poll::Ready(outcome);
                }
                failed_one = Some(outcome);
            }
            if failed_other.is_none()
                && let Poll::Ready(outcome) = other.as_mut().poll(context)
            {
                if settles(&outcome) {
                    return Poll::Ready(outcome);
                }
                failed_other = Some(outcome);
            }
            match (failed_one.take(), failed_other.take()) {
                (Some(one), Some(other)) => Poll::Ready(if one.reason.never_ran() { other } else { one }),
                (one, other) => {
                    (failed_one, failed_other) = (one, other);
                    Poll::Pending
                }
            }
        })
        .await;
        // Marks the exchange still in flight as outrun; for one that is done this has no effect.
        first.unwanted();
        second.unwanted();
        outcome
    }
}

/// True if another member could not give a better answer.
fn settles(outcome: &Outcome) -> bool {
    !outcome.reason.never_ran() && !is_worth_repeating(outcome)
}

/// True for a failure of the member itself: another member may do better. False for an error of the called method.
fn is_worth_repeating(outcome: &Outcome) -> bool {
    let judged = circuit::judge(outcome.reason, outcome.status, outcome.code, true);
    matches!(judged, Judged::Failed(_)) || outcome.code == TOO_MANY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Status;

    #[test]
    fn only_a_failure_of_the_member_is_worth_repeating() {
        let failed = |reason| Outcome::failed("a".into(), reason, "");
        for reason in [Reason::Reset, Reason::Closed, Reason::Deadline] {
            assert!(is_worth_repeating(&failed(reason)), "{reason:?}");
        }
        for reason in [Reason::Fault, Reason::Malformed, Reason::TooLarge, Reason::Internal] {
            assert!(!is_worth_repeating(&failed(reason)), "{reason:?}");
        }
        let page = |code| Outcome { status: Status::Completed, code, ..failed(Reason::HttpStatus) };
        assert!([500, 503, 429].into_iter().all(|code| is_worth_repeating(&page(code))));
        assert!([404, 400].into_iter().all(|code| !is_worth_repeating(&page(code)) && settles(&page(code))));
        assert!(!settles(&failed(Reason::Refused)));
    }
}
