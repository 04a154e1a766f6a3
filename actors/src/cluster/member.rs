//! One member: its origin, its exchanges in flight, and its counters.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use skitai_wire::Value;

use crate::balance::circuit::{Admitted, CallKind, Judged};
use crate::balance::health::{CallEnd, CutSwitch, MemberHealth, unix};
use crate::http;
use crate::http::passed::PassedRequest;
use crate::http::{AnswerTaker, BadHost, Origin, PreparedRequest, Progress};
use crate::kit::{DurationHistogram, Party};
use crate::outcome::deadline::Expired;
use crate::outcome::{Outcome, Reason, Status, deadline};

/// A member of a cluster, or one origin of the actor for any URL.
pub(super) struct HttpMember {
    pub(super) node: Arc<str>,
    weight: u32,
    connections: usize,
    origin: Result<Origin, BadHost>,
    /// Its health, shared by all threads. `None` for an origin of the actor for any URL.
    health: Option<MemberHealth>,
    /// What ends the exchanges of this thread when an operator ejects the member.
    switch: Option<CutSwitch>,
    in_flight: Cell<usize>,
    counts: RefCell<Counts>,
}

#[derive(Default)]
struct Counts {
    sent: u64,
    ok: u64,
    /// Of these, answers of a member that reported a gap of its own.
    partial: u64,
    failed: u64,
    timed_out: u64,
    cancelled: u64,
    not_connected: u64,
    /// Calls refused with "ejected" or "drained".
    not_sent: u64,
    /// Complete answers only: a call that was given up says nothing about the member's latency.
    answers: u64,
    total: Duration,
    slowest: Duration,
    /// The same, for monitoring.
    durations: DurationHistogram,
    last_error: Option<LastError>,
}

struct LastError {
    reason: Reason,
    msg: String,
    when: SystemTime,
}

/// An exchange under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    pub(super) call: CallKind,
    /// When the exchange began: later than its call, if another member was tried before.
    pub(super) started: Instant,
    /// Calls that the member had in flight then, from all threads, this one included.
    among: usize,
}

/// Why an exchange was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Abandoned {
    Deadline,
    Cancelled,
}

impl InFlight {
    /// The same, of a trial that has been decided.
    pub(super) fn as_regular(self) -> InFlight {
        InFlight { call: CallKind::Regular, ..self }
    }
}

impl HttpMember {
    pub(super) fn new(node: Arc<str>, weight: u32, connections: usize, origin: Result<Origin, BadHost>) -> HttpMember {
        HttpMember {
            node,
            weight,
            connections,
            origin,
            health: None,
            switch: None,
            in_flight: Cell::new(0),
            counts: RefCell::default(),
        }
    }

    /// The same member, with the health that it shares with its cluster.
    pub(super) fn with_health(self, health: MemberHealth) -> HttpMember {
        let switch = Some(health.cut_switch());
        HttpMember { health: Some(health), switch, ..self }
    }

    /// True if the member has this health.
    pub(super) fn has(&self, health: &MemberHealth) -> bool {
        self.health.as_ref().is_some_and(|own| own.is(health))
    }

    /// One exchange. The caller sets latency and attempts.
    pub(super) async fn exchange(&self, request: &PreparedRequest, progress: &Progress, begun: Instant) -> Outcome {
        match &self.origin {
            Ok(origin) => origin.ask(request, progress, begun, &self.node).await,
            Err(why) => Outcome::failed(self.node.clone(), Reason::Dns, why.to_string()),
        }
    }

    /// One exchange that is passed on. The caller sets latency and attempts.
    pub(super) async fn pass(
        &self,
        request: &PassedRequest,
        progress: &Progress,
        begun: (Instant, Party),
        silence: Duration,
        taker: &mut AnswerTaker,
    ) -> Outcome {
        match &self.origin {
            Ok(origin) => origin.pass(request, progress, begun, silence, taker, &self.node).await,
            Err(why) => Outcome::failed(self.node.clone(), Reason::Dns, why.to_string()),
        }
    }

    /// Decides whether a call may go to this member; a refusal is an outcome.
    pub(super) fn admit(&self, now: Instant) -> Result<CallKind, Box<Outcome>> {
        let Some(health) = &self.health else { return Ok(CallKind::Regular) };
        let now = health.at(now);
        match health.admit(now) {
            Admitted::Yes => Ok(CallKind::Regular),
            Admitted::Trial => Ok(CallKind::Trial),
            Admitted::No => {
                self.counts.borrow_mut().not_sent += 1;
                let (reason, why) = health.refusal(now);
                Err(Box::new(Outcome::failed(self.node.clone(), reason, why)))
            }
        }
    }

    pub(super) fn enter(&self, call: CallKind, started: Instant) -> InFlight {
        self.in_flight.update(|count| count + 1);
        InFlight { call, started, among: self.health.as_ref().map_or(1, |health| health.begun(health.at(started))) }
    }

    /// Ends when an operator ejects the member, and with it what is under way.
    pub(super) async fn cut(&self) {
        match &self.switch {
            Some(switch) => switch.cut().await,
            None => std::future::pending().await,
        }
    }

    /// The outcome of an exchange that ended so.
    pub(super) fn cut_off(&self, was_sent: bool) -> Outcome {
        let told = self.health.as_ref().map(|health| health.cut_off(was_sent));
        let (reason, why) = told.unwrap_or((Reason::Closed, String::new()));
        Outcome::failed(self.node.clone(), reason, why)
    }

    /// Decides a trial before its end.
    pub(super) fn decide(&self, entry: InFlight, judged: Judged) {
        if let Some(health) = &self.health {
            health.decide(entry.call, judged, health.now());
        }
    }

    /// Ends what [`enter`](HttpMember::enter) began, and passes the result to the member's health.
    pub(super) fn leave(&self, ended: &CallEnd<'_>, now: Instant) {
        self.in_flight.update(|count| count - 1);
        if let Some(health) = &self.health {
            health.ended(ended, health.at(now));
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.get() == 0
    }

    /// Counts the outcome of an exchange and judges the member by it. Every outcome of this member passes here.
    /// `took`: how long it took. `is_passed`: its answer was passed on to a client.
    pub(super) fn record(
        &self,
        entry: InFlight,
        outcome: &Outcome,
        judged: Judged,
        is_passed: bool,
        took: Duration,
        now: Instant,
    ) {
        self.count(outcome, is_passed);
        if let Some(health) = &self.health
            && let Some(time) = retry_after(outcome)
        {
            health.hold(time, health.at(now));
        }
        let is_refusal = is_refusal(outcome);
        self.leave(
            &CallEnd {
                call: entry.call,
                among: entry.among,
                judged,
                is_refusal,
                // The latency of a refusal says nothing about the latency of real work.
                took: (outcome.code != 0 && !is_refusal).then_some(took),
                waited: (outcome.reason == Reason::Deadline).then_some(took),
                msg: &outcome.msg,
            },
            now,
        );
    }

    fn count(&self, outcome: &Outcome, is_passed: bool) {
        let mut counts = self.counts.borrow_mut();
        // A redirect, a 304 or a 404 that is passed on is for the client; a call of a handler comes to nothing by it.
        let is_ok = outcome.is_ok() || (is_passed && outcome.reason == Reason::HttpStatus && !is_refusal(outcome));
        match outcome.status {
            _ if is_ok => {
                counts.ok += 1;
                counts.partial += u64::from(outcome.reason == Reason::Partial);
            }
            Status::NotConnected => counts.not_connected += 1,
            // The client of a request that is passed on has left, or sent what is not passed on.
            Status::Timeout if outcome.reason == Reason::Cancelled => counts.cancelled += 1,
            Status::Timeout => counts.timed_out += 1,
            Status::Error | Status::Completed => counts.failed += 1,
        }
        if !outcome.reason.never_ran() {
            counts.sent += 1;
        }
        if outcome.code != 0 {
            counts.answers += 1;
            counts.total += outcome.latency;
            counts.slowest = counts.slowest.max(outcome.latency);
            counts.durations.add(outcome.latency);
        }
        if !is_ok && outcome.reason != Reason::Cancelled {
            counts.last_error =
                Some(LastError { reason: outcome.reason, msg: outcome.msg.clone(), when: SystemTime::now() });
        }
    }

    /// Counts an exchange that was given up. It does not affect the member's health: its caller may have had little
    /// time. `is_outrun`: another member's answer was taken. The loser is at least this slow. If we did not record
    /// that, its 95th percentile would fall and ever more calls would be hedged.
    pub(super) fn record_abandoned(
        &self,
        entry: InFlight,
        how: Abandoned,
        was_sent: bool,
        is_outrun: bool,
        now: Instant,
    ) {
        self.count_abandoned(how, was_sent);
        let waited = was_sent.then_some(now - entry.started);
        self.leave(
            &CallEnd {
                call: entry.call,
                among: entry.among,
                judged: Judged::Neutral,
                is_refusal: false,
                took: waited.filter(|_| is_outrun),
                waited,
                msg: "",
            },
            now,
        );
    }

    fn count_abandoned(&self, how: Abandoned, was_sent: bool) {
        let mut counts = self.counts.borrow_mut();
        match how {
            Abandoned::Deadline => counts.timed_out += 1,
            Abandoned::Cancelled => counts.cancelled += 1,
        }
        counts.sent += u64::from(was_sent);
        if how == Abandoned::Deadline {
            let Expired { reason, msg } = deadline::caller_deadline();
            counts.last_error = Some(LastError { reason, msg, when: SystemTime::now() });
        }
    }

    /// Closes idle connections; true if none is left.
    pub(super) fn reap(&self) -> bool {
        self.origin.as_ref().map_or(true, Origin::reap)
    }

    /// The member's report.
    pub(super) fn report(&self) -> Value {
        let counts = self.counts.borrow();
        let number = |count: u64| Value::Int(count.cast_signed());
        let millis = |time: Duration| Value::Double(time.as_secs_f64() * 1e3);
        let mean = counts.total.checked_div(u32::try_from(counts.answers).unwrap_or(u32::MAX)).unwrap_or_default();
        let latency =
            [("count", number(counts.answers)), ("mean_ms", millis(mean)), ("max_ms", millis(counts.slowest))];
        let latency = Value::from_pairs(latency.into_iter().chain(counts.durations.pairs()));
        let last_error = counts.last_error.as_ref().map_or(Value::Nil, |last| {
            Value::from_pairs([
                ("reason", Value::String(last.reason.word().to_owned())),
                ("msg", Value::String(last.msg.clone())),
                ("when", unix(last.when)),
            ])
        });
        let mut pairs = vec![
            ("node", Value::String(self.node.to_string())),
            ("weight", Value::Int(self.weight.into())),
            ("in_flight", number(self.in_flight.get() as u64)),
            ("sent", number(counts.sent)),
            ("ok", number(counts.ok)),
            ("partial", number(counts.partial)),
            ("failed", number(counts.failed)),
            ("timed_out", number(counts.timed_out)),
            ("cancelled", number(counts.cancelled)),
            ("not_connected", number(counts.not_connected)),
            ("not_sent", number(counts.not_sent)),
            ("connections", number(self.connections as u64)),
            ("last_error", last_error),
            ("latency", latency),
        ];
        if let Some(health) = &self.health {
            pairs.push(("shared", health.report()));
        }
        Value::from_pairs(pairs)
    }
}

pub(super) const TOO_MANY: u16 = 429;
const UNAVAILABLE: u16 = 503;

/// The member says that it cannot.
fn is_refusal(outcome: &Outcome) -> bool {
    outcome.code == TOO_MANY || outcome.code >= 500
}

/// The wait that the member asks for in `Retry-After`.
fn retry_after(outcome: &Outcome) -> Option<Duration> {
    if !matches!(outcome.code, TOO_MANY | UNAVAILABLE) {
        return None;
    }
    let (_, value) = outcome.headers.iter().find(|(name, _)| name == "retry-after")?;
    http::wait_of(value, SystemTime::now())
}
