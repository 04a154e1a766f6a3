//! A connection without a server, for tests and the fuzzer: a socket pair delivers octets in pieces, and a service
//! records the requests it gets.

use std::cell::RefCell;
use std::error::Error;
use std::io::{self, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpMessage as _, Payload, Response};
use actix_web::http::StatusCode;
use futures_util::StreamExt as _;

use super::list::Connections;
use super::{ConnectionBounds, ConnectionTimeouts, Incoming, Outgoing, Peer, Refused, Service, Tunnel, drive};
use crate::tls::client::TlsClient;

/// A request as the service got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) version: String,
    /// Headers sorted by name; values of one name in the order of arrival.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    /// `None` if the body was incomplete.
    pub(crate) body: Option<Vec<u8>>,
    /// Whether the service got a body to read, even an empty one.
    pub(crate) has_body: bool,
    /// Whether the client offered another protocol.
    pub(crate) is_offered: bool,
}

/// Everything recorded on a connection, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct All {
    pub(crate) requests: Vec<Heard>,
    /// The status and text that refused the rest.
    pub(crate) refused: Option<(u16, String)>,
}

/// The reference parser's result for a request: its method, its body, and whether another request may follow.
pub(crate) type Expected = (String, Vec<u8>, bool);

impl All {
    /// Asserts that the recorded requests equal those of the reference parser from the first on, and that there is a
    /// reason if fewer were recorded.
    pub(crate) fn check(&self, expected: &[Expected]) {
        for (nth, heard) in self.requests.iter().enumerate() {
            match (expected.get(nth), &heard.body) {
                (Some((method, body, _)), Some(heard_body)) => assert_eq!((&heard.method, heard_body), (method, body)),
                (None, None) => assert_eq!(nth + 1, self.requests.len(), "nothing follows a body that has no end"),
                (expected, _) => panic!("{heard:?} was heard, where {expected:?} is understood"),
            }
        }
        let heard = self.requests.iter().filter(|heard| heard.body.is_some()).count();
        if heard < expected.len() {
            let is_last = heard > 0 && !expected[heard - 1].2;
            // Types of actix reject some targets, and a method that contains a #.
            let unheld = ["the target cannot be read", "the method is none that is known"];
            let why = self.refused.as_ref().map_or("", |(_, why)| why);
            let is_refused = unheld.iter().any(|unheld| why.contains(unheld));
            assert!(is_last || is_refused, "{:?} was not heard, {:?}", expected[heard], self.refused);
        }
    }
}

#[derive(Default)]
struct Ear(RefCell<All>);

/// A timeout longer than any test: a connection here ends when its input ends.
const EVER: Duration = Duration::from_secs(600);

impl Service for Rc<Ear> {
    fn settings(&self) -> ConnectionTimeouts {
        ConnectionTimeouts {
            head_timeout: EVER,
            keep_alive: EVER,
            body_timeout: EVER,
            send_timeout: EVER,
            drain_idle: EVER,
        }
    }

    fn bounds(&self) -> ConnectionBounds {
        ConnectionBounds::default()
    }

    async fn call(&self, mut request: Incoming, _: Option<Peer>, _: Option<&Arc<TlsClient>>) -> Outgoing {
        let mut heard = head_of(&request);
        heard.is_offered = request.extensions().get::<Tunnel>().is_some();
        let mut payload = request.take_payload();
        heard.has_body = !matches!(payload, Payload::None);
        let mut body = Vec::new();
        heard.body = loop {
            match payload.next().await {
                Some(Ok(piece)) => body.extend_from_slice(&piece),
                Some(Err(_)) => break None,
                None => break Some(body),
            }
        };
        self.0.borrow_mut().requests.push(heard);
        Response::with_body(StatusCode::NO_CONTENT, actix_http::body::BoxBody::new(()))
    }

    fn refuse(&self, refused: &Refused<'_>) -> Outgoing {
        let before = self.0.borrow_mut().refused.replace((refused.status, refused.why.clone()));
        assert_eq!(before, None, "the connection ends behind a refusal");
        Response::with_body(StatusCode::BAD_REQUEST, actix_http::body::BoxBody::new(()))
    }

    fn greeting_failed(&self, _: Option<Peer>, why: &io::Error) {
        panic!("there is no TLS: {why}");
    }

    fn cut(&self, _: &[u8], why: &(dyn Error + 'static)) {
        panic!("an empty reply cannot break: {why}");
    }
}

/// Records a request's head.
pub(crate) fn head_of(request: &Incoming) -> Heard {
    let head = request.head();
    let mut fields: Vec<(String, Vec<u8>)> =
        head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    Heard {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        version: format!("{:?}", head.version),
        fields,
        body: None,
        has_body: false,
        is_offered: false,
    }
}

/// Sends these octets in pieces that end at `ends`, then closes, and returns everything recorded.
pub(crate) async fn heard(octets: &[u8], ends: &[usize]) -> All {
    let (mut client, server) = UnixStream::pair().expect("a pair of sockets");
    server.set_nonblocking(true).expect("a socket");
    let server = tokio::net::UnixStream::from_std(server).expect("a runtime");
    let ear = Rc::new(Ear::default());
    let send = async {
        let mut at = 0;
        for end in ends.iter().copied().filter(|end| *end < octets.len()).chain([octets.len()]) {
            // The socket's buffer holds all octets, but the server may already have closed after the last request.
            if client.write_all(&octets[at..end]).is_err() {
                return;
            }
            at = end;
            // Lets the driver run between two pieces.
            for _ in 0..2 {
                tokio::task::yield_now().await;
            }
        }
        drop(client.shutdown(Shutdown::Write));
    };
    tokio::join!(send, drive(server, None, Rc::<Connections>::default(), ear.clone()));
    ear.0.take()
}
