//! The notes of a request as a record: what programs read, and what the picture is drawn from.
//!
//! All times of a call are microseconds since the request's head was read, so that everything lies on one line. A part
//! of a try is the time between two neighbouring instants, never measured by itself.

use std::borrow::Cow;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use skitai_actors::Reason;
use skitai_actors::kit::Rule;
use skitai_actors::outcome::Course;

use super::noted::{CallSource, NotedCall, NotedMember, What};
use super::spans::Subject;
use super::{NotedError, TrailPlace, discreet};
use crate::app::calls::protocol::Protocol;
use crate::app::was::RequestContext;

/// Members of one call that a record shows: those that failed, then the slowest.
const SHOWN: usize = 100;
/// For the log and for records alone: the client disconnected before the answer.
const CLIENT_LEFT: u16 = 499;

/// What a list says of a record.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TrailShort {
    pub(super) id: String,
    /// Unix time in seconds.
    at: f64,
    pub(super) method: String,
    pub(super) path: String,
    /// The rule of the route, or who has answered in place of one.
    pub(super) route: String,
    pub(super) status: u16,
    /// To the answer, whose body may follow.
    ms: f64,
    /// `slow`, `failed` or `partial`; `None` for what is shown and not kept.
    pub(super) why: Option<&'static str>,
    pub(super) asked: usize,
    pub(super) missing: usize,
}

/// The record of one request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TrailRecord {
    #[serde(flatten)]
    pub(super) short: TrailShort,
    /// The trace that it belongs to.
    trace: Option<String>,
    /// To the end of the last call, or of the answer.
    pub(super) total_us: u32,
    pub(super) error: Option<ErrorRecord>,
    /// In devel mode alone.
    arguments: Vec<(String, String)>,
    pub(super) calls: Vec<CallRecord>,
    /// Calls that are not noted, because there are very many.
    more_calls: usize,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ErrorRecord {
    status: u16,
    id: Option<String>,
    pub(super) text: String,
}

/// A call of a record.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CallRecord {
    pub(super) what: String,
    #[serde(skip)]
    pub(super) subject: Subject,
    /// The cluster with its `@`, or a host.
    pub(super) target: String,
    pub(super) kind: &'static str,
    rule: String,
    pub(super) at_us: u32,
    /// `None` if nobody waited for it.
    pub(super) until_us: Option<u32>,
    /// `members`, `cache` or `equal_call`.
    pub(super) source: &'static str,
    /// Of the cache: how old the answer was.
    pub(super) age_ms: Option<f64>,
    pub(super) asked: usize,
    pub(super) ok: usize,
    pub(super) tries: Vec<TryRecord>,
    /// Members that are not shown, because there are very many: they have answered well and sooner than those.
    more: usize,
}

/// A try of a call: one exchange with a member, or one statement.
#[derive(Clone, Debug, Serialize)]
pub(super) struct TryRecord {
    pub(super) node: String,
    index: Option<u32>,
    pub(super) reason: &'static str,
    pub(super) is_ok: bool,
    pub(super) code: u16,
    pub(super) message: String,
    #[serde(skip)]
    pub(super) span: u64,
    /// It is the one that the caller was given.
    is_given: bool,
    pub(super) cause: Option<&'static str>,
    pub(super) picked: Option<&'static str>,
    /// Both of these in words.
    pub(super) why: String,
    /// Why no other member was asked after it.
    pub(super) unrepeated: Option<&'static str>,
    /// Who ended it.
    pub(super) ended: Option<&'static str>,
    is_dialled: bool,
    is_reconnected: bool,
    passed_over: u16,
    late_ms: Option<f64>,
    pub(super) at_us: u32,
    pub(super) took_us: u32,
    pub(super) parts: Vec<PartRecord>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct PartRecord {
    pub(super) name: &'static str,
    at_us: u32,
    pub(super) us: u32,
}

impl TrailRecord {
    /// The record of a request as it is now. `why` it is kept, if it is. `is_all`: with all members that are noted.
    pub(crate) fn of(request: &RequestContext, why: Option<&'static str>, is_all: bool) -> TrailRecord {
        let begun = request.request.begun;
        let notes = request.trail.notes();
        let (status, took) = request.trail.answer().unwrap_or((CLIENT_LEFT, begun.elapsed()));
        let (status, error) = match notes.error {
            // Over RPC the status is 200, whatever has happened.
            Some(error) => (error.status, Some(error)),
            None => (status, None),
        };
        let calls: Vec<CallRecord> = notes.calls.iter().map(|call| CallRecord::of(call, begun, is_all)).collect();
        let coverage = request.coverage();
        let asked: usize = coverage.clusters.iter().map(|cluster| cluster.coverage.asked).sum();
        let missing = coverage.clusters.iter().map(|cluster| cluster.missing.len()).sum();
        let last =
            calls.iter().flat_map(|call| call.tries.iter().map(|one| one.at_us.saturating_add(one.took_us))).max();
        let short = TrailShort {
            id: request.request.id().to_owned(),
            at: wall(begun),
            method: request.request.method().to_owned(),
            path: discreet::path(request.request.uri()),
            route: route(request),
            status,
            ms: millis(took),
            why,
            asked,
            missing,
        };
        let error = error.map(|NotedError { status, id, text }| ErrorRecord { status, id, text });
        let total_us = micros(took).max(last.unwrap_or(0));
        let (arguments, more_calls) = (notes.arguments, notes.more_calls);
        // Only if somebody has asked for it before: it is looked for in the request's headers.
        let trace = request.trace.get().and_then(Option::as_ref);
        let trace = trace.map(|trace| trace.trace.iter().map(|octet| format!("{octet:02x}")).collect());
        TrailRecord { short, trace, total_us, error, arguments, calls, more_calls }
    }
}

/// Who has answered.
fn route(request: &RequestContext) -> String {
    let rule = request.route().rule;
    match request.trail.place() {
        TrailPlace::Route if rule.is_empty() => "unmatched".to_owned(),
        TrailPlace::Route => rule,
        TrailPlace::Files => "files".to_owned(),
        TrailPlace::Services => "services".to_owned(),
        TrailPlace::Members => {
            let mounts = request.services().site.router.mounts();
            format!("{}/*", mounts[request.trail.passed_by].path())
        }
    }
}

impl CallRecord {
    fn of(call: &NotedCall, begun: Instant, is_all: bool) -> CallRecord {
        let (kind, what, target) = described(&call.what);
        let (source, age_ms) = match call.source {
            CallSource::Members => ("members", None),
            CallSource::Cache { age } => ("cache", Some(millis(age))),
            CallSource::Equal => ("equal_call", None),
        };
        let shown = if is_all { call.members.iter().collect() } else { shown(&call.members) };
        let tries = shown.iter().flat_map(|member| TryRecord::of(member, begun)).collect();
        let made = micros(call.made.saturating_duration_since(begun));
        CallRecord {
            subject: subject(&call.what),
            what,
            target,
            kind,
            rule: rule(call.rule),
            at_us: made,
            until_us: call.until.map(|until| micros(until.saturating_duration_since(begun))),
            source,
            age_ms,
            asked: call.members.len() + call.more,
            ok: call.members.iter().filter(|member| member.is_ok).count(),
            tries,
            more: call.more + call.members.len() - shown.len(),
        }
    }
}

/// The members that are shown, in their order.
fn shown(members: &[NotedMember]) -> Vec<&NotedMember> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    let took = |member: &NotedMember| member.course.map(|course| course.took()).unwrap_or_default();
    order.sort_by_key(|&index| (members[index].is_ok, std::cmp::Reverse(took(&members[index]))));
    order.truncate(SHOWN);
    order.sort_unstable();
    order.into_iter().map(|index| &members[index]).collect()
}

impl TryRecord {
    /// All tries of a member's outcome, in the order of their beginning.
    fn of(member: &NotedMember, begun: Instant) -> Vec<TryRecord> {
        let given = TryRecord {
            code: member.code,
            is_ok: member.is_ok,
            is_given: true,
            ..TryRecord::with(&member.node, member.index, member.reason, &member.msg, member.course, begun)
        };
        let others = member.tries.iter().map(|other| TryRecord {
            code: other.code,
            ..TryRecord::with(&other.node, other.index, other.reason, &other.msg, Some(other.course), begun)
        });
        let mut tries: Vec<TryRecord> = others.chain([given]).collect();
        tries.sort_by_key(|one| one.at_us);
        tries
    }

    fn with(
        node: &str,
        index: Option<u32>,
        reason: Reason,
        message: &str,
        course: Option<Course>,
        begun: Instant,
    ) -> TryRecord {
        let at_us = course.map_or(0, |course| micros(course.beginning().saturating_duration_since(begun)));
        let parts = course.iter().flat_map(Course::parts);
        let parts = parts.map(|part| PartRecord {
            name: part.name,
            at_us: at_us.saturating_add(part.from),
            us: part.to - part.from,
        });
        TryRecord {
            node: node.to_owned(),
            index,
            reason: reason.word(),
            is_ok: false,
            code: 0,
            message: discreet::cut(message),
            span: course.map_or(0, |course| course.span),
            is_given: false,
            cause: course.map(|course| course.cause.word()),
            picked: course.map(|course| course.picked.word()),
            why: course.map(|course| course.to_string()).unwrap_or_default(),
            unrepeated: course.and_then(|course| course.unrepeated).map(|why| why.word()),
            ended: course.and_then(|course| course.ended.word()),
            is_dialled: course.is_some_and(|course| course.is_dialled),
            is_reconnected: course.is_some_and(|course| course.is_reconnected),
            passed_over: course.map_or(0, |course| course.passed_over),
            late_ms: course.and_then(|course| course.late()).map(millis),
            at_us,
            took_us: course.map_or(0, |course| micros(course.took())),
            parts: parts.collect(),
        }
    }
}

/// What was asked, and of whom: the kind of a call, its text, its target.
pub(super) fn described(what: &What) -> (&'static str, String, String) {
    match what {
        What::Method(method, target, _) => {
            let target = discreet::path(target);
            ("call", format!("{} of {target}", discreet::cut(method)), target)
        }
        What::Path(method, path, target) if target.contains("://") => {
            ("call", format!("{method} {}", discreet::path(target)), discreet::path(&host_of(target, path)))
        }
        What::Path(method, path, target) => {
            ("call", format!("{method} {} of {target}", discreet::path(path)), target.to_string())
        }
        // What was put together at run time may have anything in it.
        What::Statement(Cow::Owned(text), target, _) => {
            let verb = text.split_whitespace().next().unwrap_or_default();
            ("statement", format!("{} … (a text made at run time)", discreet::cut(verb)), target.to_string())
        }
        What::Statement(Cow::Borrowed(text), target, _) => {
            ("statement", discreet::cut(text.trim()), target.to_string())
        }
        What::Passed(target, _) => ("passed", format!("passed on to {target}"), target.to_string()),
    }
}

/// What a call is about, for spans.
fn subject(what: &What) -> Subject {
    match what {
        What::Method(method, _, protocol) => {
            let protocol = if *protocol == Protocol::JsonRpc { "jsonrpc" } else { "xmlrpc" };
            Subject::Method { protocol, method: discreet::cut(method) }
        }
        What::Path(method, ..) => Subject::Path { method },
        What::Passed(_, method) => Subject::Path { method: known_method(method) },
        What::Statement(text, _, system) => {
            let verb = discreet::cut(text.split_whitespace().next().unwrap_or_default()).to_uppercase();
            let own = if let Cow::Borrowed(text) = text { Some(discreet::cut(text.trim())) } else { None };
            Subject::Statement { system, text: own, verb }
        }
    }
}

/// A method that the semantic conventions know.
fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}

/// The scheme and host of a URL.
fn host_of(url: &str, path: &str) -> String {
    url.strip_suffix(path).unwrap_or(url).to_owned()
}

fn rule(rule: Rule) -> String {
    match rule {
        Rule::All => "all".to_owned(),
        Rule::First(k) => format!("first({k})"),
        Rule::Quorum(k) => format!("quorum({k})"),
        Rule::Fraction(part) => format!("fraction({part})"),
        Rule::AllOrError => "all_or_error".to_owned(),
    }
}

/// The time of day of an instant.
fn wall(instant: Instant) -> f64 {
    let when = SystemTime::now().checked_sub(instant.elapsed()).unwrap_or(UNIX_EPOCH);
    let since = when.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs_f64() * 1e3).round() / 1e3
}

pub(super) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

pub(super) fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}
