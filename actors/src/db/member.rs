//! One database on one thread: its engine, and the steps of a statement from checkout to outcome.

mod cutting;
mod lending;
mod pipelined;

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::LocalBoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout_at;

use super::Query;
use super::backstop::Backstop;
use super::budget::Share;
use super::conversation::{Command, ConversationKind, ConversationRunner};
use super::flight::{Rows, StatementFailure};
use super::health_report::HealthReport;
use super::holders::Holders;
use super::postgres::Postgres;
use super::sqlite::{Files, Sqlite};
use super::statement_counters::{RunningStatement, StatementCounters};
use super::stream::Sink;
use crate::balance::circuit::CallKind;
use crate::balance::health::{CutSwitch, MemberHealth};
use crate::kit::Party;
use crate::kit::gate::{Gate, Pass};
use crate::kit::placed::placed;
use crate::outcome::{Course, EndedBy, Outcome, Reason, deadline};
use crate::spec::{DbMember, DbTls, Shard};
use crate::wire::Value;

/// Limits of one member on this thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemberLimits {
    pub(super) connections: usize,
    /// How many of the connections streams of rows may use.
    pub(super) streams: usize,
    /// The same in percent, for another number of connections.
    pub(super) stream_share: u32,
    pub(super) wait: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) member_timeout: Duration,
    pub(super) statement_timeout: bool,
}

/// The number of a member's connections, by state.
pub(super) struct Connections {
    pub(super) open: usize,
    pub(super) idle: usize,
    pub(super) limit: usize,
    /// The limit that the configuration gives this thread.
    pub(super) configured: usize,
}

/// The address and login of a PostgreSQL member.
pub(super) struct PostgresLogin<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    pub(super) tls: &'a DbTls,
}

#[derive(Debug)]
enum Engine {
    Postgres(Postgres),
    Sqlite(Sqlite),
}

/// One database and its counters.
#[derive(Debug)]
pub(super) struct SqlMember {
    spec: DbMember,
    limits: MemberLimits,
    engine: Engine,
    counters: StatementCounters,
    holders: Holders,
    /// Limits the streams of rows that have a connection; further ones wait here.
    streams: Arc<Gate>,
    /// The member's health, shared by all threads; `None` for a database that no configuration names.
    health: Option<Arc<MemberHealth>>,
    /// What ends the statements of this thread when an operator ejects the member.
    switch: Option<CutSwitch>,
}

impl SqlMember {
    /// `share`: its connections, of those of the process; only servers have one.
    pub(super) fn new(
        spec: DbMember,
        limits: MemberLimits,
        health: Option<MemberHealth>,
        share: Option<Share>,
    ) -> SqlMember {
        let switch = health.as_ref().map(MemberHealth::cut_switch);
        let (health, streams) = (health.map(Arc::new), Gate::new(limits.streams));
        let engine = match &spec.shard {
            Shard::Postgres { host, port, database, user, password, tls } => {
                let login = PostgresLogin { host, port: *port, database, user, password: &password.0, tls };
                Engine::Postgres(Postgres::new(
                    &login,
                    limits,
                    health.clone(),
                    share.unwrap_or_else(|| Share::fixed(limits.connections)),
                    streams.clone(),
                ))
            }
            Shard::Sqlite { path } => Engine::Sqlite(Sqlite::new(path, limits)),
        };
        let (counters, holders) = (StatementCounters::default(), Holders::default());
        SqlMember { spec, limits, engine, counters, holders, streams, health, switch }
    }

    pub(super) fn node(&self) -> &Arc<str> {
        &self.spec.node
    }

    pub(super) fn is_idle(&self) -> bool {
        self.counters.is_idle()
    }

    /// Runs one statement, asked for at `started`, on a connection of its own or on a shared one. Dropping the future
    /// cancels the statement at the database or, on a shared connection, discards its answer. `call` is set if choosing
    /// this member has admitted the statement already. With a sink, rows go there as they arrive, and the outcome has
    /// only their number.
    pub(super) fn execute<'m>(
        &'m self,
        query: Arc<Query>,
        call: Option<CallKind>,
        sink: Option<&'m Sink>,
        started: Instant,
        course: Rc<Cell<Course>>,
    ) -> LocalBoxFuture<'m, Outcome> {
        match &self.engine {
            Engine::Postgres(postgres) if query.pipelined => {
                placed(|| self.pipelined(postgres, query, call, started, course))
            }
            Engine::Postgres(postgres) => placed(|| {
                self.counted(sink, started, course, async move |running| {
                    let mut report = self.admit(call, &query)?;
                    let (share, is_now) = self.share_of(sink, &query, started).await?;
                    let (conn, since) = {
                        let checkout = pin!(postgres.checkout(query.party, started));
                        self.lent(&mut report, (started, is_now), checkout, || postgres.last_dial(), &running.course)
                            .await?
                    };
                    let conn = conn.of_stream(share);
                    running.sends(since);
                    let _holding = self.holders.hold(query.asker, Some(query.clone()), since);
                    let result = match sink {
                        None => self.limited(since, pin!(postgres.send(conn, query))).await,
                        Some(sink) => Box::pin(self.watched(postgres.pour(conn, query, sink.clone()), sink)).await,
                    };
                    report.ended(&result);
                    result
                })
            }),
            Engine::Sqlite(sqlite) => placed(|| {
                self.counted(sink, started, course, async move |running| {
                    let mut report = self.admit(call, &query)?;
                    let (share, is_now) = self.share_of(sink, &query, started).await?;
                    let (conn, since) = {
                        let checkout = pin!(sqlite.checkout(query.party, started));
                        self.lent(&mut report, (started, is_now), checkout, || None, &running.course).await?
                    };
                    let conn = conn.of_stream(share);
                    running.sends(since);
                    let _holding = self.holders.hold(query.asker, Some(query.clone()), since);
                    let result = match sink {
                        None => self.limited(since, pin!(sqlite.send(conn, query))).await,
                        Some(sink) => self.watched(sqlite.pour(conn, query, sink.clone()), sink).await,
                    };
                    report.ended(&result);
                    result
                })
            }),
        }
    }

    /// Runs a statement and counts it. `run` says when the connection came and the statement was sent.
    ///
    /// The clock is read as seldom as possible: reading it costs as much as one round of the event loop does for a
    /// socket.
    async fn counted(
        &self,
        sink: Option<&Sink>,
        started: Instant,
        course: Rc<Cell<Course>>,
        run: impl AsyncFnOnce(&RunningStatement<'_>) -> Result<Rows, StatementFailure>,
    ) -> Outcome {
        let running = self.counters.begin(self.health.as_deref(), started, course);
        // Pinned in place: a future passed by value would be moved at every call below.
        let result = self.unless_cut(pin!(run(&running)), || running.sent.get().is_some()).await;
        let ended = Instant::now();
        let mut outcome = self.outcome(result);
        let reading = sink.map_or(Duration::ZERO, |sink| sink.complete(&mut outcome));
        outcome.latency = ended - started;
        let mut course = running.course.get();
        let by = match outcome.reason {
            Reason::Deadline => EndedBy::MemberTimeout,
            Reason::Ejected => EndedBy::Operator,
            _ => EndedBy::Answer,
        };
        course.end(by, ended);
        outcome.course = Some(course);
        if let Some(sent) = running.sent.get() {
            self.counters.queried((ended - sent).saturating_sub(reading), ended);
        }
        outcome.attempts = 1;
        running.ended(&outcome, outcome.latency.saturating_sub(reading), ended);
        outcome
    }

    /// The permit that a stream of rows needs beside its connection (`None` for other statements), and whether it was
    /// granted without waiting.
    async fn share_of(
        &self,
        sink: Option<&Sink>,
        query: &Query,
        asked: Instant,
    ) -> Result<(Option<Pass>, bool), StatementFailure> {
        if sink.is_none() {
            return Ok((None, true));
        }
        let (share, is_now) = Box::pin(self.share(query.party, asked)).await?;
        Ok((Some(share), is_now))
    }

    fn admit(&self, call: Option<CallKind>, query: &Query) -> Result<HealthReport<'_>, StatementFailure> {
        let report = self.open(call)?;
        match &query.refused {
            Some(why) => Err(StatementFailure::new(Reason::Sql, why.clone())),
            None => Ok(report),
        }
    }

    fn open(&self, call: Option<CallKind>) -> Result<HealthReport<'_>, StatementFailure> {
        let report = HealthReport::open(self.health.as_deref(), call)?;
        if report.is_trial() {
            // An old connection proves nothing about the server now: a trial makes a new one.
            self.close_old(Duration::ZERO, Duration::ZERO);
        }
        Ok(report)
    }

    /// Runs a flight `sent` at that moment, and cancels it at the member's own limit.
    async fn limited(
        &self,
        sent: Instant,
        flight: Pin<&mut impl Future<Output = Result<Rows, StatementFailure>>>,
    ) -> Result<Rows, StatementFailure> {
        let limit = self.limits.member_timeout;
        timeout_at((sent + limit).into(), flight).await.unwrap_or_else(|_| Err(deadline::cancelled(limit).into()))
    }

    /// The same for a statement of a conversation, and records its time at the database.
    pub(super) async fn timed(
        &self,
        flight: impl Future<Output = Result<Rows, StatementFailure>>,
    ) -> Result<Rows, StatementFailure> {
        let sent = Instant::now();
        let flight = pin!(flight);
        let result = self.unless_cut(pin!(self.limited(sent, flight)), || true).await;
        let now = Instant::now();
        self.counters.queried(now - sent, now);
        result
    }

    /// The same for a flight that streams its rows: the time the reader takes does not count against the member.
    async fn watched(
        &self,
        flight: impl Future<Output = Result<Rows, StatementFailure>>,
        sink: &Sink,
    ) -> Result<Rows, StatementFailure> {
        sink.watched(flight, self.limits.member_timeout).await
    }

    /// Runs the statements of a conversation on one connection until the channel of orders closes. `ready` is taken
    /// once the connection is there and the first statement can run. If an outcome comes while `ready` is still there,
    /// the member has seen nothing.
    pub(super) async fn converse(
        &self,
        (kind, asker, call, backstop, party): (ConversationKind, &'static str, Option<CallKind>, Backstop, Party),
        orders: &mut mpsc::Receiver<Command>,
        ready: &mut Option<oneshot::Sender<Arc<str>>>,
    ) -> Outcome {
        let started = Instant::now();
        let course = Rc::new(Cell::new(Course::begun(started)));
        let running = self.counters.begin(self.health.as_deref(), started, course);
        let ended = match self.hold(call, party, &running.course).await {
            Ok(held) => {
                let holding = self.holders.hold(asker, None, Instant::now());
                let ended = ConversationRunner { member: self, held, kind, asker, backstop, holding, doomed: None }
                    .go(orders, ready)
                    .await;
                HealthReport::of_admitted(self.health.as_deref()).ended(&ended);
                ended
            }
            Err(failure) => Err(failure),
        };
        let mut outcome = match ended {
            Ok(()) => Outcome::completed(self.node().clone(), Value::Nil),
            Err(failure) => self.failed(failure),
        };
        let ended = Instant::now();
        outcome.latency = ended - started;
        outcome.attempts = 1;
        running.ended(&outcome, outcome.latency, ended);
        outcome
    }

    pub(super) fn outcome(&self, result: Result<Rows, StatementFailure>) -> Outcome {
        match result {
            Ok(rows) => {
                let mut outcome = Outcome::completed(self.node().clone(), rows.data);
                outcome.affected = rows.affected;
                outcome.columns = rows.columns;
                outcome
            }
            Err(failure) => self.failed(failure),
        }
    }

    fn failed(&self, StatementFailure { reason, msg, error }: StatementFailure) -> Outcome {
        let mut outcome = Outcome::failed(self.node().clone(), reason, msg);
        outcome.sql_error = error;
        outcome
    }

    /// Closes connections that were idle for `idle`, and idle ones older than `lifetime`.
    pub(super) fn close_old(&self, idle: Duration, lifetime: Duration) {
        match &self.engine {
            Engine::Postgres(postgres) => postgres.close_old(idle, lifetime),
            Engine::Sqlite(sqlite) => sqlite.close_old(idle, lifetime),
        }
    }

    /// Follows its share of the connections, which may have changed.
    pub(super) fn follow_budget(&self) {
        if let Engine::Postgres(postgres) = &self.engine {
            postgres.follow_budget();
        }
    }

    /// Registers this member's file with `files`, which closes all files at the end of the site.
    pub(super) fn keep(&self, files: &Files) {
        if let Engine::Sqlite(sqlite) = &self.engine {
            files.keep(sqlite);
        }
    }

    fn connections(&self) -> Connections {
        match &self.engine {
            Engine::Postgres(postgres) => postgres.connections(),
            Engine::Sqlite(sqlite) => sqlite.connections(),
        }
    }

    pub(super) fn report(&self) -> Value {
        let kind = match &self.engine {
            Engine::Postgres(_) => "postgresql",
            Engine::Sqlite(_) => "sqlite3",
        };
        let Connections { open, idle, limit, configured } = self.connections();
        let count = |number: usize| Value::Int(number.cast_signed() as i64);
        let mut pairs = vec![
            ("node", Value::String(self.node().to_string())),
            ("kind", Value::String(kind.to_owned())),
            (
                "connections",
                Value::from_pairs([
                    ("open", count(open)),
                    ("idle", count(idle)),
                    ("limit", count(limit)),
                    ("configured", count(configured)),
                ]),
            ),
            ("in_use", count(open.saturating_sub(idle))),
            ("statements", self.counters.statements()),
            ("waits", self.counters.waits()),
            ("dials", self.counters.dials()),
            ("queries", self.counters.queries()),
            ("holders", self.holders.report()),
            ("last_error", self.counters.last_error()),
        ];
        if let Engine::Postgres(postgres) = &self.engine {
            pairs.push(("pipelined", postgres.pipeline_report()));
        }
        if let Some(health) = &self.health {
            pairs.push(("shared", health.circuit_report()));
        }
        Value::from_pairs(pairs)
    }
}
