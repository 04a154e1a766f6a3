//! Who sent a request, where proxies stand between: the word of trusted ones alone, read from the end.
//!
//! Each proxy adds the address of whoever asked it at the end of `X-Forwarded-For` (or of `Forwarded`, RFC 7239). So
//! the walk begins with the peer of the connection and goes from right to left: as long as the hop it stands on is one
//! of `trusted_proxies`, that hop is believed who came before it. The first hop that is not trusted is the client. What
//! stands further left was written by the client, or by nobody knows whom, and is never looked at. A hop that cannot be
//! read ends the walk where it is.
//!
//! Nothing here is done for a request whose handler does not ask, but for the access log's line.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::http::header::HeaderMap;

use crate::config::{ForwardedHeader, TrustedProxies};

const FOR: &str = "x-forwarded-for";
const PROTO: &str = "x-forwarded-proto";
const FORWARDED: &str = "forwarded";

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddress {
    /// Its port is 0 where no proxy told it.
    pub(crate) address: SocketAddr,
    /// Whether it spoke TLS, to a proxy.
    pub(crate) is_secure: bool,
}

/// An IPv4 address that a socket for both shows in its IPv6 form is the IPv4 address.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The client behind `peer`, as far as trusted proxies tell.
pub(crate) fn client(peer: SocketAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> ClientAddress {
    let peer = canonical(peer);
    if !trusted.has(peer.ip()) {
        return ClientAddress { address: peer, is_secure: false };
    }
    match trusted.header {
        Some(ForwardedHeader::Forwarded) => by_forwarded(peer, headers, trusted).0,
        Some(ForwardedHeader::XForwardedFor) => by_x_forwarded(peer, headers, trusted),
        None if headers.contains_key(FOR) || !headers.contains_key(FORWARDED) => by_x_forwarded(peer, headers, trusted),
        None => match by_forwarded(peer, headers, trusted) {
            (client, true) => client,
            // It does not say how the client spoke; the other header may.
            (client, false) => ClientAddress { is_secure: was_secure(headers, 1), ..client },
        },
    }
}

fn by_x_forwarded(peer: SocketAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> ClientAddress {
    let (mut address, mut hops) = (peer, 0);
    for hop in elements(headers, FOR) {
        if !trusted.has(address.ip()) {
            break;
        }
        let Some(before) = node(hop) else { break };
        (address, hops) = (before, hops + 1);
    }
    ClientAddress { address, is_secure: was_secure(headers, hops) }
}

/// What `X-Forwarded-Proto` says of the hop so far from the end. Where proxies do not add to it but replace it, it has
/// one value, and that is the client's.
fn was_secure(headers: &HeaderMap, hops: usize) -> bool {
    elements(headers, PROTO).take(hops.max(1)).last().is_some_and(is_tls)
}

/// The client, and whether it was said how it spoke.
fn by_forwarded(peer: SocketAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> (ClientAddress, bool) {
    let mut client = ClientAddress { address: peer, is_secure: false };
    let mut is_told = false;
    for element in elements(headers, FORWARDED) {
        if !trusted.has(client.address.ip()) {
            break;
        }
        // The proto stands beside the hop it is of.
        let Some((before, proto)) = forwarded(element) else { break };
        is_told = proto.is_some();
        client.is_secure = proto.is_some_and(|proto| is_tls(&proto));
        let Some(before) = before else { break };
        client.address = before;
    }
    (client, is_told)
}

fn is_tls(proto: &str) -> bool {
    proto.eq_ignore_ascii_case("https") || proto.eq_ignore_ascii_case("wss")
}

/// One element of `Forwarded`: whom it is for, where that is an address, and how that one spoke. `None` where it is
/// malformed.
fn forwarded(element: &str) -> Option<(Option<SocketAddr>, Option<String>)> {
    let (mut address, mut proto) = (None, None);
    for pair in FromTheEnd::of(element, b';') {
        let (name, value) = pair.split_once('=')?;
        let value = unquoted(value.trim())?;
        let place = match name.trim() {
            name if name.eq_ignore_ascii_case("for") => &mut address,
            name if name.eq_ignore_ascii_case("proto") => &mut proto,
            _ => continue,
        };
        // Said twice it is said not at all.
        if place.replace(value).is_some() {
            return None;
        }
    }
    Some((address.as_deref().and_then(node), proto))
}

/// The address of a hop: IPv4, IPv6 with or without brackets, each with a port or without. `None` for names, `unknown`
/// and whatever else stands there.
fn node(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(canonical(SocketAddr::new(address, 0)));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(canonical(address));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?,
        None => text.split_at(text.find(':')?),
    };
    // RFC 7239 lets a proxy hide the port: `192.0.2.1:_secret`.
    if !port.is_empty() && !port.starts_with(":_") {
        return None;
    }
    let address = match text.starts_with('[') {
        true => host.parse::<Ipv6Addr>().ok()?.into(),
        false => host.parse::<IpAddr>().ok()?,
    };
    Some(canonical(SocketAddr::new(address, 0)))
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

/// The elements of a header from the last to the first, over all its lines. A line that is no text is one element that
/// nobody can read.
fn elements<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).rev().map(|line| line.to_str().unwrap_or("?"));
    lines.flat_map(|line| FromTheEnd::of(line, b','))
}

/// The parts of a list from its end, a separator within quotes not being one. From the end, because the end is what
/// proxies wrote: a quote that a client left open to the left cannot swallow it.
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
