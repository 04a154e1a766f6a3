//! One answer, read from a connection: the socket's side of [`skitai_wire::http1`].
//!
//! Head and body lie in one buffer, where most answers come in one read. Without TLS there is none before something has
//! come: a thousand members asked at once read, one after the other, into the same memory, which is warm. What lies
//! behind the last octet of an answer belongs to nobody who asked, so the connection it came on is not kept.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use skitai_wire::http1::{ChunkReader, Framing, Head, HeadReader};
use tokio::io::AsyncReadExt as _;

use super::dial::{Progress, Socket};
use super::failure;
use super::failure::ExchangeFailure;
use crate::outcome::Reason;

/// Room for a usual answer, in bytes. An answer that fills it exactly costs one read more.
const ROOM: usize = 4 * 1024;
/// How much more is asked for at once of a body that is larger.
const MORE: usize = 256 * 1024;

/// A whole answer.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) code: u16,
    /// Names in lower case, in their order; empty where nobody reads them.
    pub(super) fields: Vec<(String, String)>,
    /// It says that its body is packed by gzip.
    pub(super) is_packed: bool,
    pub(super) body: Bytes,
    /// The connection may be used again: the whole request left, and the answer ended where both sides say, with
    /// nothing behind it.
    pub(super) is_kept: bool,
    /// The member says that it ends the connection.
    pub(super) says_close: bool,
}

/// How much of the request has left. An answer may come before that: a member that refuses an upload may not read on.
#[derive(Debug, Default)]
pub(super) enum Sent {
    /// Not all of it yet.
    #[default]
    Partly,
    Wholly,
    /// Some of it, and no more will: the peer hung up.
    Broken(io::Error),
}

/// What of an answer is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// The largest body, in bytes.
    pub(super) limit: usize,
    /// The request is a HEAD.
    pub(super) is_head: bool,
    /// Also of a status of 200 somebody reads the headers.
    pub(super) fields: bool,
}

/// An answer of which some may have come.
#[derive(Debug)]
pub(super) struct Arrival {
    buffer: BytesMut,
    wanted: Wanted,
    state: ArrivalState,
    fields: Vec<(String, String)>,
    is_packed: bool,
    /// For whoever writes to say.
    pub(super) sent: Sent,
}

#[derive(Debug)]
enum ArrivalState {
    Head(HeadReader),
    Body(Head),
    /// `content`: where the content so far ends; what came of the rest lies right behind it.
    Chunks {
        head: Head,
        reader: ChunkReader,
        content: usize,
    },
}

impl Arrival {
    pub(super) fn new(wanted: Wanted) -> Arrival {
        let state = ArrivalState::Head(HeadReader::default());
        Arrival { buffer: BytesMut::new(), wanted, state, fields: Vec::new(), is_packed: false, sent: Sent::default() }
    }

    /// Takes in that a write broke. Where some of the request has left, the reader is told of it, too, but of what came
    /// before first. Where nothing has, what lies there is nobody's answer.
    pub(super) fn hung_up(&mut self, error: io::Error, progress: &Progress) -> io::Result<()> {
        if progress.get().written == 0 || !failure::is_hang_up(&error) {
            return Err(error);
        }
        self.sent = Sent::Broken(error);
        Ok(())
    }

    /// Reads on, until the answer is whole.
    pub(super) fn poll(
        &mut self,
        line: &mut Socket,
        progress: &Progress,
        context: &mut Context<'_>,
    ) -> Poll<Result<Whole, ExchangeFailure>> {
        loop {
            if let Some(whole) = self.take_in(progress)? {
                return Poll::Ready(Ok(whole));
            }
            if self.buffer.is_empty() {
                ready!(line.poll_readable(context));
            }
            if self.buffer.len() == self.buffer.capacity() {
                self.buffer.reserve(self.lacking().clamp(ROOM, MORE));
            }
            // Made anew at each poll: it holds nothing between two.
            let read = pin!(line.read_buf(&mut self.buffer)).poll(context);
            match ready!(read) {
                Ok(0) => return Poll::Ready(self.ended(None, progress)),
                Ok(count) => progress.update(|trace| trace.with_read(count)),
                Err(error) => return Poll::Ready(self.ended(Some(&error), progress)),
            }
        }
    }

    /// Looks at what came; the answer, if it is whole.
    fn take_in(&mut self, progress: &Progress) -> Result<Option<Whole>, ExchangeFailure> {
        loop {
            match &mut self.state {
                ArrivalState::Head(reader) => {
                    let (wanted, fields, is_packed) = (self.wanted, &mut self.fields, &mut self.is_packed);
                    let head = reader.read(&self.buffer, wanted.is_head, |code, name, value| {
                        *is_packed |= is_gzip(name, value);
                        if wanted.fields || code != 200 {
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
        let (fields, is_packed) = (std::mem::take(&mut self.fields), self.is_packed);
        let is_kept = head.is_kept && !is_more && matches!(self.sent, Sent::Wholly);
        Whole { code: head.code, fields, is_packed, body, is_kept, says_close: head.says_close }
    }

    /// The connection is at its end, in peace or with an error.
    fn ended(&mut self, error: Option<&io::Error>, progress: &Progress) -> Result<Whole, ExchangeFailure> {
        let broken = match &self.sent {
            Sent::Broken(broken) => Some(broken),
            Sent::Partly | Sent::Wholly => error,
        };
        if let ArrivalState::Body(head) = self.state
            && head.framing == Framing::ToTheEnd
        {
            // A member that refuses what it does not read ends with a reset, and its refusal ends there, too. A good
            // answer that ends so may have had more to say.
            if broken.is_none() || head.code >= 400 {
                let end = self.buffer.len();
                return Ok(self.whole(head, end, false));
            }
        }
        Err(broken.map_or_else(|| failure::closed(progress.get()), |broken| failure::lost(broken, progress.get())))
    }

    /// Bytes that are known to be still to come, and one of room behind them: a read that fills its buffer asks again.
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

fn is_gzip(name: &str, value: &[u8]) -> bool {
    name.eq_ignore_ascii_case("content-encoding")
        && [&b"gzip"[..], b"x-gzip"].iter().any(|word| value.trim_ascii().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_anything_was_written_nobody_is_listened_to() {
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        let wanted = Wanted { limit: 10, is_head: false, fields: true };
        let (mut arrival, progress) = (Arrival::new(wanted), Progress::default());
        let error = arrival.hung_up(reset(), &progress).expect_err("nothing was written");
        assert!(failure::lost(&error, progress.get()).reason.never_ran() && matches!(arrival.sent, Sent::Partly));
        progress.update(|trace| trace.with_written(1));
        arrival.hung_up(reset(), &progress).expect("the reader has the last word");
        assert!(matches!(arrival.sent, Sent::Broken(_)));
        // What no reader hears of ends the exchange at once.
        assert!(arrival.hung_up(io::ErrorKind::WriteZero.into(), &progress).is_err());
    }
}
