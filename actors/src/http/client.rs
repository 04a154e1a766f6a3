//! awc as the client of any URL, on sockets of type [`Canonical`](super::canonical::Canonical).
//!
//! awc's pool does not say which connection an exchange got. But all of this runs on one thread, and a connection is
//! touched only while its exchange is polled. So before each poll the exchange stores its state in the cells of the
//! [`ExchangeCell`], which it shares with the connections of its origin, and takes the results out after the poll.

use std::cell::{Cell, RefCell};
use std::future::{Future as _, poll_fn};
use std::io;
use std::rc::Rc;
use std::time::Instant;

use awc::Client;
use awc::error::{PayloadError, SendRequestError};
use awc::http::header::{HOST, HeaderName, HeaderValue};
use awc::http::uri::{Authority, PathAndQuery, Scheme};
use awc::http::{Method, Uri};
use bytes::Bytes;

use super::arrival::{Wanted, Whole};
use super::canonical::{Connect, ExchangeCell};
use super::dial::{Dial, Progress};
use super::failure::ExchangeFailure;
use super::pool::KEEP_ALIVE;
use super::prepared::PreparedRequest;
use super::{failure, tls, trace_parent};
use crate::outcome::Reason;

/// The awc client of one origin. `discard` replaces the inner client, and with it all idle connections.
pub(super) struct Awc {
    dial: Dial,
    authority: Authority,
    host: HeaderValue,
    connections: usize,
    cell: Rc<ExchangeCell>,
    client: RefCell<Option<Client>>,
    /// When an exchange last ended.
    used: Cell<Option<Instant>>,
}

impl Awc {
    /// `host` is the value of the `host` header, a part of the authority.
    pub(super) fn new(dial: Dial, authority: Authority, host: &str, connections: usize) -> Awc {
        Awc {
            dial,
            authority,
            host: HeaderValue::from_str(host).expect("an authority is visible ASCII"),
            connections: connections.max(1),
            cell: Rc::default(),
            client: RefCell::default(),
            used: Cell::default(),
        }
    }

    /// One exchange, on a connection of awc's pool or a new one.
    pub(super) async fn exchange(
        &self,
        request: &PreparedRequest,
        wanted: Wanted,
        progress: &Progress,
    ) -> Result<Whole, ExchangeFailure> {
        let client = self.client.borrow_mut().get_or_insert_with(|| self.build()).clone();
        let mut answered = None;
        let body = {
            let mut talk = std::pin::pin!(self.talk(&client, request, wanted.limit));
            poll_fn(|context| {
                self.cell.progress.set(progress.get());
                self.cell.wanted.set(wanted);
                let polled = talk.as_mut().poll(context);
                progress.set(self.cell.progress.get());
                answered = self.cell.answered.take().or_else(|| answered.take());
                polled
            })
            .await
        };
        self.used.set(Some(Instant::now()));
        let body = body?;
        let unread = || ExchangeFailure::new(Reason::Internal, "awc answered what no connection of ours had read");
        Ok(Whole { body, ..answered.ok_or_else(unread)? })
    }

    /// Drops the idle connections; those in use survive until their exchange ends.
    pub(super) fn discard(&self) {
        *self.client.borrow_mut() = None;
    }

    /// Drops the connections of an origin that was idle for [`KEEP_ALIVE`]: awc checks them only at the next request,
    /// so those that the peer closed would stay in CLOSE_WAIT. True if no connection is left.
    pub(super) fn reap(&self) -> bool {
        if self.used.get().is_none_or(|used| used.elapsed() >= KEEP_ALIVE) {
            self.discard();
        }
        self.client.borrow().is_none()
    }

    async fn talk(&self, client: &Client, request: &PreparedRequest, limit: usize) -> Result<Bytes, ExchangeFailure> {
        let mut sending = client.request(method_of(request), self.uri_of(request)?).no_decompress();
        let headers = sending.headers_mut();
        headers.insert(HOST, self.host.clone());
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| unsendable(&error))?;
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).map_err(|error| unsendable(&error))?);
        }
        if let Some(value) = request.trace_parent(self.cell.progress.get().course.span) {
            let value = HeaderValue::from_bytes(&value).map_err(|error| unsendable(&error))?;
            headers.insert(HeaderName::from_static(trace_parent::NAME), value);
        }
        let sending = if request.body.is_empty() && request.is_bodyless {
            sending.send_body(awc::body::None::new())
        } else {
            sending.send_body(request.body.clone())
        };
        let mut response = sending.await.map_err(|error| self.of_sending(error))?;
        response.body().limit(limit).await.map_err(|error| self.of_reading(error))
    }

    fn uri_of(&self, request: &PreparedRequest) -> Result<Uri, ExchangeFailure> {
        let path: PathAndQuery = request.path.parse().map_err(|error| unsendable(&error))?;
        // The scheme is http for TLS too: our sockets do TLS below awc.
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(self.authority.clone()).path_and_query(path).build();
        uri.map_err(|error| unsendable(&error))
    }

    fn build(&self) -> Client {
        // awc's builder requires a TLS provider although awc never speaks TLS here.
        tls::install_provider();
        let connector = awc::Connector::new()
            .connector(Connect { dial: self.dial.clone(), cell: self.cell.clone() })
            // Our dial has a timeout of its own, with better errors.
            .timeout(self.dial.timeout * 2)
            .limit(self.connections)
            .conn_keep_alive(KEEP_ALIVE);
        Client::builder().connector(connector).disable_timeout().no_default_headers().disable_redirects().finish()
    }

    /// Our own failures pass through awc unchanged; the others are awc's.
    fn of_sending(&self, error: SendRequestError) -> ExchangeFailure {
        match error {
            SendRequestError::Connect(awc::error::ConnectError::Io(error)) | SendRequestError::Send(error) => {
                self.of_io(error)
            }
            SendRequestError::Response(actix_http::error::ParseError::Io(error)) => self.of_io(error),
            // Our requests are built from checked parts, and awc reads answers that we wrote: this is a bug of ours,
            // which must not look like "not sent".
            other => ExchangeFailure::new(Reason::Internal, other.to_string()),
        }
    }

    fn of_reading(&self, error: PayloadError) -> ExchangeFailure {
        match error {
            PayloadError::Io(error) => self.of_io(error),
            other => ExchangeFailure::new(Reason::Internal, other.to_string()),
        }
    }

    fn of_io(&self, error: io::Error) -> ExchangeFailure {
        let trace = self.cell.progress.get();
        error.downcast::<ExchangeFailure>().unwrap_or_else(|error| failure::lost(&error, trace))
    }
}

fn unsendable(error: &dyn std::fmt::Display) -> ExchangeFailure {
    ExchangeFailure::new(Reason::Unsendable, format!("not sent: {error}"))
}

fn method_of(request: &PreparedRequest) -> Method {
    // Every method of ours is one that awc knows.
    Method::from_bytes(request.method.as_str().as_bytes()).unwrap_or_default()
}
