//! Answers for load balancers and orchestrators: `/status/ready`, `/status/live` and `/ping`, by GET and HEAD.
//!
//! They need no login, show no details, and ask no actor that might hang. They are the server's last word: a file, a
//! route or a service of the site at the same path stands before them. Only a rule of the root's app that takes any
//! word there does not stand before those of `/status`: a page for everything would make every server ready.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use skitai_actors::status::Registry;
use skitai_wire::Value;

use crate::app::closing::{Lifecycle, Phase};
use crate::app::routing::mount::Mount;

/// What a probe asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// Whether requests should be sent here.
    Ready,
    /// Whether the process answers at all.
    Live,
    /// The same, under a name that is asked for by habit.
    Ping,
}

impl Probe {
    /// Their methods.
    pub(super) const METHODS: [&'static str; 2] = ["GET", "HEAD"];

    /// The probe at a path.
    pub(super) fn at(path: &str) -> Option<Probe> {
        match path {
            "/status/ready" => Some(Probe::Ready),
            "/status/live" => Some(Probe::Live),
            "/ping" => Some(Probe::Ping),
            _ => None,
        }
    }

    /// Whether a rule of this mount that takes any word has to leave the path to the probe.
    pub(super) fn is_before_rules_of(self, mount: &Mount) -> bool {
        self != Probe::Ping && mount.path().is_empty()
    }
}

/// What the probes look at.
pub(crate) struct Probes {
    lifecycle: Arc<Lifecycle>,
    reporters: Arc<Registry>,
}

impl Probes {
    pub(crate) fn new(lifecycle: Arc<Lifecycle>, reporters: Arc<Registry>) -> Probes {
        Probes { lifecycle, reporters }
    }

    pub(super) fn reply(&self, probe: Probe) -> HttpResponse {
        match probe {
            Probe::Ready => self.ready(),
            Probe::Live => json(StatusCode::OK, &Value::from_pairs([("live", Value::Bool(true))])),
            Probe::Ping => text(StatusCode::OK, "text/plain; charset=utf-8", b"pong\n".to_vec()),
        }
    }

    /// 200, or 503 with the reason: the phase of the process, or the names of the failed actors.
    fn ready(&self) -> HttpResponse {
        let not_ready = |key, why| {
            let told = Value::from_pairs([("ready", Value::Bool(false)), (key, why)]);
            json(StatusCode::SERVICE_UNAVAILABLE, &told)
        };
        match self.lifecycle.phase() {
            Phase::Starting => return not_ready("why", Value::from("starting")),
            Phase::Serving => {}
            // The site is, though this process ends: its answer closes the connection, and the next one is another's.
            _ if self.lifecycle.is_replaced() => {}
            Phase::Unready | Phase::Closing | Phase::Cut | Phase::AtOnce => {
                return not_ready("why", Value::from("draining"));
            }
        }
        let failed = self.reporters.failed();
        if failed.is_empty() {
            return json(StatusCode::OK, &Value::from_pairs([("ready", Value::Bool(true))]));
        }
        not_ready("failed", Value::List(failed.into_iter().map(Value::String).collect()))
    }
}

fn json(status: StatusCode, value: &Value) -> HttpResponse {
    // A tree of texts and booleans is always JSON.
    text(status, "application/json", skitai_wire::json::to_vec(value).unwrap_or_default())
}

fn text(status: StatusCode, kind: &'static str, octets: Vec<u8>) -> HttpResponse {
    let mut reply = HttpResponse::with_body(status, octets).map_into_boxed_body();
    let headers = reply.headers_mut();
    // A kept answer would be out of date.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}
