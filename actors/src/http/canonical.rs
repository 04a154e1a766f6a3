//! Sockets for awc that deliver every answer in one canonical form, which awc cannot misread.
//!
//! awc parses answers as its own server writes them: it takes a 1xx for the answer, and knows neither folded header
//! lines nor a 97th header. So a member's answer is parsed here by [`Arrival`], as in the leg, and presented to awc as
//! a status, a length and a body. The headers bypass awc through the [`ExchangeCell`].

use std::cell::Cell;
use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_rt::net::{ActixStream, Ready};
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::http::Uri;
use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::arrival::{Arrival, Sent, Wanted, Whole};
use super::dial::{Dial, Progress, Socket, unrecorded};

/// Shared by the exchange being polled and the connections of its origin.
pub(super) struct ExchangeCell {
    pub(super) progress: Progress,
    pub(super) wanted: Cell<Wanted>,
    /// The member's answer without its body, which awc delivers.
    pub(super) answered: Cell<Option<Whole>>,
}

impl Default for ExchangeCell {
    fn default() -> ExchangeCell {
        ExchangeCell { progress: unrecorded(), wanted: Cell::default(), answered: Cell::default() }
    }
}

/// Makes connections for awc's pool.
#[derive(Clone)]
pub(super) struct Connect {
    pub(super) dial: Dial,
    pub(super) cell: Rc<ExchangeCell>,
}

impl Service<ConnectInfo<Uri>> for Connect {
    type Response = Connection<Uri, Canonical>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    actix_service::always_ready!();

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let Connect { dial, cell } = self.clone();
        Box::pin(async move {
            let opened = dial.open(&cell.progress).await;
            let socket = opened.map_err(|failure| ConnectError::Io(io::Error::other(failure)))?;
            Ok(Connection::new(info.request().clone(), Canonical { socket, cell, state: CanonicalState::Idle }))
        })
    }
}

/// A connection on which awc reads canonical answers only.
pub(super) struct Canonical {
    socket: Socket,
    cell: Rc<ExchangeCell>,
    state: CanonicalState,
}

enum CanonicalState {
    /// Idle between two exchanges.
    Idle,
    /// The request is being sent, or its answer read.
    Exchanging(Arrival),
    /// awc reads the answer.
    Delivering { head: Bytes, body: Bytes, is_kept: bool },
    /// Unusable.
    Closed,
}

impl std::fmt::Debug for Canonical {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canonical").field("line", &self.socket).finish_non_exhaustive()
    }
}

impl Canonical {
    /// Reads the answer. Ready when it is complete or has failed.
    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let CanonicalState::Exchanging(arrival) = &mut self.state else { return Poll::Ready(Ok(())) };
        let whole = ready!(arrival.poll(&mut self.socket, &self.cell.progress, context));
        self.state = CanonicalState::Closed;
        let whole = whole.map_err(io::Error::other)?;
        let mut head = format!("HTTP/1.1 {} -\r\n", whole.code);
        if !matches!(whole.code, 204 | 304) {
            // Writing to a String cannot fail.
            let _ = write!(head, "content-length: {}\r\n", whole.body.len());
        }
        head.push_str(if whole.is_kept { "\r\n" } else { "connection: close\r\n\r\n" });
        self.state = CanonicalState::Delivering { head: head.into(), body: whole.body.clone(), is_kept: whole.is_kept };
        self.cell.answered.set(Some(Whole { body: Bytes::new(), ..whole }));
        Poll::Ready(Ok(()))
    }

    /// Sends more of the request by `step`. If that is not finished, reads; once the answer is complete, tells awc that
    /// the rest was sent.
    fn poll_sending<T>(
        &mut self,
        context: &mut Context<'_>,
        rest: T,
        step: impl FnOnce(Pin<&mut Socket>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let CanonicalState::Exchanging(arrival) = &mut self.state
            && let Sent::Partly = arrival.sent
        {
            match step(Pin::new(&mut self.socket), context) {
                Poll::Pending => {}
                Poll::Ready(Err(error)) => arrival.hung_up(error, &self.cell.progress)?,
                done => return done,
            }
        }
        ready!(self.poll_answer(context))?;
        Poll::Ready(Ok(rest))
    }
}

impl AsyncRead for Canonical {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.state {
            // awc's pool reads an idle connection to see whether it is alive. End of file tells it that it is not.
            CanonicalState::Idle if this.socket.is_quiet() => return Poll::Pending,
            CanonicalState::Idle | CanonicalState::Closed => return Poll::Ready(Ok(())),
            CanonicalState::Exchanging(ref mut arrival) => {
                // awc reads only after it has written everything.
                if let Sent::Partly = arrival.sent {
                    arrival.sent = Sent::Wholly;
                    this.cell.progress.update(|trace| trace.wholly_sent());
                }
                ready!(this.poll_answer(context))?;
            }
            CanonicalState::Delivering { .. } => {}
        }
        if let CanonicalState::Delivering { head, body, is_kept } = &mut this.state {
            for part in [&mut *head, &mut *body] {
                let count = part.len().min(buffer.remaining());
                buffer.put_slice(&part[..count]);
                part.advance(count);
            }
            if head.is_empty() && body.is_empty() {
                this.state = if *is_kept { CanonicalState::Idle } else { CanonicalState::Closed };
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Canonical {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let CanonicalState::Idle = this.state {
            this.state = CanonicalState::Exchanging(Arrival::new(this.cell.wanted.get()));
        }
        let cell = this.cell.clone();
        this.poll_sending(context, bytes.len(), |socket, context| {
            let count = ready!(socket.poll_write(context, bytes))?;
            cell.progress.update(|trace| trace.with_written(count));
            Poll::Ready(Ok(count))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_sending(context, (), |socket, context| socket.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(context)
    }
}

impl ActixStream for Canonical {
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(self.socket.tcp(), context)
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(self.socket.tcp(), context)
    }
}
