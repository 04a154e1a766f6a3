//! Databases: one actor per thread for each cluster of databases, and one for targets named at run time.
//!
//! A statement's parameters are bound, never spliced into its text. The statement takes a connection of its own from
//! this thread's pool, and either ends or is cancelled at the server, so the next borrower gets the connection idle or
//! not at all. Statements may share a connection if they ask for it ([`ConnMode`]). A statement that may have run is
//! never sent again.
//!
//! Read in this order:
//!
//! - this file: the messages of a cluster, and how a statement is spread over its members; `query`: the statement as
//!   each member gets it;
//! - `member`: one database: its engine, its counters, one statement from checkout to outcome;
//! - `flight`: a running statement, and how it is stopped once its caller has given up;
//! - `postgres` and `sqlite`: the two engines; `types`: PostgreSQL's column types as values; `text`: values as
//!   parameters;
//! - `statement_guard`: refuses statements that would leave something behind on a shared connection; `conversation`:
//!   transactions and sessions, which own a connection while they last;
//! - [`stream`]: rows sent to a reader as they arrive, for results of any size;
//! - `backstop`: the server's own time limit, in case nothing is left here to cancel a statement;
//! - `health_report`: what a statement's result says about the health of its database, by the same rules as for HTTP
//!   members;
//! - `asking`: one statement with one member, or with the members that are tried in turn;
//! - `shards`: which members a statement goes to; under [`Shards::One`] [`balance`](crate::balance) chooses, as for
//!   HTTP members; `statement_counters`: the figures of the status page; `holders`: which statements hold the
//!   connections that others wait for;
//! - `budget`: how many connections this process may hold while it replaces another, and how its threads share them;
//!   `tending`: what the members do besides statements;
//! - `adhoc`: databases that no configuration names; `params`: the types that handlers pass as parameters;
//! - `absent`: stand-ins for an engine whose feature is off.
#![cfg_attr(
    not(all(feature = "postgres", feature = "sqlite")),
    allow(unused, reason = "without an engine, what it alone uses is unused")
)]

mod adhoc;
mod asking;
mod backstop;
mod budget;
mod conversation;
mod flight;
mod health_report;
mod holders;
mod member;
mod params;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(not(feature = "postgres"))]
#[path = "db/absent/postgres.rs"]
mod postgres;
mod query;
mod shards;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(not(feature = "sqlite"))]
#[path = "db/absent/sqlite.rs"]
mod sqlite;
mod statement_counters;
mod statement_guard;
pub mod stream;
mod tending;
mod text;
#[cfg(feature = "postgres")]
mod types;
// The counters write times of failures by `moment`, in every build.
#[cfg(not(feature = "postgres"))]
#[path = "db/types/time.rs"]
mod types;

use std::borrow::Cow;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};

use crate::balance::health::{FULL_WEIGHT, Health};
use crate::balance::pick::{Dice, Picker};
use crate::kit::report::ActorReport;
use crate::kit::{Answers, Report, Responder};
use crate::outcome::{Course, Outcome};
use crate::spec::{DbMember, DbSpec, Shard};
use crate::wire::Value;

pub use crate::outcome::columns::{Column, Columns};
pub use crate::outcome::sql_error::SqlError;
pub use adhoc::{AdHoc, AdHocStatement, AdHocTarget};
use asking::{Choice, StatementSlot, ask, ask_at, ask_one};
use backstop::Backstop;
pub use budget::{BudgetKey, Budgets, Said, may_give};
pub use conversation::{Command, Conversation, ConversationKind};
use member::{MemberLimits, SqlMember};
pub use params::{IntoParams, Param};
use query::Query;
use shards::ShardRing;
pub use shards::{Shards, hash_key};
pub use sqlite::Files;
use stream::Sink;

/// One SQL statement for a cluster.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Every member, one chosen by balance, or a certain one.
    pub shards: Shards,
    /// One statement, with `$1`, `$2`, … for its parameters. A text of the program itself (`&'static str`) is prepared
    /// once per connection and then only bound. A text made at run time is not kept under a name, because servers never
    /// forget one.
    pub sql: Cow<'static, str>,
    /// `$1` first. Bound as data, whatever they contain.
    pub params: Arc<[Value]>,
    /// The route that asks. If another statement waits in vain for this one's connection, the message names this route.
    pub asker: &'static str,
    /// Waits and latencies are measured from this moment.
    pub asked: Instant,
    /// The kind of connection the statement asks for.
    pub mode: ConnMode,
}

/// The kind of connection a statement travels on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnMode {
    /// The cluster's section decides (`pipeline`); a statement that may not share a connection gets one of its own.
    #[default]
    Configured,
    /// A connection of its own, on which it can be cancelled.
    Exclusive,
    /// A connection shared with other statements: it costs less, but the statement cannot be cancelled. Refused for
    /// statements that begin with other words than SELECT, VALUES, WITH, INSERT, UPDATE and DELETE. Without effect on
    /// SQLite.
    Pipelined,
}

/// The slots that the caller opens for one statement: one per member, or one named after the cluster.
pub fn slots(spec: &DbSpec, shards: Shards) -> Vec<Outcome> {
    match shards {
        Shards::All => spec.members.iter().map(|member| Outcome::unsent(member.node.clone())).collect(),
        Shards::One | Shards::At(_) | Shards::Of(_) => vec![Outcome::unsent(format!("@{}", spec.name).into())],
    }
}

/// Interval at which idle connections are checked for closing.
const TEND_EVERY: Duration = Duration::from_secs(30);
/// A connection that was idle for this long is closed, so that a burst does not hold the server's connections for good.
const IDLE_LIMIT: Duration = Duration::from_secs(300);

/// A connection this old is closed once it is idle. That frees the caches of its server process, and after a failover
/// behind one name it moves the load to the new server.
const LIFETIME: Duration = Duration::from_secs(1_800);

/// State of the actor of one database cluster on one thread.
#[derive(Debug)]
pub struct Database {
    name: Arc<str>,
    members: Rc<[Rc<SqlMember>]>,
    health: Arc<Health>,
    picker: Rc<Picker>,
    ring: Rc<ShardRing>,
    spec: Arc<DbSpec>,
}

impl Database {
    /// Makes a pool for every member; no connection is made before the first statement. `health` belongs to this
    /// specification and is shared by all threads.
    pub fn new(spec: Arc<DbSpec>, health: Arc<Health>) -> Database {
        Database::within(spec, health, None)
    }

    /// The same, with a share of the connections that the process may hold to servers.
    pub fn within(spec: Arc<DbSpec>, health: Arc<Health>, budgets: Option<&Arc<Budgets>>) -> Database {
        let limits = MemberLimits {
            connections: spec.connections,
            streams: spec.streams(),
            stream_share: spec.stream_share,
            wait: spec.wait,
            connect_timeout: spec.connect_timeout,
            member_timeout: spec.member_timeout,
            statement_timeout: spec.statement_timeout,
        };
        let member = |(index, member): (usize, &DbMember)| {
            let share = budgets
                .filter(|_| matches!(member.shard, Shard::Postgres { .. }))
                .map(|budgets| budgets.join((spec.name.clone(), member.node.clone()), limits.connections));
            Rc::new(SqlMember::new(member.clone(), limits, Some(health.member(index).clone()), share))
        };
        let members: Rc<[_]> = spec.members.iter().enumerate().map(member).collect();
        tending::tend(&members);
        if let Some(budgets) = budgets {
            tending::follow(&members, budgets);
        }
        let weights: Vec<u32> = spec.members.iter().map(|member| member.weight).collect();
        Database {
            name: spec.name.clone(),
            members,
            health,
            picker: Rc::new(Picker::new(spec.balance, &weights, FULL_WEIGHT, Dice::new())),
            ring: Rc::default(),
            spec,
        }
    }
}

impl Database {
    /// Registers the SQLite files of this cluster with `files`, which closes them at the end of the site.
    #[must_use]
    pub fn closed_with(self, files: &Files) -> Database {
        self.members.iter().for_each(|member| member.keep(files));
        self
    }
}

impl Answers<Statement> for Database {
    type Item = Outcome;
    const NAME: &'static str = "execute";

    fn answer(&mut self, statement: Statement, responder: Responder<Outcome>) -> impl Future<Output = ()> + 'static {
        let backstop = Backstop::of(responder.deadline, statement.asked, self.spec.member_timeout);
        self.spread(statement, backstop, [].into(), responder)
    }
}

impl Database {
    /// Sends a statement to the members that `shards` selects. Either every slot has a sink for its rows, or none has.
    fn spread(
        &mut self,
        statement: Statement,
        backstop: Backstop,
        sinks: Box<[Sink]>,
        responder: Responder<Outcome>,
    ) -> impl Future<Output = ()> + 'static {
        let Statement { shards, sql, params, asker, asked: started, mode } = statement;
        let query = Query::on(mode, self.spec.pipeline, sql, params, asker, (backstop, responder.party));
        let (members, picker, name) = (self.members.clone(), self.picker.clone(), self.name.clone());
        let (ring, spec, health) = (self.ring.clone(), self.spec.clone(), self.health.clone());
        async move {
            match shards {
                Shards::All => {
                    let all = members.iter().enumerate();
                    let asking = all.map(|(index, member)| {
                        let slot = StatementSlot { responder: &responder, index, member: index };
                        ask(member, query.clone(), None, sinks.get(index), Course::begun(started), slot)
                            .map(move |outcome| (index, outcome))
                    });
                    let mut asking: FuturesUnordered<_> = asking.collect();
                    while let Some((index, outcome)) = asking.next().await {
                        responder.put(index, outcome);
                    }
                }
                Shards::One => {
                    let choice = Choice::new(&members, &picker, &health);
                    responder.put(0, Box::pin(ask_one(choice, &name, &query, sinks.first(), &responder)).await)
                }
                Shards::At(index) => responder
                    .put(0, Box::pin(ask_at(&members, Some(index), &name, query, sinks.first(), &responder)).await),
                Shards::Of(point) => {
                    let index = ring.owner(&spec, point);
                    responder.put(0, Box::pin(ask_at(&members, index, &name, query, sinks.first(), &responder)).await);
                }
            }
        }
    }
}

impl Answers<Report> for Database {
    type Item = ActorReport;
    const NAME: &'static str = "report";

    fn answer(&mut self, _: Report, responder: Responder<ActorReport>) -> impl Future<Output = ()> + 'static {
        let (members, health) = (self.members.clone(), self.health.clone());
        let name = self.name.clone();
        async move {
            let places = health.report().into_iter().filter(|(name, _)| name.starts_with("out"));
            responder.put(
                0,
                ActorReport(Value::from_pairs([
                    ("database", Value::String(name.to_string())),
                    ("members", Value::List(members.iter().map(|member| member.report()).collect())),
                    ("shared", Value::from_pairs(places)),
                ])),
            );
        }
    }
}
