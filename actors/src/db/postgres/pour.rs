//! A statement whose rows are streamed.
//!
//! Rows are taken off the connection one by one, and only while the sink has a free place. Otherwise the statement's
//! answer is not polled, tokio-postgres leaves the socket unread, and the server blocks in its write.
//!
//! The server's own time limit also counts that wait, so it is derived from the deadline: see `backstop`.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Context;

use futures_util::{FutureExt, TryStreamExt};

use super::queue::PooledConn;
use super::rows::described;
use super::run::{Run, Stopped, ended};
use super::{Postgres, PostgresLease, StatementShared};
use crate::db::flight::{Flight, Rows};
use crate::db::stream::{Batch, Sink};
use crate::db::{Query, types};
use crate::outcome::Data;

impl Postgres {
    /// Runs the statement on that connection and sends its rows to the sink. Nothing is sent before the first poll.
    pub(in crate::db) fn pour(&self, conn: PooledConn, query: Arc<Query>, sink: Sink) -> Flight<PostgresLease> {
        // The reader may take minutes over the last rows.
        conn.doubt();
        let shared = Arc::new(StatementShared { conn, stop: AtomicBool::new(false) });
        let (lent, strategy) = (shared.clone(), self.strategy.clone());
        let work = async move {
            let run = Run { shared: &lent, strategy: &strategy, query: &query };
            ended(run.pour(&sink).await)
        };
        Flight::new(Box::pin(work), PostgresLease { shared, dialer: self.dialer.clone(), closes: false })
    }
}

impl Run<'_> {
    async fn pour(self, sink: &Sink) -> Result<Rows, Stopped> {
        let (columns, stream) = self.start().await?;
        let (mut columns, mut stream) = (columns, pin!(stream));
        let stopped = |_: &Context<'_>| self.shared.stop.load(Relaxed);
        let mut batch = Batch::default();
        loop {
            let next = match stream.try_next().now_or_never() {
                Some(next) => next,
                None => {
                    // Send the rows at hand before waiting for the next one.
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
                // The rows are not wanted any more, but have to be read off the connection.
                continue;
            }
            let columns = columns.get_or_insert_with(|| described(row.columns()));
            batch.push(columns, types::row(&row, columns), row.raw_size_bytes());
            if batch.is_full() {
                sink.pour(std::mem::take(&mut batch), stopped).await;
            }
        }
        Ok(Rows { data: Data::default(), affected: stream.rows_affected(), columns })
    }
}
