//! What a port leads to: the site; the server's own pages, where they have a port of their own; for those who come to
//! the port of `redirect_http`, the way to HTTPS; or, through the forward proxy, elsewhere.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use futures_util::future::Either;
use skitai_wire::http1::HeadBounds;

use super::slot::ThreadSlot;
use crate::connection::{ConnectionBounds, ConnectionTimeouts, Incoming, Outgoing, Peer, Refused, Service, Transport};
use crate::edge::{redirect, refused};
use crate::forward;
use crate::forward::ProxyRefusal;
use crate::observe::log::one_line;
use crate::observe::panics::Panicked;
use crate::observe::seldom::Seldom;
use crate::tls::certificates::Certificates;
use crate::tls::client::TlsClient;

/// Answers of hosts that break off: any host and any client can cause them.
static BROKEN_OFF: Seldom = Seldom::new(5);
/// The most octets of a target that a log shows.
const SHOWN: usize = 200;

/// The kinds of ports.
#[derive(Clone, Debug)]
pub(super) enum Port {
    /// The site, in clear text.
    Clear,
    /// The site, over TLS.
    Tls(Arc<Certificates>),
    /// Where the site is to be found.
    Redirect,
    /// The forward proxy.
    Forward,
    /// The server's own pages, over TLS or in clear text.
    Admin(Option<Arc<Certificates>>),
}

/// A service of one thread behind one port.
#[derive(Clone)]
pub(super) struct Entrance {
    pub(super) slot: Rc<ThreadSlot>,
    pub(super) leads: Leads,
}

/// Where a port leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leads {
    ToSite,
    ToHttps,
    Elsewhere,
    ToAdmin,
}

impl Port {
    /// Makes the transport of a connection that was accepted.
    pub(super) fn accept<S: Into<Transport>>(
        &self,
        socket: S,
        over_tls: fn(S, Arc<rustls::ServerConfig>) -> Transport,
    ) -> Transport {
        match self {
            Port::Tls(certificates) | Port::Admin(Some(certificates)) => over_tls(socket, certificates.config()),
            Port::Clear | Port::Redirect | Port::Forward | Port::Admin(None) => socket.into(),
        }
    }

    pub(super) fn leads(&self) -> Leads {
        match self {
            Port::Clear | Port::Tls(_) => Leads::ToSite,
            Port::Redirect => Leads::ToHttps,
            Port::Forward => Leads::Elsewhere,
            Port::Admin(_) => Leads::ToAdmin,
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self, Port::Tls(_) | Port::Admin(Some(_)))
    }
}

impl Service for Entrance {
    fn settings(&self) -> ConnectionTimeouts {
        self.slot.settings()
    }

    fn bounds(&self) -> ConnectionBounds {
        match self.slot.forward().filter(|_| self.leads == Leads::Elsewhere) {
            Some((forward, _)) => {
                let (head, fields) = (forward.settings.max_head, forward.settings.max_headers);
                ConnectionBounds { head: HeadBounds { head, fields, ..HeadBounds::default() }, requests: None }
            }
            None => self.slot.bounds(),
        }
    }

    fn takes_connect(&self) -> bool {
        self.leads == Leads::Elsewhere
    }

    fn call(
        &self,
        request: Incoming,
        peer: Option<Peer>,
        tls: Option<&Arc<TlsClient>>,
    ) -> impl Future<Output = Outgoing> {
        // Boxed, so that they do not enlarge the future of every connection.
        let elsewhere: Pin<Box<dyn Future<Output = Outgoing>>> = match self.leads {
            Leads::ToSite => return Either::Left(self.slot.call(request, peer, tls)),
            Leads::ToHttps => {
                let (thread, certificates) = self.slot.thread_and_certificates();
                Box::pin(async move { redirect::reply(&thread, &request, peer, certificates.as_deref()).await.into() })
            }
            Leads::ToAdmin => {
                let (slot, tls) = (self.slot.clone(), tls.cloned());
                Box::pin(async move { slot.call_admin(request, peer, tls).await })
            }
            Leads::Elsewhere => {
                let forward = self.slot.forward();
                Box::pin(async move {
                    match forward {
                        Some((forward, log)) => forward::answer(&forward, log, request, peer).await.into(),
                        None => HttpResponse::new(StatusCode::SERVICE_UNAVAILABLE).into(),
                    }
                })
            }
        };
        Either::Right(elsewhere)
    }

    fn refuse(&self, refused: &Refused<'_>) -> Outgoing {
        if let Some((forward, _)) = self.slot.forward().filter(|_| self.leads == Leads::Elsewhere) {
            forward.turned_away(ProxyRefusal::Head);
        }
        self.slot.refuse(refused)
    }

    fn greeting_failed(&self, peer: Option<Peer>, why: &io::Error) {
        self.slot.greeting_failed(peer, why);
    }

    fn cut(&self, head: &[u8], why: &(dyn Error + 'static)) {
        if self.leads == Leads::Elsewhere && !why.is::<Panicked>() {
            if let Some(tail) = BROKEN_OFF.tail(Instant::now()) {
                let (_, uri) = refused::words(head, SHOWN);
                let uri = uri.split('?').next().unwrap_or_default();
                tracing::info!(uri, "forward proxy: an answer was cut: {}{tail}", one_line(&why.to_string()));
            }
            return;
        }
        self.slot.cut(head, why);
    }
}
