//! The certificate authorities of a cluster's members.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

use super::pem_file::{self, NoCertificates};

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

/// Why a file holds no authorities.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoAuthority {
    /// The file holds no certificates.
    #[error(transparent)]
    File(#[from] NoCertificates),
    /// A certificate is none of an authority.
    #[error("{}: certificate {nth} is not an authority's: {error}", .file.display())]
    NotAnAuthority {
        /// The file.
        file: PathBuf,
        /// Which certificate, counted from 1.
        nth: usize,
        /// What is wrong with it.
        error: rustls::Error,
    },
}

/// The settings of a client that trusts these roots, before it is said who it is.
pub(crate) fn trusting(roots: RootCertStore) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks every version that rustls asks for by default")
        .with_root_certificates(roots)
}

impl Authority {
    /// Reads a PEM file of one or more certificates.
    pub fn read(file: &Path) -> Result<Authority, NoAuthority> {
        let path = || file.to_owned();
        let certificates = pem_file::certificates(file)?;
        let mut roots = RootCertStore::empty();
        for (nth, certificate) in (1..).zip(&certificates) {
            let added = roots.add(certificate.clone());
            added.map_err(|error| NoAuthority::NotAnAuthority { file: path(), nth, error })?;
        }
        Ok(Authority { file: path(), certificates })
    }

    /// The certificates of the file as roots.
    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        // Cannot fail: each certificate was added once when the file was read.
        roots.add_parsable_certificates(self.certificates.iter().cloned());
        roots
    }
}
