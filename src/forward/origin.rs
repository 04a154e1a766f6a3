//! The connection to the host of one exchange: the request goes out as the client sends it and the host takes it, and
//! the answer comes in as the client takes it. Both at once, because a host may answer before it has read everything.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use bytes::{Buf, BytesMut};
use futures_util::Stream as _;
use skitai_wire::http1::{LAST_CHUNK, write_chunk};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::bounds::{Overrun, TransferBounds};
use super::ledger::Ledger;

/// How long a client that waits for a 100 Continue is kept waiting for the host's (RFC 9110, 10.1.1: such a host may
/// never say one).
const CONTINUE: Duration = Duration::from_secs(1);
/// The largest single read, in octets.
const PIECE: usize = 32 * 1024;

/// The connection to a host.
pub(super) struct OriginSocket {
    socket: TcpStream,
    /// Octets of the request that wait for the host to take them.
    out: Vec<u8>,
    written: usize,
    body: RequestBody,
    /// Octets of the answer that are not read yet.
    pub(super) input: BytesMut,
    pub(super) bounds: TransferBounds,
    pub(super) ledger: Arc<Ledger>,
}

enum RequestBody {
    /// The client waits until the host wants it.
    Held(Payload, Pin<Box<Sleep>>),
    Open(Payload),
    /// All of it has come, or there is none.
    Ended,
    /// The host takes no more.
    Unwanted,
}

/// Why an exchange was broken off.
#[derive(Debug, thiserror::Error)]
pub(super) enum BrokenExchange {
    #[error("the client's body did not come: {0}")]
    Client(String),
    #[error("the host hung up: {0}")]
    Host(#[from] io::Error),
    #[error(transparent)]
    Bound(#[from] Overrun),
}

impl OriginSocket {
    pub(super) fn new(
        socket: TcpStream,
        head: Vec<u8>,
        payload: Payload,
        expects_continue: bool,
        bounds: TransferBounds,
        ledger: Arc<Ledger>,
    ) -> OriginSocket {
        let body = match payload {
            Payload::None => RequestBody::Ended,
            payload if expects_continue => RequestBody::Held(payload, Box::pin(sleep(CONTINUE))),
            payload => RequestBody::Open(payload),
        };
        OriginSocket { socket, out: head, written: 0, body, input: BytesMut::new(), bounds, ledger }
    }

    /// The host wants the body.
    pub(super) fn go_on(&mut self) {
        self.body = match std::mem::replace(&mut self.body, RequestBody::Ended) {
            RequestBody::Held(payload, _) => RequestBody::Open(payload),
            other => other,
        };
    }

    /// Whether the whole request was sent.
    pub(super) fn has_sent(&self) -> bool {
        self.written == self.out.len() && matches!(self.body, RequestBody::Ended)
    }

    /// Moves the request on. Ready when all of it was sent, or an error ends the exchange.
    pub(super) fn poll_request(
        &mut self,
        is_chunked: bool,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), BrokenExchange>> {
        loop {
            while self.written < self.out.len() {
                let polled = Pin::new(&mut self.socket).poll_write(context, &self.out[self.written..]);
                match ready!(polled) {
                    Ok(sent) if sent > 0 => {
                        self.written += sent;
                        self.ledger.moved(false, sent as u64);
                        self.bounds.moved(sent as u64)?;
                    }
                    // It may have answered before it hung up: the reader has the last word.
                    _ => {
                        (self.written, self.body) = (self.out.len(), RequestBody::Unwanted);
                    }
                }
            }
            (self.out, self.written) = (Vec::new(), 0);
            if let RequestBody::Held(_, until) = &mut self.body {
                ready!(until.as_mut().poll(context));
                self.go_on();
            }
            let RequestBody::Open(payload) = &mut self.body else { return Poll::Ready(Ok(())) };
            match ready!(Pin::new(payload).poll_next(context)) {
                Some(Ok(piece)) if is_chunked => write_chunk(&mut self.out, &piece),
                Some(Ok(piece)) => self.out.extend_from_slice(&piece),
                Some(Err(error)) => return Poll::Ready(Err(BrokenExchange::Client(error.to_string()))),
                None => {
                    if is_chunked {
                        self.out.extend_from_slice(LAST_CHUNK);
                    }
                    self.body = RequestBody::Ended;
                }
            }
        }
    }

    /// Reads more of the answer. Ready with false at its end.
    pub(super) fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, BrokenExchange>> {
        self.input.reserve(PIECE);
        // A new future for each poll is safe: `read_buf` keeps no state between polls.
        match pin!(self.socket.read_buf(&mut self.input)).poll(context) {
            Poll::Ready(Ok(count)) => {
                self.bounds.moved(count as u64)?;
                Poll::Ready(Ok(count > 0))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Pending => self.bounds.poll(context).map(|overrun| Err(overrun.into())),
        }
    }

    /// Takes octets of the answer that stand between two pieces of content.
    pub(super) fn skip(&mut self, octets: usize) {
        self.input.advance(octets);
    }
}
