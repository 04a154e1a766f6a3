//! Several statements on one connection: `was.dlb("mydb").tx(|t| async move { … }).await?`.

use std::borrow::Cow;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;

use skitai_actors::db::{AdHocTarget, Command, Conversation, ConversationKind, IntoParams, Shards};
use skitai_actors::kit::{Replies, Rule};
use skitai_actors::outcome::{Course, EndedBy, deadline};
use skitai_actors::{Data, Outcome, Reason};
use tokio::sync::{mpsc, oneshot};

use super::{Base, Sql};
use crate::app::calls::results::{AllFailed, Answered};
use crate::app::error::Result;
use crate::app::error::place::placed;
use crate::app::trail::noted::{CallSource, What};
use crate::app::was::Was;
use skitai_actors::spec::Spread;

/// A transaction, in the closure of [`Sql::tx`]: its [`Connection`], and savepoints. Clones are the same transaction.
#[derive(Clone, Debug)]
pub struct Tx(Connection);

impl Deref for Tx {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.0
    }
}

/// A reserved connection, in the closure of [`Sql::session`] or [`Sql::tx`]. Clones are the same connection.
#[derive(Clone, Debug)]
pub struct Connection(CommandChannel);

/// The channel to the actor that holds the connection.
#[derive(Clone, Debug)]
struct CommandChannel {
    was: Was,
    system: &'static str,
    orders: mpsc::Sender<Command>,
    node: Arc<str>,
    savepoints: Arc<AtomicU32>,
    until: Instant,
}

/// Capacity of the channel: a closure may start several statements at once, and they run one after the other.
const WAITING: usize = 16;

impl Sql {
    /// Runs the closure's statements in one transaction on one database: that of `db`, the least busy member of `dlb`,
    /// or the shard chosen by [`shard`](Sql::shard) or [`shard_by`](Sql::shard_by). `Ok` commits and an error rolls
    /// back. So does everything that keeps the closure from returning: the deadline, a client that disconnects, a
    /// panic.
    ///
    /// A failed statement ends the transaction: return its error, because a commit after it is an error too. Put a
    /// statement that may fail into [`Tx::savepoint`]. Nothing is retried automatically: after a serialization failure
    /// (SQLSTATE 40001) call `tx` again.
    ///
    /// ```
    /// # use skitai::prelude::*;
    /// # #[route("/pay")]
    /// # async fn pay(was: Was, from: i64, to: i64, amount: i64) -> Result<u64> {
    /// let paid = was.dmap("accounts").shard_by(from).tx(|t| async move {
    ///     let taken = "UPDATE account SET balance = balance - $2 WHERE id = $1 AND balance >= $2";
    ///     if t.execute(taken, (from, amount)).await?.affected == Some(0) {
    ///         return Err(Error::new(409, "not that much is left"));
    ///     }
    ///     let given = t.execute("UPDATE account SET balance = balance + $2 WHERE id = $1", (to, amount)).await?;
    ///     Ok(given.affected.unwrap_or(0))
    /// });
    /// # paid.await
    /// # }
    /// ```
    #[track_caller]
    pub fn tx<T, F>(self, work: impl FnOnce(Tx) -> F) -> impl Future<Output = Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        placed(async move {
            let (channel, replies) = self.open(ConversationKind::Transaction).await?;
            let until = channel.until;
            let done = work(Tx(Connection(channel.clone()))).await;
            // The transaction is over when its last command is answered; the actor's final message repeats that answer.
            let answer = match &done {
                Ok(_) => channel.order("COMMIT", Command::Commit).await,
                Err(_) => channel.order("ROLLBACK", Command::Rollback).await,
            };
            replies.all(until).await;
            match (done, answer) {
                (Ok(done), Ok(_)) => Ok(done),
                (Ok(_), Err(failed)) => Err(failed.into()),
                (Err(error), _) => Err(error),
            }
        })
    }

    /// Runs the closure's statements on one connection of one database, each by itself. Settings, subscriptions,
    /// cursors and the closure's own `BEGIN` are allowed here; afterwards the connection is reset.
    #[track_caller]
    pub fn session<T, F>(self, work: impl FnOnce(Connection) -> F) -> impl Future<Output = Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        placed(async move {
            let (channel, replies) = self.open(ConversationKind::Session).await?;
            let done = work(Connection(channel)).await;
            // The last handle of the channel is dropped here, unless the closure kept one: then the connection is
            // closed.
            let until = Instant::now() + LEAVE_WITHIN;
            replies.all(until).await;
            done
        })
    }

    async fn open(self, kind: ConversationKind) -> Result<(CommandChannel, Replies<Outcome>), AllFailed> {
        let (was, base, shards) = self.parts();
        let (made, target) = (Instant::now(), (base.shown(), base.system()));
        let (orders, received) = mpsc::channel(WAITING);
        let (ready, readied) = oneshot::channel();
        let (deadline, until) = (was.deadline(), was.latest_wait());
        let (services, asker, party) = (was.services(), was.rule(), was.request.party);
        let replies = match base {
            Base::Unusable(outcome) => {
                // Nobody will be ready.
                drop(ready);
                Replies::ready(vec![outcome])
            }
            Base::Cluster(spread, actor, spec) => {
                let with = shards.unwrap_or(if spread == Spread::One { Shards::One } else { Shards::All });
                let slots = vec![Outcome::unsent(format!("@{}", spec.name).into())];
                let conversation = Conversation { with, kind, asker, orders: received, ready };
                actor.ask_for(party, conversation, slots, None, deadline)
            }
            Base::Server(member) => {
                let slots = vec![Outcome::unsent(member.node.clone())];
                let with = AdHocTarget(member);
                let conversation = Conversation { with, kind, asker, orders: received, ready };
                services.ad_hoc_db.ask_for(party, conversation, slots, None, deadline)
            }
        };
        match tokio::time::timeout_at(until.into(), readied).await {
            Ok(Ok(node)) => {
                let mut course = Course::begun(made);
                course.end(EndedBy::Answer, Instant::now());
                let held = Outcome { course: Some(course), ..Outcome::completed(node.clone(), Data::default()) };
                noted(&was, made, opening(kind).into(), &target, &held);
                Ok((CommandChannel { was, system: target.1, orders, node, savepoints: Arc::default(), until }, replies))
            }
            _ => {
                let outcomes = replies.all(until).await;
                outcomes.iter().for_each(|outcome| noted(&was, made, opening(kind).into(), &target, outcome));
                Err(AllFailed::of(outcomes))
            }
        }
    }
}

/// How long the end of a session may take. The handler waits while the connection is reset, so that its next statement
/// can use that connection.
const LEAVE_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);

/// What the wait for a connection is called.
fn opening(kind: ConversationKind) -> &'static str {
    match kind {
        ConversationKind::Transaction => "BEGIN",
        ConversationKind::Session => "a connection of its own",
    }
}

/// Notes a step of a conversation in the trail of its request.
fn noted(
    was: &Was,
    made: Instant,
    sql: Cow<'static, str>,
    (target, system): &(Arc<str>, &'static str),
    outcome: &Outcome,
) {
    let mark = was.note(made, Rule::All, CallSource::Members, || What::Statement(sql, target.clone(), system));
    was.trail.came(mark, std::slice::from_ref(outcome));
}

impl CommandChannel {
    async fn order(
        &self,
        sql: impl Into<Cow<'static, str>>,
        order: impl FnOnce(oneshot::Sender<Outcome>) -> Command,
    ) -> Result<Answered, AllFailed> {
        let made = Instant::now();
        let (answer, answered) = oneshot::channel();
        let outcome = async {
            self.orders.send(order(answer)).await.ok()?;
            answered.await.ok()
        };
        let outcome = match tokio::time::timeout_at(self.until.into(), outcome).await {
            Ok(Some(outcome)) => outcome,
            // A statement in flight when the connection broke already got the reason; this one came later.
            Ok(None) => Outcome::failed(
                self.node.clone(),
                Reason::Closed,
                "not sent: the connection of these statements is gone",
            ),
            Err(_) => deadline::caller_deadline().outcome(self.node.clone()),
        };
        let course = Some(Course::waited(made, Instant::now()));
        let outcome = Outcome { course, ..outcome };
        noted(&self.was, made, sql.into(), &(self.node.clone(), self.system), &outcome);
        if outcome.is_ok() { Ok(Answered { outcome, caching: None }) } else { Err(AllFailed::of(vec![outcome])) }
    }
}

impl Tx {
    /// A nested part of the transaction that may fail: its error rolls back only its own statements. Savepoints nest.
    #[track_caller]
    pub fn savepoint<T, F>(&self, work: impl FnOnce(Tx) -> F) -> impl Future<Output = Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        placed(async move {
            let channel = &self.0.0;
            let number = channel.savepoints.fetch_add(1, Relaxed);
            channel.order("SAVEPOINT", |answer| Command::Save(number, answer)).await?;
            match work(self.clone()).await {
                Ok(done) => {
                    channel.order("RELEASE SAVEPOINT", |answer| Command::Keep(number, answer)).await?;
                    Ok(done)
                }
                Err(error) => {
                    channel.order("ROLLBACK TO SAVEPOINT", |answer| Command::Undo(number, answer)).await?;
                    Err(error)
                }
            }
        })
    }
}

impl Connection {
    /// Executes one statement on this connection. A failure is an error whose outcome has the database's own error.
    pub async fn execute(
        &self,
        sql: impl Into<Cow<'static, str>>,
        params: impl IntoParams,
    ) -> Result<Answered, AllFailed> {
        let (sql, params) = (sql.into(), params.into_params());
        self.0.order(sql.clone(), |answer| Command::Execute { sql, params, answer }).await
    }

    /// The name of the database, as in outcomes.
    pub fn node(&self) -> &str {
        &self.0.node
    }
}
