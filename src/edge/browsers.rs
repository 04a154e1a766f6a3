//! What every answer of the site tells a browser, beside what it is: not to guess its type, and to come over TLS. What
//! is passed on from a member is not touched.

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderValue};

/// Has browsers take a reply for what its type says, and for nothing that its first octets look like: what a client put
/// into a text must not run as a page. A handler that sets the header itself keeps it.
pub(crate) fn nosniff(reply: &mut HttpResponse) {
    let headers = reply.headers_mut();
    if !headers.contains_key(header::X_CONTENT_TYPE_OPTIONS) {
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
}

/// Tells a browser that came over TLS to do so from now on (`hsts`); a handler's own word goes before.
pub(crate) fn hsts(response: &mut HttpResponse, value: &str) {
    let headers = response.headers_mut();
    if !headers.contains_key(header::STRICT_TRANSPORT_SECURITY)
        && let Ok(value) = HeaderValue::from_str(value)
    {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
}
