//! Whom to trust: the roots of the web, checked by rustls with ring.

use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;

/// The configuration all clusters of the process share. HTTP/1.1 is offered alone: on one HTTP/2 connection for all
/// calls a slow answer would hold up the others.
pub(super) fn config() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    CONFIG
        .get_or_init(|| {
            let roots = actix_tls::connect::rustls_0_23::webpki_roots_cert_store();
            let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("ring speaks every version that rustls asks for by default")
                .with_root_certificates(roots)
                .with_no_client_auth();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Arc::new(config)
        })
        .clone()
}

/// Makes ring the process-wide provider, unless the program chose one before.
pub(super) fn install_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that another thread was quicker: then there is one.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
}
