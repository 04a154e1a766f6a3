//! A statement with one member: the one that is asked for, or those that are tried in turn.
//!
//! While a statement runs its slot is kept true, so that the record of a call which was cut says how far it had come.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::LocalBoxFuture;

use super::member::SqlMember;
use super::query::Query;
use super::stream::Sink;
use crate::balance::circuit::CallKind;
use crate::balance::health::Health;
use crate::balance::pick::{Candidate, Picker};
use crate::kit::Responder;
use crate::kit::race::step;
use crate::outcome::course::{PickedBy, TryCause};
use crate::outcome::{Course, Outcome, Reason, Try};

/// A statement running towards one member's outcome; a panic in it fails that member alone.
pub(super) struct StatementCall<'m> {
    member: &'m SqlMember,
    work: LocalBoxFuture<'m, Outcome>,
    slot: StatementSlot<'m>,
    /// How it goes, and what of that the slot says.
    course: Rc<Cell<Course>>,
    shown: Option<Course>,
}

/// The slot of a statement, which is kept true while the statement runs.
#[derive(Clone, Copy)]
pub(super) struct StatementSlot<'m> {
    pub(super) responder: &'m Responder<Outcome>,
    pub(super) index: usize,
    /// The index of the member.
    pub(super) member: usize,
}

pub(super) fn ask<'m>(
    member: &'m SqlMember,
    query: Arc<Query>,
    call: Option<CallKind>,
    sink: Option<&'m Sink>,
    course: Course,
    slot: StatementSlot<'m>,
) -> StatementCall<'m> {
    let started = course.beginning();
    let course = Rc::new(Cell::new(course));
    StatementCall {
        member,
        work: member.execute(query, call, sink, started, course.clone()),
        slot,
        course,
        shown: None,
    }
}

impl Future for StatementCall<'_> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let ended = step(self.work.as_mut(), context).unwrap_or_else(|text| {
            let node = self.member.node();
            tracing::error!(%node, "a statement panicked: {text}");
            let msg = format!("the database actor panicked: {text}");
            Some(Outcome::failed(node.clone(), Reason::Internal, msg))
        });
        if let Some(outcome) = ended {
            return Poll::Ready(outcome);
        }
        let course = Some(self.course.get());
        if self.shown != course {
            self.shown = course;
            let StatementSlot { responder, index, member } = self.slot;
            let node = self.member.node();
            responder.revise(index, |slot| {
                (slot.course, slot.index) = (course, u32::try_from(member).ok());
                if slot.node != *node {
                    slot.node = node.clone();
                }
            });
        }
        Poll::Pending
    }
}

/// Asks this member and no other.
pub(super) async fn ask_at(
    members: &[Rc<SqlMember>],
    index: Option<usize>,
    name: &str,
    query: Arc<Query>,
    sink: Option<&Sink>,
    responder: &Responder<Outcome>,
) -> Outcome {
    match index.and_then(|index| Some((index, members.get(index)?))) {
        Some((index, member)) => {
            let mut course = Course::begun(Instant::now());
            course.picked = PickedBy::Caller;
            let slot = StatementSlot { responder, index: 0, member: index };
            let outcome = ask(member, query, None, sink, course, slot).await;
            Outcome { index: u32::try_from(index).ok(), ..outcome }
        }
        None => no_shard(members, index, name),
    }
}

pub(super) fn no_shard(members: &[Rc<SqlMember>], index: Option<usize>, name: &str) -> Outcome {
    let shard = index.map_or("none has a weight".to_owned(), |index| format!("there is no shard {index}"));
    let msg = format!("not sent: @{name} has {} members, counted from 0; {shard}", members.len());
    Outcome::failed(format!("@{name}").into(), Reason::Unsendable, msg)
}

/// Asks the chosen member, and another one only as long as no member can have seen the statement.
pub(super) async fn ask_one(
    mut choice: Choice<'_>,
    name: &str,
    query: &Arc<Query>,
    sink: Option<&Sink>,
    responder: &Responder<Outcome>,
) -> Outcome {
    let started = Instant::now();
    let mut last: Option<Outcome> = None;
    let mut attempts = 0;
    while let Some((index, call)) = choice.next() {
        attempts += 1;
        let mut course = Course::begun(Instant::now());
        course.picked = choice.way(call);
        course.passed_over = choice.health.out();
        if attempts > 1 {
            course.cause = TryCause::Failover;
        }
        let slot = StatementSlot { responder, index: 0, member: index };
        let mut outcome = ask(&choice.members[index], query.clone(), Some(call), sink, course, slot).await;
        (outcome.attempts, outcome.index) = (attempts, u32::try_from(index).ok());
        outcome.latency = started.elapsed();
        if let Some(mut before) = last.take() {
            before.tries.extend(Try::of(&before));
            outcome.tries = before.tries;
        }
        if !outcome.reason.never_ran() {
            return outcome;
        }
        last = Some(outcome);
    }
    last.unwrap_or_else(|| choice.nobody(name))
}

/// Iterates over the members in the order in which they are tried, each once.
pub(super) struct Choice<'c> {
    members: &'c [Rc<SqlMember>],
    picker: &'c Picker,
    health: &'c Health,
    tried: Vec<bool>,
}

impl<'c> Choice<'c> {
    pub(super) fn new(members: &'c [Rc<SqlMember>], picker: &'c Picker, health: &'c Health) -> Choice<'c> {
        Choice { members, picker, health, tried: vec![false; members.len()] }
    }

    /// First the member whose trial is due, then by `balance`. Ejected members are tried only when no other is left,
    /// because the ejection may be wrong.
    pub(super) fn next(&mut self) -> Option<(usize, CallKind)> {
        let now = self.health.now();
        let due = if self.tried.contains(&true) { None } else { self.health.due(now) };
        let (index, call) = match due {
            Some(index) => (index, CallKind::Trial),
            None => (self.chosen(now)?, CallKind::Regular),
        };
        self.tried[index] = true;
        Some((index, call))
    }

    /// How the member that was chosen last was chosen.
    fn way(&self, call: CallKind) -> PickedBy {
        match (call, self.tried.iter().filter(|is_tried| !**is_tried).count()) {
            (CallKind::Trial, _) => PickedBy::Trial,
            (CallKind::Regular, 0) => PickedBy::OnlyOneLeft,
            (CallKind::Regular, _) => self.picker.way(),
        }
    }

    fn chosen(&self, now: Duration) -> Option<usize> {
        let wants_estimate = self.picker.wants_estimate();
        // A statement has no key; the configuration refuses a balance by key for databases.
        self.picker.pick(0, |index| {
            let candidate = self.health.candidate(index, now, wants_estimate);
            Candidate { is_barred: candidate.is_barred || self.tried[index], ..candidate }
        })
    }

    /// The outcome of a statement for which there was nobody to try.
    pub(super) fn nobody(&self, name: &str) -> Outcome {
        let node: Arc<str> = format!("@{name}").into();
        match self.health.all_aside() {
            Some((reason, why)) => Outcome::failed(node, reason, why),
            None => Outcome { msg: format!("not sent: @{name} has no members"), ..Outcome::unsent(node) },
        }
    }
}
