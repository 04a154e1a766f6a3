//! `[otlp]`: where traces are exported to, which of them, and whom to believe what trace a request belongs to. Without
//! the section none are.

use std::fmt;
use std::time::Duration;

use skitai_actors::cluster::check_url;
use skitai_actors::spec::Secret;

use super::ini::Section;
use super::keys;
use super::reading::{Reading, find, parts};
use super::report::Problem;
use super::settings::{ServerSettings, TrustedProxies};

/// The name of the section.
const SECTION: &str = "otlp";
/// Whom to believe if nothing is said: this machine, and networks that nobody routes to from elsewhere (RFC 1918,
/// RFC 4193).
const NEAR: &str = "127.0.0.0/8, ::1, 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fc00::/7";

const MILLION: f64 = 1e6;
/// The share that is exported if nothing is said, in millionths.
const RATIO: u32 = 10_000;

/// `[otlp]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpSettings {
    /// The URL of the collector. It may have a login.
    pub endpoint: Secret,
    /// Headers of each post: names and values.
    pub headers: Vec<(String, Secret)>,
    /// The share of traces that is exported whatever comes of them, in millionths.
    pub millionths: u32,
    /// How long a post and its answer may take.
    pub timeout: Duration,
    /// Who may say what trace a request belongs to, besides the trusted proxies.
    pub trust: TrustedProxies,
}

impl OtlpSettings {
    /// The share of traces that is exported whatever comes of them, from 0 to 1.
    pub fn ratio(&self) -> f64 {
        f64::from(self.millionths) / MILLION
    }
}

/// A line for `check`: no secret is in it.
impl fmt::Display for OtlpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[otlp] {} of all traces, and what is slow, failed or partial", self.ratio())
    }
}

/// Reads the section, if there is one.
pub(super) fn into_server(reading: &mut Reading<'_>, sections: &[&Section], server: &mut ServerSettings) {
    let Some(section) = sections.iter().copied().find(|section| section.name == SECTION) else { return };
    reading.check_keys(section, keys::OTLP);
    let endpoint = reading.secret(Some(section), &keys::ENDPOINT);
    let Some((endpoint, span)) = endpoint.filter(|(endpoint, _)| !endpoint.0.is_empty()) else {
        let problem = Problem::error(section.name_span.clone(), "[otlp] without `endpoint`: traces lead nowhere");
        reading.push(problem.label("no collector").help("write `endpoint = http://127.0.0.1:4318/v1/traces`"));
        return;
    };
    if let Err(why) = check_url(&endpoint.0) {
        let problem = Problem::error(span, format!("`endpoint` of [otlp] is none: {why}"));
        reading.push(problem.label("expected a URL").help("write `endpoint = http://127.0.0.1:4318/v1/traces`"));
    } else if endpoint
        .0
        .split("://")
        .nth(1)
        .is_none_or(|rest| rest.split_once('/').is_none_or(|(_, path)| path.is_empty()))
    {
        let message = "`endpoint` of [otlp] has no path: collectors take traces at /v1/traces";
        reading.push(Problem::warning(span, message).label("the root of the collector"));
    }
    server.otlp = Some(OtlpSettings {
        endpoint,
        headers: headers(reading, section),
        millionths: millionths(reading, section),
        timeout: reading.time(Some(section), &keys::OTLP_TIMEOUT),
        trust: trust(reading, section),
    });
}

fn headers(reading: &mut Reading<'_>, section: &Section) -> Vec<(String, Secret)> {
    let mut headers = Vec::new();
    for (secret, span) in reading.secrets(Some(section), &keys::OTLP_HEADERS) {
        let header = secret.0.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet))
        };
        match header {
            Some((name, value)) if is_name(name) && !value.chars().any(char::is_control) => {
                headers.push((name.to_owned(), Secret(value.to_owned())));
            }
            _ => {
                let problem = Problem::error(span, "this is no header for `headers` of [otlp]");
                reading.push(
                    problem
                        .label("expected `Name: value`")
                        .help("a value with a comma in it is given by env: or file:"),
                );
            }
        }
    }
    headers
}

fn millionths(reading: &mut Reading<'_>, section: &Section) -> u32 {
    let Some(value) = find(Some(section), &keys::RATIO).filter(|value| !value.text.is_empty()) else { return RATIO };
    match value.text.parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => (ratio * MILLION).round() as u32,
        _ => {
            reading.refuse(&keys::RATIO, value, "expected a number from 0 to 1", None);
            0
        }
    }
}

fn trust(reading: &mut Reading<'_>, section: &Section) -> TrustedProxies {
    if find(Some(section), &keys::TRUST).is_none() {
        let networks = parts(NEAR).filter_map(|(text, _)| text.parse().ok()).collect();
        return TrustedProxies { networks, unix: true, header: None };
    }
    let (networks, unix) = reading.networks(Some(section), &keys::TRUST);
    for (_, span) in networks.iter().filter(|(network, _)| network.is_everything()) {
        let problem = Problem::warning(span.clone(), "`trust` of [otlp] believes everybody");
        reading.push(
            problem
                .label("every client may have its requests recorded")
                .help("name the networks of servers before this one"),
        );
    }
    TrustedProxies { networks: networks.into_iter().map(|(network, _)| network).collect(), unix, header: None }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Loaded, Report, parse};
    use super::*;

    fn read(section: &str) -> Result<Loaded, Report> {
        let text = format!("[server]\nport = 5000\nip = 127.0.0.1\n[routes:line]\n/ = x\n{section}\n");
        parse("a.conf", &text, Path::new("/site"), &|_| None)
    }

    fn otlp(section: &str) -> OtlpSettings {
        let loaded = read(section).unwrap_or_else(|report| panic!("{report}"));
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
        loaded.settings.server.otlp.expect("there is one")
    }

    #[test]
    fn without_the_section_nothing_is_exported() {
        assert_eq!(read("").map(|loaded| loaded.settings.server.otlp).unwrap_or_default(), None);
        let report = read("[otlp]\nratio = 1").expect_err("it leads nowhere").to_string();
        assert!(report.contains("/v1/traces"), "{report}");
    }

    #[test]
    fn a_section_says_where_and_how_much() {
        let plain = otlp("[otlp]\nendpoint = http://127.0.0.1:4318/v1/traces");
        assert_eq!((plain.ratio(), plain.timeout, plain.headers.len()), (0.01, Duration::from_secs(10), 0));
        let near = |address: &str| {
            let address = address.parse().expect("an address");
            plain.trust.networks.iter().any(|network| network.contains(address))
        };
        assert!(near("127.0.0.1") && near("10.9.8.7") && near("::1") && !near("192.0.2.1") && plain.trust.unix);
        let more = "endpoint = https://user:hidden-word@c.example/v1/traces\nheaders = Authorization: Bearer hidden-word, \
                    x-team: a\nratio = 0.5\ntimeout = 3\ntrust = 192.0.2.0/24";
        let more = otlp(&format!("[otlp]\n{more}"));
        assert_eq!((more.ratio(), more.headers.len(), more.headers[1].0.as_str()), (0.5, 2, "x-team"));
        assert!(!format!("{more:?}{more}").contains("hidden-word"), "{more:?}");
    }

    #[test]
    fn what_is_wrong_is_told() {
        let open = "[otlp]\nendpoint = http://127.0.0.1:4318/v1/traces";
        for (line, why) in [
            ("ratio = 2", "from 0 to 1"),
            ("ratio = often", "from 0 to 1"),
            ("headers = nonsense", "Name: value"),
            ("headers = a b: c", "Name: value"),
            ("trust = somebody", "address"),
            ("endpiont = x", "endpoint"),
        ] {
            let report = read(&format!("{open}\n{line}")).expect_err(line).to_string();
            assert!(report.contains(why), "{line}: {report}");
        }
        let report = read("[otlp]\nendpoint = ftp://hidden-word@x/").expect_err("no http").to_string();
        assert!(report.contains("ftp") && !report.contains("hidden-word"), "{report}");
        let bare = read("[otlp]\nendpoint = http://127.0.0.1:4318").unwrap_or_else(|report| panic!("{report}"));
        assert!(bare.warnings.to_string().contains("/v1/traces"), "{}", bare.warnings);
    }
}
