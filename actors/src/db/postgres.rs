//! PostgreSQL: a pool of this worker's own connections.
//!
//! - here: the statement itself; `queue`: who waits for a connection; `pool`: looking at one before it is lent;
//! - [`dial`]: making connections, counting their tasks, and cancelling on a second one; [`tls`]: whom to trust;
//! - `line`: a connection that statements share; `lines`: which of them, and when there is one more;
//! - `persist`: a dial that outlives its asker; `seat`: a connection kept for several statements; `pour`: rows as a
//!   stream; [`bind`]: parameters; [`told`]: what went wrong, in the server's words.
//!
//! A text of the program itself (`&'static str`) is prepared once per connection under a name: from then on a statement
//! is one round trip without parsing or planning. Their number is bounded by the program's text. A text made at run
//! time keeps no name, because neither the client's cache nor the server ever forgets one: it is sent unnamed, parse and
//! all in a single round trip, once its columns are known to be harmless (`ways`). Behind a pooler there are no names
//! (`statement_timeout = no` says so); where one is found out by the names it loses (SQLSTATE 26000 or 42P05), the pool
//! falls back to unnamed statements.

mod bind;
mod dial;
mod line;
mod lines;
mod persist;
mod pool;
mod pour;
mod queue;
mod rows;
mod seat;
mod tls;
mod told;
mod ways;

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use deadpool::Runtime;
use futures_util::TryStream;
use futures_util::future::join;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Error, Row, RowStream};

use super::Query;
use super::backstop::GRACE;
use super::columns::{Columns, described};
use super::flight::{Ended, Failure, Flight, Lease, Rows, Work};
use super::member::{Connections, Limits};
use crate::cluster::health::Pulse;
use crate::cluster::verdict::{EjectReason, Judged};
use crate::kit::placed::placed;
use crate::outcome::Reason;
use crate::spec::DbTls;
use crate::wire::Value;
use bind::Bound;
use dial::Dialer;
use lines::Lines;
use pool::{Keeper, Pool, Prepared};
use queue::{Loan, Queue};
pub(crate) use rows::RawRows;
pub(super) use seat::Seat;
use ways::Ways;

/// How long a statement nobody waits for may take to stop before its connection is given up.
const SETTLE_WITHIN: Duration = Duration::from_secs(1);
/// A cancel request that overtakes its statement hits an idle server and is ignored, so it is repeated.
const CANCEL_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// What is said of a server that took no note of any request to cancel within [`SETTLE_WITHIN`]. It says nothing of the
/// statement: a server that works hears them whatever it works on.
const UNHEARD: &str = "no request to cancel a statement was heard within a second";
/// Rows that most statements have at most: their list is made at once and does not grow.
const FEW: usize = 8;
/// The protocol counts parameters in 16 bits.
const MAX_PARAMS: usize = 65_535;

/// Where a member is, and as whom it is asked.
pub(super) struct Login<'a> {
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
    queue: Arc<Queue>,
    dialer: Arc<Dialer>,
    limits: Limits,
    ways: Arc<Ways>,
    /// A dial goes on that was begun for somebody who left.
    persists: Arc<AtomicBool>,
    /// Connections that statements share.
    lines: Lines,
}

impl Postgres {
    pub(super) fn new(login: &Login<'_>, limits: Limits, pulse: Option<Arc<Pulse>>) -> Postgres {
        let &Login { host, port, database, user, password, tls } = login;
        let mut config = tokio_postgres::Config::new();
        config.host(host).port(port).dbname(database).user(user).application_name("skitai");
        config.connect_timeout(limits.connect_timeout);
        if !password.is_empty() {
            config.password(password);
        }
        config.ssl_mode(if *tls == DbTls::Off { SslMode::Disable } else { SslMode::Require });
        let limit = limits.statement_timeout.then_some(limits.member_timeout + GRACE);
        let dialer = Arc::new(Dialer::new(host, port, tls, limit, pulse));
        let pool = Pool::builder(Keeper { config, dialer: dialer.clone() })
            .max_size(limits.connections.max(1))
            .runtime(Runtime::Tokio1)
            .build()
            .expect("a pool with a runtime is complete");
        Postgres {
            queue: Queue::new(pool, limits),
            dialer,
            limits,
            // No names without the time-out: behind a pooler they would meet others, too. Two programs count theirs alike,
            // and one would run what the other has prepared.
            ways: Arc::new(Ways::new(limits.statement_timeout)),
            persists: Arc::default(),
            lines: Lines::default(),
        }
    }

    /// A connection for one statement alone.
    pub(super) async fn checkout(&self, asked: Instant) -> Result<Loan, Failure> {
        if let Some(why) = self.dialer.unusable() {
            return Err(Failure::new(Reason::Tls, why));
        }
        self.queue.lend(asked).await
    }

    /// How long the dial took that the last checkout ended with; `None` where it dialled nobody.
    pub(super) fn last_dial(&self) -> Option<Duration> {
        self.dialer.last_dial()
    }

    /// The statement on that connection. Nothing is sent before the first poll.
    pub(super) fn send(&self, loan: Loan, query: Arc<Query>) -> Flight<Lent> {
        let shared = Arc::new(Shared { loan, stop: AtomicBool::new(false) });
        let run = Run { shared: shared.clone(), ways: self.ways.clone(), query };
        Flight::new(placed(|| run.end()), Lent { shared, dialer: self.dialer.clone(), closes: false })
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
struct Shared {
    loan: Loan,
    /// Set when nobody wants the rows any more.
    stop: AtomicBool,
}

/// Everything one running statement needs.
struct Run {
    shared: Arc<Shared>,
    ways: Arc<Ways>,
    query: Arc<Query>,
}

impl Run {
    // What is awaited on a statement's way is pinned where it is made; `.await` by itself would move it first, step by step.
    async fn end(self) -> Ended {
        Run::ended(pin!(self.rows()).await)
    }

    fn ended(result: Result<Rows, Stopped>) -> Ended {
        match result {
            Ok(rows) => Ended { result: Ok(rows), reusable: true },
            Err(Stopped::Server(error)) => {
                let (failure, reusable) = told::statement(&error);
                Ended { result: Err(failure), reusable }
            }
            Err(Stopped::Ours(failure)) => Ended { result: Err(failure), reusable: true },
        }
    }

    async fn rows(&self) -> Result<Rows, Stopped> {
        self.check()?;
        let (columns, stream) = pin!(self.limited()).await?;
        let mut stream = pin!(stream);
        let mut rows = Vec::with_capacity(FEW);
        poll_fn(|context| {
            while let Some(row) = ready!(stream.as_mut().try_poll_next(context)?) {
                // Nobody reads them once it is stopped; they only have to come off the connection.
                if !self.shared.stop.load(Relaxed) {
                    rows.push(row);
                }
            }
            Poll::Ready(Ok::<_, Error>(()))
        })
        .await?;
        let columns = columns.or_else(|| rows.first().map(|row: &Row| described(row.columns())));
        let data = match &columns {
            Some(columns) if !rows.is_empty() => RawRows::new(rows, columns.clone()).into(),
            _ => Value::List(Vec::new()).into(),
        };
        Ok(Rows { data, affected: stream.rows_affected(), columns })
    }

    /// What the client would refuse to encode, in plainer words than it has.
    fn check(&self) -> Result<(), Stopped> {
        let count = self.query.params.len();
        if count > MAX_PARAMS {
            return Err(sql(format!("{count} parameters; the protocol carries {MAX_PARAMS}; pass an array")));
        }
        Ok(())
    }

    /// The statement, and before it what it needs of the server's own limit, where that is not there.
    async fn limited(&self) -> Result<(Option<Columns>, RowStream), Stopped> {
        let backstop = self.query.backstop;
        if self.query.pipelined || self.shared.loan.has(backstop) {
            return pin!(self.start()).await;
        }
        Box::pin(async { join(self.shared.loan.limit_to(backstop), self.start()).await.1 }).await
    }

    /// The running statement, and its columns where they are known before its first row.
    async fn start(&self) -> Result<(Option<Columns>, RowStream), Stopped> {
        let Query { sql: text, params, .. } = &*self.query;
        let lasting = match text {
            Cow::Borrowed(text) => Some(*text),
            Cow::Owned(_) => None,
        };
        // Lists and maps are written by the type of their place (an array, JSON), and only a prepared statement knows it.
        let by_type = params.iter().any(|param| matches!(param, Value::List(_) | Value::Map(_)));
        if !self.ways.has_names() || (lasting.is_none() && !by_type && self.ways.is_plain(text)) {
            return Ok((None, Box::pin(self.unnamed()).await?));
        }
        let prepared = match lasting {
            Some(text) => pin!(self.shared.loan.prepared(text)).await,
            None => Box::pin(self.shared.loan.prepare(text)).await,
        };
        let started = match prepared {
            Ok(prepared) => {
                if lasting.is_none() {
                    self.ways.learn(text, &prepared.statement);
                }
                pin!(self.bound(prepared)).await?
            }
            Err(error) => Err(error),
        };
        match (started, lasting) {
            // These come before anything ran: the name is unknown or taken, or the plan is older than the tables.
            (Err(error), _) if told::is_lost_name(&error) => {
                if let Some(text) = lasting {
                    self.shared.loan.forget(text);
                }
                self.ways.without_names();
                Ok((None, Box::pin(self.unnamed()).await?))
            }
            (Err(error), Some(text)) if told::is_stale_name(&error) => {
                self.shared.loan.forget(text);
                let prepared = Box::pin(self.shared.loan.prepared(text)).await?;
                Ok(Box::pin(self.bound(prepared)).await??)
            }
            (started, _) => Ok(started?),
        }
    }

    /// The columns are told before the first row, if there are any.
    async fn bound(
        &self,
        Prepared { statement, columns }: Prepared,
    ) -> Result<Result<(Option<Columns>, RowStream), Error>, Stopped> {
        self.go_on()?;
        let (given, wanted) = (self.query.params.len(), statement.params().len());
        if given != wanted {
            return Err(sql(format!("the statement has {wanted} parameters, {given} were given")));
        }
        // Boxed, for it is large because of what it does where there is no statement yet; the parameters by reference, for so
        // it has just the size up to which the allocator is at its best.
        let mut params = self.query.params.iter().map(Bound);
        let started = placed(|| self.shared.loan.query_raw(&statement, &mut params)).await;
        Ok(started.map(|stream| (columns, stream)))
    }

    async fn unnamed(&self) -> Result<RowStream, Stopped> {
        self.go_on()?;
        let params = self.query.params.iter().map(|param| (Bound(param), bind::untyped()));
        let watched = self.ways.watched(&self.query.sql);
        let started = self.shared.loan.query_typed_raw(&self.query.sql, params).await;
        watched.began();
        started.map_err(|error| {
            // Nothing of the statement has a name. The client prepares look-ups of types under names, after it has run.
            if told::is_lost_name(&error) { Stopped::Ours(told::unread(&error)) } else { Stopped::Server(error) }
        })
    }

    /// Between preparing and running: a statement that was stopped meanwhile does not run any more.
    fn go_on(&self) -> Result<(), Stopped> {
        if self.shared.stop.load(Relaxed) {
            let msg = "stopped before it ran".to_owned();
            return Err(Stopped::Ours(Failure::new(Reason::Cancelled, msg)));
        }
        Ok(())
    }
}

/// Why a statement did not end well: by the server or the connection, or by us before anything was sent.
enum Stopped {
    Server(Error),
    Ours(Failure),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Stopped::Server(error)
    }
}

fn sql(msg: String) -> Stopped {
    Stopped::Ours(Failure::new(Reason::Sql, msg))
}

/// The lease on a pooled connection.
pub(super) struct Lent {
    shared: Arc<Shared>,
    dialer: Arc<Dialer>,
    /// It belongs to a conversation, after which it is closed unless somebody else still holds it.
    closes: bool,
}

impl Lease for Lent {
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

impl Lent {
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
fn discard(shared: Arc<Shared>) {
    // Whoever else held it has ended by now; were it not so, it would be lent again, and be found closed or idle.
    if let Some(shared) = Arc::into_inner(shared) {
        shared.loan.close();
    }
}
