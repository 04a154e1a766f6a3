//! TLS to a database, always verified: the certificate must chain to a trusted root and name the host that was dialled.
//!
//! Encryption without verification only stops passive listeners; an attacker that can listen to a password can usually
//! also impersonate the server. So there is no such mode.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

use super::lingering::poll_end;
use crate::spec::{Authority, NoAuthority, public_roots};

/// The trusted roots of one member's connections.
#[derive(Clone)]
pub(super) struct PostgresTls(TlsConnector);

impl PostgresTls {
    /// Reads the roots from a PEM file, or takes those of the web and of this machine.
    pub(super) fn new(roots: Option<&Path>) -> Result<PostgresTls, NoAuthority> {
        let store = match roots {
            None => public_roots(),
            Some(path) => Authority::read(path)?.roots(),
        };
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks every version that rustls asks for by default")
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(PostgresTls(TlsConnector::from(Arc::new(config))))
    }

    /// A handshake with this host, over any kind of stream.
    pub(super) fn to(&self, host: &str) -> io::Result<Greeting> {
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, format!("{host}: {error}")))?;
        Ok(Greeting { connector: self.0.clone(), name, stays_open: false })
    }
}

/// A handshake with one host that has not begun yet.
pub(super) struct Greeting {
    connector: TlsConnector,
    name: ServerName<'static>,
    stays_open: bool,
}

impl Greeting {
    /// Makes the stream stay open on this side: see `OpenStream` in [`dial`](super::dial).
    pub(super) fn staying_open(self) -> Greeting {
        Greeting { stays_open: true, ..self }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> MakeTlsConnect<S> for PostgresTls {
    type Stream = Encrypted<S>;
    type TlsConnect = Greeting;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Greeting> {
        self.to(host)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsConnect<S> for Greeting {
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = Handshake<S>;

    fn connect(self, stream: S) -> Handshake<S> {
        Handshake(self.connector.connect(self.name, stream), self.stays_open)
    }
}

/// A handshake under way.
pub(super) struct Handshake<S>(tokio_rustls::Connect<S>, bool);

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Handshake<S> {
    type Output = io::Result<Encrypted<S>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let stays_open = self.1;
        Pin::new(&mut self.0).poll(context).map_ok(|stream| Encrypted(stream, stays_open))
    }
}

/// A stream after its handshake.
pub(super) struct Encrypted<S>(tokio_rustls::client::TlsStream<S>, bool);

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stays_open = self.1;
        let mut stream = Pin::new(&mut self.0);
        if stays_open {
            return stream.poll_flush(context);
        }
        ready!(stream.as_mut().poll_shutdown(context))?;
        poll_end(stream, context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    /// None. It would protect the login against an attacker in the middle, which certificate verification
    /// already excludes.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}
