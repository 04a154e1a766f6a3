//! A statement whose rows go on as they come.
//!
//! The rows are taken off the connection one by one, and only when there is room for them: while there is none, nobody
//! polls the statement's answer, tokio-postgres leaves the socket unread, and the server waits in its write.
//!
//! The server's own limit counts that wait, too, so it is set to what is left of the deadline while the rows last.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Context;
use std::time::Instant;

use futures_util::{FutureExt, TryStreamExt};

use super::dial::Dialer;
use super::pool::Loan;
use super::{Lent, Postgres, Run, Shared, Stopped};
use crate::db::Query;
use crate::db::backstop::GRACE;
use crate::db::flight::{Ended, Flight, Rows};
use crate::db::stream::{Batch, Sink};
use crate::db::types;

/// How often the server is told its usual limit again: a late cancel request may hit the first time.
const TELLS: usize = 2;

impl Postgres {
    /// The statement on that connection, its rows into a sink. Nothing is sent before the first poll.
    pub(in crate::db) fn pour(&self, loan: Loan, query: Arc<Query>, sink: Sink) -> Flight<Lent> {
        let shared = Arc::new(Shared { loan, stop: AtomicBool::new(false) });
        let run = Run { shared: shared.clone(), named: self.named.clone(), query };
        let work = poured(run, self.dialer.clone(), sink);
        Flight::new(Box::pin(work), Lent { shared, dialer: self.dialer.clone(), closes: false })
    }
}

async fn poured(run: Run, dialer: Arc<Dialer>, sink: Sink) -> Ended {
    let left = sink.deadline().saturating_duration_since(Instant::now()) + GRACE;
    if let Err(error) = dialer.limited_to(&run.shared.loan, left).await {
        return Run::ended(Err(error.into()));
    }
    let mut ended = Run::ended(run.pour(&sink).await);
    ended.reusable = ended.reusable && limited_again(&run, &dialer).await;
    ended
}

async fn limited_again(run: &Run, dialer: &Dialer) -> bool {
    for _ in 0..TELLS {
        match dialer.limited(&run.shared.loan).await {
            Ok(()) => {
                run.shared.loan.limit_is_new();
                return true;
            }
            Err(error) if error.as_db_error().is_none() => return false,
            Err(_) => {}
        }
    }
    false
}

impl Run {
    async fn pour(&self, sink: &Sink) -> Result<Rows, Stopped> {
        self.check()?;
        let (columns, stream) = self.start().await?;
        let (mut columns, mut stream) = (columns, pin!(stream));
        let stopped = |_: &Context<'_>| self.shared.stop.load(Relaxed);
        let mut batch = Batch::default();
        loop {
            let next = match stream.try_next().now_or_never() {
                Some(next) => next,
                None => {
                    // What has come goes on before the next is waited for.
                    sink.pour(std::mem::take(&mut batch), stopped).await;
                    stream.try_next().await
                }
            };
            let Ok(Some(row)) = next else {
                sink.pour(batch, stopped).await;
                next?;
                break;
            };
            if self.shared.stop.load(Relaxed) {
                // Nobody reads them; they only have to come off the connection.
                continue;
            }
            let columns = columns.get_or_insert_with(|| self.described(row.columns()));
            batch.push(columns, types::row(&row, columns)?, row.raw_size_bytes());
            if batch.is_full() {
                sink.pour(std::mem::take(&mut batch), stopped).await;
            }
        }
        Ok(Rows { data: Vec::new(), affected: stream.rows_affected(), columns })
    }
}
