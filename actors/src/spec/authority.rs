//! The certificate authorities of a cluster's members.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Authorities that are trusted in place of the web's roots: a PEM file that was read and checked.
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
    /// Reads a PEM file of one or more certificates; the error says what is wrong with it.
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

    /// The certificates of the file; each is valid as a root.
    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }
}
