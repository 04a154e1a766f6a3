//! `cert`: an authority for development, and certificates of it. A browser that trusts the authority once takes every
//! certificate that is made later.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use super::program::{fail, print};

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
}

/// The name of the authority: it is found again by its key, so every authority may have it.
const AUTHORITY: &str = "Skitai development authority";
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
    #[error("the certificate cannot be made: {0}")]
    Other(#[from] rcgen::Error),
}

/// The command `cert`.
pub(super) fn cert(asked: &Cert) -> ExitCode {
    match made(asked) {
        Ok(told) => {
            print(&told);
            ExitCode::SUCCESS
        }
        Err(error) => fail(&format!("error: {error}")),
    }
}

fn made(asked: &Cert) -> Result<String, NotMade> {
    let file = |name: &str| asked.out.join(name);
    let (authority_file, authority_key_file) = (file("dev-ca.pem"), file("dev-ca-key.pem"));
    fs::create_dir_all(&asked.out).map_err(|error| NotMade::File { path: asked.out.clone(), error })?;
    let authority = authority()?;
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
    if is_new || !authority_file.exists() {
        write(&authority_file, &authority.self_signed(&key)?.pem(), 0o644)?;
    }
    let (mut params, stem) = match &asked.client {
        Some(name) => (client(name), format!("client-{name}")),
        None => (server(&asked.names)?, "dev".to_owned()),
    };
    params.not_before = OffsetDateTime::now_utc() - Duration::DAY;
    params.not_after = OffsetDateTime::now_utc() + Duration::days(VALID);
    params.use_authority_key_identifier_extension = true;
    let own = KeyPair::generate()?;
    let signed = params.signed_by(&own, &Issuer::from_params(&authority, key))?;
    let (cert_file, key_file) = (file(&format!("{stem}.pem")), file(&format!("{stem}-key.pem")));
    write(&key_file, &own.serialize_pem(), 0o600)?;
    write(&cert_file, &signed.pem(), 0o644)?;
    let (cert_file, key_file) = (cert_file.display(), key_file.display());
    let authority_file = authority_file.display();
    Ok(match &asked.client {
        Some(_) => format!(
            "{cert_file} and {key_file} are a client's. The site asks for it with\n\n\
             [server]\nclient_ca = dev-ca.pem\n\n\
             curl --cacert {authority_file} --cert {cert_file} --key {key_file} https://localhost:5000/"
        ),
        None => format!(
            "{cert_file} and {key_file} are the site's, for development:\n\n\
             [server]\nssl = yes\n\n[certification]\ncertfile = dev.pem\nkeyfile = dev-key.pem\n\n\
             curl --cacert {authority_file} https://localhost:5000/\n\
             A browser trusts it once {authority_file} is among its authorities."
        ),
    })
}

fn authority() -> Result<CertificateParams, NotMade> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = named(AUTHORITY);
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
