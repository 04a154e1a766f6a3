//! What a port leads to: the site, or for those who come to the port of `redirect_http`, the way to HTTPS.

use std::error::Error;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::Either;

use super::slot::ThreadSlot;
use crate::connection::{ConnectionBounds, ConnectionTimeouts, Incoming, Outgoing, Peer, Refused, Service, Transport};
use crate::edge::redirect;
use crate::tls::certificates::Certificates;
use crate::tls::client::TlsClient;

/// The kinds of ports.
#[derive(Clone, Debug)]
pub(super) enum Port {
    /// The site, in clear text.
    Clear,
    /// The site, over TLS.
    Tls(Arc<Certificates>),
    /// Where the site is to be found.
    Redirect,
}

/// A service of one thread behind one port.
#[derive(Clone)]
pub(super) struct Entrance {
    pub(super) slot: Rc<ThreadSlot>,
    pub(super) redirects: bool,
}

impl Port {
    /// Makes the transport of a connection that was accepted.
    pub(super) fn accept<S: Into<Transport>>(
        &self,
        socket: S,
        over_tls: fn(S, Arc<rustls::ServerConfig>) -> Transport,
    ) -> Transport {
        match self {
            Port::Tls(certificates) => over_tls(socket, certificates.config()),
            Port::Clear | Port::Redirect => socket.into(),
        }
    }
}

impl Service for Entrance {
    fn settings(&self) -> ConnectionTimeouts {
        self.slot.settings()
    }

    fn bounds(&self) -> ConnectionBounds {
        self.slot.bounds()
    }

    fn call(
        &self,
        request: Incoming,
        peer: Option<Peer>,
        tls: Option<&Arc<TlsClient>>,
    ) -> impl Future<Output = Outgoing> {
        if !self.redirects {
            return Either::Left(self.slot.call(request, peer, tls));
        }
        let (thread, certificates) = self.slot.thread_and_certificates();
        // Boxed, so that it does not enlarge the future of every connection.
        Either::Right(Box::pin(async move {
            redirect::reply(&thread, &request, peer, certificates.as_deref()).await.into()
        }))
    }

    fn refuse(&self, refused: &Refused<'_>) -> Outgoing {
        self.slot.refuse(refused)
    }

    fn greeting_failed(&self, peer: Option<Peer>, why: &io::Error) {
        self.slot.greeting_failed(peer, why);
    }

    fn cut(&self, head: &[u8], why: &(dyn Error + 'static)) {
        self.slot.cut(head, why);
    }
}
