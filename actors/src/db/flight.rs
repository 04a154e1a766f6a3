//! A running statement, and how it is stopped once its caller has given up.
//!
//! The flight owns the running statement and the lease on its connection. If it is dropped before the statement has
//! ended (deadline, caller gone, completion rule), both move into a background task. That task stops the statement at
//! the database and returns the connection only when it is proven idle. So the next borrower never waits for another
//! caller's statement and never receives its answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::kit::tasks;
use crate::outcome::columns::Columns;
use crate::outcome::deadline::Expired;
use crate::outcome::sql_error::SqlError;
use crate::outcome::{Data, Reason};

/// The rows of a statement and the number of rows that the database reports.
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
    /// The parts of the database's own error.
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
    /// False if the state of the connection is unknown.
    pub(super) reusable: bool,
}

/// A running statement.
pub(super) type Work = Pin<Box<dyn Future<Output = StatementEnd> + Send>>;

/// The right to one connection, held beside the statement that uses it.
pub(super) trait Lease: Send + Unpin + 'static {
    /// Returns the connection to its pool, or closes it if it is not `reusable`. The statement must have ended.
    fn release(self, reusable: bool);
    /// Stops the statement, waits for its end for a bounded time, then releases the connection.
    fn settle(self, work: Work) -> impl Future<Output = ()> + Send;
}

/// The future of one statement. Dropping it cancels the statement.
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
        // Not `actix_rt::spawn`: this is a drop, and that call panics while the thread's task set is being torn down.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(tasks::named("statements being stopped", lease.settle(work)))),
            Err(_) => {
                drop(work);
                lease.release(false);
            }
        }
    }
}
