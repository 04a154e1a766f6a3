//! CORS (the standard "Fetch" of the WHATWG): which scripts of other sites may read the answers of a mount.
//!
//! What a browser asks beforehand (a preflight) is answered here and reaches no handler. Every other answer is marked,
//! errors and refusals as well: a script that may not read an error sees none at all. `Vary` is on every answer that
//! would be another for another origin, with an origin or without, so that no cache gives one site's to another.

use actix_web::HttpResponse;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN, VARY,
};
use actix_web::http::{Method, StatusCode};

use crate::app::{Error, Request, shortened};
use crate::config::{Cors, Origins};

/// What a script may read of every answer.
const EXPOSED: &str = "X-Coverage, X-Request-Id, X-Error-Id, Server-Timing, Retry-After, RateLimit-Limit, \
                       RateLimit-Remaining, RateLimit-Reset, RateLimit-Policy";
const ANY: HeaderValue = HeaderValue::from_static("*");
const VARY_PREFLIGHT: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers");

/// The rules of a mount.
#[derive(Debug)]
pub(super) struct CorsRules {
    cors: Cors,
    exposed: HeaderValue,
    methods: HeaderValue,
    max_age: HeaderValue,
}

impl CorsRules {
    pub(super) fn of(cors: &Cors) -> CorsRules {
        let list = |text: String| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(EXPOSED));
        let exposed = std::iter::once(EXPOSED).chain(cors.exposed.iter().map(String::as_str));
        CorsRules {
            exposed: list(exposed.collect::<Vec<_>>().join(", ")),
            methods: list(cors.methods.join(", ")),
            max_age: HeaderValue::from(cors.max_age.as_secs()),
            cors: cors.clone(),
        }
    }

    /// The answer to a preflight; `None` if the request is none.
    pub(super) fn preflight(&self, request: &Request) -> Option<Result<HttpResponse, Error>> {
        let method = request.headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        let origin = request.headers.get(ORIGIN).filter(|_| request.method == Method::OPTIONS)?;
        Some(self.allowed(origin, method, request.headers.get(ACCESS_CONTROL_REQUEST_HEADERS)))
    }

    fn allowed(
        &self,
        origin: &HeaderValue,
        method: &HeaderValue,
        headers: Option<&HeaderValue>,
    ) -> Result<HttpResponse, Error> {
        let text = |value: &HeaderValue| shortened(&String::from_utf8_lossy(value.as_bytes())).into_owned();
        let refused = |why: String| Err(Error::new(403, why));
        if !self.has(origin) {
            return refused(format!("scripts of {} may not read this (`cors_origins`)", text(origin)));
        }
        let is_method = self.cors.methods.iter().any(|known| known.as_bytes() == method.as_bytes());
        if !is_method {
            return refused(format!("scripts of other sites may not use {} here (`cors_methods`)", text(method)));
        }
        let asked = headers.map_or(&b""[..], HeaderValue::as_bytes);
        if let Some(known) = &self.cors.headers {
            let mut asked = asked.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty());
            let is_known = |name: &[u8]| known.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name));
            if let Some(other) = asked.find(|name| !is_known(name)) {
                let other = shortened(&String::from_utf8_lossy(other)).into_owned();
                return refused(format!("scripts of other sites may not send {other} here (`cors_headers`)"));
            }
        }
        let mut reply = HttpResponse::new(StatusCode::NO_CONTENT);
        self.mark_origin(Some(origin), &mut reply);
        let told = reply.headers_mut();
        told.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
        if let Some(asked) = headers {
            told.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        told.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        told.insert(VARY, VARY_PREFLIGHT);
        Ok(reply)
    }

    /// Says on any other answer who may read it. What the app has said of that is replaced.
    pub(super) fn mark(&self, origin: Option<&HeaderValue>, reply: &mut HttpResponse) {
        self.mark_origin(origin, reply);
        if reply.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            reply.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed.clone());
        }
        if self.is_by_origin() {
            reply.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
        }
    }

    fn mark_origin(&self, origin: Option<&HeaderValue>, reply: &mut HttpResponse) {
        let headers = reply.headers_mut();
        headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
        headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
        let Some(origin) = origin.filter(|origin| self.has(origin)) else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, if self.is_by_origin() { origin.clone() } else { ANY });
        if self.cors.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    fn has(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.cors.origins.has(origin))
    }

    fn is_by_origin(&self) -> bool {
        self.cors.origins != Origins::Any
    }
}
