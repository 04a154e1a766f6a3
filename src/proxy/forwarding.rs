//! What a member is told of the client and of the proxies before it.
//!
//! A client that is no trusted proxy may have written any of these headers itself. Of such a client `X-Forwarded-For`
//! is appended to, as everybody does who reads it from the end, and all else of them is replaced. What a trusted proxy
//! said stays, and what it did not say is added.

use skitai_actors::http::passed::FieldLines;
use skitai_wire::http1::UnsendableHead;

use super::head::joined;
use crate::app::Request;
use crate::app::request::client;

const FOR: &str = "x-forwarded-for";
const PROTO: &str = "x-forwarded-proto";
const HOST: &str = "x-forwarded-host";
const PREFIX: &str = "x-forwarded-prefix";
const REAL_IP: &str = "x-real-ip";
const FORWARDED: &str = "forwarded";
const REQUEST_ID: &str = "x-request-id";
const TRACE_PARENT: &str = "traceparent";

/// Whether the peer is a trusted proxy.
pub(super) fn is_by_trusted(request: &Request) -> bool {
    match (&request.proxies, request.peer) {
        (Some(trusted), Some(peer)) => client::is_trusted(trusted, client::canonical(peer)),
        _ => false,
    }
}

/// Whether what the client said under this name does not go on as it is.
pub(super) fn is_replaced(name: &str, is_trusted: bool) -> bool {
    if matches!(name, FOR | FORWARDED | REQUEST_ID) {
        return true;
    }
    // `X_Forwarded_For` is `X-Forwarded-For` to programs that get headers as variables of the environment.
    let is_disguised = name.contains('_') && is_of_proxies(&name.replace('_', "-"));
    is_disguised || (!is_trusted && is_of_proxies(name))
}

fn is_of_proxies(name: &str) -> bool {
    name.starts_with("x-forwarded")
        || matches!(name, FORWARDED | REAL_IP | REQUEST_ID | TRACE_PARENT | "tracestate" | "x-request-timeout-ms")
}

/// Adds what the member is told.
///
/// # Errors
/// If something of it cannot be sent.
pub(super) fn add(
    fields: &mut FieldLines,
    request: &Request,
    mount: &str,
    is_trusted: bool,
) -> Result<(), UnsendableHead> {
    let peer = request.get_peer_addr().map(|address| address.to_string());
    let node = match &peer {
        // An address of IPv6 stands in brackets, and so between quotes (RFC 7239, 6).
        Some(address) if address.contains(':') => format!("\"[{address}]\""),
        Some(address) => address.clone(),
        None => "unknown".to_owned(),
    };
    let peer = peer.unwrap_or_else(|| "unknown".to_owned());
    let proto = if request.tls.is_some() { "https" } else { "http" };
    let host = request.get_header("host").unwrap_or_default();
    let of_host = if host.is_empty() { String::new() } else { format!(";host=\"{host}\"") };
    let own = format!("for={node};proto={proto}{of_host}");
    let before = if is_trusted { joined(&request.headers, FORWARDED) } else { String::new() };
    let mut put = |name: &str, value: &str| fields.put(name, value.as_bytes());
    put(FOR, &appended(&joined(&request.headers, FOR), &peer))?;
    put(FORWARDED, &appended(&before, &own))?;
    put(REQUEST_ID, request.id())?;
    let client = request.get_remote_addr().map_or_else(|| peer.clone(), |address| address.to_string());
    for (name, value) in [(PROTO, proto), (HOST, host), (REAL_IP, &client), (PREFIX, mount)] {
        let is_said = is_trusted && request.headers.contains_key(name);
        if !is_said && !value.is_empty() {
            put(name, value)?;
        }
    }
    if !(is_trusted && request.headers.contains_key(TRACE_PARENT))
        && let Some(parent) = trace_parent(request.id())
    {
        put(TRACE_PARENT, &parent)?;
    }
    Ok(())
}

fn appended(before: &str, own: &str) -> String {
    if before.is_empty() { own.to_owned() } else { format!("{before}, {own}") }
}

/// A trace that begins here, under the id of the request; `None` where a proxy gave an id of another form.
fn trace_parent(id: &str) -> Option<String> {
    let is_hex = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    let fits = id.len() == 32 && id.bytes().all(is_hex) && id[16..].bytes().any(|digit| digit != b'0');
    fits.then(|| format!("00-{id}-{}-00", &id[16..]))
}
