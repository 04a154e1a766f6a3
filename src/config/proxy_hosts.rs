//! `hosts` of `[proxy]`: where a forward proxy leads.

use std::fmt;
use std::net::IpAddr;

use super::network::Network;

/// A rule of `hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRule {
    /// What it opens.
    pub place: HostPlace,
    /// The one port that it opens; `None` for those of `connect_ports` and `http_ports`.
    pub port: Option<u16>,
}

/// What a rule of `hosts` opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPlace {
    /// `*`: any name and any public address.
    Any,
    /// `example.org`, in lower case: where it has public addresses.
    Name(String),
    /// `*.example.org`, as `.example.org`: every name below it.
    Below(String),
    /// Addresses, whatever leads to them: those that are not public, too.
    Network(Network),
}

impl HostRule {
    /// Whether it opens a port that is one of `usual`, or the one that it names.
    pub fn opens(&self, port: u16, usual: &[u16]) -> bool {
        self.port.map_or_else(|| usual.contains(&port), |own| own == port)
    }

    /// Whether it is about this name, which is in lower case and has no dot at its end.
    pub fn has_name(&self, name: &str) -> bool {
        match &self.place {
            HostPlace::Any => true,
            HostPlace::Name(known) => name == known,
            HostPlace::Below(end) => name.len() > end.len() && name.ends_with(end.as_str()),
            HostPlace::Network(_) => false,
        }
    }

    /// Whether it lists this address.
    pub fn has_address(&self, address: IpAddr) -> bool {
        matches!(&self.place, HostPlace::Network(network) if network.contains(address))
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.place {
            HostPlace::Any => "*".to_owned(),
            HostPlace::Name(name) => name.clone(),
            HostPlace::Below(end) => format!("*{end}"),
            HostPlace::Network(network) => network.to_string(),
        };
        match self.port {
            None => f.write_str(&place),
            Some(port) if matches!(self.place, HostPlace::Network(_)) && place.contains(':') => {
                let (address, prefix) = place.split_once('/').unwrap_or((&place, "128"));
                if prefix == "128" { write!(f, "[{address}]:{port}") } else { write!(f, "[{place}]:{port}") }
            }
            Some(port) => write!(f, "{}:{port}", place.strip_suffix("/32").unwrap_or(&place)),
        }
    }
}

/// Whether a text is a name as DNS has it: letters, digits, `-` and `_` in labels.
pub(crate) fn is_dns_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.len() <= 63 && label.bytes().all(is_good)
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Whether a name is an address to some readers (`127.1`, `2130706433`, `0x7f.1`): its last label is a number.
pub(crate) fn is_number_like(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_decimal = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    is_decimal || hex.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Reads one rule; an error says what was expected.
pub(super) fn host_rule(text: &str) -> Result<HostRule, String> {
    if text.contains("://") {
        return Err("expected a name or an address, without a scheme".to_owned());
    }
    let (place, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inside, "")) => (inside, None),
        Some((inside, port)) => (inside, Some(port.strip_prefix(':').ok_or("expected `:PORT` behind the `]`")?)),
        None if text.matches(':').count() == 1 => {
            text.split_once(':').map(|(place, port)| (place, Some(port))).unwrap_or((text, None))
        }
        None => (text, None),
    };
    let port = match port {
        None => None,
        Some(port) => {
            let port = port.parse().ok().filter(|port| *port > 0);
            Some(port.ok_or("expected a port from 1 to 65535 behind the `:`")?)
        }
    };
    Ok(HostRule { place: host_place(place)?, port })
}

fn host_place(text: &str) -> Result<HostPlace, String> {
    if text == "*" {
        return Ok(HostPlace::Any);
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if text.contains(['/', ':']) || is_number_like(&name) {
        let network: Network = text.parse().map_err(|why: super::network::NetworkError| why.to_string())?;
        if network.is_everything() {
            return Err("every address is on this machine and inside, too: `*` opens all public ones".to_owned());
        }
        return Ok(HostPlace::Network(network));
    }
    let (name, is_below) = name.strip_prefix("*.").map_or((name.as_str(), false), |below| (below, true));
    if name.contains('*') {
        return Err("a `*` stands for whole labels at the start: `*.example.org`".to_owned());
    }
    match is_dns_name(name) {
        true if is_below => Ok(HostPlace::Below(format!(".{name}"))),
        true => Ok(HostPlace::Name(name.to_owned())),
        false => {
            Err("expected a name of letters, digits, `-` and `.`; one beyond ASCII is written as `xn--…`".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_as_it_is_shown() {
        for (text, shown) in [
            ("*", "*"),
            ("Example.org.", "example.org"),
            ("*.example.org", "*.example.org"),
            ("example.org:8443", "example.org:8443"),
            ("*:8080", "*:8080"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("fd00::/8", "fd00::/8"),
            ("[::1]:5000", "[::1]:5000"),
            ("[::1]", "::1/128"),
        ] {
            assert_eq!(host_rule(text).map(|rule| rule.to_string()).as_deref(), Ok(shown), "{text}");
        }
    }

    #[test]
    fn what_is_no_rule_says_what_was_expected() {
        for (text, expected) in [
            ("https://example.org", "without a scheme"),
            ("example.org:0", "a port from 1"),
            ("example.org:https", "a port from 1"),
            ("0.0.0.0/0", "`*` opens all public"),
            ("::/0", "`*` opens all public"),
            ("10.0.0.1/8", "begins at 10.0.0.0"),
            ("127.1", "expected an address"),
            ("0177.0.0.1", "expected an address"),
            ("2130706433", "expected an address"),
            ("www.*.org", "whole labels"),
            ("größe.de", "xn--"),
            ("a..b", "letters"),
            ("[::1]5000", "behind the `]`"),
        ] {
            let why = host_rule(text).expect_err(text);
            assert!(why.contains(expected), "{text}: {why}");
        }
    }

    #[test]
    fn a_name_is_itself_and_a_star_is_what_is_below() {
        let has = |rule: &str, name: &str| host_rule(rule).expect("a rule").has_name(name);
        assert!(has("example.org", "example.org") && !has("example.org", "a.example.org"));
        assert!(has("*.example.org", "a.b.example.org") && !has("*.example.org", "example.org"));
        assert!(!has("*.example.org", "badexample.org") && !has("10.0.0.0/8", "10.0.0.1") && has("*", "any"));
    }
}
