//! The connections of clients: HTTP/1 between a socket and a service.
//!
//! One future drives one connection, from its accept to its end. Its life is a circle:
//!
//! ```text
//! resting ──► head comes ──► at work ──► reply is sent ──► rest of the body is read away ──► resting
//!                 └── refused: a sentence, and the end
//! ```
//!
//! One request is at work at a time. What its client sends ahead is held, up to 4 KiB, and what the server has for a
//! client that does not read is made piece by piece: neither side can make the other hold more. Every state in which
//! the client is waited for has a clock; a handler at work has its deadline, and an event stream that has nothing to
//! say may be silent for as long as it likes.
//!
//! - here: what a connection is handed, its [`Settings`] of time and its [`Service`], and [`drive`];
//! - [`driver`]: the states, one after the other, and how a connection ends, with one [`clock`];
//! - [`intake`]: what came and is not taken yet; [`body`]: the body of the request at work, as its service reads it;
//! - [`reply`]: the head of a reply, the framing of its body, the body piece by piece;
//! - [`transport`]: the socket, and what waits to be sent by it;
//! - `heard` (in tests and for the fuzzer): a connection without a server.
//!
//! How the octets are read is `skitai_wire::http1`'s. Who answers is a [`Service`], which is handed actix-http's
//! request, as a service of actix-web's expects it. This room knows nothing of sites and apps.

mod body;
mod clock;
mod driver;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod heard;
mod intake;
mod reply;
#[cfg(test)]
mod tests;
mod transport;

use std::cell::Cell;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use actix_http::body::BoxBody;
use actix_http::{Payload, Request, Response};
use tokio::sync::Notify;

use driver::Driver;
use intake::Queues;
pub(crate) use transport::Transport;

/// How long a client may take for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionTimeouts {
    /// For a head, from its first octet; the first one of a connection from its accept.
    pub(crate) head_timeout: Duration,
    /// Between an answer and the next request.
    pub(crate) keep_alive: Duration,
    /// For a body, and a second more for each 16 KiB of it that came.
    pub(crate) body_timeout: Duration,
    /// In this time 1 KiB at least is to be taken of what waits to be sent.
    pub(crate) send_timeout: Duration,
}

/// A request as it comes from a connection.
pub(crate) type Incoming = Request;
/// A reply as it is sent.
pub(crate) type Outgoing = Response<BoxBody>;

/// Who answers.
pub(crate) trait Service {
    /// The times of this moment.
    fn settings(&self) -> ConnectionTimeouts;

    /// Answers a request. In its data there may be a [`Tunnel`].
    fn call(&self, request: Incoming) -> impl Future<Output = Outgoing>;

    /// Answers what is no request, and tells of it. The connection ends behind it.
    fn refuse(&self, refused: &Refused<'_>) -> Outgoing;

    /// Is told that the reply to the request of this head could not be made to its end.
    fn cut(&self, head: &[u8], why: &(dyn Error + 'static));
}

/// What was no request, or none that is served.
#[derive(Debug)]
pub(crate) struct Refused<'h> {
    pub(crate) status: u16,
    /// A sentence for its sender.
    pub(crate) why: String,
    pub(crate) peer: Option<SocketAddr>,
    /// What came of its head.
    pub(crate) head: &'h [u8],
}

/// In the data of a request whose client offers to go on in another protocol: what it will send then, for a service
/// that answers 101. Nobody need take it.
pub(crate) struct Tunnel(pub(crate) Payload);

/// Whether the server is ending, for all connections of a thread.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    has_begun: Cell<bool>,
    told: Notify,
}

impl Ending {
    /// From now on connections that rest are ended, and the others behind their present reply.
    pub(crate) fn begin(&self) {
        self.has_begun.set(true);
        self.told.notify_waiters();
    }
}

/// Drives a connection to its end.
pub(crate) async fn drive(
    socket: impl Into<Transport>,
    peer: Option<SocketAddr>,
    ending: Rc<Ending>,
    service: impl Service,
) {
    let mut driver = Driver::new(Queues::new(socket.into()), peer, ending.clone(), service);
    // Polled once: it stays where it is told, and wakes this task.
    let mut told = pin!(ending.told.notified());
    poll_fn(|context| {
        driver.is_driven_by(context.waker());
        let _ = told.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
    let end = driver.requests().await;
    driver.end(end).await;
}
