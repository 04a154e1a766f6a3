//! Databases named at run time: `was.db(server, dbname, user, password)`.
//!
//! Every target has a pool like that of a configured member, made at its first statement. Requests choose the targets,
//! so their number is capped, and a target that is unused for a while is dropped with its connections.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::asking::{StatementSlot, ask};
use super::backstop::Backstop;
use super::member::{MemberLimits, SqlMember};
use super::stream::Sink;
use super::{ConnMode, Query, TEND_EVERY};
use crate::kit::report::ActorReport;
use crate::kit::{Answers, Report, Responder, tasks};
use crate::outcome::course::PickedBy;
use crate::outcome::{Course, Outcome, Reason};
use crate::spec::{DbMember, STREAM_SHARE, part};
use crate::wire::Value;

/// How many targets one thread keeps pools for at once.
const MAX_TARGETS: usize = 64;
/// A target that was unused for this long is dropped.
const IDLE_TARGET: Duration = Duration::from_secs(120);

/// One SQL statement for a database that no configuration names.
#[derive(Clone, Debug)]
pub struct AdHocStatement {
    /// The database, with its login.
    pub member: DbMember,
    /// One statement, with `$1`, `$2`, … for its parameters.
    pub sql: Cow<'static, str>,
    /// `$1` first. Bound as data, whatever they contain.
    pub params: Arc<[Value]>,
    /// The route that asks.
    pub asker: &'static str,
    /// The kind of connection the statement asks for.
    pub mode: ConnMode,
}

/// A database that no configuration names, with its login.
#[derive(Clone, Debug)]
pub struct AdHocTarget(pub DbMember);

impl AdHocStatement {
    /// The slot that the caller opens for this statement.
    pub fn slots(&self) -> Vec<Outcome> {
        vec![Outcome::unsent(self.member.node.clone())]
    }
}

struct Target {
    member: Rc<SqlMember>,
    used: Instant,
}

type Targets = RefCell<HashMap<DbMember, Target>>;

/// State of the actor for databases named at run time, on one thread.
pub struct AdHoc {
    targets: Rc<Targets>,
    pub(super) limits: MemberLimits,
}

impl std::fmt::Debug for AdHoc {
    /// Omits the targets: their keys hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdHoc").field("targets", &self.targets.borrow().len()).finish_non_exhaustive()
    }
}

impl AdHoc {
    /// `connections` per target and thread; the times are those of a cluster's specification.
    pub fn new(connections: usize, wait: Duration, connect_timeout: Duration, member_timeout: Duration) -> AdHoc {
        let targets = Rc::default();
        forget_idle(Rc::downgrade(&targets));
        let streams = part(connections, STREAM_SHARE);
        let limits = MemberLimits {
            connections,
            streams,
            stream_share: STREAM_SHARE,
            wait,
            connect_timeout,
            member_timeout,
            statement_timeout: true,
        };
        AdHoc { targets, limits }
    }

    /// The target's pool, made now if it does not exist; `None` if the maximum of targets is reached and all are at
    /// work.
    pub(super) fn member(&self, spec: DbMember) -> Option<Rc<SqlMember>> {
        let mut targets = self.targets.borrow_mut();
        if let Some(target) = targets.get_mut(&spec) {
            target.used = Instant::now();
            return Some(target.member.clone());
        }
        if targets.len() >= MAX_TARGETS {
            let idle = targets.iter().filter(|(_, target)| target.member.is_idle());
            let oldest = idle.min_by_key(|(_, target)| target.used).map(|(spec, _)| spec.clone())?;
            targets.remove(&oldest);
        }
        let member = Rc::new(SqlMember::new(spec.clone(), self.limits, None, None));
        targets.insert(spec, Target { member: member.clone(), used: Instant::now() });
        Some(member)
    }
}

/// Drops idle targets every [`TEND_EVERY`] until the actor's state is dropped.
fn forget_idle(targets: Weak<Targets>) {
    tasks::spawn("closing of idle connections", async move {
        loop {
            tokio::time::sleep(TEND_EVERY).await;
            let Some(targets) = targets.upgrade() else { return };
            targets.borrow_mut().retain(|_, target| !target.member.is_idle() || target.used.elapsed() < IDLE_TARGET);
        }
    });
}

/// The outcome for a target beyond the maximum.
pub(super) fn full(node: Arc<str>) -> Outcome {
    let msg = format!(
        "{MAX_TARGETS} other databases are being asked by this thread; try again, or make this one a member of a \
         configured cluster"
    );
    Outcome::failed(node, Reason::NoPermit, msg)
}

impl Answers<AdHocStatement> for AdHoc {
    type Item = Outcome;
    const NAME: &'static str = "execute";

    fn answer(
        &mut self,
        statement: AdHocStatement,
        responder: Responder<Outcome>,
    ) -> impl Future<Output = ()> + 'static {
        let started = Instant::now();
        let backstop = Backstop::of(responder.deadline, started, self.limits.member_timeout);
        self.execute(statement, backstop, [].into(), started, responder)
    }
}

impl AdHoc {
    /// Runs a statement on its target; its rows go to the sink if there is one.
    pub(super) fn execute(
        &mut self,
        statement: AdHocStatement,
        backstop: Backstop,
        sinks: Box<[Sink]>,
        started: Instant,
        responder: Responder<Outcome>,
    ) -> impl Future<Output = ()> + 'static {
        let AdHocStatement { member: spec, sql, params, asker, mode } = statement;
        let node = spec.node.clone();
        let member = self.member(spec);
        let query = Query::on(mode, false, sql, params, asker, (backstop, responder.party));
        async move {
            let outcome = match member {
                Some(member) => {
                    let mut course = Course::begun(started);
                    course.picked = PickedBy::Address;
                    let slot = StatementSlot { responder: &responder, index: 0, member: 0 };
                    ask(&member, query, None, sinks.first(), course, slot).await
                }
                None => full(node),
            };
            responder.put(0, outcome);
        }
    }
}

impl Answers<Report> for AdHoc {
    type Item = ActorReport;
    const NAME: &'static str = "report";

    fn answer(&mut self, _: Report, responder: Responder<ActorReport>) -> impl Future<Output = ()> + 'static {
        let targets = self.targets.clone();
        async move {
            let members = targets.borrow().values().map(|target| target.member.report()).collect();
            responder.put(
                0,
                ActorReport(Value::from_pairs([
                    ("limit", Value::Int(MAX_TARGETS as i64)),
                    ("members", Value::List(members)),
                ])),
            );
        }
    }
}
