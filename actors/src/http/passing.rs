//! The leg for a request that is passed on: the body of the request goes out while the answer comes in.
//!
//! Nothing is held but one piece each way: octets of the answer are read only as far as its [pipe](super::pipe) has
//! room, those of the request are taken from its pipe only once the socket has taken the ones before. A clock measures
//! how long the member is silent while it is the member that is waited for, and not the client.

use std::future::poll_fn;
use std::io;
use std::mem::take;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use skitai_wire::http1::{ChunkReader, Framing, Head, HeadReader};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};

use super::arrival::Sent;
use super::coming::{ComingOctets, SendFailure};
use super::dial::{Progress, Socket, Trace};
use super::failure;
use super::failure::ExchangeFailure;
use super::passed::{PassedBody, PassedRequest};
use super::pipe::{PipeReader, PipeWriter};
use super::silence::SilenceClock;
use crate::outcome::Reason;

/// The least that a read of a body asks for, in octets; a body that is no larger goes along with its head.
const ROOM: usize = 4 * 1024;
/// Octets that a read of a head asks for: most heads are smaller, and what malloc keeps at hand is not larger.
const HEAD_ROOM: usize = 1000;
/// The most that one read of a body asks for.
const MORE: usize = 64 * 1024;

/// Both directions of one exchange.
pub(super) struct Passage<'r> {
    /// Octets that are being sent, and those behind them.
    out: Bytes,
    behind: Bytes,
    coming: Option<ComingOctets<'r>>,
    /// The request offers another protocol; and the answer has taken it, so that the end of what is sent is to be seen.
    offers: bool,
    is_switched: bool,
    sent: Sent,
    /// Whether the request has a body, which a member may leave unread.
    has_body: bool,
    buffer: BytesMut,
    body: AnswerBody,
    clock: SilenceClock,
}

/// Where the value of a header is.
enum FieldPlace {
    /// In the octets of the head.
    Within(Range<usize>),
    /// It was folded, and is put together elsewhere.
    Apart(Bytes),
}

impl FieldPlace {
    fn of(value: &[u8], head: &[u8]) -> FieldPlace {
        let start = (value.as_ptr() as usize).checked_sub(head.as_ptr() as usize);
        match start.map(|start| start..start + value.len()).filter(|range| range.end <= head.len()) {
            Some(range) => FieldPlace::Within(range),
            None => FieldPlace::Apart(Bytes::copy_from_slice(value)),
        }
    }
}

/// What is missing of an answer's body.
enum AnswerBody {
    Left(u64),
    Chunks(ChunkReader),
    ToTheEnd {
        is_refusal: bool,
    },
    /// Another protocol.
    Bare,
}

impl<'r> Passage<'r> {
    pub(super) fn new(head: Vec<u8>, request: &'r PassedRequest, silence: Duration) -> Passage<'r> {
        let (behind, coming) = match &request.body {
            PassedBody::None { .. } => (Bytes::new(), None),
            PassedBody::Whole(body) => (body.clone(), None),
            PassedBody::Coming { length, pieces } => (Bytes::new(), Some(ComingOctets::body(pieces, *length))),
        };
        let mut out = head;
        // A small body goes along with its head.
        let behind = if behind.len() <= ROOM {
            out.extend_from_slice(&behind);
            Bytes::new()
        } else {
            behind
        };
        Passage {
            out: out.into(),
            behind,
            coming,
            offers: request.upgrade.is_some(),
            is_switched: false,
            sent: Sent::default(),
            has_body: !matches!(request.body, PassedBody::None { .. }),
            buffer: BytesMut::new(),
            body: AnswerBody::Left(0),
            clock: SilenceClock::new(silence, request.patience),
        }
    }

    /// Sends the request, or a part of it, until the head of the answer is here, with its headers.
    pub(super) async fn head(
        &mut self,
        socket: &mut Socket,
        progress: &Progress,
        is_head: bool,
    ) -> Result<(Head, Vec<(String, Bytes)>), ExchangeFailure> {
        let mut fields = Vec::new();
        let mut reader = if self.offers { HeadReader::after_offer() } else { HeadReader::default() };
        let head = poll_fn(|context| {
            let waits_for_client = self.poll_out(socket, progress, context)?;
            let read = self.poll_head(socket, progress, context, &mut reader, is_head, &mut fields);
            if read.is_ready() {
                return read;
            }
            self.clock.poll(progress, !waits_for_client, context).map(Err)
        })
        .await?;
        let octets = self.buffer.split_to(head.end).freeze();
        let of_place = |place| match place {
            FieldPlace::Within(range) => octets.slice(range),
            FieldPlace::Apart(value) => value,
        };
        let fields = fields.into_iter().map(|(name, place)| (name, of_place(place))).collect();
        self.clock.is_answered();
        self.body = match head.framing {
            Framing::None => AnswerBody::Left(0),
            Framing::Length(length) => AnswerBody::Left(length),
            Framing::Chunked => AnswerBody::Chunks(ChunkReader::default()),
            Framing::ToTheEnd => AnswerBody::ToTheEnd { is_refusal: head.code >= 400 && self.has_body },
        };
        Ok((head, fields))
    }

    /// Reads the body into the pipe, to its end, and goes on with the request meanwhile.
    pub(super) async fn body(
        &mut self,
        socket: &mut Socket,
        progress: &Progress,
        pipe: &PipeWriter,
    ) -> Result<(), ExchangeFailure> {
        poll_fn(|context| {
            let mut waits_for_client = self.poll_out(socket, progress, context)?;
            let read = self.poll_body(socket, progress, context, pipe, &mut waits_for_client);
            if read.is_ready() {
                return read;
            }
            self.clock.poll(progress, !waits_for_client, context).map(Err)
        })
        .await
    }

    /// The answer is a 101: what comes from now on is another protocol's, both ways, and has its own times.
    pub(super) fn switch(&mut self, octets: &'r PipeReader) {
        (self.coming, self.body, self.is_switched) = (Some(ComingOctets::bare(octets)), AnswerBody::Bare, true);
        if matches!(self.sent, Sent::Wholly) {
            self.sent = Sent::Partly;
        }
        self.clock.stop();
    }

    /// The answer may be silent for any time from now on: its events come when they happen.
    pub(super) fn may_be_silent(&mut self) {
        self.clock.stop();
    }

    /// The whole request was sent, and nothing came behind the answer.
    pub(super) fn is_clean(&self) -> bool {
        matches!(self.sent, Sent::Wholly) && self.buffer.is_empty()
    }

    /// Sends what there is. True while the client's next octets are waited for.
    fn poll_out(
        &mut self,
        socket: &mut Socket,
        progress: &Progress,
        context: &mut Context<'_>,
    ) -> Result<bool, ExchangeFailure> {
        if !matches!(self.sent, Sent::Partly) {
            return Ok(false);
        }
        match self.poll_sent(socket, progress, context) {
            Poll::Pending => Ok(self.out.is_empty() && self.coming.is_some()),
            Poll::Ready(Ok(())) => {
                self.sent = Sent::Wholly;
                progress.update(Trace::wholly_sent);
                self.clock.is_sent();
                Ok(false)
            }
            Poll::Ready(Err(SendFailure::Client(failure))) => Err(failure),
            Poll::Ready(Err(SendFailure::Socket(error))) => {
                if progress.get().written == 0 || !failure::is_hang_up(&error) {
                    return Err(failure::lost(&error, progress.get()));
                }
                // The reader has the last word: what the member said before it hung up counts.
                self.sent = Sent::Broken(error);
                Ok(false)
            }
        }
    }

    fn poll_sent(
        &mut self,
        socket: &mut Socket,
        progress: &Progress,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SendFailure>> {
        loop {
            while !self.out.is_empty() {
                let count = ready!(Pin::new(&mut *socket).poll_write(context, &self.out))?;
                if count == 0 {
                    return Poll::Ready(Err(SendFailure::Socket(io::ErrorKind::WriteZero.into())));
                }
                self.out.advance(count);
                progress.update(|trace| trace.with_written(count));
                self.clock.moved();
            }
            self.out = take(&mut self.behind);
            if !self.out.is_empty() {
                continue;
            }
            let Some(coming) = &mut self.coming else {
                let socket = Pin::new(&mut *socket);
                let ended = if self.is_switched { socket.poll_shutdown(context) } else { socket.poll_flush(context) };
                return ended.map_err(SendFailure::Socket);
            };
            let Poll::Ready(piece) = coming.poll(context) else {
                // What TLS holds back would wait for the client's next octets.
                ready!(Pin::new(&mut *socket).poll_flush(context))?;
                return Poll::Pending;
            };
            let (piece, is_last) = piece?;
            self.out = piece;
            if is_last {
                self.coming = None;
            }
        }
    }

    fn poll_head(
        &mut self,
        socket: &mut Socket,
        progress: &Progress,
        context: &mut Context<'_>,
        reader: &mut HeadReader,
        is_head: bool,
        fields: &mut Vec<(String, FieldPlace)>,
    ) -> Poll<Result<Head, ExchangeFailure>> {
        loop {
            let head = reader.read(&self.buffer, is_head, |_, name, value| {
                fields.push((name.to_ascii_lowercase(), FieldPlace::of(value, &self.buffer)));
            });
            if reader.has_interim() {
                progress.update(Trace::with_interim);
            }
            if let Some(head) = head.map_err(failure::of_head)? {
                return Poll::Ready(Ok(head));
            }
            if let Err(error) = ready!(self.poll_read(socket, progress, context, HEAD_ROOM)) {
                return Poll::Ready(Err(self.ended(error.as_ref(), progress)));
            }
        }
    }

    fn poll_body(
        &mut self,
        socket: &mut Socket,
        progress: &Progress,
        context: &mut Context<'_>,
        pipe: &PipeWriter,
        waits_for_client: &mut bool,
    ) -> Poll<Result<(), ExchangeFailure>> {
        loop {
            if self.take_in(pipe)? {
                return Poll::Ready(Ok(()));
            }
            let room = match pipe.poll_room(context) {
                Poll::Ready(Some(room)) => room,
                Poll::Ready(None) => {
                    return Poll::Ready(Err(ExchangeFailure::new(Reason::Cancelled, "the client left")));
                }
                Poll::Pending => {
                    *waits_for_client = true;
                    return Poll::Pending;
                }
            };
            if let Err(error) = ready!(self.poll_read(socket, progress, context, room)) {
                let broken = matches!(self.sent, Sent::Broken(_)) || error.is_some();
                return Poll::Ready(match &self.body {
                    // A member that refuses a request without reading it resets the connection, which also ends its
                    // refusal. A good answer that ends so may be truncated.
                    AnswerBody::ToTheEnd { is_refusal } if *is_refusal || !broken => Ok(()),
                    // Who speaks another protocol may leave before it has read all.
                    AnswerBody::Bare if error.is_none() => Ok(()),
                    _ => Err(self.ended(error.as_ref(), progress)),
                });
            }
        }
    }

    /// Moves what came of the body into the pipe; true at its end.
    pub(super) fn take_in(&mut self, pipe: &PipeWriter) -> Result<bool, ExchangeFailure> {
        match &mut self.body {
            AnswerBody::Left(left) => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(self.buffer.len());
                *left -= length as u64;
                pipe.push(self.buffer.split_to(length).freeze());
                Ok(*left == 0)
            }
            AnswerBody::Chunks(reader) => {
                while !self.buffer.is_empty() && !reader.is_done() {
                    let piece = reader.read(&self.buffer).map_err(failure::of_body)?;
                    pipe.push(self.buffer.split_to(piece.used).freeze().slice(piece.content));
                }
                Ok(reader.is_done())
            }
            AnswerBody::ToTheEnd { .. } | AnswerBody::Bare => {
                pipe.push(self.buffer.split().freeze());
                Ok(false)
            }
        }
    }

    /// Reads once, at most so many octets. An end is an error without a cause.
    fn poll_read(
        &mut self,
        socket: &mut Socket,
        progress: &Progress,
        context: &mut Context<'_>,
        most: usize,
    ) -> Poll<Result<(), Option<io::Error>>> {
        if self.buffer.is_empty() {
            // No memory for a member that is silent.
            ready!(socket.poll_readable(context));
        }
        let wanted = match self.body {
            AnswerBody::Left(left @ 1..) => usize::try_from(left).unwrap_or(MORE),
            _ => ROOM * 4,
        };
        let most = most.min(wanted).clamp(1, MORE);
        if self.buffer.capacity() - self.buffer.len() < most.min(ROOM) {
            self.buffer.reserve(most);
        }
        let mut room = (&mut self.buffer).limit(most);
        // A new future for each poll is safe: `read_buf` keeps no state between polls.
        let read = pin!(socket.read_buf(&mut room)).poll(context);
        Poll::Ready(match ready!(read) {
            Ok(0) => Err(None),
            Ok(count) => {
                progress.update(|trace| trace.with_read(count));
                self.clock.moved();
                Ok(())
            }
            Err(error) => Err(Some(error)),
        })
    }

    /// The connection ended before the answer.
    fn ended(&self, error: Option<&io::Error>, progress: &Progress) -> ExchangeFailure {
        let broken = match &self.sent {
            Sent::Broken(broken) => Some(broken),
            Sent::Partly | Sent::Wholly => error,
        };
        broken.map_or_else(|| failure::closed(progress.get()), |broken| failure::lost(broken, progress.get()))
    }
}
