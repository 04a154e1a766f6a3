//! What a handshake says of its client.

use rustls::ServerConnection;

use super::facts::CertificateFacts;

/// The client of a connection over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsClient {
    pub(crate) certificate: Option<ClientCertificate>,
}

impl TlsClient {
    /// Of a connection whose handshake is done. A resumed session has the certificate of the first handshake.
    pub(crate) fn of(connection: &ServerConnection) -> TlsClient {
        let first = connection.peer_certificates().and_then(|chain| chain.first());
        TlsClient { certificate: first.and_then(|der| CertificateFacts::of(der).ok()).map(ClientCertificate) }
    }
}

/// The certificate of a client, for which one of the authorities in `client_ca` vouches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate(CertificateFacts);

impl ClientCertificate {
    /// Whom it is for, as RFC 4514 writes it: `CN=alice,O=Example`.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Who vouches for it, in the same form.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Its number at the issuer, hexadecimal.
    pub fn serial(&self) -> &str {
        &self.0.serial
    }

    /// The host names and addresses in it.
    pub fn names(&self) -> &[String] {
        &self.0.names
    }
}
