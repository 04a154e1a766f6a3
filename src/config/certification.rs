//! What a conf says about TLS to clients: `ssl` and its kin in `[server]`, the certificates in `[certification]` and in
//! `[certification:NAME]`. Files are named here and read elsewhere: they change while the conf stays the same.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use skitai_actors::spec::Secret;

use super::ini::{Section, Value};
use super::keys::Key;
use super::listening::ListenAddress;
use super::reading::{Reading, find};
use super::report::Problem;
use super::settings::ServerSettings;
use super::{keys, values};

/// The section of certificates, by itself or with a name behind it.
const SECTION: &str = "certification";
/// The port of clear text, to which browsers go by themselves.
const CLEAR_PORT: u16 = 80;

/// TLS on every port of the site but that of `redirect_http`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// At least one. The first is for clients that ask for a name that no certificate has.
    pub certifications: Vec<Certification>,
    /// The authorities of clients' certificates; `None` asks clients for none.
    pub client_ca: Option<PathBuf>,
    /// Whether a client needs a certificate.
    pub client_certificates: ClientCertificates,
}

/// `[certification]`, or `[certification:NAME]`: paths of files, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certification {
    /// `NAME`: the host that the certificate is for, or any word.
    pub name: Option<String>,
    /// The certificate, with its chain behind it.
    pub certfile: PathBuf,
    /// The private key, if it is not in `certfile`.
    pub keyfile: Option<PathBuf>,
    /// Certificates of authorities that are sent behind those of `certfile`.
    pub cafile: Option<PathBuf>,
    /// The passphrase of the private key.
    pub passphrase: Option<Secret>,
}

/// Whether a client needs a certificate (`client_certificates`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Without one there is no connection.
    #[default]
    Required,
    /// It may have one.
    Optional,
}

/// The name of a section of certificates as far as it is one: `certification:example.org`. Its colon begins no kind.
pub(super) fn is_named(written: &str) -> bool {
    written.split_once(':').is_some_and(|(section, name)| {
        section.trim() == SECTION && !matches!(name.trim(), "" | "pair" | "line" | "data")
    })
}

/// The name behind `certification:`.
fn name_of(section: &Section) -> Option<&str> {
    section.name.split_once(':').map(|(_, name)| name.trim())
}

/// Reads all of it into the settings of the server, whose other keys were read before.
pub(super) fn into_server(reading: &mut Reading<'_>, sections: &[&Section], server: &mut ServerSettings) {
    let of_server = sections.iter().copied().find(|section| section.name == "server");
    refuse_http2(reading, of_server);
    let (is_on, ssl) = reading.flag(of_server, &keys::SSL);
    let certifications = certifications(reading, sections, of_server);
    let client_ca = reading.cert_file(of_server, &keys::CLIENT_CA);
    let client_certificates = client_certificates(reading, of_server, client_ca.is_some());
    server.hsts = hsts(reading, of_server);
    redirect(reading, of_server, server, is_on);
    let believes = !server.trusted_proxies.is_empty();
    match ssl.filter(|_| is_on) {
        Some(ssl) => {
            refuse_clear_port(reading, ssl, server);
            if certifications.is_empty() {
                reading.push(
                    Problem::error(ssl.span(), format!("`ssl = {}` without a certificate", ssl.text))
                        .label("nothing to show to clients")
                        .help("write `certfile = FILE` in [certification]; `cert` makes one for development"),
                );
            }
            let client_ca = client_ca.map(|(path, _)| path);
            server.tls = Some(TlsSettings { certifications, client_ca, client_certificates });
        }
        None => {
            warn_of_unused(reading, sections);
            // A proxy that is believed may say that a client spoke TLS.
            if let Some(hsts) = find(of_server, &keys::HSTS).filter(|_| server.hsts.is_some() && !believes) {
                reading.push(
                    Problem::warning(hsts.span(), "`hsts` without `ssl = yes`: it is sent over TLS alone")
                        .label("is sent to nobody")
                        .help("add `ssl = yes`, or name the proxy that speaks TLS in `trusted_proxies`"),
                );
            }
            if let Some((_, span)) = client_ca {
                reading.push(
                    Problem::error(span, "`client_ca` without `ssl = yes`: no client would be asked for a certificate")
                        .label("would let everybody in")
                        .help("add `ssl = yes`, or remove the line"),
                );
            }
        }
    }
}

/// The sections in the order of the file, with `[server]` as the place of the first one's keys in later confs.
fn certifications(reading: &mut Reading<'_>, sections: &[&Section], of_server: Option<&Section>) -> Vec<Certification> {
    let is_of_certificates = |section: &&Section| section.name == SECTION || is_named(&section.name);
    let (mut found, mut names) = (Vec::new(), BTreeSet::new());
    let has_plain = sections.iter().any(|section| section.name == SECTION);
    if !has_plain {
        found.extend(certification(reading, None, of_server, None));
    }
    for section in sections.iter().copied().filter(is_of_certificates) {
        reading.check_keys(section, keys::CERTIFICATION);
        let is_plain = section.name == SECTION;
        let written = name_of(section).map(str::to_ascii_lowercase);
        if let Some(written) = written.filter(|written| !names.insert(written.clone())) {
            reading.push(
                Problem::error(section.name_span.clone(), format!("a second section of certificates for `{written}`"))
                    .label("names are the same in upper and lower case")
                    .help("remove one of them, or give it another name"),
            );
        }
        let beside = of_server.filter(|_| is_plain);
        found.extend(certification(reading, Some(section), beside, name_of(section).map(str::to_owned)));
    }
    found
}

/// Reads one section, and the same keys in `[server]`.
fn certification(
    reading: &mut Reading<'_>,
    section: Option<&Section>,
    server: Option<&Section>,
    name: Option<String>,
) -> Option<Certification> {
    for key in [&keys::CERTFILE, &keys::KEYFILE, &keys::PASSPHRASE, &keys::PASS_PHRASE] {
        if let (Some(a), Some(b)) = (find(section, key), find(server, key))
            && a.text != b.text
        {
            let line = reading.line_of(a.span().start);
            reading.push(
                Problem::error(b.span(), format!("`{}` says something else in [certification]", key.name))
                    .label(format!("differs from line {line}"))
                    .help("keep the one in [certification]"),
            );
        }
    }
    let mut file = |key: &Key| {
        let written = reading.cert_file(section, key);
        // [server] never had `cafile`: it is reported there as an unknown key.
        written.or_else(|| if key.name == keys::CAFILE.name { None } else { reading.cert_file(server, key) })
    };
    let (certfile, keyfile, cafile) = (file(&keys::CERTFILE), file(&keys::KEYFILE), file(&keys::CAFILE));
    let mut passphrase = None;
    for key in [&keys::PASSPHRASE, &keys::PASS_PHRASE] {
        for place in [section, server] {
            let written = reading.secret(place, key);
            passphrase = passphrase.or(written);
        }
    }
    let Some((certfile, _)) = certfile else {
        let lone = [
            (&keys::KEYFILE, keyfile.as_ref().map(|(_, span)| span)),
            (&keys::CAFILE, cafile.as_ref().map(|(_, span)| span)),
            (&keys::PASSPHRASE, passphrase.as_ref().map(|(_, span)| span)),
        ];
        for (key, span) in lone.into_iter().filter_map(|(key, span)| Some((key, span?))) {
            reading.push(
                Problem::warning(span.clone(), format!("`{}` has no effect without `certfile`", key.name))
                    .label("nothing to use it with"),
            );
        }
        return None;
    };
    let path = |file: Option<(PathBuf, Range<usize>)>| file.map(|(path, _)| path);
    let passphrase = passphrase.map(|(secret, _)| secret);
    Some(Certification { name, certfile, keyfile: path(keyfile), cafile: path(cafile), passphrase })
}

/// Certificates say what was meant: a site in clear text that was to be one of HTTPS must not be one in silence.
fn warn_of_unused(reading: &mut Reading<'_>, sections: &[&Section]) {
    for section in sections {
        let has_certificates = matches!(section.name.as_str(), "server" | SECTION) || is_named(&section.name);
        let value = find(Some(section), &keys::CERTFILE).filter(|value| has_certificates && !value.text.is_empty());
        if let Some(value) = value {
            reading.push(
                Problem::warning(value.span(), "`certfile` without `ssl = yes`: the site speaks clear text")
                    .label("is shown to nobody")
                    .help("write `ssl = yes` in [server], or remove the certificate"),
            );
        }
    }
}

fn client_certificates(
    reading: &mut Reading<'_>,
    section: Option<&Section>,
    has_authorities: bool,
) -> ClientCertificates {
    let value = find(section, &keys::CLIENT_CERTIFICATES).filter(|value| !value.text.is_empty());
    let known = [("required", ClientCertificates::Required), ("optional", ClientCertificates::Optional)];
    if let Some(value) = value.filter(|_| !has_authorities) {
        reading.push(
            Problem::error(value.span(), "`client_certificates` without `client_ca`: nobody could vouch for a client")
                .label("would ask for nothing")
                .help("name the file of the authorities' certificates: `client_ca = FILE`"),
        );
    }
    reading.named(&keys::CLIENT_CERTIFICATES, value, &known, "expected `required` or `optional`").unwrap_or_default()
}

fn refuse_http2(reading: &mut Reading<'_>, section: Option<&Section>) {
    if let (true, Some(value)) = reading.flag(section, &keys::HTTP2) {
        let message = format!(
            "`http2 = {}`: this server speaks HTTP/1.1 alone, because h2 0.3 carries RUSTSEC-2026-0258",
            value.text
        );
        reading.push(
            Problem::error(value.span(), message)
                .label("not spoken")
                .help("write `http2 = no`; a proxy in front may speak HTTP/2 to clients"),
        );
    }
}

fn refuse_clear_port(reading: &mut Reading<'_>, ssl: &Value, server: &ServerSettings) {
    let is_clear = |address: &&ListenAddress| matches!(address, ListenAddress::Tcp { port: CLEAR_PORT, .. });
    let redirects = server.listening.redirect == Some(CLEAR_PORT);
    if let Some(address) = server.listening.addresses.iter().find(is_clear).filter(|_| !redirects) {
        reading.push(
            Problem::error(ssl.span(), format!("`ssl = {}` on {address}: port 80 is that of clear text", ssl.text))
                .label("no client would speak TLS there")
                .help("write `port = 443`, and `redirect_http = 80` for those who come to port 80"),
        );
    }
}

/// Reads `redirect_http` and adds its port to those listened on; reads `acme_webroot`.
fn redirect(reading: &mut Reading<'_>, section: Option<&Section>, server: &mut ServerSettings, is_tls: bool) {
    server.acme_webroot = reading.folder(section, &keys::ACME_WEBROOT);
    if let (Some(folder), Some(value)) = (&server.acme_webroot, find(section, &keys::ACME_WEBROOT))
        && !folder.is_dir()
    {
        let why = format!("there is no folder {}", folder.display());
        reading
            .push(Problem::error(value.span(), why).label("nothing could be served").help("make it, or name another"));
    }
    let Some(value) = find(section, &keys::REDIRECT_HTTP).filter(|value| !value.text.is_empty()) else {
        if let Some(value) = find(section, &keys::ACME_WEBROOT).filter(|_| server.acme_webroot.is_some()) {
            reading.push(
                Problem::warning(value.span(), "`acme_webroot` has no effect without `redirect_http`")
                    .label("nobody would serve it")
                    .help("add `redirect_http = 80`"),
            );
        }
        return;
    };
    let Some(port) = reading.maybe_number(section, &keys::REDIRECT_HTTP).and_then(|port| u16::try_from(port).ok())
    else {
        return;
    };
    if !is_tls {
        reading.push(
            Problem::error(value.span(), "`redirect_http` without `ssl = yes`: there is nothing to send clients to")
                .label("no HTTPS")
                .help("add `ssl = yes`, or remove the line"),
        );
    }
    let is_taken =
        |address: &ListenAddress| matches!(address, ListenAddress::Tcp { port: taken, .. } if *taken == port);
    if server.listening.addresses.iter().any(is_taken) {
        reading.push(
            Problem::error(value.span(), format!("port {port} is the site's own")).label("cannot redirect to itself"),
        );
        return;
    }
    let ip = server.listening.tcp().and_then(|(ip, _)| ip);
    server.listening.addresses.push(ListenAddress::Tcp { ip, port });
    server.listening.redirect = Some(port);
}

/// Reads `hsts`: a time, and behind it the words of RFC 6797. The value of the header.
fn hsts(reading: &mut Reading<'_>, section: Option<&Section>) -> Option<String> {
    let value = find(section, &keys::HSTS).filter(|value| !value.text.is_empty())?;
    let mut parts = value.text.split(';').map(str::trim);
    let time = values::number(parts.next().unwrap_or_default(), keys::HSTS_TIME);
    let words: Vec<&str> = parts.collect();
    let is_known = |word: &&str| word.eq_ignore_ascii_case("includeSubDomains") || word.eq_ignore_ascii_case("preload");
    let behind = reading.text.get(value.span().end..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    if behind.split(';').skip(1).map(str::trim).any(|word| is_known(&word)) {
        reading.push(
            Problem::error(value.span(), "a `;` behind a blank begins a comment, so a word of `hsts` has no effect")
                .label("the words behind it are not read")
                .help("write `hsts = 1h; preload`, without a blank before the `;`"),
        );
        return None;
    }
    match time {
        Ok(time) if words.iter().all(is_known) => {
            let seconds = Duration::from_millis(time).as_secs();
            Some(words.iter().fold(format!("max-age={seconds}"), |header, word| format!("{header}; {word}")))
        }
        _ => {
            let expected = "expected a time such as `5m` or `365d`, and `; includeSubDomains` and `; preload` \
                            if they are meant";
            reading.refuse(&keys::HSTS, value, expected, None);
            None
        }
    }
}
