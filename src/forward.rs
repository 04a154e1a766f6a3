//! The forward proxy (`proxy = yes`): it takes clients that are listed to places that are listed, on a port of its own.
//!
//! ```text
//! who comes? ─► login ─► form ─► loop? ─► target ─► look-up, once ─► each address judged ─► dial ─► tunnel or exchange
//! ```
//!
//! What leads is the address that is dialled: a name is looked up once, every address of it is judged, and one of those
//! that passed is connected to as it is. So a name that answers otherwise a moment later changes nothing.
//!
//! - here: [`Forward`], what a process has of it, and [`answer`], one request;
//! - [`target`]: the host and the port that a request names, strictly spelled; [`special`]: addresses that are not
//!   public; [`judge`]: which of them are open; [`dial`]: the connection, and [`look_ups`] before it;
//! - [`tunnel`]: CONNECT; [`exchange`]: one request in clear text, with [`head`] and [`origin`]; [`bounds`]: how long
//!   and how much;
//! - [`counts`] and [`ledger`]: what is told of it; [`rejection`]: who is not led anywhere, and why.
//!
//! Octets are read by `skitai_wire::http1`: the head of a request by the driver of every connection, so that nothing is
//! led on that the site would refuse; the head of an answer as the leg reads it.

mod bounds;
mod counts;
mod dial;
mod exchange;
mod head;
mod judge;
mod ledger;
mod look_ups;
mod origin;
mod rejection;
mod special;
mod target;
#[cfg(test)]
mod tests;
mod tunnel;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage as _, HttpResponse};
use ring::digest::{SHA256, digest};
use skitai_actors::dns::names::SystemNames;
use skitai_wire::Value;

use self::bounds::TransferBounds;
pub(crate) use self::counts::ProxyRefusal;
use self::counts::{ForwardCounts, Opened};
use self::ledger::Ledger;
use self::look_ups::LookUps;
use self::rejection::Rejection;
use self::target::ProxyTarget;
use crate::app::request::basic_login::{BasicLogin, LoginVerdict, credentials_of};
use crate::app::request::neighbours::counted_as;
use crate::config::{ListenAddress, ProxySettings, ServerSettings};
use crate::connection::handover::Handover;
use crate::connection::{Incoming, Peer};
use crate::observe::access::AccessLog;

/// More proxies than any request has.
const MOST_HOPS: usize = 32;

/// The forward proxy of a process.
pub(crate) struct Forward {
    pub(crate) settings: ProxySettings,
    /// Where this site listens, the proxy too.
    listens: Vec<ListenAddress>,
    /// Its name in `Via`, by which it knows what it has led on before.
    via: String,
    /// `None` where no login is asked for.
    pub(crate) login: Option<Arc<BasicLogin>>,
    counts: ForwardCounts,
    look_ups: LookUps,
}

impl std::fmt::Debug for Forward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forward").field("via", &self.via).finish_non_exhaustive()
    }
}

impl Forward {
    /// That of these settings, if they have one.
    pub(crate) fn of(server: &ServerSettings) -> Option<Arc<Forward>> {
        let settings = server.proxy.clone()?;
        let listens = server.listening.addresses.clone();
        let login = (!settings.users.is_empty()).then(|| Arc::new(BasicLogin::of(settings.users.clone())));
        let via = via(&server.name, &settings);
        let counts = ForwardCounts::default();
        let look_ups = LookUps::new(Arc::new(SystemNames));
        Some(Arc::new(Forward { settings, listens, via, login, counts, look_ups }))
    }

    /// Whether a client may use it at all.
    pub(crate) fn admits(&self, peer: Option<Peer>) -> bool {
        let allow = &self.settings.allow;
        match peer {
            Some(Peer::Address(address)) => allow.networks.iter().any(|network| network.contains(address.ip())),
            Some(Peer::Unix) => allow.unix,
            None => false,
        }
    }

    /// Counts a client that was refused before it was asked for anything.
    pub(crate) fn turned_away(&self, why: ProxyRefusal) {
        self.counts.refused(why);
    }

    /// For the status.
    pub(crate) fn tree(&self) -> Value {
        self.counts.tree()
    }
}

/// A name that no other instance has, and every process of this one.
fn via(name: &str, settings: &ProxySettings) -> String {
    let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let all = format!("{machine}\n{name}\n{:?}", settings.listen);
    let digest = digest(&SHA256, all.as_bytes());
    let hex: String = digest.as_ref().iter().take(8).map(|octet| format!("{octet:02x}")).collect();
    format!("skitai-{hex}")
}

/// Answers a request: leads it on, or says why not.
pub(crate) async fn answer(
    forward: &Arc<Forward>,
    log: Option<Arc<AccessLog>>,
    mut incoming: Incoming,
    peer: Option<Peer>,
) -> HttpResponse {
    let is_connect = incoming.method() == Method::CONNECT;
    let ledger = Ledger::new(forward.clone(), log, &incoming, peer);
    let led = match admitted(forward, &incoming, peer).await {
        Ok(()) if is_connect => {
            connect(forward, &incoming, peer, ledger.clone()).await.map(|()| HttpResponse::new(StatusCode::OK))
        }
        Ok(()) => plain(forward, &mut incoming, peer, ledger.clone()).await,
        Err(rejection) => Err(rejection),
    };
    led.unwrap_or_else(|rejection| {
        let accept = incoming.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        rejection.reply(forward, &ledger, accept, is_connect)
    })
}

/// The address by which a client is counted; those of a Unix socket are one.
fn counted(peer: Option<Peer>) -> IpAddr {
    peer.and_then(Peer::address).map_or(IpAddr::from(Ipv4Addr::UNSPECIFIED), |peer| counted_as(peer.ip()))
}

/// Judges the client's login, and whether the request has been here before.
async fn admitted(forward: &Forward, incoming: &Incoming, peer: Option<Peer>) -> Result<(), Rejection> {
    let headers = incoming.headers();
    if let Some(login) = &forward.login {
        let mut given = headers.get_all(header::PROXY_AUTHORIZATION);
        let (given, second) = (given.next(), given.next());
        if second.is_some() {
            return Err(Rejection::new(400, ProxyRefusal::Form, "a second proxy-authorization"));
        }
        let credentials = given.and_then(|given| given.to_str().ok()).and_then(credentials_of);
        let Some(credentials) = credentials else { return Err(Rejection::login(ProxyRefusal::NoLogin)) };
        match login.judge(counted(peer), credentials).await {
            LoginVerdict::Admitted => {}
            LoginVerdict::Refused => return Err(Rejection::login(ProxyRefusal::Login)),
            LoginVerdict::Wait(seconds) => {
                let why = "too many wrong passwords came from your address";
                return Err(Rejection::new(429, ProxyRefusal::Login, why).again_in(seconds));
            }
            LoginVerdict::Busy => {
                let why = "other logins are being looked at";
                return Err(Rejection::new(503, ProxyRefusal::Login, why).again_in(1));
            }
        }
    }
    if has_been_here(headers, &forward.via) {
        return Err(Rejection::new(508, ProxyRefusal::Loop, "this request has come through this proxy before"));
    }
    Ok(())
}

/// Whether `Via` names this proxy, or more of them than any request has.
fn has_been_here(headers: &HeaderMap, own: &str) -> bool {
    let hops = || headers.get_all(header::VIA).flat_map(|value| value.as_bytes().split(|&octet| octet == b','));
    let is_own = |hop: &[u8]| hop.split(u8::is_ascii_whitespace).any(|word| word == own.as_bytes());
    hops().any(is_own) || hops().count() > MOST_HOPS
}

/// CONNECT: a tunnel, which takes the connection over.
async fn connect(
    forward: &Arc<Forward>,
    incoming: &Incoming,
    peer: Option<Peer>,
    ledger: Arc<Ledger>,
) -> Result<(), Rejection> {
    let form = |why: &str| Rejection::new(400, ProxyRefusal::Form, why);
    let handover = incoming.extensions().get::<Handover>().cloned();
    let handover = handover.ok_or_else(|| form("a CONNECT has no body"))?;
    let authority = incoming.uri().authority().ok_or_else(|| form("CONNECT names a host and a port"))?;
    let target = ProxyTarget::of(authority.as_str(), None)?;
    let socket = forward.dial(&target, &forward.settings.connect_ports, counted(peer)).await?;
    let bounds = TransferBounds::new(&forward.settings);
    ledger.opened(Opened::Tunnel);
    handover.take_over(move |handed| Box::pin(tunnel::tunnel(handed, socket.into(), bounds, ledger)));
    Ok(())
}

/// A request in clear text with a whole URL.
async fn plain(
    forward: &Arc<Forward>,
    incoming: &mut Incoming,
    peer: Option<Peer>,
    ledger: Arc<Ledger>,
) -> Result<HttpResponse, Rejection> {
    let form = |why: &str| Rejection::new(400, ProxyRefusal::Form, why);
    let uri = incoming.uri().clone();
    let authority = match (uri.scheme_str(), uri.authority()) {
        (Some("http"), Some(authority)) => authority,
        (Some(_), Some(_)) => return Err(form("of URLs a proxy takes http alone; to https leads CONNECT")),
        _ => {
            return Err(form(
                "this is a forward proxy: it takes a whole URL (`GET http://host/path`) or CONNECT, and has no pages",
            ));
        }
    };
    if incoming.method() == Method::TRACE {
        return Err(Rejection::new(405, ProxyRefusal::Form, "TRACE is not led on"));
    }
    let may_go_on = incoming.headers().get(header::MAX_FORWARDS).is_none_or(|hops| hops.as_bytes() != b"0");
    if incoming.method() == Method::OPTIONS && !may_go_on {
        // It is meant for this proxy (RFC 9110, 7.6.2).
        ledger.answered(204, Some(0));
        return Ok(HttpResponse::new(StatusCode::NO_CONTENT));
    }
    let target = ProxyTarget::of(authority.as_str(), Some(target::HTTP))?;
    let head = head::request(forward, incoming, &target, peer)?;
    let socket = forward.dial(&target, &forward.settings.http_ports, counted(peer)).await?;
    ledger.opened(Opened::Exchange);
    exchange::exchange(forward, head, incoming.take_payload(), socket, ledger).await
}
