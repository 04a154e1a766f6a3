//! The address of the client behind proxies: only trusted proxies are believed, and their headers are read from the
//! end.
//!
//! Each proxy appends the address of its own peer to `X-Forwarded-For` (or to `Forwarded`, RFC 7239). So the walk
//! begins with the peer of the connection and goes from right to left. As long as the current hop is one of
//! `trusted_proxies`, the entry before it is believed. The first hop that is not trusted is the client. Entries further
//! left may have been written by the client and are never read. A hop that cannot be parsed ends the walk.
//!
//! This runs only for the access log, for handlers that ask for the client's address, and where it matters whether the
//! client is on this machine.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::http::header::HeaderMap;

use crate::config::{ForwardedHeader, TrustedProxies};
use crate::connection::Peer;

const FOR: &str = "x-forwarded-for";
const PROTO: &str = "x-forwarded-proto";
const FORWARDED: &str = "forwarded";

/// The client of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestClient {
    /// The port is 0 if no proxy gave it.
    pub(crate) address: Peer,
    /// Whether the client used TLS, to this server or to a proxy.
    pub(crate) is_secure: bool,
    /// Whether the client is on this machine, as far as one can know. See [`client`].
    pub(crate) is_here: bool,
}

/// Converts an IPv4-mapped IPv6 address, which a dual-stack socket reports, to IPv4.
pub(crate) fn canonical(peer: Peer) -> Peer {
    match peer {
        Peer::Address(address) => Peer::Address(SocketAddr::new(address.ip().to_canonical(), address.port())),
        Peer::Unix => Peer::Unix,
    }
}

/// The client behind `peer`, as far as trusted proxies report it.
///
/// It is on this machine if the peer is (at a loopback address or a Unix socket) and nothing speaks against it. A
/// request with a header of proxies came through one. If nobody trusts that one, its client may be anybody. If it is
/// trusted, its header must be understood to its beginning, and every hop in it must be a loopback address.
pub(crate) fn client(peer: Peer, headers: &HeaderMap, trusted: &TrustedProxies) -> RequestClient {
    client_over(peer, false, headers, trusted)
}

/// The same on a connection that speaks TLS, if `is_tls`: where no trusted proxy says what its client spoke, that is
/// what counts.
pub(crate) fn client_over(peer: Peer, is_tls: bool, headers: &HeaderMap, trusted: &TrustedProxies) -> RequestClient {
    let peer = canonical(peer);
    let direct = RequestClient { address: peer, is_secure: is_tls, is_here: peer.is_here() };
    let is_trusted = is_trusted(trusted, peer);
    // The headers of strangers elsewhere need no look.
    if !(is_trusted || direct.is_here) || !headers.keys().any(|name| is_of_proxies(name.as_str())) {
        return direct;
    }
    if !is_trusted {
        return RequestClient { is_here: false, ..direct };
    }
    match trusted.header {
        Some(ForwardedHeader::Forwarded) => by_forwarded(direct, headers, trusted).0,
        Some(ForwardedHeader::XForwardedFor) => by_x_forwarded(direct, headers, trusted),
        None if headers.contains_key(FOR) || !headers.contains_key(FORWARDED) => {
            by_x_forwarded(direct, headers, trusted)
        }
        None => match by_forwarded(direct, headers, trusted) {
            (client, true) => client,
            // `Forwarded` gave no proto; the other header may.
            (client, false) => RequestClient { is_secure: was_secure(headers, 1).unwrap_or(is_tls), ..client },
        },
    }
}

/// Whether proxies set such a header, in the name of the client they ask for.
fn is_of_proxies(name: &str) -> bool {
    name == FORWARDED || name.starts_with("x-forwarded") || name == "x-real-ip"
}

pub(crate) fn is_trusted(trusted: &TrustedProxies, peer: Peer) -> bool {
    match peer {
        Peer::Address(address) => trusted.has(address.ip()),
        Peer::Unix => trusted.unix,
    }
}

fn by_x_forwarded(direct: RequestClient, headers: &HeaderMap, trusted: &TrustedProxies) -> RequestClient {
    let (mut client, mut hops, mut is_whole) = (direct, 0, true);
    for hop in elements(headers, FOR) {
        let before = if is_trusted(trusted, client.address) { node(hop) } else { None };
        is_whole = before.is_some();
        let Some(before) = before else { break };
        client = RequestClient { address: before, is_here: client.is_here && before.is_here(), ..client };
        hops += 1;
    }
    let is_secure = was_secure(headers, hops).unwrap_or(direct.is_secure);
    RequestClient { is_secure, is_here: client.is_here && is_whole && hops > 0, ..client }
}

/// Returns what `X-Forwarded-Proto` says about the hop this far from the end. Proxies that replace the header instead
/// of appending leave one value, which is then the client's.
fn was_secure(headers: &HeaderMap, hops: usize) -> Option<bool> {
    elements(headers, PROTO).take(hops.max(1)).last().map(is_tls)
}

/// The client, and whether a proto was given.
fn by_forwarded(direct: RequestClient, headers: &HeaderMap, trusted: &TrustedProxies) -> (RequestClient, bool) {
    let mut client = direct;
    let (mut has_proto, mut is_whole) = (false, false);
    for element in elements(headers, FORWARDED) {
        is_whole = false;
        if !is_trusted(trusted, client.address) {
            break;
        }
        // The proto in an element is that of the hop the element describes.
        let Some((before, proto)) = forwarded(element) else { break };
        has_proto = proto.is_some();
        client.is_secure = proto.map_or(direct.is_secure, |proto| is_tls(&proto));
        let Some(before) = before else { break };
        is_whole = true;
        client = RequestClient { address: before, is_here: client.is_here && before.is_here(), ..client };
    }
    (RequestClient { is_here: client.is_here && is_whole, ..client }, has_proto)
}

fn is_tls(proto: &str) -> bool {
    proto.eq_ignore_ascii_case("https") || proto.eq_ignore_ascii_case("wss")
}

/// Parses one element of `Forwarded`: the address of its `for`, if it is an address, and its `proto`. `None` if the
/// element is malformed.
fn forwarded(element: &str) -> Option<(Option<Peer>, Option<String>)> {
    let (mut address, mut proto) = (None, None);
    for pair in FromTheEnd::of(element, b';') {
        let (name, value) = pair.split_once('=')?;
        let value = unquoted(value.trim())?;
        let place = match name.trim() {
            name if name.eq_ignore_ascii_case("for") => &mut address,
            name if name.eq_ignore_ascii_case("proto") => &mut proto,
            _ => continue,
        };
        // A parameter that occurs twice makes the element malformed.
        if place.replace(value).is_some() {
            return None;
        }
    }
    Some((address.as_deref().and_then(node), proto))
}

/// The address of a hop: IPv4, or IPv6 with or without brackets, each with or without a port. `None` for names,
/// `unknown` and everything else.
fn node(text: &str) -> Option<Peer> {
    let address = |ip| Some(canonical(Peer::Address(SocketAddr::new(ip, 0))));
    if let Ok(ip) = text.parse::<IpAddr>() {
        return address(ip);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(canonical(Peer::Address(address)));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?,
        None => text.split_at(text.find(':')?),
    };
    // RFC 7239 lets a proxy hide the port: `192.0.2.1:_secret`.
    if !port.is_empty() && !port.starts_with(":_") {
        return None;
    }
    match text.starts_with('[') {
        true => address(host.parse::<Ipv6Addr>().ok()?.into()),
        false => address(host.parse::<IpAddr>().ok()?),
    }
}

/// The text of a token or of a quoted string.
fn unquoted(value: &str) -> Option<String> {
    let Some(inside) = value.strip_prefix('"') else {
        return (!value.contains('"')).then(|| value.to_owned());
    };
    let inside = inside.strip_suffix('"')?;
    let mut text = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(char) = chars.next() {
        text.push(if char == '\\' { chars.next()? } else { char });
    }
    Some(text)
}

/// The elements of a header from the last to the first, over all its lines. A line that is not text is one unparsable
/// element.
fn elements<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).rev().map(|line| line.to_str().unwrap_or("?"));
    lines.flat_map(|line| FromTheEnd::of(line, b','))
}

/// Splits a list from its end, except at separators within quotes. Proxies wrote the end, so a quote that a client left
/// open further left cannot swallow it.
struct FromTheEnd<'t> {
    rest: Option<&'t str>,
    separator: u8,
}

impl<'t> FromTheEnd<'t> {
    fn of(text: &'t str, separator: u8) -> FromTheEnd<'t> {
        FromTheEnd { rest: Some(text), separator }
    }
}

impl<'t> Iterator for FromTheEnd<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let text = self.rest.take()?;
        let bytes = text.as_bytes();
        let mut is_quoted = false;
        for at in (0..bytes.len()).rev() {
            match bytes[at] {
                b'"' => {
                    let backslashes = bytes[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
                    is_quoted ^= backslashes % 2 == 0;
                }
                byte if byte == self.separator && !is_quoted => {
                    self.rest = Some(&text[..at]);
                    return Some(text[at + 1..].trim());
                }
                _ => {}
            }
        }
        Some(text.trim())
    }
}

#[cfg(test)]
mod tests;
