//! What is shown to the members of a cluster that ask who calls: a certificate of ours, and its key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::authority::trusting;
use super::pem_file::{self, NoCertificates};

/// A certificate with its chain and its key: PEM files that were read and checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    file: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({} of {})", self.chain.len(), self.file.display())
    }
}

/// Why files hold no identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoIdentity {
    /// A file cannot be read, or holds no certificates.
    #[error(transparent)]
    File(#[from] NoCertificates),
    /// The file has no key that can be read.
    #[error("{} holds no private key that can be read: {error}; one with a passphrase is taken out of it by \
             `openssl pkey -in {} -out key.pem`", .file.display(), .file.display())]
    NoKey {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        error: pem::Error,
    },
    /// The key is of another certificate, or of a kind that is not known.
    #[error("the key in {} does not fit the certificate in {}: {error}", .key.display(), .file.display())]
    Unfit {
        /// The file of the certificate.
        file: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong with them.
        error: rustls::Error,
    },
}

impl Identity {
    /// Reads a PEM file with a certificate and those behind it, and the one with its key, which may be the same.
    pub fn read(file: &Path, key_file: &Path) -> Result<Identity, NoIdentity> {
        let chain = pem_file::certificates(file)?;
        let key = PrivateKeyDer::from_pem_slice(&pem_file::octets(key_file)?)
            .map_err(|error| NoIdentity::NoKey { file: key_file.to_owned(), error })?;
        let identity = Identity { file: file.to_owned(), chain, key: Arc::new(key) };
        identity.config(RootCertStore::empty()).map_err(|error| NoIdentity::Unfit {
            file: file.to_owned(),
            key: key_file.to_owned(),
            error,
        })?;
        Ok(identity)
    }

    /// Settings of a client that shows it to servers that ask, and trusts these roots.
    pub(crate) fn config(&self, roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
        trusting(roots).with_client_auth_cert(self.chain.clone(), self.key.clone_key())
    }
}
