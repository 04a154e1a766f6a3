//! A call to one member, chosen by load, with failover, retries and hedging.
//!
//! If no connection is made, the call always goes on to another member, until each was tried once. A call that may have
//! run is retried only if it is idempotent, the cluster has `retries`, and the retry budget allows it; never on a
//! member that was tried. With `hedge`, an idempotent call that takes longer than the 95th percentile of its member
//! goes to a second member too, and to a third if the second is late by its own percentile; the first good answer
//! counts, and the losers' connections are closed before the caller is woken. Each hedge is paid from the retry budget.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use smallvec::{SmallVec, smallvec};
use tokio::time::{Instant as TokioInstant, sleep};

use super::ClusterParts;
use super::attempt::{Attempt, AttemptInfo};
use super::broadcast::within;
use super::candidates::{Candidates, Pick};
use super::member::TOO_MANY;
use crate::balance::circuit;
use crate::balance::circuit::{CallKind, Judged};
use crate::balance::health::Extra;
use crate::http::PreparedRequest;
use crate::kit::Responder;
use crate::kit::placed::placed;
use crate::outcome::course::{TryCause, Unrepeated};
use crate::outcome::{Outcome, Try};

/// Members that work on a call at once: the first and two hedges. With 5 % stalls one hedge leaves one call of 400 to
/// the stall, and two leave one of 8 000 (decision 0022).
const MOST: usize = 3;

/// Tries members until an answer settles the call. Needs at least one member.
pub(super) async fn ask(shared: &ClusterParts, request: &PreparedRequest, key: u64, responder: &Responder<Outcome>) {
    let candidates = Candidates::new(shared, key);
    let asking =
        BalancedCall { shared, request, responder, begun: Instant::now(), candidates, tries: RefCell::default() };
    let mut outcome = asking.settle().await;
    outcome.attempts = asking.candidates.attempts();
    outcome.tries = asking.tries.take();
    // The one that is told in the end may have been given up in between.
    outcome.tries.retain(|other| Some(&other.course) != outcome.course.as_ref());
    responder.put(0, outcome);
}

/// One call, as it moves from member to member.
struct BalancedCall<'a> {
    shared: &'a ClusterParts,
    request: &'a PreparedRequest,
    responder: &'a Responder<Outcome>,
    begun: Instant,
    candidates: Candidates<'a>,
    /// Those that have ended without settling the call.
    tries: RefCell<Vec<Try>>,
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
        let mut cause = TryCause::First;
        while let Some(pick) = self.candidates.next() {
            let mut outcome = self.attempt(pick, cause, may_have_run.is_some()).await;
            if outcome.reason.never_ran() {
                cause = TryCause::Failover;
                self.tries.borrow_mut().extend(Try::of(&outcome));
                unreached = Some(outcome);
                continue;
            }
            if let Some(why) = self.is_final(&outcome, left) {
                if let (Some(course), Err(why)) = (&mut outcome.course, why) {
                    course.unrepeated = Some(why);
                }
                return outcome;
            }
            left -= 1;
            cause = TryCause::Retry;
            self.tries.borrow_mut().extend(Try::of(&outcome));
            may_have_run = Some(outcome);
        }
        // All were tried: report the last cause.
        let mut last = may_have_run.or(unreached);
        if let Some(course) = last.as_mut().and_then(|last| last.course.as_mut()) {
            course.unrepeated = Some(Unrepeated::AllTried);
        }
        last.unwrap_or_else(|| self.candidates.nobody())
    }

    /// Whether this outcome settles the call. If it failed and another member might do better, why none is asked.
    fn is_final(&self, outcome: &Outcome, left: u32) -> Option<Result<(), Unrepeated>> {
        if !is_worth_repeating(outcome) {
            return Some(Ok(()));
        }
        if left == 0 {
            return Some(Err(Unrepeated::MayHaveRun));
        }
        if self.candidates.is_exhausted() {
            return Some(Err(Unrepeated::AllTried));
        }
        (!self.withdraw(Extra::Retry)).then_some(Err(Unrepeated::Budget))
    }

    fn withdraw(&self, extra: Extra) -> bool {
        self.shared.health().withdraw(extra, self.shared.health().now())
    }

    fn begin(&self, pick: Pick, cause: TryCause, late: Duration, is_repeated: bool) -> Attempt<'a> {
        let info = AttemptInfo {
            attempt: self.candidates.attempts(),
            is_repeated,
            cause,
            late,
            passed_over: self.shared.health().out(),
            ..AttemptInfo::sole(pick.call, pick.by).at(pick.index)
        };
        Attempt::begin(&self.shared.members[pick.index], self.responder, 0, info.traced(self.request), self.begun)
    }

    async fn attempt(&self, pick: Pick, cause: TryCause, is_repeated: bool) -> Outcome {
        // A trial has to decide about its member. Outrun, it would decide nothing, and the next call would be a trial.
        let is_hedged = self.shared.spec().hedge && self.request.is_idempotent && pick.call == CallKind::Regular;
        match is_hedged.then(|| self.late_after(pick.index)).flatten() {
            Some(late) => self.hedged(pick, cause, is_repeated, late).await,
            None => {
                let only = self.begin(pick, cause, Duration::ZERO, is_repeated);
                within(&only, self.request, self.shared.spec().member_timeout).await
            }
        }
    }

    /// After this time a call to this member is late.
    fn late_after(&self, index: usize) -> Option<Duration> {
        let health = self.shared.health();
        health.member(index).p95(health.now())
    }

    /// A healthy member for a hedge, with a withdrawal from the retry budget.
    fn further(&self) -> Option<Pick> {
        self.candidates.healthy(|| self.withdraw(Extra::Hedge))
    }

    /// Asks a member, and each time that the last one asked is late, a further one. Returns the first answer that
    /// settles the call, or if all fail, one that may have run.
    async fn hedged(&self, pick: Pick, cause: TryCause, is_repeated: bool, late: Duration) -> Outcome {
        let first = self.start(pick, cause, Duration::ZERO, is_repeated);
        let mut race = Race { running: smallvec![first], failed: None, tries: &self.tries };
        let (mut late, mut is_late) = (late, pin!(sleep(late)));
        let mut left = MOST - 1;
        let outcome = poll_fn(|context| {
            loop {
                let ended = race.poll(context);
                if ended.is_ready() || left == 0 || is_late.as_mut().poll(context).is_pending() {
                    return ended;
                }
                // Without a member or a budget there is no further hedge.
                let Some(pick) = self.further() else {
                    left = 0;
                    return Poll::Pending;
                };
                race.running.push(self.start(pick, TryCause::Hedge, late, true));
                left = self.late_after(pick.index).map_or(0, |next| {
                    late = next;
                    is_late.as_mut().reset(TokioInstant::now() + late);
                    left - 1
                });
            }
        })
        .await;
        // The connections of those still in flight are closed with `race`, before the caller is woken.
        let outrun = race.running.iter().map(|exchange| exchange.attempt.unwanted());
        self.tries.borrow_mut().extend(outrun);
        outcome
    }

    fn start(&self, pick: Pick, cause: TryCause, late: Duration, is_repeated: bool) -> Exchange<'a> {
        let (request, timeout) = (self.request, self.shared.spec().member_timeout);
        let attempt = Rc::new(self.begin(pick, cause, late, is_repeated));
        let theirs = attempt.clone();
        Exchange { attempt, future: placed(|| async move { within(&theirs, request, timeout).await }) }
    }
}

/// The exchanges of one hedged call that are in flight.
struct Race<'a, 't> {
    running: SmallVec<[Exchange<'a>; MOST]>,
    /// One that failed. One that may have run outweighs one that certainly did not.
    failed: Option<Outcome>,
    /// All that failed.
    tries: &'t RefCell<Vec<Try>>,
}

/// An exchange in flight. The attempt is shared with its future, so that it can be told that it lost.
struct Exchange<'a> {
    attempt: Rc<Attempt<'a>>,
    future: Pin<Box<dyn Future<Output = Outcome> + 'a>>,
}

impl Race<'_, '_> {
    /// The first answer that settles the call, or the failure if all have failed.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Outcome> {
        let mut at = 0;
        while let Some(exchange) = self.running.get_mut(at) {
            let Poll::Ready(outcome) = exchange.future.as_mut().poll(context) else {
                at += 1;
                continue;
            };
            self.running.remove(at);
            if settles(&outcome) {
                return Poll::Ready(outcome);
            }
            self.tries.borrow_mut().extend(Try::of(&outcome));
            if self.failed.as_ref().is_none_or(|failed| failed.reason.never_ran()) {
                self.failed = Some(outcome);
            }
        }
        if self.running.is_empty() { self.failed.take().map_or(Poll::Pending, Poll::Ready) } else { Poll::Pending }
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
    use crate::outcome::{Reason, Status};

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
