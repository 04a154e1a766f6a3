//! Who is not led anywhere, and what he is told.

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderValue};

use super::Forward;
use super::counts::ProxyRefusal;
use super::ledger::Ledger;
use crate::app::Error;
use crate::app::coverage::Audience;
use crate::app::request::id::X_REQUEST_ID;
use crate::edge::respond;
use crate::observe::log::one_line;
use crate::observe::seldom::Seldom;

/// Any client can cause these lines; the access log has each of them.
static TOLD: Seldom = Seldom::new(20);
/// The most characters of a target that the log shows.
const SHOWN: usize = 200;

/// Why a request is not led on, or its host gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rejection {
    pub(super) status: u16,
    /// `None` where the host failed.
    pub(super) reason: Option<ProxyRefusal>,
    /// A sentence for the client.
    why: String,
    /// More of it, for the log alone.
    detail: String,
    again_in: Option<u32>,
}

impl Rejection {
    pub(super) fn new(status: u16, reason: ProxyRefusal, why: impl Into<String>) -> Rejection {
        Rejection { status, reason: Some(reason), why: why.into(), detail: String::new(), again_in: None }
    }

    /// The host cannot be had.
    pub(super) fn failed(status: u16, why: &str, detail: String) -> Rejection {
        Rejection { status, reason: None, why: why.to_owned(), detail, again_in: None }
    }

    /// Asks for a login.
    pub(super) fn login(reason: ProxyRefusal) -> Rejection {
        Rejection::new(407, reason, "this proxy asks for a login")
    }

    pub(super) fn because(self, detail: String) -> Rejection {
        Rejection { detail, ..self }
    }

    pub(super) fn again_in(self, seconds: u32) -> Rejection {
        Rejection { again_in: Some(seconds), ..self }
    }

    /// Counts and logs it, and makes the answer.
    pub(super) fn reply(
        &self,
        forward: &Forward,
        ledger: &Ledger,
        accept: Option<&str>,
        is_connect: bool,
    ) -> HttpResponse {
        match self.reason {
            Some(reason) => forward.counts.refused(reason),
            None => forward.counts.failed(),
        }
        // A client's first request mostly comes without its login; of a wrong one there is a line already.
        let is_usual = matches!(self.reason, Some(ProxyRefusal::NoLogin | ProxyRefusal::Login));
        if let Some(tail) = TOLD.tail(Instant::now()).filter(|_| !is_usual) {
            let peer = ledger.client.map_or_else(|| "-".to_owned(), |peer| peer.to_string());
            let target: String = ledger.target.split('?').next().unwrap_or_default().chars().take(SHOWN).collect();
            let detail = if self.detail.is_empty() { String::new() } else { format!(" ({})", self.detail) };
            tracing::info!(
                request = %ledger.id,
                peer,
                target = one_line(&target).as_ref(),
                "forward proxy: {} {}{}{tail}",
                self.status,
                self.why,
                one_line(&detail)
            );
        }
        let error = Error::new(self.status, self.why.as_str());
        let mut reply = respond::error(&error, accept, Audience::default(), None);
        ledger.answered(self.status, respond::length(&reply));
        let headers = reply.headers_mut();
        headers.insert(X_REQUEST_ID, ledger.id.to_header());
        if let Some(seconds) = self.again_in {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == 407 {
            let asks = HeaderValue::from_static("Basic realm=\"proxy\", charset=\"UTF-8\"");
            headers.insert(header::PROXY_AUTHENTICATE, asks);
        }
        if is_connect {
            // What the client may have sent ahead is not HTTP.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        reply
    }
}
