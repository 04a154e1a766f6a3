//! One exchange with one member, from its beginning to its end: the answer, the member's timeout, the caller's deadline
//! or the caller's departure.
//!
//! While it runs, the slot that it will fill stays true: if the caller's time runs out first, the slot names the member
//! that was being called, and says "no connection was free" rather than "timed out" if nothing was sent.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::member::{Abandoned, HttpMember, InFlight};
use crate::balance::circuit;
use crate::balance::circuit::{CallKind, Judged};
use crate::http::passed::PassedRequest;
use crate::http::{AnswerTaker, PreparedRequest, Progress, SWITCHING, Stage, Trace, reason_of};
use crate::kit::Responder;
use crate::kit::race::step;
use crate::outcome::course::{PickedBy, TryCause};
use crate::outcome::deadline::Expired;
use crate::outcome::{Course, EndedBy, Outcome, Reason, Status, Try, deadline};

/// An exchange. Counted in flight from its creation to its drop.
pub(super) struct Attempt<'a> {
    member: &'a HttpMember,
    responder: &'a Responder<Outcome>,
    /// The index of its slot.
    index: usize,
    /// When the call began.
    begun: Instant,
    info: AttemptInfo,
    entry: InFlight,
    progress: Progress,
    is_done: Cell<bool>,
    is_unwanted: Cell<bool>,
    /// It was a trial, which the head of its answer has decided.
    is_decided: Cell<bool>,
}

/// The role of an exchange within its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AttemptInfo {
    /// How many members the call has tried, this one included.
    pub(super) attempt: u32,
    /// Whether it is the member's trial call.
    pub(super) call: CallKind,
    /// Another member may have run the call already, so the slot must never say "not sent".
    pub(super) is_repeated: bool,
    /// The member's index in its cluster; `None` for an origin of the actor for any URL.
    pub(super) member: Option<u32>,
    /// Why there is this exchange, and why with this member.
    pub(super) cause: TryCause,
    pub(super) picked: PickedBy,
    /// Of a hedge: the time after which the member before was late.
    pub(super) late: Duration,
    /// How many members were passed over because they are out.
    pub(super) passed_over: u16,
    /// Its span in the trace of the request; 0 for none.
    pub(super) span: u64,
}

impl AttemptInfo {
    /// The only exchange of a call.
    pub(super) fn sole(call: CallKind, picked: PickedBy) -> AttemptInfo {
        let (cause, late, passed_over, span) = (TryCause::First, Duration::ZERO, 0, 0);
        AttemptInfo { attempt: 1, call, is_repeated: false, member: None, cause, picked, late, passed_over, span }
    }

    /// The same, with the member of this index.
    pub(super) fn at(self, index: usize) -> AttemptInfo {
        AttemptInfo { member: u32::try_from(index).ok(), ..self }
    }

    /// The same, in the trace of the request.
    pub(super) fn traced(self, request: &PreparedRequest) -> AttemptInfo {
        AttemptInfo { span: request.span_of(self.member, self.attempt), ..self }
    }

    /// The record of an exchange that begins now.
    fn course(&self, started: Instant) -> Course {
        let mut course = Course::begun(started).late_after(self.late);
        (course.cause, course.picked, course.passed_over) = (self.cause, self.picked, self.passed_over);
        course.span = self.span;
        course
    }
}

impl<'a> Attempt<'a> {
    /// When this exchange began.
    pub(super) fn started(&self) -> Instant {
        self.entry.started
    }

    pub(super) fn begin(
        member: &'a HttpMember,
        responder: &'a Responder<Outcome>,
        index: usize,
        info: AttemptInfo,
        begun: Instant,
    ) -> Attempt<'a> {
        let entry = member.enter(info.call, if info.attempt == 1 { begun } else { Instant::now() });
        let course = info.course(entry.started);
        responder.revise(index, |slot| {
            slot.node = member.node.clone();
            // Removes what the slot says about the previous member, but for the record of it.
            if info.attempt > 1 || info.is_repeated {
                let before = Try::of(slot);
                let tries = std::mem::take(&mut slot.tries).into_iter().chain(before).collect();
                *slot = Outcome { tries, ..Outcome::unsent(member.node.clone()) };
            }
            (slot.attempts, slot.index, slot.course) = (info.attempt, info.member, Some(course));
        });
        let progress = Progress::new(Trace::of(course));
        let (is_done, is_unwanted, is_decided) = (Cell::new(false), Cell::new(false), Cell::new(false));
        Attempt { member, responder, index, begun, info, entry, progress, is_done, is_unwanted, is_decided }
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    pub(super) fn is_done(&self) -> bool {
        self.is_done.get()
    }

    /// Another member's answer was taken: if this exchange is dropped now, no deadline was the cause. Returns the
    /// record of it.
    pub(super) fn unwanted(&self) -> Try {
        self.is_unwanted.set(true);
        let mut course = self.progress.get().course;
        course.end(EndedBy::Outrun, Instant::now());
        let (node, index, msg) =
            (self.member.node.clone(), self.info.member, "another member answered first".to_owned());
        Try { node, index, reason: Reason::Cancelled, code: 0, msg, course }
    }

    /// Runs the exchange. If our own code panics in it, only this member's outcome is affected.
    pub(super) async fn run(&self, request: &PreparedRequest) -> Outcome {
        let exchange = std::pin::pin!(self.member.exchange(request, &self.progress, self.entry.started));
        self.guarded(exchange).await
    }

    /// The same for a request that is passed on, to the end of its answer. `silence`: how long the member may be waited
    /// for in vain.
    pub(super) async fn pass(&self, request: &PassedRequest, silence: Duration, taker: &mut AnswerTaker) -> Outcome {
        let (started, party) = (self.entry.started, self.responder.party);
        let exchange = self.member.pass(request, &self.progress, (started, party), silence, taker);
        self.guarded(std::pin::pin!(exchange)).await
    }

    /// The caller pins `exchange`: pinned here, it would be stored in this future twice.
    async fn guarded(&self, exchange: Pin<&mut impl Future<Output = Outcome>>) -> Outcome {
        let (mut exchange, mut shown) = (exchange, self.progress.get());
        let mut cut = std::pin::pin!(self.member.cut());
        poll_fn(|context| {
            let ended = step(exchange.as_mut(), context).unwrap_or_else(|text| {
                tracing::error!(node = &*self.member.node, "an exchange panicked: {text}");
                let msg = format!("our own code panicked: {text}");
                Some(Outcome::failed(self.member.node.clone(), Reason::Internal, msg))
            });
            if let Some(mut outcome) = ended {
                self.finish(&mut outcome, false, EndedBy::Answer);
                return Poll::Ready(outcome);
            }
            if cut.as_mut().poll(context).is_ready() {
                let mut outcome = self.member.cut_off(self.progress.get().written > 0);
                // The operator has ended it, which says nothing of the member.
                self.finish_as(&mut outcome, EndedBy::Operator, |_| Judged::Neutral);
                return Poll::Ready(outcome);
            }
            self.decide();
            let now = self.progress.get();
            if now.stage != shown.stage || now.course != shown.course {
                self.show(shown.stage, now);
                shown = now;
            }
            Poll::Pending
        })
        .await
    }

    /// Decides a trial by the head of its answer: the member takes calls again, or does not, while a stream or a
    /// WebSocket goes on for as long as it likes.
    fn decide(&self) {
        let Some((_, code)) = self.progress.get().answered.filter(|_| self.entry.call == CallKind::Trial) else {
            return;
        };
        if !self.is_decided.replace(true) {
            self.member.decide(self.entry, circuit::judge(reason_of(code), Status::Completed, code, false));
        }
    }

    /// What its end is the end of.
    fn entry(&self) -> InFlight {
        if self.is_decided.get() { self.entry.as_regular() } else { self.entry }
    }

    /// Ends the exchange at the member's timeout.
    pub(super) fn expire(&self, timeout: Duration) -> Outcome {
        let trace = self.progress.get();
        let expired = match unsent(trace.stage) {
            Some((reason, what)) => deadline::unsent_in_time(reason, what, timeout),
            None => deadline::member_timeout(timeout),
        };
        let mut outcome = expired.outcome(self.member.node.clone());
        self.finish(&mut outcome, trace.read == 0, EndedBy::MemberTimeout);
        outcome
    }

    /// `was_silent`: the member had its full time and sent not one byte.
    fn finish(&self, outcome: &mut Outcome, was_silent: bool, by: EndedBy) {
        self.finish_as(outcome, by, |outcome| self.judged(outcome, was_silent || self.progress.get().is_silent));
    }

    fn finish_as(&self, outcome: &mut Outcome, by: EndedBy, judged: impl FnOnce(&Outcome) -> Judged) {
        let now = Instant::now();
        let mut course = self.progress.get().course;
        course.end(by, now);
        outcome.course = Some(course);
        // An answer that is passed on is as late as its head: the rest is at the pace of its client.
        let head = self.progress.get().answered;
        let answered = head.map_or(now, |(when, _)| when);
        outcome.latency = answered - self.begun;
        (outcome.attempts, outcome.index) = (self.info.attempt, self.info.member);
        self.is_done.set(true);
        let judged = judged(outcome);
        self.member.record(self.entry(), outcome, judged, head.is_some(), answered - self.entry.started, now);
    }

    /// Judges the member. A reused connection that ends without a byte of an answer says nothing about the member:
    /// servers close idle connections, and some calls always meet such a close. If the member is really down, the next
    /// dial fails.
    fn judged(&self, outcome: &Outcome, was_silent: bool) -> Judged {
        let trace = self.progress.get();
        match outcome.reason {
            Reason::Reset | Reason::Closed if !trace.dialled && trace.read == 0 => Judged::Neutral,
            // It took another protocol, whose end says nothing of how it answers: all its WebSockets end when it is
            // started anew.
            Reason::Reset | Reason::Closed if outcome.code == SWITCHING => Judged::Neutral,
            // It refused an answer for what is missing below it: it works, and another may have the same gap.
            Reason::HttpStatus if outcome.coverage.as_ref().is_some_and(|report| report.has_gap()) => Judged::Neutral,
            reason => circuit::judge(reason, outcome.status, outcome.code, was_silent),
        }
    }

    /// Writes into the slot how far the exchange has come, if that differs from `before`.
    fn show(&self, before: Stage, trace: Trace) {
        let (before, now) = (unsent(before), unsent(trace.stage));
        let expired = (before != now && !self.info.is_repeated).then(|| match now {
            Some((reason, what)) => deadline::unsent_at_deadline(reason, what),
            None => Expired { reason: Reason::NotAdmitted, msg: String::new() },
        });
        self.responder.revise(self.index, |slot| {
            if slot.index == self.info.member {
                slot.course = Some(trace.course);
            }
            if let Some(Expired { reason, msg }) = expired {
                (slot.reason, slot.status, slot.msg) = (reason, reason.status(), msg);
            }
        });
    }
}

/// Why nothing was sent so far; `None` if something may have been sent.
fn unsent(stage: Stage) -> Option<(Reason, &'static str)> {
    match stage {
        Stage::Waiting => Some((Reason::NoPermit, "not sent: no connection to the member was free")),
        Stage::Resolving => Some((Reason::Dns, "not sent: no answer from the name server")),
        Stage::Dialling => Some((Reason::ConnectTimeout, "not sent: no connection")),
        Stage::TlsHandshake => Some((Reason::ConnectTimeout, "not sent: no end of the TLS handshake")),
        Stage::Admitted | Stage::Connected => None,
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.is_done.get() {
            return;
        }
        // Dropped from outside. At a deadline the slot is still awaited or was closed by it; otherwise the answer is no
        // longer wanted.
        let by_clock =
            !self.is_unwanted.get() && (self.responder.is_awaited(self.index) || self.responder.is_settled(self.index));
        let how = if by_clock { Abandoned::Deadline } else { Abandoned::Cancelled };
        let was_sent = self.progress.get().written > 0;
        self.member.record_abandoned(self.entry(), how, was_sent, self.is_unwanted.get(), Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::http::{Endpoint, Origin, OriginLimits, Trace};
    use crate::kit::Replies;

    fn member() -> HttpMember {
        let limits = OriginLimits { connect_timeout: Duration::from_secs(1), connections: 1, max_answer: 1 };
        let place = Endpoint { trust: None, host: "127.0.0.1", port: 1, address: None };
        HttpMember::new("127.0.0.1:1".into(), 1, 1, Origin::member(place, limits))
    }

    fn at(attempt: &Attempt<'_>, stage: Stage) -> Trace {
        Trace { stage, ..attempt.progress.get() }
    }

    #[test]
    fn what_was_said_of_one_member_is_not_said_of_the_next() {
        let member = member();
        let (_inlet, responder) = Replies::open(vec![Outcome::unsent("a".into())], None);
        let said = || {
            let mut said = None;
            responder.revise(0, |slot| said = Some((slot.reason, slot.attempts)));
            said.expect("the slot is open")
        };
        let attempt =
            Attempt::begin(&member, &responder, 0, AttemptInfo::sole(CallKind::Regular, PickedBy::All), Instant::now());
        attempt.show(Stage::Admitted, at(&attempt, Stage::Dialling));
        assert_eq!(said(), (Reason::ConnectTimeout, 1));
        drop(attempt);
        let info = AttemptInfo { attempt: 2, ..AttemptInfo::sole(CallKind::Regular, PickedBy::All) };
        let attempt = Attempt::begin(&member, &responder, 0, info, Instant::now());
        // An idle connection: the next poll may already send on it.
        attempt.show(Stage::Admitted, at(&attempt, Stage::Connected));
        assert_eq!(said(), (Reason::NotAdmitted, 2), "a deadline now must say that it may have run");
    }

    #[test]
    fn a_panic_is_the_outcome_of_its_member() {
        let member = member();
        let (_inlet, responder) = Replies::open(vec![Outcome::unsent("a".into())], None);
        let attempt =
            Attempt::begin(&member, &responder, 0, AttemptInfo::sole(CallKind::Regular, PickedBy::All), Instant::now());
        let outcome =
            attempt.guarded(std::pin::pin!(async { panic!("ouch") })).now_or_never().expect("it panics at once");
        assert_eq!(outcome.reason, Reason::Internal);
        assert!(outcome.msg.contains("ouch"), "{}", outcome.msg);
        drop(attempt);
        assert!(member.is_idle());
    }

    #[test]
    fn a_call_that_still_waits_for_a_connection_was_not_sent() {
        let member = member();
        let (_inlet, responder) = Replies::open(vec![Outcome::unsent("a".into())], None);
        let attempt =
            Attempt::begin(&member, &responder, 0, AttemptInfo::sole(CallKind::Regular, PickedBy::All), Instant::now());
        attempt.progress.set(at(&attempt, Stage::Waiting));
        assert_eq!(attempt.expire(Duration::from_secs(1)).reason, Reason::NoPermit);
        let attempt =
            Attempt::begin(&member, &responder, 0, AttemptInfo::sole(CallKind::Regular, PickedBy::All), Instant::now());
        attempt.progress.set(Trace { written: 1, ..at(&attempt, Stage::Connected) });
        let outcome = attempt.expire(Duration::from_secs(1));
        assert_eq!(
            (outcome.reason, outcome.msg.as_str()),
            (Reason::Deadline, "no answer within the member's timeout of 1s")
        );
    }
}
