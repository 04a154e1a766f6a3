//! Whom to trust: the roots of the web, or the authorities of a cluster; checked by rustls with ring. There is no way
//! not to check.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Authorities that are trusted in place of the roots of the web: a file in PEM form, read and found good.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    file: PathBuf,
    certificates: Vec<CertificateDer<'static>>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({} of {})", self.certificates.len(), self.file.display())
    }
}

impl Authority {
    /// Reads a file of one or more certificates; the error says what is wrong with it.
    pub fn read(file: &Path) -> Result<Authority, String> {
        let shown = file.display();
        let pem = std::fs::read(file).map_err(|error| format!("{shown} cannot be read: {error}"))?;
        let mut certificates = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            certificates.push(certificate.map_err(|error| format!("{shown} is not PEM: {error}"))?);
        }
        if certificates.is_empty() {
            return Err(format!("{shown} holds no certificate (a PEM file begins with -----BEGIN CERTIFICATE-----)"));
        }
        let mut roots = RootCertStore::empty();
        for (index, certificate) in certificates.iter().enumerate() {
            let nth = index + 1;
            let added = roots.add(certificate.clone());
            added.map_err(|error| format!("{shown}: certificate {nth} is not an authority's: {error}"))?;
        }
        Ok(Authority { file: file.to_owned(), certificates })
    }
}

/// What a TLS handshake is checked with; one for a cluster, shared by its members on all workers.
#[derive(Clone, Debug)]
pub(crate) struct Trust(pub(super) Arc<ClientConfig>);

impl Trust {
    /// The roots of the web.
    pub(crate) fn web() -> Trust {
        static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
        let make = || trusting(actix_tls::connect::rustls_0_23::webpki_roots_cert_store());
        Trust(CONFIG.get_or_init(make).clone())
    }

    /// These authorities and nobody else.
    pub(crate) fn of(authority: &Authority) -> Trust {
        let mut roots = RootCertStore::empty();
        // Each was added once when it was read.
        roots.add_parsable_certificates(authority.certificates.iter().cloned());
        Trust(trusting(roots))
    }
}

/// HTTP/1.1 is offered alone: on one HTTP/2 connection for all calls a slow answer would hold up the others.
fn trusting(roots: RootCertStore) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks every version that rustls asks for by default")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// Makes ring the process-wide provider, unless the program chose one before.
pub(super) fn install_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that another thread was quicker: then there is one.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_holds_no_authority_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = |content: &str| {
            let file = folder.path().join("ca.pem");
            std::fs::write(&file, content).expect("written");
            Authority::read(&file).expect_err("it is no authority")
        };
        assert!(error("").contains("no certificate"));
        assert!(error("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").contains("not PEM"));
        let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(error(nonsense).contains("certificate 1 is not"), "{}", error(nonsense));
        let missing = Authority::read(&folder.path().join("none.pem")).expect_err("it is not there");
        assert!(missing.contains("none.pem cannot be read"), "{missing}");
    }
}
