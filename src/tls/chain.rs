//! A certificate with its chain and its key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::facts::CertificateFacts;
use super::files::TlsFiles;
use super::private_key;
use super::problem::{TlsFault, TlsProblem};
use crate::config::Certification;

/// A certificate that clients can be shown.
#[derive(Debug)]
pub(super) struct SiteCertificate {
    /// The name behind `certification:`.
    pub(super) name: Option<String>,
    pub(super) file: PathBuf,
    pub(super) facts: CertificateFacts,
    pub(super) key: Arc<CertifiedKey>,
    /// What an operator would want to know, though it can be served.
    pub(super) notes: Vec<String>,
}

impl SiteCertificate {
    pub(super) fn read(
        certification: &Certification,
        files: &TlsFiles,
        provider: &CryptoProvider,
    ) -> Result<SiteCertificate, Vec<TlsProblem>> {
        let Certification { name, certfile, keyfile, passphrase, .. } = certification;
        let keyfile = keyfile.as_ref().unwrap_or(certfile);
        let octets = files.get(keyfile);
        let key = octets.and_then(|octets| {
            private_key::read(keyfile, octets, passphrase.as_ref()).map_err(|fault| at(keyfile, fault))
        });
        let (chain, key) = match (whole_chain(certification, files), key) {
            (Ok(chain), Ok(key)) => (chain, key),
            (chain, key) => {
                let of_chain = chain.err();
                let is_same = |problem: &TlsProblem| of_chain.as_ref().is_some_and(|one| one.path == problem.path);
                let of_key = key.err().filter(|problem| !is_same(problem)).map(|problem| problem.of("keyfile"));
                return Err(of_chain.into_iter().chain(of_key).collect());
            }
        };
        let facts = chain[0].1.clone();
        let mut notes = notes(certification, &facts);
        if passphrase.is_some() && files.get(keyfile).is_ok_and(|octets| !private_key::is_encrypted(octets)) {
            let file = keyfile.display();
            notes.push(format!("{file}: the private key is not encrypted, so `passphrase` has no effect: remove it"));
        }
        let chain = chain.into_iter().map(|(der, _)| der).collect();
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| {
            vec![match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    at(keyfile, TlsFault::OtherKey(certfile.clone())).of("keyfile")
                }
                // Such as one of X.509 version 1, which has no names.
                Error::InvalidCertificate(why) => {
                    at(certfile, TlsFault::BadCertificate { nth: 1, why: format!("{why:?}") })
                }
                error => at(keyfile, TlsFault::BadKey(error.to_string())).of("keyfile"),
            }]
        })?;
        Ok(SiteCertificate { name: name.clone(), file: certfile.clone(), facts, key: Arc::new(key), notes })
    }
}

type ReadCertificate = (CertificateDer<'static>, CertificateFacts);

/// What clients will not like about a certificate, beside its age.
fn notes(certification: &Certification, facts: &CertificateFacts) -> Vec<String> {
    let (file, mut notes) = (certification.certfile.display(), Vec::new());
    if !facts.is_for_servers {
        notes.push(format!(
            "{file}: the certificate is not for servers (its extended key usages lack `serverAuth`), so clients refuse \
             it: is it a client's?"
        ));
    }
    // One without a dot is a word of the operator's.
    if let Some(name) = certification.name.as_ref().filter(|name| name.contains('.') && !facts.covers(name)) {
        let names = facts.names.join(", ");
        notes.push(format!(
            "{file}: the certificate of [certification:{name}] is not for {name}, but for {}: clients that ask for \
             {name} refuse it",
            if names.is_empty() { "no host" } else { &names }
        ));
    }
    notes
}

/// The certificate of the site and those behind it.
fn whole_chain(certification: &Certification, files: &TlsFiles) -> Result<Vec<ReadCertificate>, TlsProblem> {
    let Certification { certfile, cafile, .. } = certification;
    let mut chain = certificates(certfile, files)?;
    let own = chain.len();
    for behind in cafile.iter().map(|cafile| certificates(cafile, files)).collect::<Result<Vec<_>, _>>()? {
        // One that `certfile` has as well is sent once.
        chain.extend(behind.into_iter().filter(|(der, _)| !is_there(&chain, der)).collect::<Vec<_>>());
    }
    let place = |nth: usize| if nth < own { certfile } else { cafile.as_ref().unwrap_or(certfile) };
    in_order(&chain).map_err(|(nth, fault)| at(place(nth), fault))?;
    Ok(chain)
}

fn is_there(chain: &[ReadCertificate], der: &CertificateDer<'_>) -> bool {
    chain.iter().any(|(known, _)| known == der)
}

pub(super) fn at(path: &Path, fault: TlsFault) -> TlsProblem {
    TlsProblem { path: path.to_owned(), key: "certfile", fault }
}

/// All certificates of a file, at least one.
pub(super) fn certificates(path: &Path, files: &TlsFiles) -> Result<Vec<ReadCertificate>, TlsProblem> {
    let octets = files.get(path)?;
    if is_der(octets) {
        return Err(at(path, TlsFault::DerCertificate(path.display().to_string())));
    }
    let mut found = Vec::new();
    for (index, read) in CertificateDer::pem_slice_iter(octets).enumerate() {
        let der = read.map_err(|error| at(path, TlsFault::garbled(&error)))?;
        let bad = |why| at(path, TlsFault::BadCertificate { nth: index + 1, why });
        let facts = CertificateFacts::of(&der).map_err(bad)?;
        found.push((der, facts));
    }
    if found.is_empty() { Err(at(path, TlsFault::NoCertificate)) } else { Ok(found) }
}

/// Whether octets are DER: one sequence, as long as the file.
pub(super) fn is_der(octets: &[u8]) -> bool {
    let (head, length) = match octets {
        [0x30, short @ ..=0x7f, ..] => (2, usize::from(*short)),
        [0x30, 0x81, one, ..] => (3, usize::from(*one)),
        [0x30, 0x82, one, two, ..] => (4, usize::from(u16::from_be_bytes([*one, *two]))),
        _ => return false,
    };
    octets.len() == head + length
}

/// Each certificate must have been issued by the next one. The error has the place of the one that did not.
fn in_order(chain: &[ReadCertificate]) -> Result<(), (usize, TlsFault)> {
    if let [(_, first), (_, _), ..] = chain
        && first.is_authority
        && first.names.is_empty()
    {
        return Err((0, TlsFault::AuthorityFirst(first.subject.clone())));
    }
    for (index, pair) in chain.windows(2).enumerate() {
        let [(_, before), (_, next)] = pair else { continue };
        if before.issuer != next.subject {
            let (subject, issuer) = (next.subject.clone(), before.issuer.clone());
            return Err((index + 1, TlsFault::OutOfOrder { nth: index + 2, subject, issuer }));
        }
    }
    Ok(())
}
