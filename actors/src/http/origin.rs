//! One host and port: a bounded number of exchanges, and one retry where it is safe.
//!
//! Members of clusters are called by the leg, on connections of the pool; any URL by awc. Every origin has connections
//! of its own: if they were shared, a slow member could use up those of fast ones.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use awc::http::uri::Authority;
use rustls::pki_types::ServerName;

use super::answer::Answer;
use super::arrival::{Wanted, Whole};
use super::client::Awc;
use super::dial::{Dial, Progress, Socket, Stage, TlsSettings, Trace};
use super::exchange::exchange;
use super::failure::ExchangeFailure;
use super::pool::IdlePool;
use super::prepared::PreparedRequest;
use super::request::Decode;
use super::tls::TlsTrust;
use crate::dns::names::SystemNames;
use crate::dns::resolve::Resolver;
use crate::kit::Party;
use crate::kit::gate::{Gate, Pass};
use crate::outcome::course::Instants;
use crate::outcome::{Outcome, Reason};

/// How many exchanges may wait per connection of an origin: 1 000 for the usual 100 connections of an instance. Further
/// ones would only wait for their deadline.
const WAITING_EACH: usize = 10;
/// The least length of the queue: with a single connection, a burst of a few callers is still served.
const WAITING_LEAST: usize = 20;

/// A 408 this soon after a request on a reused connection was sent before the request arrived: the server had waited
/// too long for one (RFC 9110, 15.5.9). A member that gives up on a call that it runs takes longer.
const FAREWELL: Duration = Duration::from_secs(1);
const REQUEST_TIMEOUT: u16 = 408;

/// The limits of an origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OriginLimits {
    pub(crate) connect_timeout: Duration,
    pub(crate) connections: usize,
    pub(crate) max_answer: usize,
}

/// The address of an origin, and the roots that its certificate is checked against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoint<'a> {
    /// For TLS: the trusted roots.
    pub(crate) trust: Option<&'a TlsTrust>,
    /// Without brackets. Used for the `host` header and the certificate.
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    /// The address to dial; `None`: resolve `host`.
    pub(crate) address: Option<IpAddr>,
}

/// A host that no request can name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host:?} is not the name of a host: {why}")]
pub(crate) struct BadHost {
    host: String,
    why: String,
}

/// One host and port that speaks HTTP.
pub(crate) struct Origin {
    client: OriginClient,
    limits: OriginLimits,
    permits: Arc<Gate>,
}

/// The HTTP client of an origin.
enum OriginClient {
    /// The leg. `host` is a whole header line.
    Leg {
        dial: Dial,
        host: Vec<u8>,
        pool: IdlePool,
    },
    Awc(Box<Awc>),
}

impl Origin {
    /// A member of a cluster, for the leg.
    pub(crate) fn member(endpoint: Endpoint<'_>, limits: OriginLimits) -> Result<Origin, BadHost> {
        let (dial, host, _) = reached(endpoint, limits)?;
        let host = format!("host: {host}\r\n").into_bytes();
        Ok(Origin::of(OriginClient::Leg { dial, host, pool: IdlePool::default() }, limits))
    }

    /// An origin of a URL, for awc.
    pub(crate) fn any(endpoint: Endpoint<'_>, limits: OriginLimits) -> Result<Origin, BadHost> {
        let (dial, host, authority) = reached(endpoint, limits)?;
        let awc = Awc::new(dial, authority, &host, limits.connections);
        Ok(Origin::of(OriginClient::Awc(Box::new(awc)), limits))
    }

    fn of(client: OriginClient, limits: OriginLimits) -> Origin {
        Origin { client, limits, permits: Gate::new(limits.connections) }
    }

    /// Sends the request and reads the whole answer. If dropped earlier, it closes its connection at once.
    pub(crate) async fn ask(
        &self,
        request: &PreparedRequest,
        progress: &Progress,
        begun: Instant,
        node: &Arc<str>,
    ) -> Outcome {
        // Held until the connection is back in the pool, so that the next waiter finds it there.
        let permit = self.permit(progress, begun, request.party).await;
        let answered = match &permit {
            Ok((_, begun)) => {
                progress.update(|trace| trace.marked(Instants::Permitted, *begun));
                self.exchange(request, progress, *begun).await
            }
            Err(failure) => Err(failure.clone()),
        };
        let (answer, socket) = match answered {
            Ok((whole, socket)) => (Answer::unpacked(whole, request, self.limit(request)).await, socket),
            Err(failure) => (Err(failure), None),
        };
        let outcome = match answer {
            Ok(answer) => answer.into_outcome(node.clone()),
            Err(failure) => Outcome::failed(node.clone(), failure.reason, failure.msg),
        };
        match &self.client {
            // A malformed answer may belong to another request, so that our own would arrive later: not reused.
            OriginClient::Leg { pool, .. } if outcome.reason != Reason::Malformed => {
                socket.into_iter().for_each(|socket| pool.give_back(socket))
            }
            OriginClient::Leg { .. } => {}
            OriginClient::Awc(awc) if outcome.reason == Reason::Malformed => awc.discard(),
            OriginClient::Awc(_) => {}
        }
        outcome
    }

    /// Closes connections that were idle too long; true if none is left.
    pub(crate) fn reap(&self) -> bool {
        let is_idle = self.permits.is_idle();
        let is_empty = match &self.client {
            OriginClient::Leg { pool, .. } => pool.reap(),
            OriginClient::Awc(awc) => !is_idle || awc.reap(),
        };
        is_idle && is_empty
    }

    /// A permit for a connection, and when it was granted. While calls wait, those of one request hold at most half of
    /// the connections, and of the queue once it is full.
    async fn permit(
        &self,
        progress: &Progress,
        begun: Instant,
        party: Party,
    ) -> Result<(Pass, Instant), ExchangeFailure> {
        if let Some(permit) = self.permits.enter(party) {
            return Ok((permit, begun));
        }
        let busy = self.limits.connections;
        let most = busy.saturating_mul(WAITING_EACH).max(WAITING_LEAST);
        let refused = |why: &str| {
            let msg = format!("not sent: all {busy} connections are busy and {most} calls wait for one{why}");
            ExchangeFailure::new(Reason::NoPermit, msg)
        };
        if self.permits.waiting() >= most && !self.permits.make_room(party) {
            return Err(refused(""));
        }
        progress.update(|trace| Trace { stage: Stage::Waiting, ..trace });
        let permit = self.permits.pass(party, None).await;
        progress.update(|trace| Trace { stage: Stage::default(), ..trace });
        let permit = permit.ok_or_else(|| refused(", most of them of this request: it makes room for others"))?;
        Ok((permit, Instant::now()))
    }

    /// One exchange. Repeated once, on a new connection, if a reused one turned out dead and that is safe: no byte was
    /// sent, or the request is idempotent, and no byte of an answer came; or the member says that it read no request.
    async fn exchange(
        &self,
        request: &PreparedRequest,
        progress: &Progress,
        begun: Instant,
    ) -> Result<(Whole, Option<Socket>), ExchangeFailure> {
        let first = self.attempt(request, progress, true).await;
        let trace = progress.get();
        let is_over = !trace.dialled
            && match &first {
                Err(failure) => {
                    let never_ran = trace.written == 0 || request.is_idempotent;
                    trace.read == 0 && never_ran && failure.is_broken_connection()
                }
                Ok((whole, _)) => {
                    let is_farewell = whole.code == REQUEST_TIMEOUT && whole.says_close && !trace.interim;
                    is_farewell && begun.elapsed() < FAREWELL
                }
            };
        if !is_over {
            return first;
        }
        let second = self.attempt(request, progress, false).await;
        match (first, second) {
            // The member may have run the first request, whatever happens to the second.
            (Err(first), Err(second)) if trace.written > 0 && second.reason.never_ran() => Err(first),
            (_, second) => second,
        }
    }

    /// One exchange, on an idle connection if there is one and `may_reuse`.
    async fn attempt(
        &self,
        request: &PreparedRequest,
        progress: &Progress,
        may_reuse: bool,
    ) -> Result<(Whole, Option<Socket>), ExchangeFailure> {
        if !may_reuse {
            progress.update(|trace| Trace::of(trace.course.reconnecting()));
        }
        let wanted = Wanted {
            limit: self.limit(request),
            is_head: request.is_head(),
            // Not read for a good RPC answer, where they would be most of its allocations.
            fields: matches!(request.decode, Decode::Http | Decode::Rest),
        };
        match &self.client {
            OriginClient::Leg { dial, host, pool } => {
                let mut socket = match may_reuse.then(|| pool.lend()).flatten() {
                    Some(socket) => {
                        progress.update(Trace::lent);
                        socket
                    }
                    None => Box::pin(dial.open(progress)).await?,
                };
                let whole = exchange(&mut socket, request, host, wanted, progress).await?;
                let socket = whole.is_kept.then_some(socket);
                Ok((whole, socket))
            }
            OriginClient::Awc(awc) => {
                if !may_reuse {
                    awc.discard();
                }
                Ok((Box::pin(awc.exchange(request, wanted, progress)).await?, None))
            }
        }
    }

    /// The largest body of an answer, in bytes.
    fn limit(&self, request: &PreparedRequest) -> usize {
        let most = self.limits.max_answer;
        request.max_answer.map_or(most, |asked| asked.min(most))
    }
}

/// How to reach an origin: the dial, its name in the `host` header, and its name in a URL.
fn reached(endpoint: Endpoint<'_>, limits: OriginLimits) -> Result<(Dial, String, Authority), BadHost> {
    let Endpoint { trust, host, port, address } = endpoint;
    let brackets = if host.contains(':') { ("[", "]") } else { ("", "") };
    let name = format!("{}{host}{}", brackets.0, brackets.1);
    let bad_host = |error: &dyn std::fmt::Display| BadHost { host: host.to_owned(), why: error.to_string() };
    let (tls, default_port) = match trust {
        Some(trust) => {
            let name = ServerName::try_from(host.to_owned()).map_err(|error| bad_host(&error))?;
            (Some(TlsSettings { config: trust.0.clone(), name }), 443)
        }
        None => (None, 80),
    };
    let authority: Authority = format!("{name}:{port}").parse().map_err(|error| bad_host(&error))?;
    if authority.host() != name {
        return Err(bad_host(&"a part of it means something else in a URL"));
    }
    let host_header = if port == default_port { name } else { authority.to_string() };
    let resolver = Resolver::new(host, port, address, Arc::new(SystemNames));
    Ok((Dial { resolver, tls, timeout: limits.connect_timeout }, host_header, authority))
}

pub(crate) mod pass;
#[cfg(test)]
mod tests;
