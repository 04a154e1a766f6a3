//! What comes from a client: octets that nobody has taken yet, and the body of the request at work.
//!
//! The body is read by whom it was given to, and by its pace: its stream takes what has come, and where that is not
//! enough it polls the socket itself, in whatever task it is polled. While it waits the driver does not read. At all
//! other times the driver does, up to [`HELD`] octets, so that a client that leaves is seen.

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
use super::transport::{Output, Transport};

/// The most of what a client sends ahead that is held for it, in octets: two usual heads.
pub(super) const HELD: usize = 4 * 1024;
/// The most that is read at once.
pub(super) const PIECE: usize = 64 * 1024;
/// Octets of one body after which other connections have their turn.
pub(super) const TURN: usize = 64 * 1024;
/// The body that is left behind an answer is read away, if it is no longer than this: cheaper than a new connection.
const READ_AWAY: u64 = 64 * 1024;

thread_local! {
    /// What is read lands here, and is copied to where it is just as large: an idle connection has no buffer.
    static ROOM: RefCell<Box<[u8]>> = RefCell::new(vec![0; PIECE].into());
}

/// The two queues of a connection, shared by its driver and the body that it gave away.
pub(super) type Shared = Rc<RefCell<Queues>>;

#[derive(Default)]
pub(super) struct Queues {
    /// `None` once the connection has ended: a body may be held longer, by a task of its service's.
    transport: Option<Transport>,
    /// What came and is not taken yet.
    pub(super) input: BytesMut,
    pub(super) output: Output,
    pub(super) body: IncomingBody,
    /// Octets of the body that came; and those that were given out without a pause.
    arrived: u64,
    pub(super) given: usize,
    /// The client waits for a 100.
    pub(super) owes_continue: bool,
    /// Somebody has the body, and may read on.
    pub(super) is_held: bool,
    /// Who waits for octets of the body.
    pub(super) reader: Option<Waker>,
    /// The task of the connection.
    pub(super) driver: Option<Waker>,
    /// Its client must not take what it has of a reply for the whole.
    is_within_reply: bool,
}

/// The body of the request at work.
#[derive(Default)]
pub(super) enum IncomingBody {
    /// None, or its last octet was taken.
    #[default]
    Done,
    /// So many octets are to come.
    Left(u64),
    Chunks(ChunkReader),
    /// The client offers to go on in another protocol; nobody has agreed yet.
    Offered,
    /// It was agreed: whatever comes is for the service, to the end of the connection.
    Tunnel,
    /// It cannot be read on.
    Broken(io::ErrorKind, String),
}

impl Queues {
    pub(super) fn new(transport: Transport) -> Queues {
        let mut queues = Queues::default();
        queues.transport = Some(transport);
        queues
    }

    /// Reads once. 0 at the end of the input.
    pub(super) fn poll_fill(&mut self, context: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        ROOM.with_borrow_mut(|room| {
            let mut room = ReadBuf::new(&mut room[..most.min(PIECE)]);
            let Some(transport) = &mut self.transport else { return Poll::Ready(Ok(0)) };
            ready!(transport.poll_read(context, &mut room))?;
            self.input.extend_from_slice(room.filled());
            Poll::Ready(Ok(room.filled().len()))
        })
    }

    /// Reads on while a request is at work; ready when its client is gone.
    pub(super) fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // Before it is agreed to go on in another protocol, what comes is held as always.
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

    /// True where nothing more is read ahead, and nobody is woken by a client that leaves.
    pub(super) fn is_full(&self) -> bool {
        self.input.len() >= HELD
    }

    /// Sends what waits. Ready when nothing does.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Some(transport) => self.output.poll_flush(transport, context),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Says that nothing more will be sent.
    pub(super) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.as_mut().map_or(Poll::Ready(Ok(())), |transport| transport.poll_shutdown(context))
    }

    /// The reply is sent.
    pub(super) fn end_reply(&mut self) {
        self.is_within_reply = false;
    }

    /// Ends the connection, whoever still holds its body: in the midst of a reply by a reset.
    pub(super) fn end(&mut self) {
        if let Some(transport) = self.transport.take().filter(|_| self.is_within_reply) {
            transport.reset();
        }
        if !matches!(self.body, IncomingBody::Done) {
            self.break_body(io::ErrorKind::ConnectionAborted, "the connection has ended");
        }
    }

    // The body of the request at work.

    /// Begins with the body of a request. What comes of it is for the service.
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
                // Not more than what is there, which is far from the bounds of the type.
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
        // A client that sends without waiting is not waited for.
        queues.owes_continue = expects_continue && queues.input.is_empty();
        (stream(), None)
    }

    /// The reply begins: an interim one would be in the midst of it.
    pub(super) fn begin_reply(&mut self, is_tunnel: bool) {
        (self.is_within_reply, self.owes_continue) = (!is_tunnel, false);
    }

    /// Agrees to the other protocol. False where none was offered.
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

    /// What its reader waits for does not come in time. Of what was offered alone there is no body then.
    pub(super) fn break_body(&mut self, kind: io::ErrorKind, why: &str) {
        self.body = match self.body {
            IncomingBody::Offered => IncomingBody::Done,
            _ => IncomingBody::Broken(kind, why.to_owned()),
        };
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Octets of the body so far, while somebody waits for more; never of a tunnel, which has all the time.
    pub(super) fn awaited(&self) -> Option<u64> {
        let is_body = matches!(self.body, IncomingBody::Left(_) | IncomingBody::Chunks(_) | IncomingBody::Offered);
        (is_body && self.reader.is_some()).then_some(self.arrived)
    }

    /// True where the connection may go on behind the answer, as far as is known before that is sent.
    pub(super) fn may_go_on(&mut self) -> bool {
        self.is_held || self.leaves_little()
    }

    /// True where the connection can go on behind the answer: the rest of the body is nothing, or little and on its
    /// way.
    pub(super) fn leaves_little(&mut self) -> bool {
        // What has come of it is nothing to wait for.
        while let Some(Ok(_)) = self.next_piece() {}
        match &self.body {
            IncomingBody::Done | IncomingBody::Offered => true,
            IncomingBody::Left(left) => *left <= READ_AWAY && !self.owes_continue,
            IncomingBody::Chunks(_) | IncomingBody::Tunnel | IncomingBody::Broken(..) => false,
        }
    }

    /// True behind the last octet of the body.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.body, IncomingBody::Done | IncomingBody::Offered)
    }

    /// Reads the rest of the body away. Ready with false where the client is gone before its end.
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

    /// Reads away whatever comes. Ready at the end of it; beside that, whether something came.
    pub(super) fn poll_linger(&mut self, context: &mut Context<'_>) -> (Poll<()>, bool) {
        let come = self.poll_fill(context, PIECE);
        self.input = BytesMut::new();
        match come {
            Poll::Ready(Ok(1..)) => {
                // Not all at once: others have their turn.
                context.waker().wake_by_ref();
                (Poll::Pending, true)
            }
            Poll::Ready(_) => (Poll::Ready(()), false),
            Poll::Pending => (Poll::Pending, false),
        }
    }

    /// Content that is here; `None` where there is none of it, for now or for good.
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

    /// The task of the connection is the one that polls this.
    pub(super) fn driven_by(&mut self, driver: &Waker) {
        self.driver = Some(driver.clone());
    }
}

impl Drop for Queues {
    fn drop(&mut self) {
        self.end();
    }
}

/// Steps over empty lines before a head (RFC 9112, 2.2): some clients send one behind a body.
pub(super) fn skip_empty_lines(input: &mut BytesMut) {
    let mut lines = 0;
    while let [b'\n', ..] | [b'\r', b'\n', ..] = input[lines..] {
        lines += if input[lines] == b'\n' { 1 } else { 2 };
    }
    input.advance(lines);
    if input.is_empty() {
        // A connection that rests holds no memory.
        *input = BytesMut::new();
    }
}

/// True where no octet of a head has come.
pub(super) fn is_resting(input: &[u8]) -> bool {
    matches!(input, [] | [b'\r'])
}
