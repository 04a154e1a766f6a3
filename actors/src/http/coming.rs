//! What a client sends while it is passed on: the body of a request, in its framing, or another protocol.

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use skitai_wire::http1::{LAST_CHUNK, write_chunk};

use super::failure::ExchangeFailure;
use super::pipe::PipeReader;
use crate::outcome::Reason;

/// Octets that come while they are sent.
pub(super) struct ComingOctets<'r> {
    pieces: &'r PipeReader,
    framed: Framed,
}

/// How they are sent.
enum Framed {
    /// What is missing of the announced length.
    Length(u64),
    Chunks,
    /// As they are: they are no HTTP.
    Bare,
}

/// Why the request could not be sent to its end.
pub(super) enum SendFailure {
    Socket(io::Error),
    Client(ExchangeFailure),
}

impl From<io::Error> for SendFailure {
    fn from(error: io::Error) -> SendFailure {
        SendFailure::Socket(error)
    }
}

impl<'r> ComingOctets<'r> {
    /// The body of a request; without a length it is sent in chunks.
    pub(super) fn body(pieces: &'r PipeReader, length: Option<u64>) -> ComingOctets<'r> {
        ComingOctets { pieces, framed: length.map_or(Framed::Chunks, Framed::Length) }
    }

    /// What is sent behind a 101.
    pub(super) fn bare(pieces: &'r PipeReader) -> ComingOctets<'r> {
        ComingOctets { pieces, framed: Framed::Bare }
    }

    /// The next piece as it is sent; with `true`, what ends it all.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(Bytes, bool), SendFailure>> {
        self.pieces.poll_piece(context).map(|piece| match piece {
            Some(Ok(piece)) => Ok((self.framed(piece)?, false)),
            Some(Err(broken)) => Err(broken_off(&broken.to_string())),
            None => Ok((self.end()?, true)),
        })
    }

    fn framed(&mut self, piece: Bytes) -> Result<Bytes, SendFailure> {
        match &mut self.framed {
            Framed::Length(left) => {
                let rest = left.checked_sub(piece.len() as u64);
                *left = rest.ok_or_else(|| broken_off("the client's body is longer than announced"))?;
                Ok(piece)
            }
            Framed::Chunks => {
                let mut chunk = Vec::with_capacity(piece.len() + 16);
                write_chunk(&mut chunk, &piece);
                Ok(chunk.into())
            }
            Framed::Bare => Ok(piece),
        }
    }

    fn end(&self) -> Result<Bytes, SendFailure> {
        match self.framed {
            Framed::Chunks => Ok(Bytes::from_static(LAST_CHUNK)),
            Framed::Length(0) | Framed::Bare => Ok(Bytes::new()),
            Framed::Length(_) => Err(broken_off("the client's body is shorter than announced")),
        }
    }
}

/// The client is the cause, so that nothing is said of the member.
fn broken_off(why: &str) -> SendFailure {
    SendFailure::Client(ExchangeFailure::new(Reason::Cancelled, format!("the request was not sent to its end: {why}")))
}
