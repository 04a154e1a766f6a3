//! The socket of a connection, TCP, Unix or TLS over TCP, and the octets that wait to be sent.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::tls_socket::TlsSocket;

/// A socket to a client.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// Boxed, because the others are small and many.
    Tls(Box<TlsSocket>),
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

impl From<TlsSocket> for Transport {
    fn from(socket: TlsSocket) -> Transport {
        Transport::Tls(Box::new(socket))
    }
}

impl Transport {
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Tcp(socket) => Pin::new(socket).poll_read(context, room),
            Transport::Unix(socket) => Pin::new(socket).poll_read(context, room),
            Transport::Tls(socket) => socket.poll_read(context, room),
        }
    }

    /// Sends two slices of octets, one after the other.
    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        head: &[u8],
        tail: &[u8],
    ) -> Poll<io::Result<usize>> {
        let parts = [IoSlice::new(head), IoSlice::new(tail)];
        // A plain write is cheaper than a vectored one for a single slice.
        match self {
            Transport::Tcp(socket) if tail.is_empty() => Pin::new(socket).poll_write(context, head),
            Transport::Tcp(socket) => Pin::new(socket).poll_write_vectored(context, &parts),
            Transport::Unix(socket) => Pin::new(socket).poll_write_vectored(context, &parts),
            Transport::Tls(socket) => socket.poll_write(context, &parts),
        }
    }

    /// Sends what a layer of this transport has taken and not sent; the kernel needs no such call.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Tls(socket) => socket.poll_flush(context),
            Transport::Tcp(_) | Transport::Unix(_) => Poll::Ready(Ok(())),
        }
    }

    /// The octets that the kernel took so far, where these are others than those that were written.
    fn sent(&self) -> Option<u64> {
        match self {
            Transport::Tls(socket) => Some(socket.sent()),
            Transport::Tcp(_) | Transport::Unix(_) => None,
        }
    }

    /// Whether the kernel has reported that the client will send nothing more.
    pub(super) fn has_ended(&self) -> bool {
        let ready = match self {
            Transport::Tcp(socket) => socket.ready(Interest::READABLE).now_or_never(),
            Transport::Unix(socket) => socket.ready(Interest::READABLE).now_or_never(),
            Transport::Tls(socket) => socket.tcp().and_then(|tcp| tcp.ready(Interest::READABLE).now_or_never()),
        };
        ready.and_then(Result::ok).is_some_and(|ready| ready.is_read_closed() || ready.is_error())
    }

    /// Shuts down the sending half.
    pub(crate) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Tcp(socket) => Pin::new(socket).poll_shutdown(context),
            Transport::Unix(socket) => Pin::new(socket).poll_shutdown(context),
            Transport::Tls(socket) => socket.poll_shutdown(context),
        }
    }

    /// Makes the socket end with a reset, so that the client does not take a partial reply for the whole. A Unix socket
    /// has no reset; there only the framing shows it. Over TLS no `close_notify` is sent, either.
    pub(crate) fn reset(&self) {
        let socket = match self {
            Transport::Tcp(socket) => Some(socket),
            Transport::Tls(socket) => socket.tcp(),
            Transport::Unix(_) => None,
        };
        if let Some(socket) = socket {
            // This fails if the client has already disconnected.
            let _ = socket.set_zero_linger();
        }
    }
}

/// The most octets per write to a slow client. The kernel accepts up to 64 KiB at once and reports progress only when
/// most of it has been read: the client would seem stalled.
const SLICE: usize = 16 * 1024;
/// A buffer with a larger capacity is not kept.
const MAX_SPARE: usize = 16 * 1024;

thread_local! {
    /// A buffer for the next reply of this thread.
    static SPARE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The output that waits to be sent: octets, and after them a shared buffer that is not copied.
#[derive(Debug, Default)]
pub(super) struct Output {
    octets: Vec<u8>,
    sent: usize,
    tail: Bytes,
    /// Octets that the socket took since the last report of progress.
    taken: u64,
    /// Over TLS: the octets of records that the socket had taken before the last write.
    records: u64,
    /// The transport has taken all of it, and may have sent less.
    is_below: bool,
    /// A write of this output had to wait.
    has_waited: bool,
    /// The client did not take an earlier output at once.
    is_slow: bool,
}

impl Output {
    /// The buffer to which the next output is written.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.octets.capacity() == 0 {
            self.octets = SPARE.take();
        }
        &mut self.octets
    }

    /// Sends these octets after those in the buffer, without a copy.
    pub(super) fn send_behind(&mut self, tail: Bytes) {
        self.tail = tail;
    }

    /// The number of octets that wait.
    pub(super) fn waiting(&self) -> usize {
        self.octets.len() - self.sent + self.tail.len()
    }

    /// Whether nothing waits, here or in a layer of the transport.
    pub(super) fn is_sent(&self) -> bool {
        self.waiting() == 0 && !self.is_below
    }

    /// Whether the socket took at least this many octets since the last call that returned true.
    pub(super) fn took(&mut self, least: u64) -> bool {
        let has_taken = self.taken >= least;
        if has_taken {
            self.taken = 0;
        }
        has_taken
    }

    /// Sends the output. Ready when nothing is left.
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
            self.count_records(transport);
            let taken = ready!(polled)?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            if transport.sent().is_none() {
                self.taken += taken as u64;
            }
            let of_octets = taken.min(self.octets.len() - self.sent);
            self.sent += of_octets;
            self.tail.advance(taken - of_octets);
        }
        let flushed = transport.poll_flush(context);
        self.count_records(transport);
        self.is_below = flushed.is_pending();
        if self.is_below {
            (self.is_slow, self.has_waited) = (true, true);
        }
        ready!(flushed)?;
        self.is_slow = std::mem::take(&mut self.has_waited);
        let mut sent = std::mem::take(&mut self.octets);
        self.sent = 0;
        if (1..=MAX_SPARE).contains(&sent.capacity()) {
            sent.clear();
            SPARE.set(sent);
        }
        Poll::Ready(Ok(()))
    }
    /// Over TLS octets are taken before they are sent: a client's progress is that of the records.
    fn count_records(&mut self, transport: &Transport) {
        if let Some(sent) = transport.sent() {
            self.taken += sent - self.records;
            self.records = sent;
        }
    }
}
