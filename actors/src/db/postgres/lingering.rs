//! The end of a connection: after our farewell we wait until the server has closed it, too.
//!
//! PostgreSQL counts a connection until its process at the server has ended, and that process closes the socket last of
//! all. So the end of the socket proves that the server has room for another connection.
//!
//! tokio-postgres has ended with a stream once it is shut down, so the wait is a part of the shutdown. A stream of
//! one's own comes in as what encrypts: [`Plain`] encrypts nothing. With `SslNegotiation::Direct` the server is not
//! asked whether it would.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{self, Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};

/// Ready when the other side has closed the stream, by an error as well.
pub(super) fn poll_end(mut stream: Pin<&mut impl AsyncRead>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
    let mut room = [0; 256];
    loop {
        let mut buffer = ReadBuf::new(&mut room);
        match task::ready!(stream.as_mut().poll_read(context, &mut buffer)) {
            // The rest of an answer that nobody wants.
            Ok(()) if !buffer.filled().is_empty() => {}
            _ => return Poll::Ready(Ok(())),
        }
    }
}

/// A connection in the clear.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain;

/// A stream whose shutdown waits for the other side's.
#[derive(Debug)]
pub(super) struct Lingering<S>(S);

impl<S: AsyncRead + AsyncWrite + Unpin> MakeTlsConnect<S> for Plain {
    type Stream = Lingering<S>;
    type TlsConnect = Plain;
    type Error = io::Error;

    fn make_tls_connect(&mut self, _: &str) -> io::Result<Plain> {
        Ok(Plain)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsConnect<S> for Plain {
    type Stream = Lingering<S>;
    type Error = io::Error;
    type Future = Ready<io::Result<Lingering<S>>>;

    fn connect(self, stream: S) -> Self::Future {
        ready(Ok(Lingering(stream)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        task::ready!(Pin::new(&mut self.0).poll_shutdown(context))?;
        poll_end(Pin::new(&mut self.0), context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Lingering<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}
