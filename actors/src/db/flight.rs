//! A statement on its way, and what becomes of it when nobody waits any more.
//!
//! The flight owns both the running statement and a lease on its connection. When it is dropped before the statement
//! has ended (deadline, asker gone, completion rule), both move into a task of their own that stops the statement at
//! the database and gives the connection back only when it is proven idle. The next borrower therefore never waits for,
//! and never receives, somebody else's statement.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::kit::tasks;
use crate::outcome::columns::Columns;
use crate::outcome::deadline::Expired;
use crate::outcome::sql_error::SqlError;
use crate::outcome::{Data, Reason};

/// The rows of a statement and the database's count.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) data: Data,
    pub(super) affected: Option<u64>,
    pub(super) columns: Option<Columns>,
}

/// Why a statement has no rows.
#[derive(Clone, Debug)]
pub(super) struct StatementFailure {
    pub(super) reason: Reason,
    pub(super) msg: String,
    /// The database's own error in its parts.
    pub(super) error: Option<Arc<SqlError>>,
}

impl StatementFailure {
    pub(super) fn new(reason: Reason, msg: impl Into<String>) -> StatementFailure {
        StatementFailure { reason, msg: msg.into(), error: None }
    }
}

impl From<Expired> for StatementFailure {
    fn from(Expired { reason, msg }: Expired) -> StatementFailure {
        StatementFailure::new(reason, msg)
    }
}

/// How a statement ended on its connection.
#[derive(Debug)]
pub(super) struct StatementEnd {
    pub(super) result: Result<Rows, StatementFailure>,
    /// False where the connection is in an unknown state.
    pub(super) reusable: bool,
}

/// A running statement.
pub(super) type Work = Pin<Box<dyn Future<Output = StatementEnd> + Send>>;

/// The right to one connection, beside the statement that uses it.
pub(super) trait Lease: Send + Unpin + 'static {
    /// Gives the connection back, or closes it. The statement has ended.
    fn release(self, reusable: bool);
    /// Stops the statement, waits for its end within a bound, then releases.
    fn settle(self, work: Work) -> impl Future<Output = ()> + Send;
}

/// The future of one statement. Its drop is the cancellation.
pub(super) struct Flight<L: Lease> {
    work: Option<Work>,
    lease: Option<L>,
    begun: bool,
}

impl<L: Lease> Flight<L> {
    pub(super) fn new(work: Work, lease: L) -> Flight<L> {
        Flight { work: Some(work), lease: Some(lease), begun: false }
    }
}

impl<L: Lease> Future for Flight<L> {
    type Output = Result<Rows, StatementFailure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.begun = true;
        let Some(work) = &mut self.work else { return Poll::Pending };
        let Poll::Ready(ended) = work.as_mut().poll(context) else { return Poll::Pending };
        self.work = None;
        if let Some(lease) = self.lease.take() {
            lease.release(ended.reusable);
        }
        Poll::Ready(ended.result)
    }
}

impl<L: Lease> Drop for Flight<L> {
    fn drop(&mut self) {
        let (Some(work), Some(lease)) = (self.work.take(), self.lease.take()) else { return };
        if !self.begun {
            drop(work);
            lease.release(true);
            return;
        }
        // Not actix_rt::spawn: that panics where the thread's task set is being torn down, and this is a drop.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(tasks::named("statements being stopped", lease.settle(work)))),
            Err(_) => {
                drop(work);
                lease.release(false);
            }
        }
    }
}
