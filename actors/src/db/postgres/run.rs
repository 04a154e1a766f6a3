//! One statement on its connection, from its text to its rows.
//!
//! The text of nearly every statement has been prepared on its connection before. This case has a short path of its
//! own, so that its future holds little state between polls.

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use futures_util::TryStream;
use futures_util::future::join;
use tokio_postgres::{Error, RowStream};

use super::bind::Bound;
use super::pool::PreparedStatement;
use super::prepare_strategy::PrepareStrategy;
use super::rows::{RawRows, described};
use super::{StatementShared, bind, error_map};
use crate::db::Query;
use crate::db::flight::{Rows, StatementEnd, StatementFailure};
use crate::kit::placed::placed;
use crate::outcome::{Columns, Data, LazyRows, Reason};
use crate::wire::Value;

/// The protocol counts parameters in 16 bits.
const MAX_PARAMS: usize = 65_535;

/// All that one running statement needs.
#[derive(Clone, Copy)]
pub(super) struct Run<'r> {
    pub(super) shared: &'r StatementShared,
    pub(super) strategy: &'r PrepareStrategy,
    pub(super) query: &'r Query,
}

/// The stream of rows, and the columns if they are known before the first row.
type Started = (Option<Columns>, RowStream);

/// Runs a statement that does not share its connection to its end.
pub(super) async fn alone(
    shared: Arc<StatementShared>,
    strategy: Arc<PrepareStrategy>,
    query: Arc<Query>,
) -> StatementEnd {
    let run = Run { shared: &shared, strategy: &strategy, query: &query };
    run.whole().await
}

impl<'r> Run<'r> {
    /// Runs the statement to its end.
    #[expect(clippy::manual_async_fn, reason = "an async fn would store its arguments twice")]
    pub(super) fn whole(self) -> impl Future<Output = StatementEnd> + use<'r> {
        async move {
            let end = match self.at_hand() {
                Some(prepared) => self.end(prepared).await,
                None => self.begin_and_end().await,
            };
            if end.result.as_ref().is_err_and(error_map::is_read_only) {
                self.shared.conn.found_read_only();
            }
            end
        }
    }

    /// The prepared statement of this text, if nothing else has to be done before it runs.
    pub(super) fn at_hand(self) -> Option<PreparedStatement> {
        let is_plain = self.is_limited() && self.strategy.has_names() && !self.shared.stop.load(Relaxed);
        let prepared = self.shared.conn.known(self.lasting().filter(|_| is_plain)?)?;
        (prepared.statement.params().len() == self.query.params.len()).then_some(prepared)
    }

    /// Runs the statement that [`at_hand`](Self::at_hand) returned.
    #[expect(clippy::manual_async_fn, reason = "an async fn would store its arguments twice")]
    pub(super) fn end(self, mut prepared: PreparedStatement) -> impl Future<Output = StatementEnd> + use<'r> {
        async move {
            let asked = {
                // By reference: so the future has just the size up to which the allocator is fastest.
                let mut params = self.query.params.iter().map(Bound);
                placed(|| self.shared.conn.query_raw(&prepared.statement, &mut params)).await
            };
            let mut stream = pin!(match asked {
                Ok(stream) => stream,
                Err(error) => return Box::pin(self.again_and_end(error)).await,
            });
            let mut rows = RowCollector { columns: prepared.columns.take(), rows: None };
            let over = poll_fn(|context| rows.poll(stream.as_mut(), &self.shared.stop, context)).await;
            ended(over.map(|()| rows.done(&stream)).map_err(Stopped::Server))
        }
    }

    /// Runs the statement with every preparation it may need.
    pub(super) fn begin_and_end(self) -> impl Future<Output = StatementEnd> {
        placed(|| async move { self.read(self.start().await).await })
    }

    async fn again_and_end(self, error: Error) -> StatementEnd {
        self.read(self.again(error).await).await
    }

    async fn read(self, started: Result<Started, Stopped>) -> StatementEnd {
        let (columns, stream) = match started {
            Ok(started) => started,
            Err(stopped) => return ended(Err(stopped)),
        };
        let mut rows = RowCollector { columns, rows: None };
        let mut stream = pin!(stream);
        let over = poll_fn(|context| rows.poll(stream.as_mut(), &self.shared.stop, context)).await;
        ended(over.map(|()| rows.done(&stream)).map_err(Stopped::Server))
    }

    /// The text, if it is part of the program.
    fn lasting(self) -> Option<&'static str> {
        match self.query.sql {
            Cow::Borrowed(text) => Some(text),
            Cow::Owned(_) => None,
        }
    }

    /// Whether the server's time limit is the one that the statement needs.
    fn is_limited(self) -> bool {
        self.query.pipelined || self.shared.conn.has(self.query.backstop)
    }

    /// Starts the statement, after it has set the server's time limit if need be.
    pub(super) async fn start(self) -> Result<Started, Stopped> {
        // The driver would refuse to encode these; our message is clearer.
        let count = self.query.params.len();
        if count > MAX_PARAMS {
            return Err(sql(format!("{count} parameters; the protocol carries {MAX_PARAMS}; pass an array")));
        }
        if self.is_limited() {
            return self.begin().await;
        }
        join(self.shared.conn.limit_to(self.query.backstop), self.begin()).await.1
    }

    async fn begin(self) -> Result<Started, Stopped> {
        let Query { sql: text, params, .. } = self.query;
        let lasting = self.lasting();
        // Lists and maps are encoded by the parameter's type (an array, JSON), which only a prepared statement knows.
        let by_type = params.iter().any(|param| matches!(param, Value::List(_) | Value::Map(_)));
        if !self.strategy.has_names() || (lasting.is_none() && !by_type && self.strategy.is_plain(text)) {
            return Ok((None, self.unnamed().await?));
        }
        let prepared = match lasting {
            Some(text) => self.shared.conn.prepared(text).await,
            None => self.shared.conn.prepare(text).await,
        };
        let started = match prepared {
            Ok(prepared) => {
                if lasting.is_none() {
                    self.strategy.learn(text, &prepared.statement);
                }
                self.bound(prepared).await?
            }
            Err(error) => Err(error),
        };
        match started {
            Ok(started) => Ok(started),
            Err(error) => self.again(error).await,
        }
    }

    /// Tries again if the error came before anything ran: the name is unknown or taken, or the plan is older than the
    /// tables.
    async fn again(self, error: Error) -> Result<Started, Stopped> {
        let lasting = self.lasting();
        let (is_lost, is_stale) = (error_map::is_lost_name(&error), error_map::is_stale_name(&error));
        if let Some(text) = lasting.filter(|_| is_lost || is_stale) {
            self.shared.conn.forget(text);
        }
        match lasting {
            _ if is_lost => {
                self.strategy.without_names();
                Ok((None, self.unnamed().await?))
            }
            Some(text) if is_stale => {
                let prepared = self.shared.conn.prepared(text).await?;
                Ok(self.bound(prepared).await??)
            }
            _ => Err(error.into()),
        }
    }

    /// Starts a prepared statement. Its columns, if any, are known before the first row.
    async fn bound(
        self,
        PreparedStatement { statement, columns }: PreparedStatement,
    ) -> Result<Result<Started, Error>, Stopped> {
        self.go_on()?;
        let (given, wanted) = (self.query.params.len(), statement.params().len());
        if given != wanted {
            return Err(sql(format!("the statement has {wanted} parameters, {given} were given")));
        }
        let started = self.shared.conn.query_raw(&statement, self.query.params.iter().map(Bound)).await;
        Ok(started.map(|stream| (columns, stream)))
    }

    async fn unnamed(self) -> Result<RowStream, Stopped> {
        self.go_on()?;
        let params = self.query.params.iter().map(|param| (Bound(param), bind::untyped()));
        let watched = self.strategy.watched(&self.query.sql);
        let started = self.shared.conn.query_typed_raw(&self.query.sql, params).await;
        watched.began();
        started.map_err(|error| {
            // The statement itself has no name. The driver looks types up under prepared names after the statement ran.
            if error_map::is_lost_name(&error) {
                Stopped::Ours(error_map::unread(&error))
            } else {
                Stopped::Server(error)
            }
        })
    }

    /// Checked between preparing and running: a statement that was stopped in between does not run.
    fn go_on(self) -> Result<(), Stopped> {
        if self.shared.stop.load(Relaxed) {
            let msg = "stopped before it ran".to_owned();
            return Err(Stopped::Ours(StatementFailure::new(Reason::Cancelled, msg)));
        }
        Ok(())
    }
}

/// Collects the rows of a statement.
struct RowCollector {
    columns: Option<Columns>,
    rows: Option<Box<RawRows>>,
}

impl RowCollector {
    /// Takes all rows that have arrived; ready at the end of the statement.
    fn poll(
        &mut self,
        mut stream: Pin<&mut RowStream>,
        stop: &AtomicBool,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        while let Some(row) = ready!(stream.as_mut().try_poll_next(context)?) {
            // After a stop the rows are not wanted, but have to be read off the connection.
            if !stop.load(Relaxed) {
                let columns = self.columns.get_or_insert_with(|| described(row.columns()));
                self.rows.get_or_insert_with(|| RawRows::of(columns.clone())).push(row);
            }
        }
        Poll::Ready(Ok(()))
    }

    fn done(&mut self, stream: &RowStream) -> Rows {
        let data = self
            .rows
            .take()
            .map_or_else(|| Value::List(Vec::new()).into(), |rows| Data::from(rows as Box<dyn LazyRows>));
        Rows { data, affected: stream.rows_affected(), columns: self.columns.take() }
    }
}

/// How a statement ended on its connection.
pub(super) fn ended(result: Result<Rows, Stopped>) -> StatementEnd {
    match result {
        Ok(rows) => StatementEnd { result: Ok(rows), reusable: true },
        Err(Stopped::Server(error)) => {
            let (failure, reusable) = error_map::statement(&error);
            StatementEnd { result: Err(failure), reusable }
        }
        Err(Stopped::Ours(failure)) => StatementEnd { result: Err(failure), reusable: true },
    }
}

/// Why a statement failed: an error of the server or the connection, or a failure of ours before anything was sent.
pub(super) enum Stopped {
    Server(Error),
    Ours(StatementFailure),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Stopped::Server(error)
    }
}

fn sql(msg: String) -> Stopped {
    Stopped::Ours(StatementFailure::new(Reason::Sql, msg))
}
