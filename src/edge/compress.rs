//! Answers of text and data are compressed for clients that read it: pages, JSON, XML, files without a packed one
//! beside them.
//!
//! Not those whose octets are another's business: parts of a file (206), what has a coding already or says
//! `no-transform`, and what is said to be exactly so by a digest. Nor event streams, whose events are to arrive one by
//! one, nor what is shorter than a kilobyte. Nor, over TLS, what a page of another site has asked for.

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ContentEncoding, ETAG, HeaderName,
    HeaderValue, VARY,
};
use actix_web::http::{StatusCode, Version};

use super::accepts::{Accepted, Coding};
use crate::app::Request;
use crate::app::request::host::name_of;
use crate::connection::compressed;

/// What is shorter fits into one packet anyway, and may become longer.
const SHORTEST: u64 = 1024;
/// The codings in which answers are compressed while they are sent, the better one first where a client likes both.
const CODINGS: [(Coding, ContentEncoding); 2] =
    [(Coding::Gzip, ContentEncoding::Gzip), (Coding::Brotli, ContentEncoding::Brotli)];
/// Headers that say of an answer that its octets are exactly these.
const DIGESTS: [HeaderName; 3] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
];

/// Whether the answer to a request may be compressed, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer(Option<ContentEncoding>);

impl Offer {
    pub(crate) fn of(request: &Request) -> Offer {
        if request.version < Version::HTTP_11 || (request.is_secure() && is_cross_site(request)) {
            return Offer(None);
        }
        let accepted = Accepted::of(request);
        let likes = accepted.best_of(&CODINGS.map(|(coding, _)| coding));
        Offer(CODINGS.into_iter().find(|(coding, _)| Some(*coding) == likes).map(|(_, how)| how))
    }

    /// Compresses the answer, or tells caches that others may get it compressed.
    pub(crate) fn apply(self, mut reply: HttpResponse) -> HttpResponse {
        if !becomes_smaller(&reply) {
            return reply;
        }
        let Some(coding) = self.0 else {
            let varies = reply
                .headers()
                .get_all(VARY)
                .any(|value| value.to_str().is_ok_and(|value| value.to_ascii_lowercase().contains("accept-encoding")));
            if !varies {
                reply.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
            }
            return reply;
        };
        let headers = reply.headers_mut();
        // Other octets under the same tag: only a weak one may say so. And there are no parts of them.
        let strong = headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"));
        if let Some(weak) = strong.map(|tag| [b"W/", tag.as_bytes()].concat())
            && let Ok(weak) = HeaderValue::from_bytes(&weak)
        {
            headers.insert(ETAG, weak);
        }
        headers.remove(ACCEPT_RANGES);
        compressed(reply, coding)
    }
}

/// Whether a page of another site made the browser ask. From the lengths of many such answers, each with a guess in it,
/// who listens on the wire learns a secret that they have as well, in spite of TLS (BREACH, CVE-2013-3587). What a
/// person has clicked on cannot be repeated so often.
fn is_cross_site(request: &Request) -> bool {
    match request.get_header("sec-fetch-site") {
        Some(site) => site == "cross-site" && request.get_header("sec-fetch-user").is_none(),
        // Older browsers.
        None => request.get_header("referer").is_some_and(|page| {
            let page = page.split_once("://").map_or("", |(_, rest)| rest);
            let host = page.split(['/', '?', '#']).next().unwrap_or_default();
            !request.host_name().is_some_and(|own| own.eq_ignore_ascii_case(name_of(host)))
        }),
    }
}

fn becomes_smaller(reply: &HttpResponse) -> bool {
    let is_long = match reply.body().size() {
        BodySize::Sized(length) => length >= SHORTEST,
        BodySize::Stream => true,
        BodySize::None => false,
    };
    let headers = reply.headers();
    let says = |name: HeaderName, word: &str| {
        let mut values = headers.get_all(name).filter_map(|value| value.to_str().ok());
        values.any(|value| value.to_ascii_lowercase().contains(word))
    };
    is_long
        && !matches!(reply.status(), StatusCode::SWITCHING_PROTOCOLS | StatusCode::PARTIAL_CONTENT)
        && headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(is_compressible)
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(CONTENT_RANGE)
        && !says(CACHE_CONTROL, "no-transform")
        && !DIGESTS.iter().any(|name| headers.contains_key(name))
}

/// Whether a content type is of text or data, which become smaller.
pub(super) fn is_compressible(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (main, sub) = kind.split_once('/').unwrap_or((&kind, ""));
    match main {
        "text" => sub != "event-stream",
        "image" => matches!(sub, "svg+xml" | "bmp" | "x-icon" | "vnd.microsoft.icon"),
        "font" => matches!(sub, "ttf" | "otf" | "collection"),
        "application" | "model" => {
            ["+json", "+xml", "+yaml"].iter().any(|ending| sub.ends_with(ending)) || APPLICATIONS.contains(&sub)
        }
        _ => false,
    }
}

const APPLICATIONS: [&str; 14] = [
    "json",
    "javascript",
    "x-javascript",
    "xml",
    "wasm",
    "x-ndjson",
    "jsonl",
    "yaml",
    "toml",
    "rtf",
    "sql",
    "x-sh",
    "json-rpc",
    "vnd.ms-fontobject",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_data_become_smaller() {
        for kind in
            ["text/html; charset=utf-8", "application/json", "APPLICATION/Problem+JSON", "image/svg+xml", "font/ttf"]
        {
            assert!(is_compressible(kind), "{kind}");
        }
        for kind in
            ["text/event-stream", "image/png", "font/woff2", "application/zip", "application/octet-stream", "", "x"]
        {
            assert!(!is_compressible(kind), "{kind}");
        }
    }
}
