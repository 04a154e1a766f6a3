//! The connections of clients: HTTP/1 between a socket and a service.
//!
//! One future drives one connection, from its accept to its end, through these states:
//!
//! ```text
//! idle ──► head arrives ──► handler runs ──► reply is sent ──► rest of the body is discarded ──► idle
//!               └── refused: an error reply, then the end
//! ```
//!
//! One request is served at a time. The server buffers at most 4 KiB that the client sends ahead, and produces a reply
//! piece by piece as the client reads: neither side can make the other use more memory. Every state that waits for the
//! client has a timeout. A running handler has its deadline, and an idle event stream may stay silent without limit.
//!
//! - here: [`drive`] and what it needs: the [`ConnectionTimeouts`] and the [`Service`];
//! - [`driver`]: the states, one after the other, with one [`clock`]; before them the [`handshake`] of TLS, and behind
//!   them the [`ending`]; [`client`]: watches the client of a request that is served;
//! - [`handover`]: how a CONNECT takes a connection over;
//! - [`list`]: the connections of a thread, and what each one serves;
//! - [`intake`]: received octets that are not consumed yet; [`body`]: the body of the current request, for its service;
//! - [`reply`]: the head of a reply, the framing of its body, the body piece by piece;
//! - [`transport`]: the socket, and the octets that wait to be sent; [`tls_socket`]: one that speaks TLS;
//! - `heard` (in tests and for the fuzzer): a connection without a server.
//!
//! `skitai_wire::http1` parses the octets. A [`Service`] answers; it gets actix-http's request, as a service of
//! actix-web expects it. This module knows nothing of sites and apps.

mod body;
mod client;
mod clock;
mod driver;
mod encoder;
mod ending;
pub(crate) mod handover;
mod handshake;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod heard;
mod intake;
pub(crate) mod list;
mod reply;
#[cfg(test)]
mod tests;
mod tls_socket;
mod transport;

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::body::BoxBody;
use actix_http::{Payload, Request, Response};
use driver::Driver;
pub(crate) use encoder::compressed;
use intake::Queues;
use list::Connections;
use skitai_wire::http1::HeadBounds;
pub(crate) use tls_socket::TlsSocket;
pub(crate) use transport::Transport;

use crate::tls::client::TlsClient;

/// The timeouts of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionTimeouts {
    /// For a head, from its first octet; for the first head of a connection, from its accept.
    pub(crate) head_timeout: Duration,
    /// Between an answer and the next request.
    pub(crate) keep_alive: Duration,
    /// For a body, and one second more for each 16 KiB of it that arrived.
    pub(crate) body_timeout: Duration,
    /// The time in which the client must take at least 1 KiB of the octets that wait to be sent.
    pub(crate) send_timeout: Duration,
    /// While the server ends: how long a connection without a request is kept for one that may be on its way.
    pub(crate) drain_idle: Duration,
}

/// How much of a connection a client may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConnectionBounds {
    pub(crate) head: HeadBounds,
    /// Requests, the last of which closes the connection; `None` for any number.
    pub(crate) requests: Option<u64>,
}

/// A request from a connection.
pub(crate) type Incoming = Request;
/// A reply to a connection.
pub(crate) type Outgoing = Response<BoxBody>;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// An address. The port is 0 if it is not known.
    Address(SocketAddr),
    /// A program of this machine, at a Unix socket.
    Unix,
}

impl Peer {
    /// The address; a Unix socket has none.
    pub(crate) fn address(self) -> Option<SocketAddr> {
        match self {
            Peer::Address(address) => Some(address),
            Peer::Unix => None,
        }
    }

    /// Whether it is on this machine.
    pub(crate) fn is_here(self) -> bool {
        self.address().is_none_or(|address| address.ip().to_canonical().is_loopback())
    }
}

/// As logs have it: `127.0.0.1:40000`, `127.0.0.1` if the port is not known, `unix:`.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Address(address) if address.port() == 0 => address.ip().fmt(f),
            Peer::Address(address) => address.fmt(f),
            Peer::Unix => f.write_str("unix:"),
        }
    }
}

/// Answers the requests of a connection.
pub(crate) trait Service {
    /// The current timeouts.
    fn settings(&self) -> ConnectionTimeouts;

    /// The bounds, asked for when a connection begins.
    fn bounds(&self) -> ConnectionBounds;

    /// Whether a CONNECT may take the connection over: its request then has a [`Handover`](handover::Handover).
    fn takes_connect(&self) -> bool {
        false
    }

    /// Answers a request. Its extensions may contain a [`Tunnel`].
    fn call(
        &self,
        request: Incoming,
        peer: Option<Peer>,
        tls: Option<&Arc<TlsClient>>,
    ) -> impl Future<Output = Outgoing>;

    /// Answers and logs an invalid request. The connection is closed after the reply.
    fn refuse(&self, refused: &Refused<'_>) -> Outgoing;

    /// Reports that a handshake failed.
    fn greeting_failed(&self, peer: Option<Peer>, why: &io::Error);

    /// Reports that the reply to the request with this head could not be completed.
    fn cut(&self, head: &[u8], why: &(dyn Error + 'static));
}

/// An invalid request, or one that this server does not support.
#[derive(Debug)]
pub(crate) struct Refused<'h> {
    pub(crate) status: u16,
    /// The reason, as a sentence for the client.
    pub(crate) why: String,
    pub(crate) peer: Option<Peer>,
    /// The part of its head that arrived.
    pub(crate) head: &'h [u8],
}

/// Octets that the client will send in another protocol, in the extensions of a request that offers an upgrade. For a
/// service that answers 101; others ignore it.
pub(crate) struct Tunnel(pub(crate) Payload);

/// Work that goes on while a reply is sent, whether or not its client reads: in the extensions of a reply whose service
/// still reads its request. It is called whenever the connection is polled; what it is ready with is why the reply is
/// cut.
pub(crate) struct WhileSent(pub(crate) Box<BesideWork>);

type BesideWork = dyn FnMut(&mut Context<'_>) -> Poll<String>;

/// Drives a connection to its end. It is in the list of its thread from this call on, before the future is polled: a
/// server that ends waits for it. `peer` is `None` if the client left before it could be asked for.
pub(crate) fn drive(
    socket: impl Into<Transport>,
    peer: Option<Peer>,
    connections: Rc<Connections>,
    service: impl Service,
) -> impl Future<Output = ()> {
    let mut driver = Driver::new(Queues::new(socket.into()), peer, connections.add(), service);
    async move {
        poll_fn(|context| {
            driver.set_task(context.waker());
            Poll::Ready(())
        })
        .await;
        let mut driven = pin!(driver.drive());
        // A connection that is cut drops everything that its request is about.
        poll_fn(|context| if connections.is_cut() { Poll::Ready(()) } else { driven.as_mut().poll(context) }).await;
    }
}
