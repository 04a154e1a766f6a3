//! PostgreSQL: a pool of this thread's own connections.
//!
//! - here: a statement's flight, and how it is stopped; `run`: the statement itself; `queue`: who waits for a
//!   connection; `pool`: looking at one before it is lent;
//! - [`dial`]: making connections, counting their tasks, and cancelling on a second one; [`tls`]: whom to trust;
//! - `line`: a connection that statements share; `lines`: which of them, and when there is one more;
//! - `persist`: a dial that outlives its asker; `seat`: a connection kept for several statements; `pour`: rows as a
//!   stream; [`bind`]: parameters; [`told`]: what went wrong, in the server's words.
//!
//! A text of the program itself (`&'static str`) is prepared once per connection under a name: from then on a statement
//! is one round trip without parsing or planning. Their number is bounded by the program's text. A text made at run
//! time keeps no name, because neither the client's cache nor the server ever forgets one: it is sent unnamed, parse
//! and all in a single round trip, once its columns are known to be harmless (`ways`). Behind a pooler there are no
//! names (`statement_timeout = no` says so); where one is found out by the names it loses (SQLSTATE 26000 or 42P05),
//! the pool falls back to unnamed statements.

mod background_dial;
mod bind;
mod dial;
mod error_map;
mod pipeline_pool;
mod pipelined_conn;
mod pool;
mod pour;
mod prepare_strategy;
mod queue;
mod rows;
mod run;
mod session;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use deadpool::Runtime;
use tokio_postgres::config::SslMode;

use super::Query;
use super::backstop::GRACE;
use super::flight::{Flight, Lease, StatementFailure, Work};
use super::member::{Connections, MemberLimits};
use crate::balance::circuit::{EjectReason, Judged};
use crate::balance::health::MemberHealth;
use crate::kit::Party;
use crate::kit::placed::placed;
use crate::outcome::Reason;
use crate::spec::DbTls;
use dial::Dialer;
use pipeline_pool::PipelinePool;
use pool::{ConnectionManager, Pool};
use prepare_strategy::PrepareStrategy;
use queue::{PooledConn, PostgresPool};
pub(super) use session::PostgresSession;

/// How long a statement nobody waits for may take to stop before its connection is given up.
const SETTLE_WITHIN: Duration = Duration::from_secs(1);
/// A cancel request that overtakes its statement hits an idle server and is ignored, so it is repeated.
const CANCEL_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// What is said of a server that took no note of any request to cancel within [`SETTLE_WITHIN`]. It says nothing of the
/// statement: a server that works hears them whatever it works on.
const UNHEARD: &str = "no request to cancel a statement was heard within a second";

/// Where a member is, and as whom it is asked.
pub(super) struct PostgresLogin<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    pub(super) tls: &'a DbTls,
}

/// One member's pool.
#[derive(Debug)]
pub(super) struct Postgres {
    queue: Arc<PostgresPool>,
    dialer: Arc<Dialer>,
    limits: MemberLimits,
    ways: Arc<PrepareStrategy>,
    /// A dial goes on that was begun for somebody who left.
    persists: Arc<AtomicBool>,
    /// Connections that statements share.
    lines: PipelinePool,
}

impl Postgres {
    pub(super) fn new(login: &PostgresLogin<'_>, limits: MemberLimits, pulse: Option<Arc<MemberHealth>>) -> Postgres {
        let &PostgresLogin { host, port, database, user, password, tls } = login;
        let mut config = tokio_postgres::Config::new();
        config.host(host).port(port).dbname(database).user(user).application_name("skitai");
        config.connect_timeout(limits.connect_timeout);
        if !password.is_empty() {
            config.password(password);
        }
        config.ssl_mode(if *tls == DbTls::Off { SslMode::Disable } else { SslMode::Require });
        let limit = limits.statement_timeout.then_some(limits.member_timeout + GRACE);
        let dialer = Arc::new(Dialer::new(host, port, tls, limit, pulse));
        let pool = Pool::builder(ConnectionManager { config, dialer: dialer.clone() })
            .max_size(limits.connections.max(1))
            .runtime(Runtime::Tokio1)
            .build()
            .expect("a pool with a runtime is complete");
        Postgres {
            queue: PostgresPool::new(pool, limits),
            dialer,
            limits,
            // No names without the time-out: behind a pooler they would meet others, too. Two programs count theirs
            // alike, and one would run what the other has prepared.
            ways: Arc::new(PrepareStrategy::new(limits.statement_timeout)),
            persists: Arc::default(),
            lines: PipelinePool::default(),
        }
    }

    /// A connection for one statement alone.
    pub(super) async fn checkout(&self, party: Party, asked: Instant) -> Result<PooledConn, StatementFailure> {
        if let Some(why) = self.dialer.unusable() {
            return Err(StatementFailure::new(Reason::Tls, why));
        }
        self.queue.lend_to(party, asked).await
    }

    /// How long the dial took that the last checkout ended with; `None` where it dialled nobody.
    pub(super) fn last_dial(&self) -> Option<Duration> {
        self.dialer.last_dial()
    }

    /// The statement on that connection. Nothing is sent before the first poll.
    pub(super) fn send(&self, loan: PooledConn, query: Arc<Query>) -> Flight<PostgresLoan> {
        let shared = Arc::new(StatementShared { loan, stop: AtomicBool::new(false) });
        let work = placed(|| run::alone(shared.clone(), self.ways.clone(), query));
        Flight::new(work, PostgresLoan { shared, dialer: self.dialer.clone(), closes: false })
    }

    pub(super) fn close_old(&self, idle: Duration, lifetime: Duration) {
        self.queue.close_old(idle, lifetime);
    }

    pub(super) fn connections(&self) -> Connections {
        let status = self.queue.pool().status();
        Connections { open: self.dialer.open(), idle: status.available, limit: status.max_size }
    }
}

/// What a statement and the lease on its connection have in common.
struct StatementShared {
    loan: PooledConn,
    /// Set when nobody wants the rows any more.
    stop: AtomicBool,
}

/// The lease on a pooled connection.
pub(super) struct PostgresLoan {
    shared: Arc<StatementShared>,
    dialer: Arc<Dialer>,
    /// It belongs to a conversation, after which it is closed unless somebody else still holds it.
    closes: bool,
}

impl Lease for PostgresLoan {
    fn release(self, reusable: bool) {
        if !reusable || self.closes {
            discard(self.shared);
        }
    }

    async fn settle(self, work: Work) {
        self.shared.stop.store(true, Relaxed);
        let mut was_heard = false;
        let settled = tokio::time::timeout(SETTLE_WITHIN, self.proven_idle(work, &mut was_heard)).await;
        let idle = *settled.as_ref().unwrap_or(&false);
        if settled.is_err() && !was_heard && self.dialer.tells_of_cancels() {
            self.dialer.told(Judged::Failed(EjectReason::Silent), UNHEARD);
        }
        if !idle {
            tracing::warn!(node = %self.dialer, "a cancelled statement did not stop cleanly; its connection is closed");
        }
        self.release(idle);
    }
}

impl PostgresLoan {
    /// Cancels until the statement has ended. True when the connection can be lent again: every cancel request has run
    /// its course (the server closed it, so its signal is out), the statement has ended, and one more round trip has
    /// taken whatever the signal still could hit.
    async fn proven_idle(&self, mut work: Work, was_heard: &mut bool) -> bool {
        let token = self.shared.loan.cancel_token();
        let mut heard = true;
        loop {
            let ended = tokio::time::timeout(CANCEL_AGAIN_AFTER, &mut work);
            let (cancelled, ended) = futures_util::future::join(self.dialer.cancel(&token), ended).await;
            heard &= cancelled;
            *was_heard |= cancelled;
            if let Ok(ended) = ended {
                drop(work);
                return heard && ended.reusable && self.shared.loan.check_connection().await.is_ok();
            }
        }
    }
}

/// Takes a connection out of the pool and closes it.
fn discard(shared: Arc<StatementShared>) {
    // Whoever else held it has ended by now; were it not so, it would be lent again, and be found closed or idle.
    if let Some(shared) = Arc::into_inner(shared) {
        shared.loan.close();
    }
}
