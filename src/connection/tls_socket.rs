//! A TCP socket that speaks TLS.
//!
//! rustls takes octets before it sends them. It is given room for two records: what a slow client does not take waits
//! in our output, whose clock sees it. That clock goes by the octets that the kernel took ([`TlsSocket::sent`]).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{FallibleAccept, TlsAcceptor};

use crate::tls::client::TlsClient;

/// The most octets that wait within rustls.
const WITHIN: usize = 32 * 1024;
/// The first octet of a connection that speaks TLS: the type of the record (RFC 8446, 5.1).
const HANDSHAKE: u8 = 0x16;

/// The socket, in one of its states.
pub(crate) struct TlsSocket(TlsStep);

enum TlsStep {
    /// Nothing was read yet.
    Fresh(TcpStream, Arc<ServerConfig>),
    Greeting(FallibleAccept<CountedTcp>),
    Open(TlsStream<CountedTcp>),
    /// It spoke clear text, or the handshake failed.
    Over,
}

impl std::fmt::Debug for TlsSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TlsSocket").finish_non_exhaustive()
    }
}

/// What a client began with.
pub(super) enum Spoken {
    Tls(Arc<TlsClient>),
    /// Nothing of it was read.
    Clear(TcpStream),
    /// The handshake failed, and the client was told.
    Failed(TcpStream, io::Error),
}

impl TlsSocket {
    /// A connection that was accepted just now. The handshake is by this configuration, whatever comes afterwards.
    pub(crate) fn new(socket: TcpStream, config: Arc<ServerConfig>) -> TlsSocket {
        TlsSocket(TlsStep::Fresh(socket, config))
    }

    /// Does the handshake. A client that leaves before its first octet is
    /// [`NotConnected`](io::ErrorKind::NotConnected).
    pub(super) fn poll_greet(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Spoken>> {
        loop {
            match std::mem::replace(&mut self.0, TlsStep::Over) {
                TlsStep::Fresh(tcp, config) => {
                    let mut first = [0];
                    match tcp.poll_peek(context, &mut ReadBuf::new(&mut first)) {
                        Poll::Pending => {
                            self.0 = TlsStep::Fresh(tcp, config);
                            return Poll::Pending;
                        }
                        Poll::Ready(Ok(1..)) if first == [HANDSHAKE] => {
                            let bounded = |connection: &mut rustls::ServerConnection| {
                                connection.set_buffer_limit(Some(WITHIN));
                            };
                            let socket = CountedTcp { tcp, sent: 0 };
                            self.0 = TlsStep::Greeting(
                                TlsAcceptor::from(config).accept_with(socket, bounded).into_fallible(),
                            );
                        }
                        Poll::Ready(Ok(1..)) => return Poll::Ready(Ok(Spoken::Clear(tcp))),
                        Poll::Ready(_) => return Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
                    }
                }
                TlsStep::Greeting(mut accept) => match Pin::new(&mut accept).poll(context) {
                    Poll::Pending => {
                        self.0 = TlsStep::Greeting(accept);
                        return Poll::Pending;
                    }
                    Poll::Ready(Err((error, socket))) => return Poll::Ready(Ok(Spoken::Failed(socket.tcp, error))),
                    Poll::Ready(Ok(stream)) => {
                        let client = Arc::new(TlsClient::of(stream.get_ref().1));
                        self.0 = TlsStep::Open(stream);
                        return Poll::Ready(Ok(Spoken::Tls(client)));
                    }
                },
                TlsStep::Open(_) | TlsStep::Over => return Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            }
        }
    }

    fn open(&mut self) -> io::Result<Pin<&mut TlsStream<CountedTcp>>> {
        match &mut self.0 {
            TlsStep::Open(stream) => Ok(Pin::new(stream)),
            TlsStep::Fresh(..) | TlsStep::Greeting(_) | TlsStep::Over => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(super) fn poll_read(&mut self, context: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.open()?.poll_read(context, room)
    }

    pub(super) fn poll_write(&mut self, context: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.open()?.poll_write_vectored(context, parts)
    }

    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.open()?.poll_flush(context)
    }

    pub(super) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            TlsStep::Open(stream) => Pin::new(stream).poll_shutdown(context),
            TlsStep::Fresh(tcp, _) => Pin::new(tcp).poll_shutdown(context),
            TlsStep::Greeting(_) | TlsStep::Over => Poll::Ready(Ok(())),
        }
    }

    /// The socket below; `None` within the handshake.
    pub(super) fn tcp(&self) -> Option<&TcpStream> {
        match &self.0 {
            TlsStep::Fresh(tcp, _) => Some(tcp),
            TlsStep::Open(stream) => Some(&stream.get_ref().0.tcp),
            TlsStep::Greeting(_) | TlsStep::Over => None,
        }
    }

    /// The octets that the kernel took so far.
    pub(super) fn sent(&self) -> u64 {
        match &self.0 {
            TlsStep::Open(stream) => stream.get_ref().0.sent,
            TlsStep::Fresh(..) | TlsStep::Greeting(_) | TlsStep::Over => 0,
        }
    }
}

/// A socket that counts what it took.
struct CountedTcp {
    tcp: TcpStream,
    sent: u64,
}

impl CountedTcp {
    fn count(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let taken = ready!(written)?;
        self.sent += taken as u64;
        Poll::Ready(Ok(taken))
    }
}

impl AsyncRead for CountedTcp {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(context, room)
    }
}

impl AsyncWrite for CountedTcp {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(context, octets);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(context, parts);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
