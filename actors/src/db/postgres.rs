//! PostgreSQL: a pool of connections per member, on this thread.
//!
//! - this file: a statement's flight, and how it is stopped; `run`: the statement itself; `queue`: the wait for a
//!   connection; `pool`: checks an idle connection before it is lent;
//! - [`dial`]: makes connections, counts their tasks, and sends cancel requests; [`tls`]: which certificates are
//!   trusted;
//! - `pipelined_conn`: a connection that statements share; `pipeline_pool`: which one a statement joins, and when
//!   another is opened;
//! - [`seats`]: how many connections the server may have of this thread; [`lingering`]: they end when the server says
//!   so;
//! - `background_dial`: a dial that continues after its caller has left; `session`: a connection held for several
//!   statements; `pour`: rows as a stream; [`bind`]: parameters; [`error_map`]: errors as reasons and messages.
//!
//! A text of the program itself (`&'static str`) is prepared once per connection under a name: from then on a statement
//! is one round trip without parsing or planning. The number of such names is bounded by the program's text. A text
//! made at run time gets no name, because neither the client's cache nor the server ever forgets one. It is sent
//! unnamed, with its parsing, in a single round trip, once its columns are known to be of built-in types
//! (`prepare_strategy`). Behind a pooler there are no names (`statement_timeout = no` declares one). If a pooler shows
//! by names it has lost (SQLSTATE 26000 or 42P05), the pool falls back to unnamed statements.

mod background_dial;
mod bind;
mod dial;
mod error_map;
mod lingering;
mod pipeline_pool;
mod pipelined_conn;
mod pool;
mod pour;
mod prepare_strategy;
mod queue;
mod rows;
mod run;
mod seats;
mod session;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use deadpool::Runtime;
use tokio_postgres::config::{SslMode, SslNegotiation};

use super::Query;
use super::backstop::GRACE;
use super::budget::Share;
use super::flight::{Flight, Lease, StatementFailure, Work};
use super::member::{Connections, MemberLimits, PostgresLogin};
use crate::balance::circuit::{EjectReason, Judged};
use crate::balance::health::MemberHealth;
use crate::kit::Party;
use crate::kit::gate::Gate;
use crate::kit::placed::placed;
use crate::outcome::Reason;
use crate::spec::DbTls;
use dial::Dialer;
use pipeline_pool::PipelinePool;
use pool::{ConnectionManager, Pool};
use prepare_strategy::PrepareStrategy;
use queue::{PooledConn, PostgresPool};
pub(super) use session::PostgresSession;

/// How long an abandoned statement may take to stop before its connection is given up.
const SETTLE_WITHIN: Duration = Duration::from_secs(1);
/// A cancel request that arrives before its statement finds the server idle and is ignored, so it is repeated this
/// often.
const CANCEL_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// The message about a server that answered no cancel request within [`SETTLE_WITHIN`]. It is about the server, not the
/// statement: a working server answers them whatever it runs.
const UNHEARD: &str = "no request to cancel a statement was heard within a second";

/// One member's pool.
#[derive(Debug)]
pub(super) struct Postgres {
    queue: Arc<PostgresPool>,
    dialer: Arc<Dialer>,
    limits: MemberLimits,
    strategy: Arc<PrepareStrategy>,
    /// Set while a dial continues whose caller has left.
    is_dialling: Arc<AtomicBool>,
    /// Connections that statements share.
    pipelines: PipelinePool,
}

impl Postgres {
    pub(super) fn new(
        login: &PostgresLogin<'_>,
        limits: MemberLimits,
        health: Option<Arc<MemberHealth>>,
        share: Share,
        streams: Arc<Gate>,
    ) -> Postgres {
        let &PostgresLogin { host, port, database, user, password, tls } = login;
        let mut config = tokio_postgres::Config::new();
        config.host(host).port(port).dbname(database).user(user).application_name("skitai");
        config.connect_timeout(limits.connect_timeout);
        if !password.is_empty() {
            config.password(password);
        }
        match tls {
            DbTls::Off if host.starts_with('/') => config.ssl_mode(SslMode::Disable),
            // A stream of ours without encryption: see `lingering`.
            DbTls::Off => config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct),
            DbTls::Verified(_) => config.ssl_mode(SslMode::Require),
        };
        let limit = limits.statement_timeout.then_some(limits.member_timeout + GRACE);
        let dialer = Arc::new(Dialer::new(host, port, tls, limit, health, share));
        let pool = Pool::builder(ConnectionManager { config, dialer: dialer.clone() })
            .max_size(limits.connections.max(1))
            .runtime(Runtime::Tokio1)
            .build()
            .expect("a pool with a runtime is complete");
        Postgres {
            queue: PostgresPool::new(pool, limits, streams),
            dialer,
            limits,
            // No names without the server's time-out: behind a pooler two programs number their statements alike, and
            // one would run what the other has prepared.
            strategy: Arc::new(PrepareStrategy::new(limits.statement_timeout)),
            is_dialling: Arc::default(),
            pipelines: PipelinePool::default(),
        }
    }

    /// A connection for one statement.
    pub(super) async fn checkout(&self, party: Party, asked: Instant) -> Result<PooledConn, StatementFailure> {
        if let Some(why) = self.dialer.unusable() {
            return Err(StatementFailure::new(Reason::Tls, why));
        }
        self.queue.lend_to(party, asked).await
    }

    /// How long the dial of the last checkout took; `None` if it needed none.
    pub(super) fn last_dial(&self) -> Option<Duration> {
        self.dialer.last_dial()
    }

    /// Runs the statement on that connection. Nothing is sent before the first poll.
    pub(super) fn send(&self, conn: PooledConn, query: Arc<Query>) -> Flight<PostgresLease> {
        let shared = Arc::new(StatementShared { conn, stop: AtomicBool::new(false) });
        let work = placed(|| run::alone(shared.clone(), self.strategy.clone(), query));
        Flight::new(work, PostgresLease { shared, dialer: self.dialer.clone(), closes: false })
    }

    /// Follows its share of the connections, which may have changed.
    pub(super) fn follow_budget(&self) {
        self.queue.follow();
    }

    pub(super) fn close_old(&self, idle: Duration, lifetime: Duration) {
        self.queue.close_old(idle, lifetime);
    }

    pub(super) fn connections(&self) -> Connections {
        let status = self.queue.pool().status();
        Connections {
            open: self.dialer.seats().open(),
            idle: status.available,
            limit: self.queue.limit(),
            configured: self.limits.connections,
        }
    }
}

/// Shared by a statement and the lease on its connection.
struct StatementShared {
    conn: PooledConn,
    /// Set once the rows are no longer wanted.
    stop: AtomicBool,
}

/// The lease on a pooled connection.
pub(super) struct PostgresLease {
    shared: Arc<StatementShared>,
    dialer: Arc<Dialer>,
    /// It belongs to a session: the connection is closed on release, unless the session still holds it.
    closes: bool,
}

impl Lease for PostgresLease {
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
            self.dialer.report_health(Judged::Failed(EjectReason::Silent), UNHEARD);
        }
        if !idle {
            tracing::warn!(node = %self.dialer, "a cancelled statement did not stop cleanly; its connection is closed");
        }
        self.release(idle);
    }
}

impl PostgresLease {
    /// Sends cancel requests until the statement has ended. True if the connection can be lent again, which needs three
    /// proofs: the server has closed every cancel connection, so its signal has been sent; the statement has ended; and
    /// one more round trip has absorbed any signal that came late.
    async fn proven_idle(&self, mut work: Work, was_heard: &mut bool) -> bool {
        let token = self.shared.conn.cancel_token();
        let mut heard = true;
        loop {
            let ended = tokio::time::timeout(CANCEL_AGAIN_AFTER, &mut work);
            let (cancelled, ended) = futures_util::future::join(self.dialer.cancel(&token), ended).await;
            heard &= cancelled;
            *was_heard |= cancelled;
            if let Ok(ended) = ended {
                drop(work);
                return heard && ended.reusable && self.shared.conn.check_connection().await.is_ok();
            }
        }
    }
}

/// Takes a connection out of the pool and closes it.
fn discard(shared: Arc<StatementShared>) {
    // Any other holder has ended by now. If one has not, the pool gets the connection back and finds it closed or idle.
    if let Some(shared) = Arc::into_inner(shared) {
        shared.conn.close();
    }
}
