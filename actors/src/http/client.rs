//! awc as the client of any URL, over the framing of this room.
//!
//! awc reads an answer as its own server would write it: it takes a 1xx for the answer, knows no folded line and no 97th
//! header. So the sockets it is given are [`Canonical`]: they read a member's answer by [`Arrival`], as the leg does, and
//! show awc the one form that it cannot misread. What awc has no room for, the headers, is laid beside, in the [`Wire`].
//!
//! awc's pool does not tell which connection an exchange got. But everything here runs on one thread, and a connection is
//! only touched while its exchange is polled: so the exchange lays what it knows into the cells that it shares with the
//! connections of its origin before each poll, and takes out what was told after.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use actix_rt::net::{ActixStream, Ready};
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::Client;
use awc::error::{PayloadError, SendRequestError};
use awc::http::header::{HOST, HeaderName, HeaderValue};
use awc::http::uri::{Authority, PathAndQuery, Scheme};
use awc::http::{Method, Uri};
use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::arrival::{Arrival, Wanted, Whole};
use super::dial::{Dial, Line, Progress};
use super::failure::{self, Failure};
use super::pool::KEEP_ALIVE;
use super::prepared::Prepared;
use super::tls;
use crate::outcome::Reason;

/// Through which the exchange being polled and the connections of its origin meet.
#[derive(Default)]
struct Wire {
    progress: Progress,
    wanted: Cell<Wanted>,
    /// What the member answered, as awc is about to read it, but for the body.
    answered: Cell<Option<Whole>>,
}

/// The awc client of one origin. A new generation has none of the connections of the one before.
pub(super) struct Awc {
    dial: Dial,
    authority: Authority,
    host: HeaderValue,
    connections: usize,
    wire: Rc<Wire>,
    client: RefCell<Option<Client>>,
    /// When somebody was under way with it last.
    used: Cell<Option<Instant>>,
}

impl Awc {
    /// `host` is the value of the header. The error says why no URL can name this origin.
    pub(super) fn new(dial: Dial, authority: &str, host: &str, connections: usize) -> Result<Awc, String> {
        Ok(Awc {
            dial,
            authority: authority.parse().map_err(|error| format!("{authority:?} is no authority of a URL: {error}"))?,
            host: HeaderValue::from_str(host).map_err(|error| error.to_string())?,
            connections: connections.max(1),
            wire: Rc::default(),
            client: RefCell::default(),
            used: Cell::default(),
        })
    }

    /// Asks on a connection that awc's pool has, or dials.
    pub(super) async fn exchange(
        &self,
        request: &Prepared,
        wanted: Wanted,
        progress: &Progress,
    ) -> Result<Whole, Failure> {
        let client = self.client.borrow_mut().get_or_insert_with(|| self.build()).clone();
        let mut answered = None;
        let body = {
            let mut talk = std::pin::pin!(self.talk(&client, request, wanted.limit));
            poll_fn(|context| {
                self.wire.progress.set(progress.get());
                self.wire.wanted.set(wanted);
                let polled = talk.as_mut().poll(context);
                progress.set(self.wire.progress.take());
                answered = self.wire.answered.take().or_else(|| answered.take());
                polled
            })
            .await
        };
        self.used.set(Some(Instant::now()));
        let body = body?;
        let unread = || Failure::new(Reason::Internal, "awc answered what no connection of ours had read");
        Ok(Whole { body, ..answered.ok_or_else(unread)? })
    }

    /// Gives up the connections that rest; those in use live on to the end of their exchange.
    pub(super) fn discard(&self) {
        *self.client.borrow_mut() = None;
    }

    /// Gives up the connections of an origin that nobody asked for longer than [`KEEP_ALIVE`]: awc looks at them only when
    /// it is asked again, so what the peer closed would stay in CLOSE_WAIT. True if there is nothing left.
    pub(super) fn reap(&self) -> bool {
        if self.used.get().is_none_or(|used| used.elapsed() >= KEEP_ALIVE) {
            self.discard();
        }
        self.client.borrow().is_none()
    }

    async fn talk(&self, client: &Client, request: &Prepared, limit: usize) -> Result<Bytes, Failure> {
        let mut sending = client.request(method_of(request), self.uri_of(request)?).no_decompress();
        let headers = sending.headers_mut();
        headers.insert(HOST, self.host.clone());
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| unsendable(&error))?;
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).map_err(|error| unsendable(&error))?);
        }
        let sending = if request.body.is_empty() && request.is_bodyless {
            sending.send_body(awc::body::None::new())
        } else {
            sending.send_body(request.body.clone())
        };
        let mut response = sending.await.map_err(|error| self.of_sending(error))?;
        response.body().limit(limit).await.map_err(|error| self.of_reading(error))
    }

    fn uri_of(&self, request: &Prepared) -> Result<Uri, Failure> {
        let path: PathAndQuery = request.path.parse().map_err(|error| unsendable(&error))?;
        // The scheme is http also for TLS, which awc does not see.
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(self.authority.clone()).path_and_query(path).build();
        uri.map_err(|error| unsendable(&error))
    }

    fn build(&self) -> Client {
        // awc's builder asks for a TLS provider even where it will never speak TLS.
        tls::install_provider();
        let connector = awc::Connector::new()
            .connector(Connect { dial: self.dial.clone(), wire: self.wire.clone() })
            // The dial has a clock of its own, which says more.
            .timeout(self.dial.timeout * 2)
            .limit(self.connections)
            .conn_keep_alive(KEEP_ALIVE);
        Client::builder().connector(connector).disable_timeout().no_default_headers().disable_redirects().finish()
    }

    /// Failures of ours come back as they are; what is left are awc's own.
    fn of_sending(&self, error: SendRequestError) -> Failure {
        match error {
            SendRequestError::Connect(awc::error::ConnectError::Io(error)) | SendRequestError::Send(error) => {
                self.of_io(error)
            }
            SendRequestError::Response(actix_http::error::ParseError::Io(error)) => self.of_io(error),
            // Our own requests are built from checked parts, and awc reads answers that we wrote: bugs of ours, and they
            // must not pass for "not sent".
            other => Failure::new(Reason::Internal, other.to_string()),
        }
    }

    fn of_reading(&self, error: PayloadError) -> Failure {
        match error {
            PayloadError::Io(error) => self.of_io(error),
            other => Failure::new(Reason::Internal, other.to_string()),
        }
    }

    fn of_io(&self, error: io::Error) -> Failure {
        let trace = self.wire.progress.get();
        error.downcast::<Failure>().unwrap_or_else(|error| failure::lost(&error, trace))
    }
}

fn unsendable(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Reason::Unsendable, format!("not sent: {error}"))
}

fn method_of(request: &Prepared) -> Method {
    // Each of ours is one that awc knows.
    Method::from_bytes(request.method.as_str().as_bytes()).unwrap_or_default()
}

/// Makes connections for awc's pool.
#[derive(Clone)]
struct Connect {
    dial: Dial,
    wire: Rc<Wire>,
}

impl Service<ConnectInfo<Uri>> for Connect {
    type Response = Connection<Uri, Canonical>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    actix_service::always_ready!();

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let Connect { dial, wire } = self.clone();
        Box::pin(async move {
            let opened = dial.open(&wire.progress).await;
            let line = opened.map_err(|failure| ConnectError::Io(io::Error::other(failure)))?;
            Ok(Connection::new(info.request().clone(), Canonical { line, wire, state: State::Resting, is_cut: false }))
        })
    }
}

/// A connection on which awc meets canonical answers alone.
struct Canonical {
    line: Line,
    wire: Rc<Wire>,
    state: State,
    /// Some of the present request was not sent, because its answer came first.
    is_cut: bool,
}

enum State {
    /// Between two exchanges.
    Resting,
    /// The request is under way, or its answer.
    Asking(Arrival),
    /// awc reads the answer.
    Telling { head: Bytes, body: Bytes, is_kept: bool },
    /// Nothing more is to be had of it.
    Over,
}

impl std::fmt::Debug for Canonical {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canonical").field("line", &self.line).finish_non_exhaustive()
    }
}

impl Canonical {
    /// Reads on in the answer. Ready when all of it is here, or none will be.
    fn poll_answer(&mut self, is_cut: bool, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let State::Asking(arrival) = &mut self.state else { return Poll::Ready(Ok(())) };
        let whole = ready!(arrival.poll(&mut self.line, &self.wire.progress, context));
        self.state = State::Over;
        let whole = whole.map_err(io::Error::other)?;
        let is_kept = whole.is_kept && !is_cut;
        let mut head = format!("HTTP/1.1 {} -\r\n", whole.code);
        if !matches!(whole.code, 204 | 304) {
            // A String takes every write.
            let _ = write!(head, "content-length: {}\r\n", whole.body.len());
        }
        head.push_str(if is_kept { "\r\n" } else { "connection: close\r\n\r\n" });
        self.state = State::Telling { head: head.into(), body: whole.body.clone(), is_kept };
        self.wire.answered.set(Some(Whole { body: Bytes::new(), is_kept, ..whole }));
        Poll::Ready(Ok(()))
    }

    /// The member has answered: what is left of the request is not sent any more, and the connection not used again.
    fn is_answered(&self) -> bool {
        match &self.state {
            State::Asking(arrival) => arrival.has_head(),
            State::Telling { .. } => true,
            State::Resting | State::Over => false,
        }
    }
}

impl AsyncRead for Canonical {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.state {
            // It is the pool that reads, to see whether the connection lives. An end tells it that it does not.
            State::Resting if this.line.is_quiet() => return Poll::Pending,
            State::Resting | State::Over => return Poll::Ready(Ok(())),
            // awc reads when it has written everything, as far as it knows.
            State::Asking(_) => ready!(this.poll_answer(this.is_cut, context))?,
            State::Telling { .. } => {}
        }
        if let State::Telling { head, body, is_kept } = &mut this.state {
            for part in [&mut *head, &mut *body] {
                let count = part.len().min(buffer.remaining());
                buffer.put_slice(&part[..count]);
                part.advance(count);
            }
            if head.is_empty() && body.is_empty() {
                this.state = if *is_kept { State::Resting } else { State::Over };
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Canonical {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let State::Resting = this.state {
            this.state = State::Asking(Arrival::new(this.wire.wanted.get()));
            this.is_cut = false;
        }
        if !this.is_answered() {
            let written = Pin::new(&mut this.line).poll_write(context, bytes);
            if let Poll::Ready(Ok(count)) = written {
                this.wire.progress.update(|trace| trace.with_written(count));
                return written;
            }
            // What the member says before it goes on, or said before it hung up.
            let answered = this.poll_answer(true, context);
            match (written, answered) {
                (_, Poll::Ready(Ok(()))) => {}
                // The reader is about to be told, too, and of what came before.
                (Poll::Ready(Err(error)), Poll::Pending) if failure::is_hang_up(&error) => return Poll::Pending,
                (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => return Poll::Ready(Err(error)),
                (_, Poll::Pending) if !this.is_answered() => return Poll::Pending,
                (_, Poll::Pending) => {}
            }
        }
        // awc takes the rest for written.
        this.is_cut = true;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_answered() { Poll::Ready(Ok(())) } else { Pin::new(&mut this.line).poll_flush(context) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().line).poll_shutdown(context)
    }
}

impl ActixStream for Canonical {
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(self.line.tcp(), context)
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(self.line.tcp(), context)
    }
}
