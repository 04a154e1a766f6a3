//! The host and the port that a request names. A host is a name of DNS or an address in its one common form: what some
//! readers take for an address and others for a name (`127.1`, `0177.0.0.1`, `2130706433`) is refused.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::counts::ProxyRefusal;
use super::rejection::Rejection;
use crate::config::proxy_hosts::{is_dns_name, is_number_like};

/// The port of a URL of http that names none.
pub(super) const HTTP: u16 = 80;

/// Where a request is to be led.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProxyTarget {
    pub(super) host: TargetHost,
    pub(super) port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TargetHost {
    /// In lower case, without a dot at its end.
    Name(String),
    Address(IpAddr),
}

impl ProxyTarget {
    /// Reads `host:port`; without a default there must be a port.
    pub(super) fn of(authority: &str, default: Option<u16>) -> Result<ProxyTarget, Rejection> {
        let bad = |why: &'static str| Rejection::new(400, ProxyRefusal::Spelling, why);
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((inside, rest)) => {
                let address: Ipv6Addr =
                    inside.parse().map_err(|_| bad("the host in brackets is no address of IPv6"))?;
                (TargetHost::Address(address.into()), rest)
            }
            None => {
                let (name, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
                (host(name).map_err(bad)?, port)
            }
        };
        let digits = port.strip_prefix(':').unwrap_or_default();
        let port = match digits {
            "" => default.ok_or_else(|| bad("CONNECT names a port"))?,
            _ => {
                let is_number = digits.bytes().all(|digit| digit.is_ascii_digit());
                let port = digits.parse().ok().filter(|port| *port > 0 && is_number);
                port.ok_or_else(|| bad("a port is a number from 1 to 65535"))?
            }
        };
        Ok(ProxyTarget { host, port })
    }

    /// As `Host` has it: without the usual port.
    pub(super) fn host_field(&self) -> String {
        let shown = self.to_string();
        if self.port == HTTP { shown.trim_end_matches(":80").to_owned() } else { shown }
    }
}

fn host(text: &str) -> Result<TargetHost, &'static str> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return Ok(TargetHost::Address(address.into()));
    }
    if is_number_like(&name) {
        return Err("that is an odd spelling of an address: write its four decimal numbers");
    }
    match is_dns_name(&name) {
        true => Ok(TargetHost::Name(name)),
        false => Err("that is no name of a host: it has letters, digits, `-` and `.`"),
    }
}

impl fmt::Display for ProxyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            TargetHost::Name(name) => write!(f, "{name}:{}", self.port),
            TargetHost::Address(address) => SocketAddr::new(*address, self.port).fmt(f),
        }
    }
}
