//! The headers that every answer of a mount gets, whatever it is: security headers and CORS.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use super::cors::CorsRules;
use crate::app::Request;
use crate::config::BrowserRules;

/// `security_headers = yes`: a browser guesses no type, frames no page in another site, and tells other sites no path.
const USUAL: [(HeaderName, HeaderValue); 3] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")),
    (REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin")),
];

/// The security headers of a conf.
pub(super) fn headers_of(rules: &BrowserRules) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = if rules.usual == Some(true) { USUAL.to_vec() } else { Vec::new() };
    let own = [
        (CONTENT_SECURITY_POLICY, &rules.content_security_policy),
        (HeaderName::from_static("permissions-policy"), &rules.permissions_policy),
    ];
    for (name, value) in own {
        if let Some(value) = value.as_ref().and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.push((name, value));
        }
    }
    headers
}

/// What the answer to one request is to have.
pub(super) struct Dress<'g> {
    headers: &'g [(HeaderName, HeaderValue)],
    cors: Option<(Arc<CorsRules>, Option<HeaderValue>)>,
}

impl<'g> Dress<'g> {
    pub(super) fn of(
        headers: &'g [(HeaderName, HeaderValue)],
        cors: Option<&Arc<CorsRules>>,
        request: &Request,
    ) -> Dress<'g> {
        Dress { headers, cors: cors.map(|cors| (cors.clone(), request.headers.get(ORIGIN).cloned())) }
    }

    /// Adds the headers. A security header that the app has set stays.
    pub(super) fn put_on(self, mut reply: HttpResponse) -> HttpResponse {
        for (name, value) in self.headers {
            if !reply.headers().contains_key(name) {
                reply.headers_mut().insert(name.clone(), value.clone());
            }
        }
        if let Some((cors, origin)) = self.cors {
            cors.mark(origin.as_ref(), &mut reply);
        }
        reply
    }
}
