//! Several statements on one connection: transactions and sessions.
//!
//! The handler's closure runs on any thread, the connection stays here. Orders come through a channel, one at a time,
//! each with a channel for its answer. The way the conversation ends decides what happens to the connection:
//!
//! - commit, rollback, or the end of a session: it is cleaned and returned to the pool;
//! - the orders' channel closes without one of these (the closure was dropped): the transaction is rolled back, then
//!   the same;
//! - the deadline passes, the caller is gone, or the end of a statement is unknown: the running statement is cancelled
//!   and the connection is closed.

use std::borrow::Cow;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::asking::{Choice, no_shard};
use super::backstop::Backstop;
use super::flight::{Rows, StatementFailure};
use super::holders::Holding;
use super::member::SqlMember;
use super::shards::Shards;
use super::statement_guard::StatementContext;
use super::{AdHoc, AdHocTarget, Database, Query, postgres, sqlite, statement_guard};
use crate::kit::{Answers, Responder};
use crate::outcome::{Outcome, Reason};
use crate::wire::Value;

/// The kind of conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversationKind {
    /// A transaction.
    Transaction,
    /// A connection of its own, cleaned afterwards.
    Session,
}

/// Asks for a connection for several statements. Its one outcome comes when the conversation is over.
#[derive(Debug)]
pub struct Conversation<T> {
    /// The database, or how to choose it.
    pub with: T,
    /// Transaction or session.
    pub kind: ConversationKind,
    /// The route that asks.
    pub asker: &'static str,
    /// The commands, carried out one after the other.
    pub orders: mpsc::Receiver<Command>,
    /// Receives the node's name once the connection is there.
    pub ready: oneshot::Sender<Arc<str>>,
}

/// One command of a conversation. It is answered with one outcome.
#[derive(Debug)]
pub enum Command {
    /// Run a statement of the handler.
    Execute {
        /// One statement.
        sql: Cow<'static, str>,
        /// `$1` first.
        params: Arc<[Value]>,
        /// Receives the outcome.
        answer: oneshot::Sender<Outcome>,
    },
    /// Begin a savepoint; savepoints nest.
    Save(u32, oneshot::Sender<Outcome>),
    /// Release a savepoint and keep its work.
    Keep(u32, oneshot::Sender<Outcome>),
    /// Undo a savepoint's work, and any failure in it.
    Undo(u32, oneshot::Sender<Outcome>),
    /// Commit the transaction.
    Commit(oneshot::Sender<Outcome>),
    /// Roll the transaction back.
    Rollback(oneshot::Sender<Outcome>),
}

/// The right to one connection while a conversation lasts. If it is dropped before `leave`, the connection is closed.
pub(super) enum HeldConnection {
    Postgres(postgres::PostgresSession),
    Sqlite(sqlite::SqliteSession),
}

impl HeldConnection {
    fn begin(&self) -> &'static str {
        match self {
            HeldConnection::Postgres(_) => "BEGIN",
            // A transaction that starts as a reader and writes later can fail for good on a lock; take the write lock
            // at once.
            HeldConnection::Sqlite(_) => "BEGIN IMMEDIATE",
        }
    }

    async fn execute(&self, query: Arc<Query>) -> Result<Rows, StatementFailure> {
        match self {
            HeldConnection::Postgres(held) => held.send(query).await,
            HeldConnection::Sqlite(held) => held.send(query).await,
        }
    }

    /// Returns the connection. `clean`: a transaction has ended and nothing else can have been left behind.
    async fn leave(self, clean: bool) {
        match self {
            HeldConnection::Postgres(held) => held.leave(clean).await,
            HeldConnection::Sqlite(held) => held.leave(clean),
        }
    }
}

/// A running conversation.
pub(super) struct ConversationRunner<'m> {
    pub(super) member: &'m SqlMember,
    pub(super) held: HeldConnection,
    pub(super) kind: ConversationKind,
    pub(super) asker: &'static str,
    pub(super) backstop: Backstop,
    pub(super) holding: Holding<'m>,
    /// The failure of a statement after which the transaction cannot commit.
    pub(super) doomed: Option<String>,
}

impl ConversationRunner<'_> {
    pub(super) async fn go(
        mut self,
        orders: &mut mpsc::Receiver<Command>,
        ready: &mut Option<oneshot::Sender<Arc<str>>>,
    ) -> Result<(), StatementFailure> {
        let inside = match &self.held {
            HeldConnection::Postgres(held) => held.limit_to(self.backstop).await,
            HeldConnection::Sqlite(_) => None,
        };
        if self.kind == ConversationKind::Transaction {
            self.word(self.held.begin().into()).await?;
            if let Some(limit) = inside {
                self.word(limit.into()).await?;
            }
        }
        if let Some(ready) = ready.take() {
            // A caller that has left has also dropped the orders, so the loop below ends.
            let _ = ready.send(self.member.node().clone());
        }
        while let Some(order) = orders.recv().await {
            match order {
                Command::Execute { sql, params, answer } => {
                    let result = self.statement(sql, params).await;
                    self.answered(answer, result)?;
                }
                Command::Save(number, answer) => {
                    let result = self.word(format!("SAVEPOINT s{number}").into()).await;
                    self.answered(answer, result)?;
                }
                Command::Keep(number, answer) => {
                    let result = match &self.doomed {
                        Some(why) => Err(gone(why)),
                        None => self.word(format!("RELEASE SAVEPOINT s{number}").into()).await,
                    };
                    self.answered(answer, result)?;
                }
                Command::Undo(number, answer) => {
                    let result = self.word(format!("ROLLBACK TO SAVEPOINT s{number}").into()).await;
                    if result.is_ok() {
                        self.doomed = None;
                    }
                    self.answered(answer, result)?;
                }
                Command::Commit(answer) => {
                    let result = match self.doomed.take() {
                        // The server would answer this COMMIT with a rollback and report success.
                        Some(why) => self.word("ROLLBACK".into()).await.and(Err(gone(&why))),
                        None => self.word("COMMIT".into()).await.map_err(in_doubt),
                    };
                    return self.over(answer, result).await;
                }
                Command::Rollback(answer) => {
                    let result = self.word("ROLLBACK".into()).await;
                    return self.over(answer, result).await;
                }
            }
        }
        if self.kind == ConversationKind::Transaction {
            self.word("ROLLBACK".into()).await?;
        }
        self.held.leave(self.kind == ConversationKind::Transaction).await;
        Ok(())
    }

    async fn statement(&self, sql: Cow<'static, str>, params: Arc<[Value]>) -> Result<Rows, StatementFailure> {
        let context = if self.kind == ConversationKind::Transaction {
            StatementContext::Transaction
        } else {
            StatementContext::Session
        };
        if let Some(why) = statement_guard::refused(&sql, context) {
            return Err(StatementFailure::new(Reason::Sql, why));
        }
        self.run(Query::among(sql, params, self.asker)).await
    }

    /// Runs a statement of our own, such as BEGIN.
    async fn word(&self, sql: Cow<'static, str>) -> Result<Rows, StatementFailure> {
        self.run(Query::among(sql, Arc::default(), self.asker)).await
    }

    async fn run(&self, query: Arc<Query>) -> Result<Rows, StatementFailure> {
        if let Some(why) = &query.refused {
            return Err(StatementFailure::new(Reason::Sql, why.clone()));
        }
        self.holding.does(Some(query.clone()));
        let result = self.member.timed(self.held.execute(query)).await;
        self.holding.does(None);
        result
    }

    /// Sends the answer. Returns an error as well if the connection cannot be used any more.
    fn answered(
        &mut self,
        answer: oneshot::Sender<Outcome>,
        result: Result<Rows, StatementFailure>,
    ) -> Result<(), StatementFailure> {
        let lost = match &result {
            Err(failure) if failure.reason != Reason::Sql => {
                Some(StatementFailure::new(failure.reason, failure.msg.clone()))
            }
            Err(failure) => {
                self.doomed.get_or_insert_with(|| failure.msg.clone());
                None
            }
            Ok(_) => None,
        };
        // If the receiver is gone, so is the sender of orders, and the conversation ends.
        let _ = answer.send(self.member.outcome(result));
        lost.map_or(Ok(()), Err)
    }

    /// Answers the last command of a transaction and returns the connection.
    async fn over(
        self,
        answer: oneshot::Sender<Outcome>,
        result: Result<Rows, StatementFailure>,
    ) -> Result<(), StatementFailure> {
        let ConversationRunner { member, held, .. } = self;
        let lost = match &result {
            Err(failure) if failure.reason != Reason::Sql => {
                Some(StatementFailure::new(failure.reason, failure.msg.clone()))
            }
            _ => None,
        };
        if lost.is_none() {
            held.leave(true).await;
        }
        let _ = answer.send(member.outcome(result));
        lost.map_or(Ok(()), Err)
    }
}

fn gone(why: &str) -> StatementFailure {
    let msg = format!(
        "not committed: a statement failed and its transaction with it ({why}); return the error, or put what may fail \
         into t.savepoint(..)"
    );
    StatementFailure::new(Reason::Sql, msg)
}

/// A refused commit did not happen; a commit without an answer may or may not have happened.
fn in_doubt(failure: StatementFailure) -> StatementFailure {
    match failure.reason {
        Reason::Sql => failure,
        _ => StatementFailure {
            msg: format!("{}; whether the transaction was committed is unknown", failure.msg),
            ..failure
        },
    }
}

impl Answers<Conversation<Shards>> for Database {
    type Item = Outcome;
    const NAME: &'static str = "converse";

    fn answer(
        &mut self,
        asked: Conversation<Shards>,
        responder: Responder<Outcome>,
    ) -> impl Future<Output = ()> + 'static {
        let Conversation { with, kind, asker, mut orders, ready } = asked;
        let (members, picker, name) = (self.members.clone(), self.picker.clone(), self.name.clone());
        let health = self.health.clone();
        let backstop = Backstop::of(responder.deadline, Instant::now(), self.spec.member_timeout);
        let party = responder.party;
        let at = match with {
            Shards::At(index) => Some(index),
            Shards::Of(point) => self.ring.owner(&self.spec, point),
            Shards::One | Shards::All => None,
        };
        async move {
            let mut ready = Some(ready);
            let outcome = match (with, at) {
                (Shards::One, _) => {
                    let started = Instant::now();
                    let mut choice = Choice::new(&members, &picker, &health);
                    let mut outcome = choice.nobody(&name);
                    while let Some((index, call)) = choice.next() {
                        let attempts = outcome.attempts + 1;
                        outcome = members[index]
                            .converse((kind, asker, Some(call), backstop, party), &mut orders, &mut ready)
                            .await;
                        outcome.attempts = attempts;
                        outcome.latency = started.elapsed();
                        if ready.is_none() || !outcome.reason.never_ran() {
                            break;
                        }
                    }
                    outcome
                }
                (_, Some(index)) if index < members.len() => {
                    members[index].converse((kind, asker, None, backstop, party), &mut orders, &mut ready).await
                }
                (Shards::All, _) => {
                    let msg = format!(
                        "not sent: a transaction or session is with one database, and @{name} has {}; choose one by \
                         .shard(n) or .shard_by(key), or leave the choice to dlb",
                        members.len()
                    );
                    Outcome::failed(format!("@{name}").into(), Reason::Unsendable, msg)
                }
                _ => no_shard(&members, at, &name),
            };
            responder.put(0, outcome);
        }
    }
}

impl Answers<Conversation<AdHocTarget>> for AdHoc {
    type Item = Outcome;
    const NAME: &'static str = "converse";

    fn answer(
        &mut self,
        asked: Conversation<AdHocTarget>,
        responder: Responder<Outcome>,
    ) -> impl Future<Output = ()> + 'static {
        let Conversation { with: AdHocTarget(spec), kind, asker, mut orders, ready } = asked;
        let node = spec.node.clone();
        let member: Option<Rc<SqlMember>> = self.member(spec);
        let backstop = Backstop::of(responder.deadline, Instant::now(), self.limits.member_timeout);
        let party = responder.party;
        async move {
            let outcome = match member {
                Some(member) => {
                    member.converse((kind, asker, None, backstop, party), &mut orders, &mut Some(ready)).await
                }
                None => super::adhoc::full(node),
            };
            responder.put(0, outcome);
        }
    }
}
