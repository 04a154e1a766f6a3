//! The course of one exchange or statement: each of its instants once, why its member was chosen, and what ended it.
//!
//! A part of a course ([`CoursePart`]) is the time between two neighbouring instants. It is never measured by itself,
//! so the parts add up to the whole.
//!
//! - `reasons`: why a member was asked, why no other was, and who ended the exchange.

mod reasons;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Outcome, Reason};

pub use reasons::{EndedBy, PickedBy, TryCause, Unrepeated};

/// The instants of a course, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Instants {
    /// A connection may be used.
    Permitted,
    /// A connection is there: an idle one, or a new one.
    Connected,
    /// All of the request has been written.
    Sent,
    /// The first octet of the answer is here.
    Answering,
    /// The answer has been read to its end.
    Read,
    /// Its outcome is made.
    Made,
    /// The caller's filter has run.
    Filtered,
}

/// How many there are.
const COUNT: usize = Instants::Filtered as usize + 1;
/// In place of an instant that did not come.
const NEVER: u32 = u32::MAX;

/// What the time up to each instant is called.
const PARTS: [&str; COUNT] = ["queue", "connect", "send", "wait", "body", "decode", "filter"];

/// The course of one exchange with a member, or of one statement. 72 octets and no allocation: every call has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    begun: Instant,
    /// Microseconds since `begun`, or [`NEVER`]. Whoever lasts longer than 71 minutes stays there.
    instants: [u32; COUNT],
    /// The time after which the member before was late, in microseconds; of a hedge alone.
    late: u32,
    /// The span of the exchange in the trace of its request; 0 for none.
    pub span: u64,
    /// How many members were passed over because they are ejected, drained or asked for a pause.
    pub passed_over: u16,
    /// Why there is this try.
    pub cause: TryCause,
    /// Why it went to this member.
    pub picked: PickedBy,
    /// Why no other member was asked after it.
    pub unrepeated: Option<Unrepeated>,
    /// Who ended it.
    pub ended: EndedBy,
    /// The connection was made for it.
    pub is_dialled: bool,
    /// An idle connection turned out to be closed, and all went over a new one.
    pub is_reconnected: bool,
}

/// A part of a course.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoursePart {
    /// `queue`, `connect`, `send`, `wait`, `body`, `decode` or `filter`.
    pub name: &'static str,
    /// From the beginning of the course, in microseconds.
    pub from: u32,
    /// From the beginning of the course, in microseconds.
    pub to: u32,
}

impl Course {
    /// A course that begins.
    pub fn begun(begun: Instant) -> Course {
        Course {
            begun,
            instants: [NEVER; COUNT],
            late: 0,
            span: 0,
            passed_over: 0,
            cause: TryCause::First,
            picked: PickedBy::All,
            unrepeated: None,
            ended: EndedBy::Nobody,
            is_dialled: false,
            is_reconnected: false,
        }
    }

    /// The course of what waited for its member from the beginning to the end, as a statement of a transaction does.
    pub fn waited(begun: Instant, ended: Instant) -> Course {
        let mut course = Course::begun(begun);
        for what in [Instants::Permitted, Instants::Connected, Instants::Sent] {
            course.mark_at_once(what);
        }
        course.picked = PickedBy::Caller;
        course.end(EndedBy::Answer, ended);
        course
    }

    /// When it began.
    pub fn beginning(&self) -> Instant {
        self.begun
    }

    /// The same, begun earlier: what came before belongs to its first part.
    #[must_use]
    pub fn since(mut self, earlier: Instant) -> Course {
        let before = micros(self.begun.saturating_duration_since(earlier));
        if before > 0 {
            self.begun = earlier;
            self.instants.iter_mut().filter(|at| **at != NEVER).for_each(|at| *at = at.saturating_add(before));
        }
        self
    }

    /// Records an instant. The first one stays, and the order of all is kept whatever the clock says.
    pub(crate) fn mark(&mut self, what: Instants, at: Instant) {
        let place = what as usize;
        if self.instants[place] == NEVER {
            let at = micros(at.saturating_duration_since(self.begun));
            let behind = self.instants[place..].iter().copied().find(|at| *at != NEVER).unwrap_or(at);
            self.instants[place] = at.min(behind).max(self.last_before(place));
        }
    }

    /// The same, where no time has passed since the instant before, so that the clock need not be read.
    pub(crate) fn mark_at_once(&mut self, what: Instants) {
        let place = what as usize;
        if self.instants[place] == NEVER {
            self.instants[place] = self.last_before(place);
        }
    }

    /// The same, for what is repeated on a new connection: its instants after the permit count no longer.
    pub(crate) fn reconnecting(mut self) -> Course {
        self.instants[Instants::Connected as usize..].fill(NEVER);
        self.is_reconnected = true;
        self
    }

    /// The same, as the try of a call that follows another.
    pub(crate) fn late_after(mut self, late: Duration) -> Course {
        self.late = micros(late);
        self
    }

    /// Ends it. What has ended stays ended.
    pub fn end(&mut self, by: EndedBy, at: Instant) {
        if self.ended == EndedBy::Nobody {
            self.ended = by;
            self.mark(Instants::Made, at);
        }
    }

    /// The caller's filter has run.
    pub fn filtered(&mut self, at: Instant) {
        self.mark(Instants::Filtered, at);
    }

    /// Of a hedge: the time after which the member before was late.
    pub fn late(&self) -> Option<Duration> {
        (self.late > 0).then(|| Duration::from_micros(self.late.into()))
    }

    /// How long it took: the sum of its parts.
    pub fn took(&self) -> Duration {
        Duration::from_micros(self.last_before(COUNT).into())
    }

    /// When it ended.
    pub fn end_instant(&self) -> Instant {
        self.begun + self.took()
    }

    /// Its parts, one behind the other and without a gap.
    pub fn parts(&self) -> impl Iterator<Item = CoursePart> {
        let mut from = 0;
        let named = self.instants.into_iter().enumerate().filter(|(_, at)| *at != NEVER);
        named.map(move |(place, to)| {
            // Of what has ended before its time, the last part is the one that did not come to its end.
            let missing = (place == Instants::Made as usize).then(|| self.next_missing()).flatten();
            let part = CoursePart { name: PARTS[missing.unwrap_or(place)], from, to };
            from = to;
            part
        })
    }

    /// The first instant that did not come, behind the last that came before the end.
    fn next_missing(&self) -> Option<usize> {
        let before_end = &self.instants[..Instants::Made as usize];
        let next = before_end.iter().rposition(|at| *at != NEVER).map_or(0, |last| last + 1);
        (next < before_end.len()).then_some(next)
    }

    fn last_before(&self, place: usize) -> u32 {
        self.instants[..place].iter().rev().copied().find(|at| *at != NEVER).unwrap_or(0)
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(NEVER - 1).min(NEVER - 1)
}

/// Another try of the same call: one that failed before, or was outrun.
#[derive(Clone, Debug)]
pub struct Try {
    /// The member as configured.
    pub node: Arc<str>,
    /// The member's index in its cluster.
    pub index: Option<u32>,
    /// What came of it.
    pub reason: Reason,
    /// The HTTP code of its answer; 0 without one.
    pub code: u16,
    /// The text of the member or of the system.
    pub msg: String,
    /// How it went.
    pub course: Course,
}

impl Try {
    /// The try that an outcome is of; `None` if nothing was tried.
    pub(crate) fn of(outcome: &Outcome) -> Option<Try> {
        let Outcome { node, index, reason, code, msg, course, .. } = outcome;
        let course = (*course)?;
        Some(Try { node: node.clone(), index: *index, reason: *reason, code: *code, msg: msg.clone(), course })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Instants; COUNT] = [
        Instants::Permitted,
        Instants::Connected,
        Instants::Sent,
        Instants::Answering,
        Instants::Read,
        Instants::Made,
        Instants::Filtered,
    ];

    fn at(begun: Instant, ms: u64) -> Instant {
        begun + Duration::from_millis(ms)
    }

    fn told(course: &Course) -> Vec<(&'static str, u32)> {
        course.parts().map(|part| (part.name, (part.to - part.from) / 1000)).collect()
    }

    #[test]
    fn a_course_is_its_parts() {
        let begun = Instant::now();
        let mut course = Course::begun(begun);
        for (what, ms) in ALL.into_iter().zip([1, 3, 6, 10, 15, 21, 28]) {
            course.mark(what, at(begun, ms));
        }
        let parts = told(&course);
        assert_eq!(
            parts,
            [("queue", 1), ("connect", 2), ("send", 3), ("wait", 4), ("body", 5), ("decode", 6), ("filter", 7)]
        );
        assert_eq!(course.took(), Duration::from_millis(28));
        assert_eq!(told(&course.since(begun - Duration::from_millis(5)))[0], ("queue", 6));
    }

    #[test]
    fn what_was_cut_off_is_named() {
        let begun = Instant::now();
        for (came, name) in [(0, "queue"), (1, "connect"), (2, "send"), (3, "wait"), (4, "body"), (5, "decode")] {
            let mut course = Course::begun(begun);
            ALL[..came].iter().for_each(|what| course.mark(*what, at(begun, 1)));
            course.end(EndedBy::Deadline, at(begun, 9));
            course.end(EndedBy::Answer, at(begun, 99));
            assert_eq!(told(&course).last().map(|part| part.0), Some(name), "{came}");
            assert_eq!((course.took(), course.ended), (Duration::from_millis(9), EndedBy::Deadline));
        }
        // What is not known of the middle, as of a connection that awc has kept, took no time.
        let mut course = Course::begun(begun);
        course.mark(Instants::Permitted, at(begun, 1));
        course.mark(Instants::Answering, at(begun, 4));
        course.end(EndedBy::Answer, at(begun, 5));
        assert_eq!(told(&course), [("queue", 1), ("wait", 3), ("body", 1)]);
    }

    proptest! {
        #[test]
        fn parts_add_up_whatever_the_clocks_said(marks in prop::collection::vec((0_usize..COUNT, 0_u64..10_000), 0..12)) {
            let begun = Instant::now();
            let mut course = Course::begun(begun);
            for (what, ms) in marks {
                course.mark(ALL[what], at(begun, ms));
            }
            course.end(EndedBy::Answer, at(begun, 5));
            let (mut sum, mut last) = (0, 0);
            for part in course.parts() {
                prop_assert_eq!(part.from, last);
                sum += part.to - part.from;
                last = part.to;
            }
            prop_assert_eq!(Duration::from_micros(sum.into()), course.took());
        }
    }
}
