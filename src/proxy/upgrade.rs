//! `Upgrade` (RFC 9110, 7.8): which other protocol a member is offered. One at most, so that its 101 can mean no other:
//! WebSocket, or what the mount names. Any other offer is ignored, as HTTP lets a server do; HTTP/2 never goes on.

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderName, UPGRADE};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::head;
use crate::app::{Error, Request};
use crate::connection::Tunnel;

/// The protocol whose handshake and frames are known here.
const WEBSOCKET: &str = "websocket";
const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
/// Octets of a key.
const KEY_LENGTH: usize = 16;
/// What a server adds to the key (RFC 6455, 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What the client offers.
pub(super) struct UpgradeOffer {
    /// As the client wrote it.
    pub(super) protocol: String,
    /// What a member answers that has understood the handshake of a WebSocket.
    pub(super) accept: Option<String>,
    /// What the client sends in it.
    pub(super) octets: Payload,
}

impl UpgradeOffer {
    pub(super) fn is_websocket(&self) -> bool {
        self.accept.is_some()
    }
}

/// The offer of a request that goes on, if there is one. `named`: what the mount lets pass.
pub(super) fn offer(
    request: &Request,
    tunnel: Option<Tunnel>,
    named: &[String],
) -> Result<Option<UpgradeOffer>, Error> {
    let Some(Tunnel(octets)) = tunnel else { return Ok(None) };
    let offered = head::joined(&request.headers, UPGRADE.as_str());
    let mut offered = offered.split(',').map(str::trim);
    let is_named = |name: &str| named.iter().any(|named| named.eq_ignore_ascii_case(name));
    let chosen = offered.find(|name| name.eq_ignore_ascii_case(WEBSOCKET) || is_named(name));
    let Some(protocol) = chosen.map(str::to_owned) else { return Ok(None) };
    let accept = match protocol.eq_ignore_ascii_case(WEBSOCKET) {
        true => Some(accept(request)?),
        false => None,
    };
    Ok(Some(UpgradeOffer { protocol, accept, octets }))
}

/// The answer to the key of a WebSocket.
fn accept(request: &Request) -> Result<String, Error> {
    let mut keys = request.headers.get_all(KEY).filter_map(|key| key.to_str().ok());
    let key = keys.next().filter(|_| keys.next().is_none()).map(str::trim);
    let is_key = |key: &&str| STANDARD.decode(key).is_ok_and(|key| key.len() == KEY_LENGTH);
    let Some(key) = key.filter(is_key) else {
        return Err(Error::new(400, "a WebSocket begins with one `Sec-WebSocket-Key`: 16 octets in Base64"));
    };
    Ok(STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes())))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use actix_web::http::header::HeaderValue;

    use super::*;

    fn offered(upgrade: &[&'static str], keys: &[&'static str], named: &[&str]) -> Result<Option<UpgradeOffer>, u16> {
        let mut request = Request::empty(Instant::now());
        for name in upgrade {
            request.headers.append(UPGRADE, HeaderValue::from_static(name));
        }
        for key in keys {
            request.headers.append(KEY, HeaderValue::from_static(key));
        }
        let named: Vec<String> = named.iter().map(|&name| name.to_owned()).collect();
        offer(&request, Some(Tunnel(Payload::None)), &named).map_err(|error| error.status())
    }

    /// The example of RFC 6455.
    const SAMPLE: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    #[test]
    fn the_key_has_its_answer() {
        let offer = offered(&["h2c, WebSocket"], &[SAMPLE], &[]).expect("good").expect("an offer");
        assert_eq!(offer.protocol, "WebSocket");
        assert_eq!(offer.accept.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        for keys in [&[][..], &[SAMPLE, SAMPLE], &["c2hvcnQ="], &["no base64 at all, not"]] {
            assert_eq!(offered(&["websocket"], keys, &[]).err(), Some(400), "{keys:?}");
        }
    }

    #[test]
    fn what_nobody_names_does_not_go_on() {
        for upgrade in [&["h2c"][..], &["chat"], &["h2c", "TLS/1.0"], &[]] {
            assert!(offered(upgrade, &[], &["irc/6.9"]).expect("good").is_none(), "{upgrade:?}");
        }
        let offer = offered(&["h2c", "chat, IRC/6.9"], &[], &["irc/6.9"]).expect("good").expect("an offer");
        assert_eq!((offer.protocol.as_str(), offer.is_websocket()), ("IRC/6.9", false));
    }
}
