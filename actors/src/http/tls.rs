//! Whom to trust: the roots of the web, checked by rustls with ring.

use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;

/// The configuration all clusters of the process share. HTTP/1.1 is offered alone: awc's HTTP/2 would put every call to
/// a member on one connection, where one slow answer holds up the others' window.
pub(super) fn config() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    CONFIG
        .get_or_init(|| {
            // awc's builder asks for the process-wide provider, even for a client that never speaks TLS. A provider
            // that the program installed first stays.
            drop(rustls::crypto::ring::default_provider().install_default());
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
