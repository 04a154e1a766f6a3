//! `cert`: an authority for development, and certificates of it. A browser that trusts the authority once takes every
//! certificate that is made later.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use ring::digest::{SHA256, digest};
use time::{Duration, OffsetDateTime};

use super::args::Which;
use super::program::{Program, fail, print};
use crate::tls::facts::CertificateFacts;

/// A certificate to make.
#[derive(Debug, Args)]
pub(super) struct Cert {
    /// Hosts and addresses of the certificate; without any localhost, 127.0.0.1 and ::1
    names: Vec<String>,
    /// Folder of the files
    #[arg(long, value_name = "FOLDER", default_value = "cert")]
    out: PathBuf,
    /// Makes a client's certificate of this name, for `client_ca`
    #[arg(long, value_name = "NAME", conflicts_with = "names")]
    client: Option<String>,
    #[command(flatten)]
    pub(super) which: Which,
}

/// The beginning of an authority's name. Behind it is a part of its key's digest: clients tell authorities apart by
/// their names, and one whose certificate is gone is made again from its key.
const AUTHORITY: &str = "Skitai development authority";
/// The port of the example where there is no configuration to be read.
const PORT: u16 = 5000;
/// Some browsers take no certificate that is valid for longer, in days.
const VALID: i64 = 397;
const AUTHORITY_VALID: i64 = 3650;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
enum NotMade {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{}: it is no private key ({error}); remove it and {}, and a new authority is made", path.display(), .beside.display())]
    Key { path: PathBuf, beside: PathBuf, error: rcgen::Error },
    #[error("`{name}` is no host and no address: {error}")]
    Name { name: String, error: rcgen::Error },
    #[error("`{0}` is no name for a client's certificate: it goes into a file's name, so it has no `/` and no `\\`")]
    ClientName(String),
    #[error(
        "{}: it is of `{issuer}`, and not of the authority for development in {}: nothing is written in its place; \
         use another folder (`--out`)", path.display(), beside.display()
    )]
    Foreign { path: PathBuf, beside: PathBuf, issuer: String },
    #[error("the certificate cannot be made: {0}")]
    Other(#[from] rcgen::Error),
}

/// The command `cert`.
pub(super) fn cert(program: &Program, asked: &Cert, which: &Which) -> ExitCode {
    let of_conf = program.load(which).ok().and_then(|loaded| Some(loaded.settings.server.listening.tcp()?.1));
    match made(asked, of_conf.or(which.port).unwrap_or(PORT)) {
        Ok(told) => {
            print(&told);
            ExitCode::SUCCESS
        }
        Err(error) => fail(&format!("error: {error}")),
    }
}

fn made(asked: &Cert, port: u16) -> Result<String, NotMade> {
    let is_unfit = |name: &&String| name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']);
    if let Some(name) = asked.client.as_ref().filter(is_unfit) {
        return Err(NotMade::ClientName(name.clone()));
    }
    let file = |name: &str| asked.out.join(name);
    let (authority_file, authority_key_file) = (file("dev-ca.pem"), file("dev-ca-key.pem"));
    fs::create_dir_all(&asked.out).map_err(|error| NotMade::File { path: asked.out.clone(), error })?;
    let (key, is_new) = match fs::read_to_string(&authority_key_file) {
        Ok(text) => {
            let beside = authority_file.clone();
            let no_key = |error| NotMade::Key { path: authority_key_file.clone(), beside, error };
            (KeyPair::from_pem(&text).map_err(no_key)?, false)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = KeyPair::generate()?;
            write(&authority_key_file, &key.serialize_pem(), 0o600)?;
            (key, true)
        }
        Err(error) => return Err(NotMade::File { path: authority_key_file, error }),
    };
    let before = facts(&authority_file).filter(|_| !is_new);
    let is_there = before.is_some();
    let authority = authority(&before.map_or_else(|| name_of(&key), |facts| common_name(&facts.subject)))?;
    if !is_there {
        write(&authority_file, &authority.self_signed(&key)?.pem(), 0o644)?;
    }
    let (mut params, stem) = match &asked.client {
        Some(name) => (client(name), format!("client-{name}")),
        None => (server(&asked.names)?, "dev".to_owned()),
    };
    let (cert_file, key_file) = (file(&format!("{stem}.pem")), file(&format!("{stem}-key.pem")));
    let replaced = facts(&cert_file);
    if let Some(foreign) = replaced.as_ref().filter(|facts| !common_name(&facts.issuer).starts_with(AUTHORITY)) {
        let issuer = foreign.issuer.clone();
        return Err(NotMade::Foreign { path: cert_file, beside: authority_file, issuer });
    }
    let hosts: Vec<String> = match &asked.client {
        None => params.subject_alt_names.iter().map(host).collect(),
        Some(_) => facts(&file("dev.pem")).map(|facts| facts.names).unwrap_or_default(),
    };
    params.not_before = OffsetDateTime::now_utc() - Duration::DAY;
    params.not_after = OffsetDateTime::now_utc() + Duration::days(VALID);
    params.use_authority_key_identifier_extension = true;
    let own = KeyPair::generate()?;
    let signed = params.signed_by(&own, &Issuer::from_params(&authority, key))?;
    write(&key_file, &own.serialize_pem(), 0o600)?;
    write(&cert_file, &signed.pem(), 0o644)?;
    let curl = |more: &[&Path]| curl(&hosts, port, &authority_file, more);
    let (cert_shown, key_shown) = (cert_file.display(), key_file.display());
    let told = match &asked.client {
        Some(_) => format!(
            "{cert_shown} and {key_shown} are a client's. The site asks for it with\n\n\
             [server]\nclient_ca = dev-ca.pem\n\n{}",
            curl(&[&cert_file, &key_file])
        ),
        None => format!(
            "{cert_shown} and {key_shown} are the site's, for development:\n\n\
             [server]\nssl = yes\n\n[certification]\ncertfile = dev.pem\nkeyfile = dev-key.pem\n\n\
             {}\nA browser trusts it once {} is among its authorities.",
            curl(&[]),
            authority_file.display()
        ),
    };
    Ok(match replaced {
        None => told,
        Some(before) => {
            let names = if before.names.is_empty() { common_name(&before.subject) } else { before.names.join(", ") };
            format!(
                "In place of the certificate for {names} that was there, of serial {}; its key is gone.\n{told}",
                before.serial
            )
        }
    })
}

/// What the certificate in a file says, if there is one.
fn facts(path: &Path) -> Option<CertificateFacts> {
    CertificateFacts::of_pem(&fs::read(path).ok()?)
}

/// `Anna` of `CN=Anna`.
fn common_name(subject: &str) -> String {
    subject.strip_prefix("CN=").unwrap_or(subject).to_owned()
}

/// The name of a new authority.
fn name_of(key: &KeyPair) -> String {
    let digest = digest(&SHA256, key.public_key_raw());
    let short: String = digest.as_ref().iter().take(4).map(|octet| format!("{octet:02x}")).collect();
    format!("{AUTHORITY} {short}")
}

/// A name of a certificate in the form of the host of a URL.
fn host(name: &SanType) -> String {
    match name {
        SanType::IpAddress(address) => address.to_string(),
        SanType::DnsName(name) => name.to_string(),
        _ => String::new(),
    }
}

/// A line that asks the site, for a shell.
fn curl(hosts: &[String], port: u16, authority: &Path, more: &[&Path]) -> String {
    let host = hosts.first().map_or("localhost", String::as_str).replacen('*', "www", 1);
    let mut words = vec!["curl".to_owned(), "--cacert".to_owned(), authority.display().to_string()];
    let address = host.parse::<IpAddr>();
    if address.is_err() && host != "localhost" {
        words.extend(["--resolve".to_owned(), format!("{host}:{port}:127.0.0.1")]);
    }
    for (option, path) in ["--cert", "--key"].into_iter().zip(more) {
        words.extend([option.to_owned(), path.display().to_string()]);
    }
    words.push(match address {
        Ok(IpAddr::V6(address)) => format!("https://[{address}]:{port}/"),
        _ => format!("https://{host}:{port}/"),
    });
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:=".contains(&byte));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

fn authority(name: &str) -> Result<CertificateParams, NotMade> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = OffsetDateTime::now_utc() - Duration::DAY;
    params.not_after = OffsetDateTime::now_utc() + Duration::days(AUTHORITY_VALID);
    Ok(params)
}

fn server(names: &[String]) -> Result<CertificateParams, NotMade> {
    let own = || ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let names = if names.is_empty() { own() } else { names.to_vec() };
    let named_first = names.first().cloned().unwrap_or_default();
    let mut params =
        CertificateParams::new(names).map_err(|error| NotMade::Name { name: named_first.clone(), error })?;
    params.distinguished_name = named(&named_first);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn client(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// Puts a whole file in the place of the one that is there: a site that serves takes it up.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), NotMade> {
    let failed = |error| NotMade::File { path: path.to_owned(), error };
    let next = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    options.open(&next).and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)?;
    fs::rename(&next, path).map_err(failed)
}
