//! A call in the notes of its request: what was asked, and how each member's outcome came about.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use skitai_actors::kit::Rule;
use skitai_actors::outcome::{Course, Try};
use skitai_actors::{Outcome, Reason};

use crate::app::calls::protocol::Protocol;

/// What a call asks for, not yet made into text.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A method of a cluster or at a URL.
    Method(Box<str>, Arc<str>, Protocol),
    /// A path of a cluster, or a URL, with the method.
    Path(&'static str, String, Arc<str>),
    /// A statement on a database or a cluster of them, and the system that it is of.
    Statement(Cow<'static, str>, Arc<str>, &'static str),
    /// The request itself, which is passed on to a cluster, with its method.
    Passed(Arc<str>, Box<str>),
}

/// Who answers a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CallSource {
    /// The members.
    Members,
    /// The result cache.
    Cache {
        /// How old the answer is.
        age: Duration,
    },
    /// An equal call that was under way.
    Equal,
}

/// A noted call.
#[derive(Clone, Debug)]
pub(super) struct NotedCall {
    pub(super) what: What,
    pub(super) made: Instant,
    /// When the handler had the last of its outcomes.
    pub(super) until: Option<Instant>,
    pub(super) rule: Rule,
    pub(super) source: CallSource,
    pub(super) members: Vec<NotedMember>,
    /// Members that are not noted, because there are very many.
    pub(super) more: usize,
}

/// The outcome of one member.
#[derive(Clone, Debug)]
pub(super) struct NotedMember {
    pub(super) node: Arc<str>,
    pub(super) index: Option<u32>,
    pub(super) reason: Reason,
    pub(super) is_ok: bool,
    pub(super) code: u16,
    /// Empty for a good answer.
    pub(super) msg: String,
    pub(super) course: Option<Course>,
    pub(super) tries: Vec<Try>,
}

impl NotedCall {
    pub(super) fn new(made: Instant, what: What, rule: Rule, source: CallSource) -> NotedCall {
        NotedCall { what, made, until: None, rule, source, members: Vec::new(), more: 0 }
    }

    /// Notes outcomes, as far as there is room. Returns how many were noted.
    pub(super) fn came(&mut self, outcomes: &[Outcome], room: usize) -> usize {
        let noted = outcomes.len().min(room);
        self.more += outcomes.len() - noted;
        self.members.reserve_exact(noted);
        // What was kept or is shared went its way for another call.
        let is_own = matches!(self.source, CallSource::Members);
        let made = self.made;
        let member = |outcome: &Outcome| {
            let tries = if is_own { outcome.tries.clone() } else { Vec::new() };
            // What passed between the call and its actor is a part of the queue.
            let course = outcome.course.filter(|_| is_own);
            let course = course.map(|course| if tries.is_empty() { course.since(made) } else { course });
            NotedMember {
                node: outcome.node.clone(),
                index: outcome.index,
                reason: outcome.reason,
                is_ok: outcome.is_ok(),
                code: outcome.code,
                msg: if outcome.is_whole() { String::new() } else { outcome.msg.clone() },
                course,
                tries,
            }
        };
        self.members.extend(outcomes[..noted].iter().map(member));
        self.until = Some(Instant::now());
        noted
    }
}

/// How old kept outcomes are: as old as the oldest.
pub(crate) fn age(outcomes: &[Outcome]) -> CallSource {
    let ended = outcomes.iter().filter_map(|outcome| outcome.course.as_ref()).map(Course::end_instant).min();
    CallSource::Cache { age: ended.map_or(Duration::ZERO, |ended| ended.elapsed()) }
}
