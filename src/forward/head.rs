//! The heads that are led on: without what is about one connection alone (RFC 9110, 7.6.1), and with `Via`.

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage as _, HttpResponse, HttpResponseBuilder};
use skitai_wire::http1::{UnsendableHead, write_field, write_request_line};

use super::Forward;
use super::counts::ProxyRefusal;
use super::rejection::Rejection;
use super::target::ProxyTarget;
use crate::connection::{Incoming, Peer};
use crate::proxy::head::{listed, stays};

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// What is to be asked of a host.
pub(super) struct Asking {
    pub(super) head: Vec<u8>,
    pub(super) is_head: bool,
    pub(super) is_chunked: bool,
    pub(super) expects_continue: bool,
}

/// The head of the request as the host gets it.
pub(super) fn request(
    forward: &Forward,
    incoming: &Incoming,
    target: &ProxyTarget,
    peer: Option<Peer>,
) -> Result<Asking, Rejection> {
    let unsendable = |why: UnsendableHead| Rejection::new(400, ProxyRefusal::Form, why.to_string());
    let headers = incoming.headers();
    let path = incoming.uri().path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let is_chunked = headers.contains_key(header::TRANSFER_ENCODING);
    let length = headers.get(header::CONTENT_LENGTH).filter(|_| !is_chunked);
    let has_body = is_chunked || length.is_some_and(|length| length.as_bytes().iter().any(|digit| *digit != b'0'));
    let expects = headers.get_all(header::EXPECT).any(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let expects_continue = expects && has_body;
    let mut head = Vec::with_capacity(1024);
    let written = (|| {
        write_request_line(&mut head, incoming.method().as_str(), &path)?;
        write_field(&mut head, "host", target.host_field().as_bytes())?;
        let listed = listed(headers.get_all(header::CONNECTION).map(HeaderValue::as_bytes));
        let mut via = String::new();
        let mut came_for = String::new();
        for (name, value) in headers {
            let name = name.as_str();
            if is_of_connection(name, &listed) {
                continue;
            }
            match name {
                // Several lines are one list, and ours stands at its end.
                "via" => append(&mut via, value),
                X_FORWARDED_FOR if forward.settings.forwarded_for => append(&mut came_for, value),
                "max-forwards" if *incoming.method() == Method::OPTIONS => {
                    let hops = value.to_str().ok().and_then(|hops| hops.trim().parse::<u32>().ok());
                    let hops = hops.map_or_else(String::new, |hops| hops.saturating_sub(1).to_string());
                    write_field(&mut head, name, hops.as_bytes())?;
                }
                _ => write_field(&mut head, name, value.as_bytes())?,
            }
        }
        let version = if incoming.head().version == actix_web::http::Version::HTTP_10 { "1.0" } else { "1.1" };
        append_text(&mut via, &format!("{version} {}", forward.via));
        write_field(&mut head, "via", via.as_bytes())?;
        if forward.settings.forwarded_for
            && let Some(address) = peer.and_then(Peer::address)
        {
            append_text(&mut came_for, &address.ip().to_canonical().to_string());
        }
        if !came_for.is_empty() {
            write_field(&mut head, X_FORWARDED_FOR, came_for.as_bytes())?;
        }
        if expects_continue {
            write_field(&mut head, "expect", b"100-continue")?;
        }
        if is_chunked {
            write_field(&mut head, "transfer-encoding", b"chunked")?;
        } else if let Some(length) = length {
            write_field(&mut head, "content-length", length.as_bytes())?;
        }
        // Each connection to a host has one request: nothing that a host does can meet another client.
        write_field(&mut head, "connection", b"close")?;
        head.extend_from_slice(b"\r\n");
        Ok(())
    })();
    written.map_err(unsendable)?;
    Ok(Asking { head, is_head: *incoming.method() == Method::HEAD, is_chunked, expects_continue })
}

/// The head of the answer as the client gets it, with a body to be set.
pub(super) fn answer(forward: &Forward, code: u16, fields: &[(String, Vec<u8>)], keeps_length: bool) -> HttpResponse {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut reply = HttpResponseBuilder::new(status).finish();
    let headers = reply.headers_mut();
    let of_connection = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
    let listed = listed(of_connection.map(|(_, value)| value.as_slice()));
    for (name, value) in fields {
        let is_length = keeps_length && name.eq_ignore_ascii_case("content-length");
        if is_of_connection(&name.to_ascii_lowercase(), &listed) && !is_length {
            continue;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    if let Ok(via) = HeaderValue::try_from(format!("1.1 {}", forward.via)) {
        headers.append(header::VIA, via);
    }
    reply
}

/// Whether a header is of one connection, or is made anew for the next one.
fn is_of_connection(name: &str, listed: &[String]) -> bool {
    matches!(name, "host" | "content-length") || stays(name, listed)
}

fn append(list: &mut String, value: &HeaderValue) {
    append_text(list, &String::from_utf8_lossy(value.as_bytes()));
}

fn append_text(list: &mut String, value: &str) {
    if !list.is_empty() {
        list.push_str(", ");
    }
    list.push_str(value);
}
