//! The certificates of a PEM file.

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};

/// Why a file holds no certificates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoCertificates {
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
}

/// Its octets.
pub(super) fn octets(file: &Path) -> Result<Vec<u8>, NoCertificates> {
    std::fs::read(file).map_err(|error| NoCertificates::Unreadable { file: file.to_owned(), error })
}

/// Its certificates, of which there is one at least.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, NoCertificates> {
    let pem = octets(file)?;
    let read = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let certificates = read.map_err(|error| NoCertificates::NotPem { file: file.to_owned(), error })?;
    if certificates.is_empty() { Err(NoCertificates::Empty(file.to_owned())) } else { Ok(certificates) }
}
