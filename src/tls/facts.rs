//! What a certificate says of itself.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use skitai_wire::Value;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, SubjectAltName};

/// The purposes (RFC 5280, 4.2.1.12) that let a certificate be that of a server: `serverAuth` and any.
const OF_SERVERS: [&str; 2] = ["1.3.6.1.5.5.7.3.1", "2.5.29.37.0"];

/// What operators and handlers are told of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateFacts {
    pub(crate) subject: String,
    pub(crate) issuer: String,
    /// Hexadecimal, as openssl prints it.
    pub(crate) serial: String,
    /// Host names, some with a `*.` at the beginning, and addresses; in lower case.
    pub(crate) names: Vec<String>,
    pub(crate) is_authority: bool,
    /// Whether its purposes, if it names any, let it be that of a server.
    pub(crate) is_for_servers: bool,
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
}

/// How far a certificate is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    NotYetValid,
    Fresh,
    /// Less than a third of its life is left: whoever renews it, has not.
    Late,
    Expired,
}

impl CertificateFacts {
    /// Reads a certificate. The error says what is wrong with it.
    pub(crate) fn of(der: &CertificateDer<'_>) -> Result<CertificateFacts, String> {
        // Raw: old authorities have serial numbers that today's rules forbid.
        let certificate = CertificateInner::<Raw>::from_der(der).map_err(|error| error.to_string())?;
        let tbs = certificate.tbs_certificate();
        let names = match tbs.get_extension::<SubjectAltName>() {
            Ok(found) => found.map(|(_, names)| names.0).unwrap_or_default(),
            Err(error) => return Err(error.to_string()),
        };
        let is_authority = tbs.get_extension::<BasicConstraints>().ok().flatten().is_some_and(|(_, basic)| basic.ca);
        let purposes = tbs.get_extension::<ExtendedKeyUsage>().ok().flatten();
        let is_for_servers = purposes
            .is_none_or(|(_, named)| named.0.iter().any(|named| OF_SERVERS.contains(&named.to_string().as_str())));
        let moment = |since: Duration| UNIX_EPOCH + since;
        let validity = tbs.validity();
        Ok(CertificateFacts {
            subject: tbs.subject().to_string(),
            issuer: tbs.issuer().to_string(),
            serial: tbs.serial_number().as_bytes().iter().map(|octet| format!("{octet:02X}")).collect(),
            names: names.iter().filter_map(name).collect(),
            is_authority,
            is_for_servers,
            not_before: moment(validity.not_before.to_unix_duration()),
            not_after: moment(validity.not_after.to_unix_duration()),
        })
    }

    /// Of the first certificate in PEM, if there is one.
    pub(crate) fn of_pem(octets: &[u8]) -> Option<CertificateFacts> {
        CertificateFacts::of(&CertificateDer::from_pem_slice(octets).ok()?).ok()
    }

    /// Whether the certificate is for this host. A `*` stands for one label.
    pub(crate) fn covers(&self, host: &str) -> bool {
        self.names.iter().any(|name| match name.strip_prefix('*') {
            Some(end) => host.split_once('.').is_some_and(|(first, rest)| {
                !first.is_empty() && end.strip_prefix('.').is_some_and(|end| rest.eq_ignore_ascii_case(end))
            }),
            None => host.eq_ignore_ascii_case(name),
        })
    }

    pub(crate) fn age(&self, now: SystemTime) -> Age {
        let life = self.not_after.duration_since(self.not_before).unwrap_or_default();
        match self.not_after.duration_since(now) {
            _ if now < self.not_before => Age::NotYetValid,
            Err(_) => Age::Expired,
            Ok(left) if left < life / 3 => Age::Late,
            Ok(_) => Age::Fresh,
        }
    }

    /// The day on which it expires: `2027-01-31`.
    pub(crate) fn last_day(&self) -> String {
        day(self.not_after)
    }

    /// What is to be said about its age; nothing about a fresh one.
    pub(crate) fn warning(&self, now: SystemTime) -> Option<String> {
        let days = |to: SystemTime| to.duration_since(now).unwrap_or_default().as_secs() / 86_400;
        Some(match self.age(now) {
            Age::Fresh => return None,
            Age::NotYetValid => {
                format!("is not valid before {}: clients refuse it; is the clock right?", day(self.not_before))
            }
            Age::Late => format!(
                "expires on {}, in {} days: less than a third of its life is left; renew it",
                self.last_day(),
                days(self.not_after)
            ),
            Age::Expired => format!("has expired, on {}: clients refuse it; renew it", self.last_day()),
        })
    }

    /// As the status shows it.
    pub(crate) fn tree(&self, file: &str) -> Value {
        let left = self.not_after.duration_since(SystemTime::now()).unwrap_or_default();
        let end = self.not_after.duration_since(UNIX_EPOCH).unwrap_or_default();
        Value::from_pairs([
            ("file", Value::from(file)),
            ("subject", Value::from(self.subject.as_str())),
            ("issuer", Value::from(self.issuer.as_str())),
            ("serial", Value::from(self.serial.as_str())),
            ("names", Value::List(self.names.iter().map(|name| Value::from(name.as_str())).collect())),
            ("expires", Value::from(self.last_day())),
            ("expires_at", Value::from(i64::try_from(end.as_secs()).unwrap_or(i64::MAX))),
            ("days_left", Value::from(i64::try_from(left.as_secs() / 86_400).unwrap_or(i64::MAX))),
        ])
    }
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string().to_ascii_lowercase()),
        GeneralName::IpAddress(octets) => match octets.as_bytes() {
            v4 if v4.len() == 4 => <[u8; 4]>::try_from(v4).ok().map(|v4| Ipv4Addr::from(v4).to_string()),
            v6 => <[u8; 16]>::try_from(v6).ok().map(|v6| Ipv6Addr::from(v6).to_string()),
        },
        _ => None,
    }
}

fn day(moment: SystemTime) -> String {
    // `Thu, 01 Jan 2027 00:00:00 GMT`, of which the parts are taken.
    let date = httpdate::fmt_http_date(moment);
    let parts: Vec<&str> = date.split(' ').collect();
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|month| parts.get(2) == Some(month)).map_or(0, |month| month + 1);
    format!("{}-{month:02}-{}", parts.get(3).unwrap_or(&""), parts.get(1).unwrap_or(&""))
}
