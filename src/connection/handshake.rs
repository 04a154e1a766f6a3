//! The handshake of TLS, before the first request. It has the time of a head, from the accept, and a connection that is
//! within it is one of its thread like any other: it is counted, and a server that ends closes it as one without a
//! request.
//!
//! A client that sends a request in clear text gets an answer in clear text, which says what to do.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use skitai_wire::http1::Denied;
use tokio::time::Instant;

use super::Service;
use super::driver::{Driver, Next};
use super::ending::End;
use crate::tls::client::TlsClient;

/// What the beginning of a connection came to.
pub(super) enum Greeted {
    /// The port is one of clear text.
    Clear,
    Tls(Arc<TlsClient>),
    /// The port is one of TLS, and the client speaks clear text.
    ClearWhereTlsIs,
    Failed(io::Error),
}

impl<S: Service> Driver<S> {
    /// Does the handshake, if this connection has one. An error ends the connection.
    pub(super) async fn greeted(&mut self) -> Result<(), End> {
        let Driver { queues, peer, listed, service, clock, .. } = self;
        let until = Instant::now() + service.settings().head_timeout;
        let mut parts_at = None;
        let greeted = poll_fn(|context| {
            if let Poll::Ready(greeted) = queues.borrow_mut().poll_greet(context) {
                return Poll::Ready(Some(greeted));
            }
            let mut until = until;
            if listed.list.is_ending() {
                until = until.min(*parts_at.get_or_insert_with(|| Instant::now() + service.settings().drain_idle));
            }
            clock.poll(context, until).map(|()| None)
        });
        match greeted.await {
            Some(Ok(Greeted::Clear)) => Ok(()),
            Some(Ok(Greeted::Tls(client))) => {
                self.tls = Some(client);
                Ok(())
            }
            Some(Ok(Greeted::ClearWhereTlsIs)) => Err(self.refuse_clear_text(until).await),
            Some(Ok(Greeted::Failed(error))) => {
                service.greeting_failed(*peer, &error);
                // The alert says why; a client that is still sending would lose it to a reset.
                Err(End::Lingering)
            }
            // The client left before it sent anything: a check whether the port is open.
            Some(Err(_)) => Err(End::Cut),
            None if listed.list.is_ending() => Err(End::Cut),
            None => {
                let seconds = service.settings().head_timeout.as_secs_f64();
                let why = io::Error::new(io::ErrorKind::TimedOut, format!("it was not over within {seconds} s"));
                service.greeting_failed(*peer, &why);
                Err(End::Cut)
            }
        }
    }

    /// Reads the head of a request in clear text, so that the log has it and the client reads the answer.
    async fn refuse_clear_text(&mut self, until: Instant) -> End {
        let head = match self.head(Some(until)).await {
            Next::Head(head) => head,
            Next::Refused(_) => Default::default(),
            Next::End(end) => return end,
        };
        let why = "this port speaks TLS: ask with https:// in place of http://".to_owned();
        self.refuse(Denied { status: 400, why }, &head).await
    }
}
