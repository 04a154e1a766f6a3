//! Input from a client: octets that are not consumed yet, and the body of the current request.
//!
//! The body is read by its holder, at the holder's pace: its stream takes the octets that have arrived, and if these
//! are not enough it polls the socket itself, in whatever task it is polled. While it waits, the driver does not read.
//! At all other times the driver reads up to [`HELD`] octets, so that it notices when the client disconnects.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use actix_http::error::PayloadError;
use actix_http::{BoxedPayloadStream, Payload};
use bytes::{Buf, Bytes, BytesMut};
use skitai_wire::http1::{ChunkReader, Framing};
use tokio::io::ReadBuf;

use super::body::BodyStream;
use super::handshake::Greeted;
use super::tls_socket::Spoken;
use super::transport::{Output, Transport};

/// The limit for octets that a client sends ahead: two typical heads.
pub(super) const HELD: usize = 4 * 1024;
/// The largest single read, in octets.
pub(super) const PIECE: usize = 64 * 1024;
/// Octets of one body after which other connections of the thread get their turn.
pub(super) const TURN: usize = 64 * 1024;
/// The largest rest of a body that is discarded after a reply, in octets: up to here cheaper than a new connection.
const READ_AWAY: u64 = 64 * 1024;

thread_local! {
    /// The read buffer of the thread. Data is copied from it into buffers of its exact size: an idle connection needs
    /// none.
    static ROOM: RefCell<Box<[u8]>> = RefCell::new(vec![0; PIECE].into());
}

/// The queues of a connection, shared by its driver and the body it handed out.
pub(super) type Shared = Rc<RefCell<Queues>>;

#[derive(Default)]
pub(super) struct Queues {
    /// `None` once the connection has ended: a task of the service may hold a body longer.
    transport: Option<Transport>,
    /// Octets that arrived and are not consumed yet.
    pub(super) input: BytesMut,
    pub(super) output: Output,
    pub(super) body: IncomingBody,
    /// Octets of the body that arrived; and octets delivered since the reader last paused.
    arrived: u64,
    pub(super) given: usize,
    /// The client waits for a 100 Continue.
    pub(super) owes_continue: bool,
    /// The body has a holder, which may read on.
    pub(super) is_held: bool,
    /// The task that waits for octets of the body.
    pub(super) reader: Option<Waker>,
    /// The task of the connection.
    pub(super) driver: Option<Waker>,
    /// A reply is being sent: if the connection ends now, the client must see that the reply is incomplete.
    is_within_reply: bool,
}

/// The state of the current request's body.
#[derive(Default)]
pub(super) enum IncomingBody {
    /// There is none, or its last octet was consumed.
    #[default]
    Done,
    /// This many octets are missing.
    Left(u64),
    Chunks(ChunkReader),
    /// The client offers another protocol; the service has not accepted yet.
    Offered,
    /// The offer was accepted: all further input belongs to the service, to the end of the connection.
    Tunnel,
    /// The body cannot be read further.
    Broken(io::ErrorKind, String),
}

impl Queues {
    pub(super) fn new(transport: Transport) -> Queues {
        let mut queues = Queues::default();
        queues.transport = Some(transport);
        queues
    }

    /// Does the handshake of a transport that has one. Ready with what it came to.
    pub(super) fn poll_greet(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Greeted>> {
        let Some(transport) = &mut self.transport else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        let Transport::Tls(socket) = transport else { return Poll::Ready(Ok(Greeted::Clear)) };
        match ready!(socket.poll_greet(context))? {
            Spoken::Tls(client) => Poll::Ready(Ok(Greeted::Tls(client))),
            Spoken::Clear(tcp) => {
                *transport = Transport::Tcp(tcp);
                Poll::Ready(Ok(Greeted::ClearWhereTlsIs))
            }
            Spoken::Failed(tcp, error) => {
                *transport = Transport::Tcp(tcp);
                Poll::Ready(Ok(Greeted::Failed(error)))
            }
        }
    }

    /// Reads once. 0 means the end of the input.
    pub(super) fn poll_fill(&mut self, context: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        ROOM.with_borrow_mut(|room| {
            let mut room = ReadBuf::new(&mut room[..most.min(PIECE)]);
            let Some(transport) = &mut self.transport else { return Poll::Ready(Ok(0)) };
            ready!(transport.poll_read(context, &mut room))?;
            self.input.extend_from_slice(room.filled());
            Poll::Ready(Ok(room.filled().len()))
        })
    }

    /// Reads ahead while a request is served; ready when the client has disconnected.
    pub(super) fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // Until an offered protocol is accepted, input is buffered as usual.
        if self.reader.is_some() && !matches!(self.body, IncomingBody::Offered) {
            return Poll::Pending;
        }
        if matches!(self.body, IncomingBody::Broken(io::ErrorKind::UnexpectedEof, _)) {
            return Poll::Ready(());
        }
        while self.input.len() < HELD {
            let room = HELD - self.input.len();
            if !matches!(ready!(self.poll_fill(context, room)), Ok(1..)) {
                return Poll::Ready(());
            }
        }
        match self.transport.as_ref().is_none_or(Transport::has_ended) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// True if nothing more is read ahead, so that no wake-up reports a client's disconnect.
    pub(super) fn is_full(&self) -> bool {
        self.input.len() >= HELD
    }

    /// Sends the waiting output. Ready when there is none left.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Some(transport) => self.output.poll_flush(transport, context),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Shuts down the sending half of the socket.
    pub(super) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.as_mut().map_or(Poll::Ready(Ok(())), |transport| transport.poll_shutdown(context))
    }

    /// What was sent in another protocol is not all of it: the client must see that.
    pub(super) fn break_tunnel(&mut self) {
        self.is_within_reply = true;
    }

    /// Marks the reply as completely sent.
    pub(super) fn end_reply(&mut self) {
        self.is_within_reply = false;
    }

    /// Ends the connection, even if its body still has a holder; during a reply, with a reset.
    pub(super) fn end(&mut self) {
        if let Some(transport) = self.transport.take().filter(|_| self.is_within_reply) {
            transport.reset();
        }
        if !matches!(self.body, IncomingBody::Done) {
            self.break_body(io::ErrorKind::ConnectionAborted, "the connection has ended");
        }
    }

    // The body of the current request.

    /// Begins the body of a request. Its octets are for the service.
    pub(super) fn begin_body(
        this: &Shared,
        framing: Framing,
        expects_continue: bool,
        offers_upgrade: bool,
    ) -> (Payload, Option<Payload>) {
        let queues = &mut *this.borrow_mut();
        (queues.arrived, queues.owes_continue) = (0, false);
        let mut stream = || {
            queues.is_held = true;
            Payload::from(Box::pin(BodyStream(this.clone())) as BoxedPayloadStream)
        };
        match framing {
            Framing::Length(length) if queues.input.len() as u64 >= length => {
                queues.body = IncomingBody::Done;
                // The length is at most that of the input, so it fits the type.
                let whole = queues.input.split_to(usize::try_from(length).unwrap_or(usize::MAX)).freeze();
                return (Payload::from(whole), None);
            }
            Framing::Length(length) => queues.body = IncomingBody::Left(length),
            Framing::Chunked => queues.body = IncomingBody::Chunks(ChunkReader::of_request()),
            Framing::None | Framing::ToTheEnd if offers_upgrade => {
                queues.body = IncomingBody::Offered;
                return (Payload::None, Some(stream()));
            }
            Framing::None | Framing::ToTheEnd => {
                queues.body = IncomingBody::Done;
                return (Payload::None, None);
            }
        }
        // A client that sends its body without waiting needs no 100 Continue.
        queues.owes_continue = expects_continue && queues.input.is_empty();
        (stream(), None)
    }

    /// Begins a reply: from here on a 100 Continue would corrupt it.
    pub(super) fn begin_reply(&mut self, is_tunnel: bool) {
        (self.is_within_reply, self.owes_continue) = (!is_tunnel, false);
    }

    /// Accepts the offered protocol. Returns false if none was offered.
    pub(super) fn open_tunnel(&mut self) -> bool {
        let is_offered = matches!(self.body, IncomingBody::Offered);
        if is_offered {
            self.body = IncomingBody::Tunnel;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
        is_offered
    }

    /// Ends a body that did not arrive in time. An offer that was not accepted has no body then.
    pub(super) fn break_body(&mut self, kind: io::ErrorKind, why: &str) {
        self.body = match self.body {
            IncomingBody::Offered => IncomingBody::Done,
            _ => IncomingBody::Broken(kind, why.to_owned()),
        };
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Octets of the body so far, while a reader waits for more; `None` for a tunnel, which has no timeout.
    pub(super) fn awaited(&self) -> Option<u64> {
        let is_body = matches!(self.body, IncomingBody::Left(_) | IncomingBody::Chunks(_) | IncomingBody::Offered);
        (is_body && self.reader.is_some()).then_some(self.arrived)
    }

    /// Whether the connection can serve another request after this reply, as far as is known before the reply is sent.
    pub(super) fn may_go_on(&mut self) -> bool {
        self.is_held || self.leaves_little()
    }

    /// Whether the connection can serve another request after this reply: the body is complete, or its rest is small
    /// and already being sent.
    pub(super) fn leaves_little(&mut self) -> bool {
        // Octets that have arrived need no wait.
        while let Some(Ok(_)) = self.next_piece() {}
        match &self.body {
            IncomingBody::Done | IncomingBody::Offered => true,
            IncomingBody::Left(left) => *left <= READ_AWAY && !self.owes_continue,
            IncomingBody::Chunks(_) | IncomingBody::Tunnel | IncomingBody::Broken(..) => false,
        }
    }

    /// True after the last octet of the body.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.body, IncomingBody::Done | IncomingBody::Offered)
    }

    /// Discards the rest of the body. Ready with false if the client disconnects before its end.
    pub(super) fn poll_read_away(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        loop {
            match self.next_piece() {
                Some(Ok(_)) => {}
                Some(Err(_)) => return Poll::Ready(false),
                None if matches!(self.body, IncomingBody::Done | IncomingBody::Offered) => {
                    self.body = IncomingBody::Done;
                    return Poll::Ready(true);
                }
                None => {
                    if !matches!(ready!(self.poll_fill(context, PIECE)), Ok(1..)) {
                        return Poll::Ready(false);
                    }
                }
            }
        }
    }

    /// Discards all input. Ready at its end; the second value says whether anything arrived.
    pub(super) fn poll_linger(&mut self, context: &mut Context<'_>) -> (Poll<()>, bool) {
        let come = self.poll_fill(context, PIECE);
        self.input = BytesMut::new();
        match come {
            Poll::Ready(Ok(1..)) => {
                // Yields, so that other connections get their turn.
                context.waker().wake_by_ref();
                (Poll::Pending, true)
            }
            Poll::Ready(_) => (Poll::Ready(()), false),
            Poll::Pending => (Poll::Pending, false),
        }
    }

    /// Content of the body that has arrived; `None` if there is none, for now or for good.
    pub(super) fn next_piece(&mut self) -> Option<Result<Bytes, PayloadError>> {
        loop {
            if self.input.is_empty() && !matches!(self.body, IncomingBody::Broken(..)) {
                return None;
            }
            let content = match &mut self.body {
                IncomingBody::Done | IncomingBody::Offered => return None,
                IncomingBody::Left(left) => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(self.input.len());
                    *left -= length as u64;
                    if *left == 0 {
                        self.body = IncomingBody::Done;
                    }
                    self.input.split_to(length)
                }
                IncomingBody::Chunks(chunks) => match chunks.read(&self.input) {
                    Ok(piece) => {
                        if chunks.is_done() {
                            self.body = IncomingBody::Done;
                        }
                        let mut used = self.input.split_to(piece.used);
                        used.truncate(piece.content.end);
                        used.advance(piece.content.start);
                        used
                    }
                    Err(refusal) => {
                        self.body = IncomingBody::Broken(io::ErrorKind::InvalidData, refusal.to_string());
                        continue;
                    }
                },
                IncomingBody::Tunnel => self.input.split(),
                IncomingBody::Broken(kind, why) => {
                    return Some(Err(PayloadError::Io(io::Error::new(*kind, why.clone()))));
                }
            };
            if !content.is_empty() {
                self.arrived += content.len() as u64;
                return Some(Ok(content.freeze()));
            }
        }
    }

    /// Sets the connection's task, which is the one that polls this.
    pub(super) fn set_task(&mut self, driver: &Waker) {
        self.driver = Some(driver.clone());
    }
}

impl Drop for Queues {
    fn drop(&mut self) {
        self.end();
    }
}

/// Skips empty lines before a head (RFC 9112, 2.2): some clients send one after a body.
pub(super) fn skip_empty_lines(input: &mut BytesMut) {
    let mut lines = 0;
    while let [b'\r', b'\n', ..] = input[lines..] {
        lines += 2;
    }
    input.advance(lines);
    if input.is_empty() {
        // An idle connection holds no memory.
        *input = BytesMut::new();
    }
}

/// True if no octet of a head has arrived.
pub(super) fn is_resting(input: &[u8]) -> bool {
    matches!(input, [] | [b'\r'])
}
