//! The database's end of a stream: it sends batches, and measures how long the reader or the server takes.

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

/// Maximum of rows in a batch: enough that the cost of the channel is negligible.
const MOST_ROWS: usize = 256;
/// Maximum of octets in a batch, as sent by the database; a larger row is a batch of its own.
const MOST_OCTETS: usize = 64 << 10;
/// How long a batch may be filled: too short to be noticed.
const LINGER: Duration = Duration::from_millis(20);
/// How many times within `patience` the clocks are checked.
const LOOKS: u32 = 8;

/// Rows of one member that are sent together.
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

    /// Whether to send the batch now, for an engine that cannot tell whether the next row will take long: the first
    /// rows do not wait long for it.
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

/// The reader's progress, which all members' ends see. The reader may wait for one member while it does not read the
/// others, because a sorted merge needs a row of each. The others must not take that for idleness.
#[derive(Debug, Default)]
pub(super) struct ReaderPace {
    /// How many times the reader asked for a row.
    asked: AtomicU64,
    /// The reader waits for a row, so it is not the reader that delays.
    waits: AtomicBool,
}

impl ReaderPace {
    /// The reader asks for a row.
    pub(super) fn asks(&self) {
        self.asked.fetch_add(1, Relaxed);
        self.waits.store(false, Relaxed);
    }

    /// The reader has no row and waits for one.
    pub(super) fn waits(&self) {
        self.waits.store(true, Relaxed);
    }
}

/// Receives the batches of one member.
#[derive(Debug)]
pub(super) struct RowReceiver {
    pub(super) batches: mpsc::Receiver<Batch>,
    /// Set if the reader waits for this member.
    wanted: Arc<AtomicBool>,
}

impl RowReceiver {
    /// A receiver that never gets a batch.
    pub(super) fn dry() -> RowReceiver {
        RowReceiver { batches: mpsc::channel(1).1, wanted: Arc::default() }
    }

    /// Notes that the reader needs a row of this member to go on.
    pub(super) fn wanted(&self) {
        self.wanted.store(true, Relaxed);
    }
}

/// Whether one member's stream waits for the reader or for the server, and since when.
#[derive(Debug)]
struct ReaderClock {
    for_reader: bool,
    since: Instant,
    /// Total time that the stream waited for the reader.
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

/// Takes the rows of one member.
#[derive(Clone)]
pub(in crate::db) struct Sink(Arc<SinkShared>);

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sink").field(&self.0.patience).finish()
    }
}

/// A sink and the receiver of its batches.
pub(super) fn channel(pace: &Arc<ReaderPace>, patience: Duration) -> (Sink, RowReceiver) {
    let (batches, receiver) = mpsc::channel(BATCHES);
    let wanted = Arc::<AtomicBool>::default();
    let clock = ReaderClock { for_reader: false, since: Instant::now(), reading: Duration::ZERO, rows: 0 };
    let (clock, pace) = (Mutex::new(clock), pace.clone());
    let shared = SinkShared { batches, wanted: wanted.clone(), clock, pace, patience };
    (Sink(Arc::new(shared)), RowReceiver { batches: receiver, wanted })
}

impl Sink {
    /// Completes the outcome of a stream, which holds no rows itself. Returns the time that the rows waited for their
    /// reader.
    pub(in crate::db) fn complete(&self, outcome: &mut Outcome) -> Duration {
        let ReaderClock { rows, reading, .. } = *self.clock();
        outcome.data = Data::default();
        if !outcome.is_ok() && rows > 0 {
            // Writing to a String cannot fail.
            let _ = write!(outcome.msg, "; {rows} rows had come by then");
        }
        reading
    }

    /// Sends a batch as soon as the channel has a free place. Drops it instead if `stopped` says so, which is checked
    /// at every poll, or if the reader is gone.
    pub(in crate::db) async fn pour(&self, batch: Batch, stopped: impl Fn(&Context<'_>) -> bool) {
        if batch.rows.is_empty() {
            return;
        }
        let rows = batch.rows.len() as u64;
        self.switch_clock(true, 0);
        let mut room = pin!(self.0.batches.reserve());
        let room = poll_fn(|context| {
            if stopped(context) {
                return Poll::Ready(None);
            }
            room.as_mut().poll(context).map(Result::ok)
        });
        if let Some(room) = room.await {
            if self.0.wanted.swap(false, Relaxed) {
                // The reader waited for this batch; from here on any delay is the reader's.
                self.0.pace.waits.store(false, Relaxed);
            }
            room.send(batch);
            self.switch_clock(false, rows);
        }
    }

    /// Runs the statement to its end, or stops it if the server or the reader stays silent for too long.
    pub(in crate::db) async fn watched(
        &self,
        statement: impl Future<Output = Result<Rows, StatementFailure>>,
        limit: Duration,
    ) -> Result<Rows, StatementFailure> {
        let mut statement = pin!(statement);
        let mut watch = ReaderWatch { limit, asked: 0, quiet: Instant::now() };
        self.switch_clock(false, 0);
        loop {
            let look = Instant::now() + (self.0.patience / LOOKS).min(limit / 2).max(Duration::from_millis(1));
            match tokio::time::timeout_at(look.into(), statement.as_mut()).await {
                Ok(ended) => return ended,
                Err(_) => watch.look(&self.clock(), &self.0)?,
            }
        }
    }

    /// Starts the clock of the reader or of the server now.
    fn switch_clock(&self, for_reader: bool, rows: u64) {
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

/// Checks the clocks.
struct ReaderWatch {
    limit: Duration,
    /// The reader's count of requests at the last check, and since when it has not changed.
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
