//! Rows streamed to the client as NDJSON, CSV or a JSON array.
//!
//! The head of the reply is sent only after the first row or the end has arrived. A failure before that is an error
//! with a status, as in any handler. How a later failure is reported depends on the format:
//!
//! - NDJSON gets one more line at the end, as every NDJSON reply whose calls have gaps: `{"$coverage": {…}}`
//!   ([`edge::stream`](crate::edge));
//! - CSV and a JSON array cannot express it: the connection is cut, which a client sees as an incomplete chunked body.
//!   So is an NDJSON reply of a statement with `.all_or_error()`, and one whose client does not take partial answers.
//!
//! In each case a line is logged.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use serde::Serialize;
use skitai_actors::Outcome;
use skitai_actors::db::Column;
use skitai_wire::Value;

use super::csv;
use super::rows::{RowError, Rows};
use crate::app::error::place::placed;
use crate::app::error::{Error, Result};
use crate::app::reply::streaming::{StreamEnd, Streaming};

/// The size of a chunk in bytes: rows are small, and each chunk costs a few octets and a poll.
const CHUNK: usize = 16 << 10;

/// Writes one row behind the rows before it.
type Write<T> = fn(&mut Vec<u8>, &T) -> Result<()>;

impl<T: Serialize + Send + Unpin + 'static> Rows<T> {
    /// Replies with one JSON object per line and row (`application/x-ndjson`). If members fail on the way, a last line
    /// `{"$coverage": {…}}` says which.
    ///
    /// # Errors
    /// If all members fail before the first row.
    #[track_caller]
    pub fn ndjson(self) -> impl Future<Output = Result<Streaming>> {
        placed(async move {
            let tolerant = !self.strict;
            let export = Export::begun(self, tolerant, json_line).await?;
            Ok(export.streaming("application/x-ndjson").ended_as(StreamEnd::Line))
        })
    }

    /// Replies with one JSON array (`application/json`), one row per line. If a member fails on the way the connection
    /// is cut, so that a client never takes a part for the whole.
    ///
    /// # Errors
    /// If a member fails before the first row.
    #[track_caller]
    pub fn json(self) -> impl Future<Output = Result<Streaming>> {
        placed(async move {
            let mut export = Export::begun(self, false, json_item).await?;
            match export.chunk.first_mut() {
                // Replaces the comma before the first row.
                Some(comma) => *comma = b'[',
                None => export.chunk.push(b'['),
            }
            export.tail = b"\n]\n";
            Ok(export.streaming("application/json"))
        })
    }
}

impl Rows {
    /// Replies with CSV (RFC 4180) and a line of names. It is complete or cut, as for [`json`](Rows::json).
    #[track_caller]
    pub fn csv(self) -> impl Future<Output = Result<Streaming>> {
        placed(async move {
            let mut export = Export::begun(self, false, csv_line).await?;
            let names: Vec<&str> = export.rows.columns().iter().map(Column::name).collect();
            if !names.is_empty() {
                let mut head = String::new();
                csv::head(&mut head, &names);
                export.chunk.splice(0..0, head.into_bytes());
            }
            Ok(export.streaming("text/csv; charset=utf-8; header=present"))
        })
    }
}

fn json_line<T: Serialize>(chunk: &mut Vec<u8>, row: &T) -> Result<()> {
    chunk.extend(skitai_wire::json::to_vec(row)?);
    chunk.push(b'\n');
    Ok(())
}

/// Writes an item with a comma before it; the first comma becomes the bracket.
fn json_item<T: Serialize>(chunk: &mut Vec<u8>, row: &T) -> Result<()> {
    chunk.extend(b",\n");
    chunk.extend(skitai_wire::json::to_vec(row)?);
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "one of several ways to write a row")]
fn csv_line(chunk: &mut Vec<u8>, row: &Value) -> Result<()> {
    let mut line = String::new();
    csv::row(&mut line, row.as_map().map_or(0, |row| row.0.len()), row);
    chunk.extend(line.into_bytes());
    Ok(())
}

/// A body being written.
struct Export<T> {
    rows: Rows<T>,
    write: Write<T>,
    /// Whether members may fail; the end of the stream then reports it.
    tolerant: bool,
    /// The members that failed before the first row.
    missing: Vec<Outcome>,
    /// Bytes that are written but not sent.
    chunk: Vec<u8>,
    /// The text after the last row.
    tail: &'static [u8],
    /// Returned after the rows that came before it.
    fault: Option<Error>,
    over: bool,
}

impl<T: Serialize + Send + Unpin + 'static> Export<T> {
    /// Waits for the first row or for the end.
    async fn begun(rows: Rows<T>, tolerant: bool, write: Write<T>) -> Result<Export<T>> {
        let mut export = Export {
            rows,
            write,
            tolerant,
            missing: Vec::new(),
            chunk: Vec::with_capacity(CHUNK),
            tail: b"",
            fault: None,
            over: false,
        };
        std::future::poll_fn(|context| export.poll_first(context)).await?;
        let coverage = export.rows.coverage();
        if export.over && coverage.good() == 0 {
            return Err(export.rows.failed(export.missing));
        }
        Ok(export)
    }

    fn poll_first(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        while self.chunk.is_empty() && !self.over {
            ready!(self.poll_write(context));
            if let Some(fault) = self.fault.take() {
                return Poll::Ready(Err(fault));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes one row, or the error in its place, to the chunk.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match ready!(self.rows.poll_row(context)) {
            Some(Ok(row)) => self.fault = (self.write)(&mut self.chunk, &row).err(),
            Some(Err(RowError::Member(outcome))) if self.tolerant => self.missing.push(outcome.without_data()),
            Some(Err(error)) => self.fault = Some(error.into_error(&self.rows)),
            None => self.over = true,
        }
        Poll::Ready(())
    }

    fn streaming(self, content_type: &'static str) -> Streaming {
        Streaming::of(Box::pin(self), content_type)
    }
}

impl<T: Serialize + Send + Unpin + 'static> Stream for Export<T> {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let export = &mut *self;
        while export.chunk.len() < CHUNK && export.fault.is_none() && !export.over {
            match export.poll_write(context) {
                Poll::Ready(()) => {}
                Poll::Pending if export.chunk.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if export.over {
            export.chunk.extend(std::mem::take(&mut export.tail));
        }
        if export.chunk.is_empty() {
            return Poll::Ready(export.fault.take().map(Err));
        }
        Poll::Ready(Some(Ok(std::mem::replace(&mut export.chunk, Vec::with_capacity(CHUNK)).into())))
    }
}
