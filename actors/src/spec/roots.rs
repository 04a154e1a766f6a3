//! Whom a member over TLS is vouched for by, where the configuration names no authorities: the roots of the web, and
//! those of this machine, to which its operator may have added the authority of a company.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustls::RootCertStore;

use super::pem_file;

/// The variable that names the machine's file of authorities, as OpenSSL, Go and Python have it.
const VARIABLE: &str = "SSL_CERT_FILE";

/// Where systems keep that file: Debian, Red Hat, SUSE, and Alpine, BSD and macOS.
const USUAL: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Both, read once in a process.
pub(crate) fn public_roots() -> RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    let read = || match std::env::var_os(VARIABLE).filter(|file| !file.is_empty()) {
        Some(file) => with(&PathBuf::from(file), true),
        None => match USUAL.iter().map(Path::new).find(|file| file.exists()) {
            Some(file) => with(file, false),
            None => web(),
        },
    };
    ROOTS.get_or_init(read).clone()
}

fn web() -> RootCertStore {
    actix_tls::connect::rustls_0_23::webpki_roots_cert_store()
}

/// The web's roots and those of a file. One that cannot be read costs nothing but a warning, where somebody named it:
/// members that the web's roots vouch for are reached all the same.
fn with(file: &Path, was_named: bool) -> RootCertStore {
    let mut roots = web();
    match pem_file::certificates(file) {
        Ok(certificates) => {
            // A machine may keep authorities that are none to rustls; they vouch for nobody.
            let (added, ignored) = roots.add_parsable_certificates(certificates);
            tracing::debug!(added, ignored, "authorities of {}", file.display());
        }
        Err(error) if was_named => tracing::warn!("{VARIABLE}: {error}; the roots of the web are trusted alone"),
        Err(_) => {}
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_adds_to_the_roots_of_the_web() {
        let authority = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/origin/authority.pem");
        assert_eq!(with(&authority, true).len(), web().len() + 1);
        assert_eq!(with(Path::new("/no/such/file"), true).len(), web().len());
        let folder = tempfile::tempdir().expect("a folder");
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "nothing").expect("written");
        assert_eq!(with(&empty, false).len(), web().len());
    }
}
