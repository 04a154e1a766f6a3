//! The database's end of a stream: batches out, and the clocks of whom they wait for.

use std::fmt::{self, Write as _};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::BATCHES;
use crate::db::flight::{Rows, StatementFailure};
use crate::outcome::columns::Columns;
use crate::outcome::{Data, Outcome, deadline};
use crate::wire::Value;

/// Rows of a batch at most: enough that the channel costs nothing beside them.
const MOST_ROWS: usize = 256;
/// Octets of a batch at most, as the database sent them; a row that is larger is a batch by itself.
const MOST_OCTETS: usize = 64 << 10;
/// How long a batch may fill: shorter than anybody notices.
const LINGER: Duration = Duration::from_millis(20);
/// How often a reader is looked at, in parts of the patience.
const LOOKS: u32 = 8;

/// Rows of one member that travel together.
#[derive(Debug, Default)]
pub(in crate::db) struct Batch {
    pub(super) columns: Option<Columns>,
    pub(super) rows: Vec<Value>,
    octets: usize,
    begun: Option<Instant>,
}

impl Batch {
    pub(in crate::db) fn push(&mut self, columns: &Columns, row: Value, octets: usize) {
        self.columns.get_or_insert_with(|| columns.clone());
        self.rows.push(row);
        self.octets += octets;
    }

    /// For an engine that cannot say whether it will wait for the next row: rows that came first do not wait for it
    /// long.
    pub(in crate::db) fn is_due(&mut self) -> bool {
        self.is_full() || self.begun.get_or_insert_with(Instant::now).elapsed() >= LINGER
    }

    pub(in crate::db) fn into_rows(self) -> Vec<Value> {
        self.rows
    }

    pub(in crate::db) fn is_full(&self) -> bool {
        self.rows.len() >= MOST_ROWS || self.octets >= MOST_OCTETS
    }
}

/// What the members' ends know of the one reader. It may wait for one member while others wait for it: a merge in order
/// needs a row of each. They are not to take that for idleness.
#[derive(Debug, Default)]
pub(super) struct ReaderPace {
    /// Counts every time the reader asked for a row.
    asked: AtomicU64,
    /// It waits for rows: whatever does not go on, it is not for want of reading.
    waits: AtomicBool,
}

impl ReaderPace {
    /// The reader asks for a row.
    pub(super) fn asks(&self) {
        self.asked.fetch_add(1, Relaxed);
        self.waits.store(false, Relaxed);
    }

    /// The reader has none to go on with.
    pub(super) fn waits(&self) {
        self.waits.store(true, Relaxed);
    }
}

/// Where the batches of one member come out.
#[derive(Debug)]
pub(super) struct RowReceiver {
    pub(super) batches: mpsc::Receiver<Batch>,
    /// It is this member that the reader waits for.
    wanted: Arc<AtomicBool>,
}

impl RowReceiver {
    /// One in which nothing comes.
    pub(super) fn dry() -> RowReceiver {
        RowReceiver { batches: mpsc::channel(1).1, wanted: Arc::default() }
    }

    /// There is nothing here, and the reader needs it to go on.
    pub(super) fn wanted(&self) {
        self.wanted.store(true, Relaxed);
    }
}

/// Whom one member's stream waits for.
#[derive(Debug)]
struct ReaderClock {
    for_reader: bool,
    since: Instant,
    /// What the reader has taken so long in all.
    reading: Duration,
    rows: u64,
}

struct SinkShared {
    batches: mpsc::Sender<Batch>,
    wanted: Arc<AtomicBool>,
    clock: Mutex<ReaderClock>,
    pace: Arc<ReaderPace>,
    patience: Duration,
}

/// Where one member's rows go.
#[derive(Clone)]
pub(in crate::db) struct Sink(Arc<SinkShared>);

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sink").field(&self.0.patience).finish()
    }
}

/// A sink and where its batches come out.
pub(super) fn channel(pace: &Arc<ReaderPace>, patience: Duration) -> (Sink, RowReceiver) {
    let (batches, receiver) = mpsc::channel(BATCHES);
    let wanted = Arc::<AtomicBool>::default();
    let clock = ReaderClock { for_reader: false, since: Instant::now(), reading: Duration::ZERO, rows: 0 };
    let (clock, pace) = (Mutex::new(clock), pace.clone());
    let shared = SinkShared { batches, wanted: wanted.clone(), clock, pace, patience };
    (Sink(Arc::new(shared)), RowReceiver { batches: receiver, wanted })
}

impl Sink {
    /// Tells an outcome of its rows, which are not in it; gives the time in which they waited for their reader.
    pub(in crate::db) fn told(&self, outcome: &mut Outcome) -> Duration {
        let ReaderClock { rows, reading, .. } = *self.clock();
        outcome.data = Data::default();
        if !outcome.is_ok() && rows > 0 {
            // A String takes every write.
            let _ = write!(outcome.msg, "; {rows} rows had come by then");
        }
        reading
    }

    /// Hands a batch over, as soon as there is room for it. Once the statement is to stop it is dropped instead:
    /// `stopped` is asked at every poll. So it is when nobody reads any more.
    pub(in crate::db) async fn pour(&self, batch: Batch, stopped: impl Fn(&Context<'_>) -> bool) {
        if batch.rows.is_empty() {
            return;
        }
        let rows = batch.rows.len() as u64;
        self.turns(true, 0);
        let mut room = pin!(self.0.batches.reserve());
        let room = poll_fn(|context| {
            if stopped(context) {
                return Poll::Ready(None);
            }
            room.as_mut().poll(context).map(Result::ok)
        });
        if let Some(room) = room.await {
            if self.0.wanted.swap(false, Relaxed) {
                // What the reader waited for: whatever stands still from here on waits for the reader.
                self.0.pace.waits.store(false, Relaxed);
            }
            room.send(batch);
            self.turns(false, rows);
        }
    }

    /// The statement's end, or its stop for the silence of the server or the reader.
    pub(in crate::db) async fn watched(
        &self,
        statement: impl Future<Output = Result<Rows, StatementFailure>>,
        limit: Duration,
    ) -> Result<Rows, StatementFailure> {
        let mut statement = pin!(statement);
        let mut watch = ReaderWatch { limit, asked: 0, quiet: Instant::now() };
        self.turns(false, 0);
        loop {
            let look = Instant::now() + (self.0.patience / LOOKS).min(limit / 2).max(Duration::from_millis(1));
            match tokio::time::timeout_at(look.into(), statement.as_mut()).await {
                Ok(ended) => return ended,
                Err(_) => watch.look(&self.clock(), &self.0)?,
            }
        }
    }

    /// It is the reader's turn, or the server's, from now.
    fn turns(&self, for_reader: bool, rows: u64) {
        let now = Instant::now();
        let mut clock = self.clock();
        if clock.for_reader {
            let read = now - clock.since;
            clock.reading += read;
        }
        (clock.for_reader, clock.since) = (for_reader, now);
        clock.rows += rows;
    }

    fn clock(&self) -> MutexGuard<'_, ReaderClock> {
        self.0.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who looks at the clocks.
struct ReaderWatch {
    limit: Duration,
    /// What the reader's count was at the last look, and since when it has not asked.
    asked: u64,
    quiet: Instant,
}

impl ReaderWatch {
    fn look(&mut self, clock: &ReaderClock, shared: &SinkShared) -> Result<(), StatementFailure> {
        let now = Instant::now();
        let asked = shared.pace.asked.load(Relaxed);
        if asked != self.asked || shared.pace.waits.load(Relaxed) {
            (self.asked, self.quiet) = (asked, now);
        }
        let (limit, patience) = (self.limit, shared.patience);
        if clock.for_reader && now - clock.since.max(self.quiet) >= patience {
            return Err(deadline::reader_idle(patience).into());
        }
        if !clock.for_reader && now - clock.since >= limit {
            return Err(deadline::no_row(limit, clock.rows).into());
        }
        Ok(())
    }
}
