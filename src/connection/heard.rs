//! A connection without a server, for tests and the fuzzer: octets come in pieces over a socket pair, and a service
//! notes what it hears.

use std::cell::RefCell;
use std::error::Error;
use std::io::Write as _;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use actix_http::{HttpMessage as _, Payload, Response};
use actix_web::http::StatusCode;
use futures_util::StreamExt as _;

use super::{ConnectionTimeouts, Ending, Incoming, Outgoing, Refused, Service, Tunnel, drive};

/// A request as a service heard it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) version: String,
    /// In the order of their names; those of one name as they came.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    /// `None` where it did not come to its end.
    pub(crate) body: Option<Vec<u8>>,
    /// There may be more than nothing.
    pub(crate) has_body: bool,
    /// The client offered another protocol.
    pub(crate) is_offered: bool,
}

/// All that was heard on a connection, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct All {
    pub(crate) requests: Vec<Heard>,
    /// The status and the sentence that refused what followed.
    pub(crate) refused: Option<(u16, String)>,
}

/// What another reader understands of a request: its method, its body, and whether another may follow.
pub(crate) type Expected = (String, Vec<u8>, bool);

impl All {
    /// Sees that what was heard is what another reader understands, from the first request on, and that where less of
    /// it was heard there is a reason.
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
            // What actix's own types do not hold: some targets, and a method with a #.
            let unheld = ["the target cannot be read", "the method is none that is known"];
            let why = self.refused.as_ref().map_or("", |(_, why)| why);
            let is_refused = unheld.iter().any(|unheld| why.contains(unheld));
            assert!(is_last || is_refused, "{:?} was not heard, {:?}", expected[heard], self.refused);
        }
    }
}

#[derive(Default)]
struct Ear(RefCell<All>);

/// Longer than any test: what ends a connection here is its end.
const EVER: Duration = Duration::from_secs(600);

impl Service for Rc<Ear> {
    fn settings(&self) -> ConnectionTimeouts {
        ConnectionTimeouts { head_timeout: EVER, keep_alive: EVER, body_timeout: EVER, send_timeout: EVER }
    }

    async fn call(&self, mut request: Incoming) -> Outgoing {
        let mut heard = told(&request);
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

    fn cut(&self, _: &[u8], why: &(dyn Error + 'static)) {
        panic!("an empty reply cannot break: {why}");
    }
}

/// What a request's head says.
pub(crate) fn told(request: &Incoming) -> Heard {
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

/// What is heard of these octets, which come in pieces that end at these places, and then no more.
pub(crate) async fn heard(octets: &[u8], ends: &[usize]) -> All {
    let (mut client, server) = UnixStream::pair().expect("a pair of sockets");
    server.set_nonblocking(true).expect("a socket");
    let server = tokio::net::UnixStream::from_std(server).expect("a runtime");
    let ear = Rc::new(Ear::default());
    let send = async {
        let mut at = 0;
        for end in ends.iter().copied().filter(|end| *end < octets.len()).chain([octets.len()]) {
            // Few enough for the socket; but the server may have ended the connection behind the last request of it.
            if client.write_all(&octets[at..end]).is_err() {
                return;
            }
            at = end;
            // The driver has its turn between two pieces.
            for _ in 0..2 {
                tokio::task::yield_now().await;
            }
        }
        drop(client.shutdown(Shutdown::Write));
    };
    tokio::join!(send, drive(server, None, Rc::new(Ending::default()), ear.clone()));
    ear.0.take()
}
