//! Trusted roots: those of the web and of this machine, or the authorities of a cluster. rustls with ring verifies the
//! certificates; verification cannot be switched off.

use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;

use crate::spec::{Authority, Identity, public_roots, trusting};

/// The TLS settings of a cluster, shared by its members on all threads.
#[derive(Clone, Debug)]
pub(crate) struct TlsTrust(pub(super) Arc<ClientConfig>);

impl TlsTrust {
    /// The roots of the web and of this machine.
    pub(crate) fn web() -> TlsTrust {
        static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
        let make = || offering(trusting(public_roots()).with_no_client_auth());
        TlsTrust(CONFIG.get_or_init(make).clone())
    }

    /// These authorities only.
    pub(crate) fn of(authority: &Authority) -> TlsTrust {
        TlsTrust(offering(trusting(authority.roots()).with_no_client_auth()))
    }

    /// What a cluster says: its authorities, or the roots of the web; and who we are, for members that ask.
    pub(crate) fn of_cluster(authority: Option<&Authority>, identity: Option<&Identity>) -> TlsTrust {
        let Some(identity) = identity else { return authority.map_or_else(TlsTrust::web, TlsTrust::of) };
        let roots = authority.map_or_else(public_roots, Authority::roots);
        TlsTrust(offering(identity.config(roots).expect("it was tried when it was read")))
    }
}

/// Offers HTTP/1.1 only: with all calls on one HTTP/2 connection, a slow answer could hold up the others.
fn offering(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// Makes ring the process-wide provider, unless there is one.
pub(super) fn install_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that another thread installed one first.
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
            Authority::read(&file).expect_err("it is no authority").to_string()
        };
        assert!(error("").contains("no certificate"));
        assert!(error("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").contains("not PEM"));
        let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(error(nonsense).contains("certificate 1 is not"), "{}", error(nonsense));
        let missing = Authority::read(&folder.path().join("none.pem")).expect_err("it is not there").to_string();
        assert!(missing.contains("none.pem cannot be read"), "{missing}");
    }
}
