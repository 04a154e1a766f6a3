//! One host and port: a bounded number of connections, a pool of its own, one exchange at a time on each.
//!
//! Every origin has its own awc client, because awc's bound on connections is per client: a shared one would let a slow
//! member use up the connections of the fast ones.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use awc::http::Uri;
use awc::http::Version;
use awc::http::header::{CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use awc::http::uri::{Authority, Scheme};
use awc::{Client, ClientResponse};
use bytes::Bytes;
use rustls::pki_types::ServerName;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::answer::Answer;
use super::dial::{Dial, Stage, Tls, Trace, Wire};
use super::failure::{self, Failure};
use super::names::SystemNames;
use super::prepared::Prepared;
use super::resolve::Resolver;
use super::tls::{self, Trust};
use crate::outcome::Reason;

/// How long an idle connection is kept. Below the 5 s after which most servers close theirs (actix-web, Node, Apache,
/// uvicorn), because a call that meets a close on its way may have run and cannot be sent again. Servers with a shorter
/// time are met by looking at the socket before it is written to.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(4);

/// How many exchanges may wait for a connection of one origin, for each of its connections: 1 000 for the usual 100 of
/// an instance. More would only wait for their deadline.
const WAITING_EACH: usize = 10;
/// Where there is a single connection, a burst of a few callers is still served in turn.
const WAITING_LEAST: usize = 20;

/// What an origin may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) connect_timeout: Duration,
    pub(crate) connections: usize,
    pub(crate) max_answer: usize,
}

/// Where an origin is and whom its certificate must satisfy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// For TLS: who is trusted.
    pub(crate) trust: Option<&'a Trust>,
    /// Without brackets. The `host` header and the certificate go by it.
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    /// Where it is dialled, if not where its name leads.
    pub(crate) address: Option<IpAddr>,
}

/// How far an exchange has come, readable by whoever gives up on it.
pub(crate) type Progress = Cell<Trace>;

/// A host and port that answers HTTP.
pub(crate) struct Origin {
    authority: Authority,
    tls: Option<Tls>,
    /// The value of the `host` header, made once.
    host: HeaderValue,
    limits: Limits,
    resolver: Rc<Resolver>,
    wire: Wire,
    permits: Semaphore,
    waiting: Cell<usize>,
    pool: RefCell<Pool>,
}

/// The present client. A new generation has none of the connections of the one before.
#[derive(Default)]
struct Pool {
    client: Option<Client>,
    generation: u64,
    used: Option<Instant>,
}

impl Origin {
    /// The error says why no URL can name this host.
    pub(crate) fn new(place: Place<'_>, limits: Limits) -> Result<Origin, String> {
        let Place { trust, host, port, address } = place;
        let brackets = if host.contains(':') { ("[", "]") } else { ("", "") };
        let name = format!("{}{host}{}", brackets.0, brackets.1);
        let authority = format!("{name}:{port}")
            .parse::<Authority>()
            .map_err(|error| format!("{host:?} is not the name of a host: {error}"))?;
        let bad_name = |error: &dyn std::fmt::Display| format!("{host:?} is not the name of a host: {error}");
        let (tls, usual) = match trust {
            Some(trust) => {
                let name = ServerName::try_from(host.to_owned()).map_err(|error| bad_name(&error))?;
                (Some(Tls { config: trust.0.clone(), name }), 443)
            }
            None => (None, 80),
        };
        let host_header = if port == usual { name } else { authority.as_str().to_owned() };
        Ok(Origin {
            authority,
            tls,
            host: HeaderValue::from_maybe_shared(Bytes::from(host_header)).map_err(|error| bad_name(&error))?,
            limits,
            resolver: Resolver::new(host, port, address, Arc::new(SystemNames)),
            wire: Wire::default(),
            permits: Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)),
            waiting: Cell::new(0),
            pool: RefCell::new(Pool::default()),
        })
    }

    /// Sends the request and reads the whole answer. Dropped before its end it closes its connection at once.
    ///
    /// A used connection that turns out dead is no failure yet: where no byte left, or asking twice does no harm, and no
    /// byte of an answer came, the request goes out once more on a connection made for it.
    pub(crate) async fn exchange(
        &self,
        request: &Prepared,
        progress: &Progress,
        begun: Instant,
    ) -> Result<Answer, Failure> {
        let (_permit, begun) = self.permit(progress, begun).await?;
        let first = self.attempt(request, progress, begun).await;
        let trace = progress.get();
        let again = !trace.dialled && trace.read == 0 && (trace.written == 0 || request.is_idempotent);
        match first {
            Err((failure, generation)) if again && failure.is_broken_connection() => {
                self.discard(generation);
                self.attempt(request, progress, Instant::now()).await.map_err(|failed| failed.0)
            }
            other => other.map_err(|failed| failed.0),
        }
    }

    /// Drops the idle connections of an origin that nobody asked for longer than [`KEEP_ALIVE`]: awc looks at them only
    /// when the origin is asked again, so what the peer closed would stay in CLOSE_WAIT. True if there is nothing left.
    pub(crate) fn reap(&self) -> bool {
        let mut pool = self.pool.borrow_mut();
        let idle = self.permits.available_permits() >= self.limits.connections.clamp(1, Semaphore::MAX_PERMITS);
        if idle && pool.used.is_none_or(|used| used.elapsed() >= KEEP_ALIVE) {
            pool.client = None;
        }
        idle && pool.client.is_none()
    }

    /// The right to a connection, and since when there is one.
    async fn permit(&self, progress: &Progress, begun: Instant) -> Result<(SemaphorePermit<'_>, Instant), Failure> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok((permit, begun));
        }
        let busy = self.limits.connections;
        let most = busy.saturating_mul(WAITING_EACH).max(WAITING_LEAST);
        if self.waiting.get() >= most {
            return Err(Failure::new(
                Reason::NoPermit,
                format!("not sent: all {busy} connections are busy and {most} calls wait for one"),
            ));
        }
        progress.set(Trace { stage: Stage::Waiting, ..Trace::default() });
        let _turn = Turn::take(&self.waiting);
        let permit = self.permits.acquire().await;
        progress.set(Trace::default());
        let permit = permit.map_err(|_| Failure::new(Reason::NoPermit, "not sent: the cluster is shut down"))?;
        Ok((permit, Instant::now()))
    }

    async fn attempt(&self, request: &Prepared, progress: &Progress, begun: Instant) -> Result<Answer, (Failure, u64)> {
        let (client, generation) = self.client();
        progress.set(Trace { begun: Some(begun), ..Trace::default() });
        let talk = std::pin::pin!(self.talk(&client, request));
        let outcome = self.observed(talk, progress).await;
        self.used(begun);
        outcome.map_err(|failure| (failure, generation))
    }

    /// An exchange was under way until `now`.
    pub(crate) fn used(&self, now: Instant) {
        let mut pool = self.pool.borrow_mut();
        pool.used = pool.used.max(Some(now));
    }

    /// Runs `work` with the exchange's trace laid where the sockets write to it. `work` is pinned by the caller: an
    /// argument that is pinned here would be in this future twice.
    async fn observed<T>(&self, mut work: Pin<&mut impl Future<Output = T>>, progress: &Progress) -> T {
        poll_fn(|context| {
            self.wire.set(progress.get());
            let polled = work.as_mut().poll(context);
            progress.set(self.wire.take());
            polled
        })
        .await
    }

    async fn talk(&self, client: &Client, request: &Prepared) -> Result<Answer, Failure> {
        let uri = Uri::builder()
            // Also for TLS, which awc does not see.
            .scheme(Scheme::HTTP)
            .authority(self.authority.clone())
            .path_and_query(request.path.clone())
            .build()
            .map_err(|error| Failure::new(Reason::Unsendable, format!("not sent: {error}")))?;
        let mut sending = client.request(request.method.clone(), uri).no_decompress();
        let headers = sending.headers_mut();
        headers.insert(HOST, self.host.clone());
        for (name, value) in &request.headers {
            headers.append(name.clone(), value.clone());
        }
        let sending = if request.body.is_empty() && request.is_bodyless {
            sending.send_body(awc::body::None::new())
        } else {
            sending.send_body(request.body.clone())
        };
        let timeout = self.limits.connect_timeout;
        let mut response = sending.await.map_err(|error| failure::of_sending(error, self.wire.get(), timeout))?;
        let most = self.limits.max_answer;
        let limit = request.max_answer.map_or(most, |asked| asked.min(most));
        let body = response.body().limit(limit).await;
        let body = body.map_err(|error| failure::of_reading(error, self.wire.get(), limit))?;
        if is_unannounced(&response, request) {
            let msg = "the answer announces no length (neither content-length nor chunked)";
            return Err(Failure::new(Reason::Malformed, msg));
        }
        let mut answer = Answer::new(response.status().as_u16(), response.headers(), body, request);
        // awc takes an end of the connection for an end of the body, however much was announced.
        if answer.is_cut_short(response.headers(), request, self.wire.get().eof) {
            return Err(failure::closed(self.wire.get()));
        }
        answer.unpack(response.headers(), request, limit).await?;
        Ok(answer)
    }

    fn client(&self) -> (Client, u64) {
        let mut pool = self.pool.borrow_mut();
        let generation = pool.generation;
        let client = pool.client.get_or_insert_with(|| self.build()).clone();
        (client, generation)
    }

    /// Gives up the connections of this generation; those in use live on to the end of their exchange.
    fn discard(&self, generation: u64) {
        let mut pool = self.pool.borrow_mut();
        if pool.generation == generation {
            pool.generation += 1;
            pool.client = None;
        }
    }

    fn build(&self) -> Client {
        // awc's builder asks for a TLS provider even where it will never speak TLS.
        tls::install_provider();
        let timeout = self.limits.connect_timeout;
        let dial = Dial { resolver: self.resolver.clone(), tls: self.tls.clone(), wire: self.wire.clone(), timeout };
        let connector = awc::Connector::new()
            .connector(dial)
            .timeout(timeout)
            .limit(self.limits.connections.max(1))
            .conn_keep_alive(KEEP_ALIVE);
        Client::builder().connector(connector).disable_timeout().no_default_headers().disable_redirects().finish()
    }
}

/// True for an answer whose body awc left unread because its length is not announced, see [`super::head`]. Where an
/// answer points elsewhere or forbids a body, nothing is lost.
fn is_unannounced(response: &ClientResponse, request: &Prepared) -> bool {
    let headers = response.headers();
    response.version() == Version::HTTP_11
        && !request.is_head
        && !matches!(response.status().as_u16(), 100..=199 | 204 | 300..=399)
        && !headers.contains_key(CONTENT_LENGTH)
        && !headers.contains_key(TRANSFER_ENCODING)
}

/// A place in the queue for a connection; given back on drop.
struct Turn<'a>(&'a Cell<usize>);

impl<'a> Turn<'a> {
    fn take(waiting: &'a Cell<usize>) -> Turn<'a> {
        waiting.update(|count| count + 1);
        Turn(waiting)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.update(|count| count - 1);
    }
}

#[cfg(test)]
mod tests;
