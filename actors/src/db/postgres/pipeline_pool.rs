//! The shared connections of one member on this thread.
//!
//! A statement joins the first connection that makes progress. If none does, one more is taken from the pool, by a
//! single checkout on behalf of all statements that want it. So there are never more connections than the pool allows,
//! and a full pool means the same wait, bound and refusal as for an exclusive connection. A connection whose oldest
//! statement is stuck gets no new statements and empties as the others end.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::{FutureExt, LocalBoxFuture, Shared, WeakShared};

use super::Postgres;
use super::pipelined_conn::{PipelinedConn, Ticket};
use super::run::Run;
use crate::db::Query;
use crate::db::backstop::{Backstop, GRACE};
use crate::db::flight::{StatementEnd, StatementFailure};
use crate::outcome::Reason;
use crate::wire::Value;

/// A checkout under way: it is polled by all statements that wait for it, and continues if some of them leave.
type Opening = LocalBoxFuture<'static, Result<Arc<PipelinedConn>, StatementFailure>>;

#[derive(Default)]
pub(super) struct PipelinePool {
    /// The oldest connection first.
    conns: RefCell<Vec<Arc<PipelinedConn>>>,
    /// Weak, so that a checkout that no statement waits for is dropped.
    opening: RefCell<Option<WeakShared<Opening>>>,
    /// How often a connection was opened beside others.
    moved: Cell<u64>,
}

impl std::fmt::Debug for PipelinePool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PipelinePool").field("open", &self.conns.borrow().len()).finish_non_exhaustive()
    }
}

impl PipelinePool {
    fn join(&self, query: &Arc<Query>, now: Instant) -> Option<Ticket> {
        self.conns.borrow().iter().find_map(|conn| conn.join(query, now))
    }

    /// Joins a new connection and makes it known to all statements. `None` if it has already been used up.
    fn join_new(&self, conn: &Arc<PipelinedConn>, query: &Arc<Query>) -> Option<Ticket> {
        let ticket = conn.join(query, Instant::now())?;
        let mut conns = self.conns.borrow_mut();
        if !conns.iter().any(|known| Arc::ptr_eq(known, conn)) {
            conns.retain(|known| !known.is_over());
            self.moved.set(self.moved.get() + u64::from(!conns.is_empty()));
            conns.push(conn.clone());
        }
        Some(ticket)
    }
}

impl Postgres {
    /// Joins a shared connection that is open.
    pub(in crate::db) fn join(&self, query: &Arc<Query>, now: Instant) -> Option<Ticket> {
        self.pipelines.join(query, now)
    }

    /// Joins a shared connection that is opened for this statement.
    pub(in crate::db) async fn open_pipelined(&self, query: &Arc<Query>) -> Result<Ticket, StatementFailure> {
        if let Some(why) = self.dialer.unusable() {
            return Err(StatementFailure::new(Reason::Tls, why));
        }
        loop {
            let conn = self.opening().await?;
            let ticket = self.pipelines.join_new(&conn, query).or_else(|| self.pipelines.join(query, Instant::now()));
            if let Some(ticket) = ticket {
                return Ok(ticket);
            }
        }
    }

    fn opening(&self) -> Shared<Opening> {
        let mut opening = self.pipelines.opening.borrow_mut();
        let under_way = opening.as_ref().and_then(WeakShared::upgrade).filter(|one| one.peek().is_none());
        if let Some(under_way) = under_way {
            return under_way;
        }
        let queue = self.queue.clone();
        let patience = self.limits.member_timeout + GRACE * 2;
        let checkout = async move {
            let pooled = queue.lend(Instant::now()).await?;
            if !pooled.has(Backstop::Member) {
                pooled.limit_to(Backstop::Member).await;
            }
            Ok(Arc::new(PipelinedConn::on(pooled, patience)))
        };
        let new = checkout.boxed_local().shared();
        *opening = new.downgrade();
        new
    }

    /// Runs a statement that has joined. If the future is dropped before its end, the statement stays in the pipeline
    /// and its answer is discarded.
    pub(in crate::db) fn send_on<'p>(
        &'p self,
        ticket: &'p mut Ticket,
        query: &'p Query,
    ) -> impl Future<Output = StatementEnd> + 'p {
        ticket.was_sent = true;
        self.run(ticket, query).whole()
    }

    fn run<'r>(&'r self, ticket: &'r Ticket, query: &'r Query) -> Run<'r> {
        Run { shared: ticket.shared(), strategy: &self.strategy, query }
    }

    /// State of the shared connections, for the status page.
    pub(in crate::db) fn pipeline_report(&self) -> Value {
        let conns = self.pipelines.conns.borrow();
        let open = || conns.iter().filter(|conn| !conn.is_over());
        let count = |number: usize| Value::Int(number.cast_signed() as i64);
        let oldest = open().filter_map(|conn| conn.head()).map(|(since, _)| since.elapsed()).max();
        Value::from_pairs([
            ("connections", count(open().count())),
            ("in_flight", count(open().map(|conn| conn.in_flight()).sum())),
            ("oldest_ms", Value::Double(oldest.unwrap_or_default().as_secs_f64() * 1_000.0)),
            ("moved", Value::Int(self.pipelines.moved.get().cast_signed())),
        ])
    }

    /// `; shared by 12 statements behind /report for 2.1 s: SELECT …`; empty if no connection is shared.
    pub(in crate::db) fn pipeline_holders(&self) -> String {
        let mut text = String::new();
        for conn in self.pipelines.conns.borrow().iter() {
            if let Some((since, query)) = conn.head() {
                let (count, head) = (conn.in_flight(), crate::db::holders::head(&query.sql));
                // Writing to a String cannot fail.
                let _ = write!(
                    text,
                    "; one is shared by {count} pipelined, the first of {} for {:.1?}: {head}",
                    query.asker,
                    since.elapsed()
                );
            }
        }
        text
    }
}
