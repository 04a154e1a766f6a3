//! The socket of a connection, of whatever kind: TCP, a Unix socket; TLS will be a third. And what waits to be sent by
//! it.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A socket to a client.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl From<TcpStream> for Transport {
    fn from(socket: TcpStream) -> Transport {
        Transport::Tcp(socket)
    }
}

impl From<UnixStream> for Transport {
    fn from(socket: UnixStream) -> Transport {
        Transport::Unix(socket)
    }
}

impl Transport {
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Tcp(socket) => Pin::new(socket).poll_read(context, room),
            Transport::Unix(socket) => Pin::new(socket).poll_read(context, room),
        }
    }

    /// Sends octets and what lies behind them.
    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        head: &[u8],
        tail: &[u8],
    ) -> Poll<io::Result<usize>> {
        let parts = [IoSlice::new(head), IoSlice::new(tail)];
        // The call for one piece is the cheaper one.
        match self {
            Transport::Tcp(socket) if tail.is_empty() => Pin::new(socket).poll_write(context, head),
            Transport::Tcp(socket) => Pin::new(socket).poll_write_vectored(context, &parts),
            Transport::Unix(socket) => Pin::new(socket).poll_write_vectored(context, &parts),
        }
    }

    /// True where the client is known to send nothing more, by the last word of the kernel.
    pub(super) fn has_ended(&self) -> bool {
        let ready = match self {
            Transport::Tcp(socket) => socket.ready(Interest::READABLE).now_or_never(),
            Transport::Unix(socket) => socket.ready(Interest::READABLE).now_or_never(),
        };
        ready.and_then(Result::ok).is_some_and(|ready| ready.is_read_closed() || ready.is_error())
    }

    /// Says that nothing more will be sent.
    pub(super) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Tcp(socket) => Pin::new(socket).poll_shutdown(context),
            Transport::Unix(socket) => Pin::new(socket).poll_shutdown(context),
        }
    }

    /// Has the end of this socket be a reset: its client must not take what it got for the whole. A Unix socket has no
    /// such end; there the framing alone tells.
    pub(super) fn reset(&self) {
        if let Transport::Tcp(socket) = self {
            // It fails where the client is gone already.
            let _ = socket.set_zero_linger();
        }
    }
}

/// A slow client is given so many octets at a time. The kernel takes up to 64 KiB at once, and lets us know that its
/// client reads only when most of them are gone: he would seem to stand still.
const SLICE: usize = 16 * 1024;
/// A buffer that has grown beyond this is not kept.
const KEPT: usize = 16 * 1024;

thread_local! {
    /// A buffer that waits for the next reply of this thread.
    static SPARE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What waits to be sent: octets, and behind them others that stay where they are.
#[derive(Debug, Default)]
pub(super) struct Output {
    octets: Vec<u8>,
    sent: usize,
    tail: Bytes,
    /// Octets that the socket took since somebody was told.
    taken: u64,
    /// What waits had to wait.
    has_waited: bool,
    /// The client has not taken at once what was given to it before.
    is_slow: bool,
}

impl Output {
    /// Where what is to be sent next is written.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.octets.capacity() == 0 {
            self.octets = SPARE.take();
        }
        &mut self.octets
    }

    /// Sends these octets behind what is in the buffer, without a copy.
    pub(super) fn send_behind(&mut self, tail: Bytes) {
        self.tail = tail;
    }

    /// Octets that wait.
    pub(super) fn waiting(&self) -> usize {
        self.octets.len() - self.sent + self.tail.len()
    }

    /// True where the socket took so many octets since this was true before.
    pub(super) fn took(&mut self, least: u64) -> bool {
        let has_taken = self.taken >= least;
        if has_taken {
            self.taken = 0;
        }
        has_taken
    }

    /// Sends. Ready when nothing waits.
    pub(super) fn poll_flush(&mut self, transport: &mut Transport, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.waiting() > 0 {
            let most = if self.is_slow { SLICE } else { usize::MAX };
            let octets = &self.octets[self.sent..];
            let octets = &octets[..octets.len().min(most)];
            let tail = &self.tail[..self.tail.len().min(most - octets.len())];
            let polled = transport.poll_write(context, octets, tail);
            if polled.is_pending() {
                (self.is_slow, self.has_waited) = (true, true);
            }
            let taken = ready!(polled)?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.taken += taken as u64;
            let of_octets = taken.min(self.octets.len() - self.sent);
            self.sent += of_octets;
            self.tail.advance(taken - of_octets);
        }
        self.is_slow = std::mem::take(&mut self.has_waited);
        let mut sent = std::mem::take(&mut self.octets);
        self.sent = 0;
        if (1..=KEPT).contains(&sent.capacity()) {
            sent.clear();
            SPARE.set(sent);
        }
        Poll::Ready(Ok(()))
    }
}
