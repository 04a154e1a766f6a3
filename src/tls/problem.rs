//! What is wrong with a file of a certificate, and what to do about it.

use std::path::PathBuf;

use rustls::pki_types::pem;

/// A file, and why TLS cannot be served with it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub(crate) struct TlsProblem {
    pub(crate) path: PathBuf,
    /// The key of a conf that names the file, as far as one file may be named by several.
    pub(crate) key: &'static str,
    pub(super) fault: TlsFault,
}

impl TlsProblem {
    /// The same of a file that this key names.
    pub(super) fn of(self, key: &'static str) -> TlsProblem {
        TlsProblem { key, ..self }
    }
}

/// Why a file does not do. Each text says what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TlsFault {
    #[error(
        "it cannot be read: {0}; name the file in the configuration, and let the user that starts the site read it"
    )]
    Unread(String),
    #[error(
        "there is no such file in {}: a name in the configuration without a `/` at its beginning is one in the folder \
         `cert` beside it", .0.display()
    )]
    NotThere(PathBuf),
    #[error("it is DER, and PEM is expected: openssl x509 -inform DER -in {0} -out {0}.pem")]
    DerCertificate(String),
    #[error("it is DER, and PEM is expected: openssl pkey -inform DER -in {0} -out {0}.pem")]
    DerKey(String),
    #[error("there is no certificate in it: expected PEM, `-----BEGIN CERTIFICATE-----`")]
    NoCertificate,
    #[error("its PEM cannot be read ({0}): write the file anew, from its first `-----BEGIN` to its last `-----END`")]
    Garbled(String),
    #[error("certificate {nth} cannot be read: {why}; ask its authority for it again")]
    BadCertificate { nth: usize, why: String },
    #[error(
        "the chain is out of order: certificate {nth} is of `{subject}`, and the one before it was issued by \
         `{issuer}`; the site's own certificate comes first, then the one that issued it, and so on, also through \
         `cafile`"
    )]
    OutOfOrder { nth: usize, subject: String, issuer: String },
    #[error(
        "the first certificate is of an authority, `{0}`, and not of this site: the site's own comes first, then the \
         one that issued it"
    )]
    AuthorityFirst(String),
    #[error("there is no private key in it; name its file in `keyfile`")]
    NoKey,
    #[error("the private key is encrypted: write its `passphrase` beside `keyfile` (`env:NAME` or `file:PATH`)")]
    NoPassphrase,
    #[error("`passphrase` does not open the private key: it is another key's, or was mistyped")]
    WrongPassphrase,
    #[error(
        "the private key is encrypted in a way that is not read ({how}); convert it: {}",
        convert(.path, *.is_legacy)
    )]
    OldEncryption { how: String, path: String, is_legacy: bool },
    #[error(
        "the private key cannot be used: {0}; RSA of 2048 bits and more, ECDSA of P-256 and P-384, and Ed25519 can"
    )]
    BadKey(String),
    #[error(
        "the private key does not belong to the certificate in {}: both of these print the same for a pair: \
         openssl x509 -noout -pubkey -in CERTFILE, openssl pkey -pubout -in KEYFILE",
        .0.display()
    )]
    OtherKey(PathBuf),
    #[error("its certificates vouch for nobody: {0}")]
    BadAuthority(String),
    #[error("the certificate of the site has expired, on {0}: renew it")]
    Expired(String),
}

impl TlsFault {
    /// The marker that is missing as text, and nothing of the content: it may be a key's.
    pub(super) fn garbled(error: &pem::Error) -> TlsFault {
        TlsFault::Garbled(match error {
            pem::Error::MissingSectionEnd { end_marker } => {
                format!("`-----END {}-----` is missing", String::from_utf8_lossy(end_marker))
            }
            pem::Error::IllegalSectionStart { .. } => "a line that begins a block is cut".to_owned(),
            error => error.to_string(),
        })
    }
}

/// `is_legacy`: OpenSSL 3 reads it only with the algorithms that it has put aside.
fn convert(path: &str, is_legacy: bool) -> String {
    let aside = if is_legacy { " -provider legacy -provider default" } else { "" };
    format!("openssl pkcs8 -topk8 -v2 aes-256-cbc -in {path} -out {path}.new{aside}")
}
