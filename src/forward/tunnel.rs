//! A tunnel: octets both ways, each half with its own end. Nothing more is read than the other side takes, so neither
//! can make this process hold more than two small buffers.
//!
//! A half that ends is ended on the other side, and the other half goes on. A tunnel that is broken off (by an error, a
//! bound, the end of the process) is reset on both sides: what has come so far must not look whole.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::ReadBuf;

use super::bounds::{Overrun, TransferBounds};
use super::ledger::Ledger;
use crate::connection::Transport;
use crate::connection::handover::HandedSocket;
use crate::observe::seldom::Seldom;

/// The largest single read, in octets.
const PIECE: usize = 32 * 1024;
/// Octets of one tunnel after which other connections of the thread get their turn.
const TURN: u64 = 256 * 1024;
/// Tunnels that reached a bound.
static TOLD: Seldom = Seldom::new(5);

thread_local! {
    /// The read buffer of the thread: a tunnel that rests holds none.
    static ROOM: RefCell<Box<[u8]>> = RefCell::new(vec![0; PIECE].into());
}

/// Both sockets. Dropped before both halves have ended, it resets them.
struct Ends {
    client: Transport,
    host: Transport,
    is_over: bool,
}

impl Drop for Ends {
    fn drop(&mut self) {
        if !self.is_over {
            self.client.reset();
            self.host.reset();
        }
    }
}

/// One half.
struct Half {
    /// What was read and not sent yet.
    waiting: Vec<u8>,
    sent: usize,
    state: HalfState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum HalfState {
    Open,
    /// Its reader has come to the end; the other side is still to be told.
    Ended,
    Told,
}

/// Why a tunnel was broken off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error(transparent)]
    Bound(#[from] Overrun),
}

impl Half {
    fn beginning_with(waiting: Vec<u8>) -> Half {
        Half { waiting, sent: 0, state: HalfState::Open }
    }

    /// Moves octets from one socket to the other. Ready when this half has ended.
    fn poll(
        &mut self,
        (from, to): (&mut Transport, &mut Transport),
        mut moved: impl FnMut(u64) -> Result<(), Overrun>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        let mut turn = 0;
        loop {
            while self.sent < self.waiting.len() {
                let sent = ready!(to.poll_write(context, &self.waiting[self.sent..], &[]))?;
                if sent == 0 {
                    return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into()));
                }
                self.sent += sent;
                turn += sent as u64;
                moved(sent as u64)?;
            }
            (self.waiting, self.sent) = (Vec::new(), 0);
            match self.state {
                HalfState::Told => return Poll::Ready(Ok(())),
                HalfState::Ended => {
                    // A client that has gone for good is told nothing more.
                    match ready!(to.poll_shutdown(context)) {
                        Err(error) if error.kind() != io::ErrorKind::NotConnected => {
                            return Poll::Ready(Err(error.into()));
                        }
                        _ => self.state = HalfState::Told,
                    }
                    moved(0)?;
                    continue;
                }
                HalfState::Open if turn >= TURN => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                HalfState::Open => {}
            }
            let read = ROOM.with_borrow_mut(|room| {
                let mut room = ReadBuf::new(room);
                ready!(from.poll_read(context, &mut room))?;
                Poll::Ready(Ok::<_, io::Error>(room.filled().to_vec()))
            });
            self.waiting = ready!(read)?;
            if self.waiting.is_empty() {
                self.state = HalfState::Ended;
            }
        }
    }
}

/// Moves octets between a client and a host until both have ended.
pub(super) async fn tunnel(handed: HandedSocket, host: Transport, mut bounds: TransferBounds, ledger: Arc<Ledger>) {
    let HandedSocket { transport: client, answer, ahead } = handed;
    let mut ends = Ends { client, host, is_over: false };
    ledger.status(200);
    let answered = answer.len() as u64;
    let mut to_host = Half::beginning_with(ahead.to_vec());
    let mut to_client = Half::beginning_with(answer.to_vec());
    // The head of the answer is none of the tunnel's octets.
    let mut of_answer = answered;
    let ended = poll_fn(|context| {
        let Ends { client, host, .. } = &mut ends;
        let out = to_host.poll((client, host), counted(&mut bounds, &ledger, false, &mut 0), context);
        let back = to_client.poll((host, client), counted(&mut bounds, &ledger, true, &mut of_answer), context);
        match (out, back) {
            (Poll::Ready(Err(broken)), _) | (_, Poll::Ready(Err(broken))) => return Poll::Ready(Err(broken)),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(Ok(())),
            _ => {}
        }
        bounds.poll(context).map(|overrun| Err(overrun.into()))
    })
    .await;
    match ended {
        Ok(()) => ends.is_over = true,
        Err(Broken::Bound(overrun)) => {
            overrun.count(ledger.forward());
            if let Some(tail) = TOLD.tail(Instant::now()) {
                tracing::info!(
                    request = %ledger.id,
                    target = ledger.target,
                    "forward proxy: a tunnel was ended: {overrun}{tail}"
                );
            }
        }
        Err(Broken::Socket(error)) => tracing::debug!(request = %ledger.id, "a tunnel was broken off: {error}"),
    }
}

/// Counts octets that have moved; those of the answer's head, which come first, are left out.
fn counted<'a>(
    bounds: &'a mut TransferBounds,
    ledger: &'a Ledger,
    to_client: bool,
    of_head: &'a mut u64,
) -> impl FnMut(u64) -> Result<(), Overrun> + 'a {
    move |octets| {
        let of_answer = octets.min(*of_head);
        *of_head -= of_answer;
        ledger.moved(to_client, octets - of_answer);
        bounds.moved(octets - of_answer)
    }
}
