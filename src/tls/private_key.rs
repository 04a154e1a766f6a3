//! The private key of a certificate: PKCS#8, PKCS#1 or SEC 1 in PEM, PKCS#8 also encrypted (PBES2, with PBKDF2 or
//! scrypt, which openssl writes by default).

use std::path::Path;

use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use skitai_actors::spec::Secret;

use super::problem::TlsFault;

/// The mark of a key that is encrypted in the traditional format.
const TRADITIONAL: &str = "Proc-Type: 4,ENCRYPTED";

/// The object identifier of PBES2 (RFC 8018, appendix C), without which PKCS#8 is encrypted in an older form.
const PBES2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d";

/// The first private key in a file.
pub(super) fn read(
    path: &Path,
    octets: &[u8],
    passphrase: Option<&Secret>,
) -> Result<PrivateKeyDer<'static>, TlsFault> {
    let shown = || path.display().to_string();
    if super::chain::is_der(octets) {
        return Err(TlsFault::DerKey(shown()));
    }
    let text = String::from_utf8_lossy(octets);
    let Some((label, body)) = block(&text) else { return Err(TlsFault::NoKey) };
    if body.contains(TRADITIONAL) {
        let how = format!("the traditional format, `{label}`");
        return Err(TlsFault::OldEncryption { how, path: shown(), is_legacy: false });
    }
    if label != "ENCRYPTED PRIVATE KEY" {
        return PrivateKeyDer::from_pem_slice(octets).map_err(|error| TlsFault::garbled(&error));
    }
    let (_, document) = pkcs8::Document::from_pem(body).map_err(|error| TlsFault::Garbled(error.to_string()))?;
    let read = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes());
    let is_legacy = !document.as_bytes().windows(PBES2.len()).any(|octets| octets == PBES2);
    let unread = |error: &dyn std::fmt::Display| {
        let how = if is_legacy { "PBES1, or another of before the year 2000".to_owned() } else { error.to_string() };
        TlsFault::OldEncryption { how, path: shown(), is_legacy }
    };
    let encrypted = read.map_err(|error| unread(&error))?;
    let Some(Secret(passphrase)) = passphrase else { return Err(TlsFault::NoPassphrase) };
    match encrypted.decrypt(passphrase) {
        Ok(opened) => Ok(PrivatePkcs8KeyDer::from(opened.as_bytes().to_vec()).into()),
        // What a wrong key decrypts to is rarely padded well, and never a key.
        Err(pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::DecryptFailed) | pkcs8::Error::Asn1(_)) => {
            Err(TlsFault::WrongPassphrase)
        }
        Err(error) => Err(unread(&error)),
    }
}

/// Whether a passphrase is needed for the first private key in a file.
pub(super) fn is_encrypted(octets: &[u8]) -> bool {
    let text = String::from_utf8_lossy(octets);
    block(&text).is_some_and(|(label, body)| label == "ENCRYPTED PRIVATE KEY" || body.contains(TRADITIONAL))
}

/// The label and the whole text of the first block of a private key.
fn block(text: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    while let Some(at) = text[from..].find("-----BEGIN ").map(|at| from + at) {
        let rest = &text[at + "-----BEGIN ".len()..];
        let label = rest.split("-----").next()?;
        let end = format!("-----END {label}-----");
        let stop = text[at..].find(&end).map(|stop| at + stop + end.len());
        if label.ends_with("PRIVATE KEY") {
            return Some((label, &text[at..stop.unwrap_or(text.len())]));
        }
        from = stop?;
    }
    None
}
