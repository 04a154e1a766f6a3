//! Limits of a mount: requests of one client in a time (`rate`), and requests of all at once (`max_in_flight`).
//!
//! Both are for the whole site, and each of its processes has its share: the kernel gives connections to processes as
//! it likes, so a client with few connections may have less than the whole.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{HeaderName, HeaderValue};
use bytes::Bytes;

use super::buckets::Buckets;
use super::pace::{Pace, Taken};
use crate::app::request::neighbours::counted_as;
use crate::app::{Error, Request, Session};
use crate::config::{Rate, RateKey};

/// A rate with its buckets.
#[derive(Debug)]
pub(super) struct RateLimit {
    rate: Rate,
    buckets: Buckets,
}

/// Who is counted.
#[derive(Hash)]
enum Counted<'r> {
    Address(IpAddr),
    Named(&'r str),
}

/// What a client is told of its rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateTold {
    burst: u64,
    count: u64,
    per: Duration,
    taken: Taken,
}

impl RateLimit {
    pub(super) fn new(rate: &Rate, processes: usize) -> RateLimit {
        RateLimit { rate: rate.clone(), buckets: Buckets::new(Pace::of(rate, processes)) }
    }

    /// Whether it is counted by what the session has.
    pub(super) fn needs_session(&self) -> bool {
        matches!(self.rate.by, RateKey::Session(_))
    }

    /// Counts a request. `None` for a client that cannot be told from others: one at a Unix socket, without the name.
    pub(super) async fn count(&self, request: &Request, session: Option<&Session>) -> Option<RateTold> {
        let named = match &self.rate.by {
            RateKey::Address => None,
            RateKey::Session(name) => session.and_then(|session| session.get::<skitai_wire::Value>(name)).map(text_of),
            RateKey::Header(name) => request.get_header(name).map(str::to_owned),
        };
        let counted = match &named {
            Some(name) => Counted::Named(name),
            None => Counted::Address(counted_as(request.get_remote_addr()?)),
        };
        let taken = self.buckets.take(counted).await;
        Some(RateTold { burst: self.rate.burst, count: self.rate.count, per: self.rate.per, taken })
    }
}

fn text_of(value: skitai_wire::Value) -> String {
    match value {
        skitai_wire::Value::String(text) => text,
        other => other.to_string(),
    }
}

impl RateTold {
    /// The one of two that leaves less.
    pub(super) fn tighter(self, other: Option<RateTold>) -> RateTold {
        other.filter(|other| other.taken.left < self.taken.left).unwrap_or(self)
    }

    /// The refusal, if the client has to wait.
    pub(super) fn refusal(&self) -> Option<Error> {
        if self.taken.is_admitted {
            return None;
        }
        let why = format!("too many requests: {} in {} s are allowed", self.count, self.per.as_secs());
        Some(Error::new(429, why).retry_after(seconds(self.taken.next_in).max(1)))
    }

    /// Writes the headers `RateLimit-…` (draft-ietf-httpapi-ratelimit-headers-07).
    pub(super) fn tell(&self, reply: &mut HttpResponse) {
        let headers = reply.headers_mut();
        let mut tell = |name: &'static str, value: HeaderValue| headers.insert(HeaderName::from_static(name), value);
        tell("ratelimit-limit", HeaderValue::from(self.burst));
        tell("ratelimit-remaining", HeaderValue::from(self.taken.left));
        tell("ratelimit-reset", HeaderValue::from(seconds(self.taken.full_in)));
        if let Ok(policy) = HeaderValue::try_from(format!("{};w={}", self.count, self.per.as_secs())) {
            tell("ratelimit-policy", policy);
        }
    }
}

/// Whole seconds, at least so long.
fn seconds(time: Duration) -> u32 {
    let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    u32::try_from(whole).unwrap_or(u32::MAX)
}

/// How many requests are under way.
#[derive(Debug)]
pub(super) struct InFlight {
    most: usize,
    now: AtomicUsize,
}

/// A request under way, to the end of its reply's body.
#[derive(Debug)]
pub(crate) struct Underway(Arc<InFlight>);

impl InFlight {
    pub(super) fn new(most: usize, processes: usize) -> Arc<InFlight> {
        Arc::new(InFlight { most: most.div_ceil(processes.max(1)), now: AtomicUsize::new(0) })
    }

    /// Begins a request, or refuses it.
    pub(super) fn begin(self: &Arc<InFlight>) -> Result<Underway, Error> {
        let underway = Underway(self.clone());
        // Counted before it is looked at, so that no two take the last place.
        match self.now.fetch_add(1, Relaxed) < self.most {
            true => Ok(underway),
            false => Err(Error::new(503, "as many requests as may be are under way here; try again").retry_after(1)),
        }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Relaxed);
    }
}

/// A reply's body, whose request is under way until it has been sent.
struct CountedBody {
    body: BoxBody,
    underway: Option<Underway>,
}

/// Counts a request until its reply has been produced to the end.
pub(super) fn until_sent(reply: HttpResponse, underway: Underway) -> HttpResponse {
    reply.map_body(|_, body| BoxBody::new(CountedBody { body, underway: Some(underway) }))
}

impl MessageBody for CountedBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_next(context);
        if let Poll::Ready(None) = polled {
            this.underway = None;
        }
        polled
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let CountedBody { body, underway } = self;
        body.try_into_bytes().map_err(|body| CountedBody { body, underway })
    }
}
