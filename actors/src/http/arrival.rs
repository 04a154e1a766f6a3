//! Reads one answer from a connection: the socket's side of [`skitai_wire::http1`].
//!
//! Head and body share one buffer; most answers come in one read. Without TLS the buffer is allocated only once data is
//! there: of a thousand members called at once, each is read into the same memory in turn, while it is in the CPU's
//! cache. Bytes after the end of the answer belong to no request, so a connection that has some is not reused.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use skitai_wire::http1::{ChunkReader, Framing, Head, HeadReader};
use tokio::io::AsyncReadExt as _;

use super::body_form::BodyForm;
use super::dial::{Progress, Socket};
use super::failure;
use super::failure::ExchangeFailure;
use crate::outcome::{Reason, coverage};

/// Buffer size for a usual answer, in bytes. An answer that fills it exactly costs one more read.
const ROOM: usize = 4 * 1024;
/// The most that one read of a larger body asks for.
const MORE: usize = 256 * 1024;

/// A complete answer.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) code: u16,
    /// Names in lower case, in their order; of a 200 whose headers are not wanted, `x-coverage` alone.
    pub(super) fields: Vec<(String, String)>,
    /// What the headers say of the body.
    pub(super) form: BodyForm,
    pub(super) body: Bytes,
    /// The connection may be reused: the whole request was sent, the answer ended where both sides expect, and no bytes
    /// followed it.
    pub(super) is_kept: bool,
    /// The member announces that it closes the connection.
    pub(super) says_close: bool,
}

/// How much of the request was sent. An answer may come earlier: a member that refuses an upload may stop reading.
#[derive(Debug, Default)]
pub(super) enum Sent {
    /// Not all of it yet.
    #[default]
    Partly,
    Wholly,
    /// Some of it, and no more will be: the peer hung up.
    Broken(io::Error),
}

/// Which parts of an answer are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// The largest body, in bytes.
    pub(super) limit: usize,
    /// The request is a HEAD.
    pub(super) is_head: bool,
    /// Headers are wanted even for status 200.
    pub(super) fields: bool,
}

/// An answer of which part may have come.
#[derive(Debug)]
pub(super) struct Arrival {
    buffer: BytesMut,
    wanted: Wanted,
    state: ArrivalState,
    fields: Vec<(String, String)>,
    form: BodyForm,
    /// Set by the writer of the request.
    pub(super) sent: Sent,
}

#[derive(Debug)]
enum ArrivalState {
    Head(HeadReader),
    Body(Head),
    /// `content` is the end of the decoded content; raw chunk data follows it in the buffer.
    Chunks {
        head: Head,
        reader: ChunkReader,
        content: usize,
    },
}

impl Arrival {
    pub(super) fn new(wanted: Wanted) -> Arrival {
        let state = ArrivalState::Head(HeadReader::default());
        let (fields, form) = (Vec::new(), BodyForm::default());
        Arrival { buffer: BytesMut::new(), wanted, state, fields, form, sent: Sent::default() }
    }

    /// Records that a write failed. If part of the request was sent, the reader learns of it only after it has read
    /// what came before. If nothing was sent, unread bytes in the socket answer no request, and the error is returned.
    pub(super) fn hung_up(&mut self, error: io::Error, progress: &Progress) -> io::Result<()> {
        if progress.get().written == 0 || !failure::is_hang_up(&error) {
            return Err(error);
        }
        self.sent = Sent::Broken(error);
        Ok(())
    }

    /// Reads until the answer is complete.
    pub(super) fn poll(
        &mut self,
        socket: &mut Socket,
        progress: &Progress,
        context: &mut Context<'_>,
    ) -> Poll<Result<Whole, ExchangeFailure>> {
        // An answer that came with its first read took no time.
        let mut reads = 0;
        loop {
            if let Some(whole) = self.take_in(progress)? {
                progress.update(|trace| trace.wholly_read(reads == 1));
                return Poll::Ready(Ok(whole));
            }
            if self.buffer.is_empty() {
                ready!(socket.poll_readable(context));
            }
            if self.buffer.len() == self.buffer.capacity() {
                self.buffer.reserve(self.lacking().clamp(ROOM, MORE));
            }
            // A new future for each poll is safe: `read_buf` keeps no state between polls.
            let read = pin!(socket.read_buf(&mut self.buffer)).poll(context);
            match ready!(read) {
                Ok(0) => return Poll::Ready(self.ended(None, progress)),
                Ok(count) => {
                    reads += if progress.get().read == 0 { 1 } else { 2 };
                    progress.update(|trace| trace.with_read(count));
                }
                Err(error) => return Poll::Ready(self.ended(Some(&error), progress)),
            }
        }
    }

    /// Parses what came; returns the answer once it is complete.
    fn take_in(&mut self, progress: &Progress) -> Result<Option<Whole>, ExchangeFailure> {
        loop {
            match &mut self.state {
                ArrivalState::Head(reader) => {
                    let (wanted, fields, form) = (self.wanted, &mut self.fields, &mut self.form);
                    let head = reader.read(&self.buffer, wanted.is_head, |code, name, value| {
                        form.learn(name, value);
                        if wanted.fields || code != 200 || name.eq_ignore_ascii_case(coverage::header::NAME) {
                            fields.push((name.to_ascii_lowercase(), String::from_utf8_lossy(value).into_owned()));
                        }
                    });
                    if reader.has_interim() {
                        progress.update(|trace| trace.with_interim());
                    }
                    let Some(head) = head.map_err(failure::of_head)? else { return Ok(None) };
                    self.state = match head.framing {
                        Framing::Chunked => {
                            ArrivalState::Chunks { head, reader: ChunkReader::default(), content: head.end }
                        }
                        Framing::Length(length) if length > self.wanted.limit as u64 => return Err(self.too_large()),
                        Framing::None | Framing::Length(_) | Framing::ToTheEnd => ArrivalState::Body(head),
                    };
                }
                ArrivalState::Body(head) => {
                    let head = *head;
                    let end = match head.framing {
                        Framing::Length(length) => {
                            usize::try_from(length).unwrap_or(usize::MAX).saturating_add(head.end)
                        }
                        Framing::ToTheEnd if self.buffer.len() - head.end > self.wanted.limit => {
                            return Err(self.too_large());
                        }
                        Framing::ToTheEnd => return Ok(None),
                        Framing::None | Framing::Chunked => head.end,
                    };
                    let is_whole = self.buffer.len() >= end;
                    return Ok(is_whole.then(|| self.whole(head, end, self.buffer.len() > end)));
                }
                ArrivalState::Chunks { head, reader, content } => {
                    let (head, begin) = (*head, *content);
                    let mut at = begin;
                    while at < self.buffer.len() && !reader.is_done() {
                        let piece = reader.read(&self.buffer[at..]).map_err(failure::of_body)?;
                        let found = at + piece.content.start..at + piece.content.end;
                        at += piece.used;
                        let length = found.len();
                        self.buffer.copy_within(found, *content);
                        *content += length;
                        if *content - head.end > self.wanted.limit {
                            return Err(self.too_large());
                        }
                    }
                    let (end, is_done, behind) = (*content, reader.is_done(), self.buffer.len() - at);
                    if is_done {
                        return Ok(Some(self.whole(head, end, behind > 0)));
                    }
                    self.buffer.truncate(end);
                    return Ok(None);
                }
            }
        }
    }

    fn whole(&mut self, head: Head, end: usize, is_more: bool) -> Whole {
        let body = std::mem::take(&mut self.buffer).freeze().slice(head.end..end);
        let (fields, form) = (std::mem::take(&mut self.fields), std::mem::take(&mut self.form));
        let is_kept = head.is_kept && !is_more && matches!(self.sent, Sent::Wholly);
        Whole { code: head.code, fields, form, body, is_kept, says_close: head.says_close }
    }

    /// The connection ended, cleanly or with an error.
    fn ended(&mut self, error: Option<&io::Error>, progress: &Progress) -> Result<Whole, ExchangeFailure> {
        let broken = match &self.sent {
            Sent::Broken(broken) => Some(broken),
            Sent::Partly | Sent::Wholly => error,
        };
        if let ArrivalState::Body(head) = self.state
            && head.framing == Framing::ToTheEnd
        {
            // A member that refuses a request without reading it resets the connection, which also ends its refusal. A
            // good answer that ends so may be truncated.
            if broken.is_none() || head.code >= 400 {
                let end = self.buffer.len();
                return Ok(self.whole(head, end, false));
            }
        }
        Err(broken.map_or_else(|| failure::closed(progress.get()), |broken| failure::lost(broken, progress.get())))
    }

    /// Bytes known to be missing, plus one: a read that fills its buffer would be followed by another.
    fn lacking(&self) -> usize {
        match &self.state {
            ArrivalState::Body(Head { framing: Framing::Length(length), end, .. }) => usize::try_from(*length)
                .map_or(MORE, |length| length.saturating_add(end + 1).saturating_sub(self.buffer.len())),
            ArrivalState::Body(_) | ArrivalState::Chunks { .. } => self.buffer.len(),
            ArrivalState::Head(_) => ROOM,
        }
    }

    fn too_large(&self) -> ExchangeFailure {
        let limit = self.wanted.limit;
        ExchangeFailure::new(Reason::TooLarge, format!("the answer is larger than the limit of {limit} bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::unrecorded;

    #[test]
    fn before_anything_was_written_nobody_is_listened_to() {
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        let wanted = Wanted { limit: 10, is_head: false, fields: true };
        let (mut arrival, progress) = (Arrival::new(wanted), unrecorded());
        let error = arrival.hung_up(reset(), &progress).expect_err("nothing was written");
        assert!(failure::lost(&error, progress.get()).reason.never_ran() && matches!(arrival.sent, Sent::Partly));
        progress.update(|trace| trace.with_written(1));
        arrival.hung_up(reset(), &progress).expect("the reader has the last word");
        assert!(matches!(arrival.sent, Sent::Broken(_)));
        // An error that does not reach the reader ends the exchange at once.
        assert!(arrival.hung_up(io::ErrorKind::WriteZero.into(), &progress).is_err());
    }
}
