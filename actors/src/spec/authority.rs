//! The certificate authorities of a cluster's members.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

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
    /// The file cannot be read.
    #[error("{} cannot be read: {error}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// A part of the file is not PEM.
    #[error("{} is not PEM: {error}", .file.display())]
    NotPem {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        error: pem::Error,
    },
    /// The file has no certificate.
    #[error("{} holds no certificate (a PEM file begins with -----BEGIN CERTIFICATE-----)", .0.display())]
    Empty(PathBuf),
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
        let pem = std::fs::read(file).map_err(|error| NoAuthority::Unreadable { file: path(), error })?;
        let mut certificates = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            certificates.push(certificate.map_err(|error| NoAuthority::NotPem { file: path(), error })?);
        }
        if certificates.is_empty() {
            return Err(NoAuthority::Empty(path()));
        }
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
