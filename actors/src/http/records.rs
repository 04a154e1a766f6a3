//! Follows the TLS records that pass, to know whether a connection is between two of them.
//!
//! rustls holds the beginning of a record until the rest arrives. Then nothing is readable and the socket is empty, yet
//! an unrequested answer may have begun.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Type, version and length (RFC 8446, 5.1).
const HEADER: usize = 5;

/// The TCP socket below TLS.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) tcp: TcpStream,
    position: RecordPosition,
}

/// The position within a record.
#[derive(Debug, Default)]
struct RecordPosition {
    header: [u8; HEADER],
    /// Bytes of the header that have passed.
    seen: usize,
    /// Bytes of the record's body still to come.
    left: usize,
}

impl Records {
    pub(super) fn of(tcp: TcpStream) -> Records {
        Records { tcp, position: RecordPosition::default() }
    }

    /// True between two records.
    pub(super) fn is_between(&self) -> bool {
        self.position.seen == 0 && self.position.left == 0
    }
}

impl RecordPosition {
    fn pass(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            if self.left > 0 {
                let count = self.left.min(octets.len());
                self.left -= count;
                octets = &octets[count..];
                continue;
            }
            let count = (HEADER - self.seen).min(octets.len());
            self.header[self.seen..self.seen + count].copy_from_slice(&octets[..count]);
            self.seen += count;
            octets = &octets[count..];
            if self.seen == HEADER {
                self.seen = 0;
                self.left = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
            }
        }
    }
}

impl AsyncRead for Records {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.tcp).poll_read(context, buffer))?;
        this.position.pass(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Records {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(context, bytes)
    }

    /// rustls writes several records at once.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_each_record_is_known_in_whatever_pieces_it_comes() {
        let octets = [&[23, 3, 3, 0, 3][..], b"abc", &[22, 3, 3, 1, 0], &[0; 256], &[21, 3, 3, 0, 0]].concat();
        let ends = [0, 8, 8 + 5 + 256, octets.len()];
        for size in 1..=octets.len() {
            let (mut position, mut at) = (RecordPosition::default(), 0);
            for piece in octets.chunks(size) {
                position.pass(piece);
                at += piece.len();
                assert_eq!(position.seen == 0 && position.left == 0, ends.contains(&at), "{at} in pieces of {size}");
            }
        }
    }
}
