//! Our own connections: made here, for both ways to ask. They set TCP_NODELAY, and speak TLS below everybody's sight,
//! so that the bytes counted are those of the request and not of the handshake.

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::failure;
use super::failure::ExchangeFailure;
use super::records::Records;
use crate::dns::resolve::Resolver;

/// Where an exchange stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    /// All connections to the origin are busy.
    Waiting,
    /// It may have a connection; one rests, or a dial begins.
    #[default]
    Admitted,
    /// A name is looked up.
    Resolving,
    /// A connection is being made.
    Dialling,
    /// The TLS handshake is under way.
    TlsHandshake,
    /// There is a connection: its own new one, or the first byte went out on a used one.
    Connected,
}

/// What is known of one exchange, for the question that matters: may the call have run?
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trace {
    pub(crate) stage: Stage,
    /// The connection was made for this exchange.
    pub(crate) dialled: bool,
    /// An interim answer (1xx) came: the member has begun.
    pub(crate) interim: bool,
    /// Bytes of the request that left.
    pub(crate) written: u64,
    /// All of the request has left.
    pub(crate) sent: bool,
    /// Bytes of the answer that came.
    pub(crate) read: u64,
}

impl Trace {
    pub(super) fn with_written(self, count: usize) -> Trace {
        Trace { stage: Stage::Connected, written: self.written + count as u64, ..self }
    }

    pub(super) fn wholly_sent(self) -> Trace {
        Trace { sent: true, ..self }
    }

    pub(super) fn with_read(self, count: usize) -> Trace {
        Trace { read: self.read + count as u64, ..self }
    }

    pub(super) fn with_interim(self) -> Trace {
        Trace { interim: true, ..self }
    }
}

/// How far an exchange has come, readable by whoever gives up on it.
pub(crate) type Progress = Cell<Trace>;

/// What a connection to the origin starts with besides TCP.
#[derive(Clone)]
pub(super) struct TlsSettings {
    pub(super) config: Arc<ClientConfig>,
    /// The name the origin's certificate must bear.
    pub(super) name: ServerName<'static>,
}

/// Makes connections to one origin.
#[derive(Clone)]
pub(super) struct Dial {
    pub(super) resolver: Rc<Resolver>,
    pub(super) tls: Option<TlsSettings>,
    pub(super) timeout: Duration,
}

impl Dial {
    /// A new connection, within the timeout. `progress` tells how far it has come, whatever becomes of it.
    pub(super) async fn open(&self, progress: &Progress) -> Result<Socket, ExchangeFailure> {
        let opened = tokio::time::timeout(self.timeout, self.opened(progress)).await;
        opened.unwrap_or_else(|_| Err(failure::late(progress.get().stage, self.timeout)))
    }

    async fn opened(&self, progress: &Progress) -> Result<Socket, ExchangeFailure> {
        let stage = |stage: Stage| progress.update(|trace| Trace { stage, dialled: true, ..trace });
        stage(Stage::Resolving);
        let addresses = self.resolver.addresses().await.map_err(|error| failure::unresolved(&error))?;
        stage(Stage::Dialling);
        let tcp = connect(&addresses, self.timeout).await.map_err(|error| failure::unconnected(&error))?;
        // A failure to set it costs time, not correctness.
        drop(tcp.set_nodelay(true));
        let line = match &self.tls {
            None => Socket::Plain(tcp),
            Some(TlsSettings { config, name }) => {
                stage(Stage::TlsHandshake);
                let greeting = TlsConnector::from(config.clone()).connect(name.clone(), Records::of(tcp));
                Socket::Secure(Box::new(greeting.await.map_err(|error| failure::unsecured(&error))?))
            }
        };
        stage(Stage::Connected);
        Ok(line)
    }
}

/// Tries the addresses in turn. Each but the last may use its share of the time, so that one black hole of two does not
/// use it all up; the last is bounded by the dial's own clock.
async fn connect(addresses: &[SocketAddr], timeout: Duration) -> io::Result<TcpStream> {
    let share = timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let Some((last, others)) = addresses.split_last() else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    };
    for address in others {
        if let Ok(Ok(tcp)) = tokio::time::timeout(share, TcpStream::connect(address)).await {
            return Ok(tcp);
        }
    }
    TcpStream::connect(last).await
}

/// A connection to an origin.
#[derive(Debug)]
pub(super) enum Socket {
    Plain(TcpStream),
    Secure(Box<TlsStream<Records>>),
}

impl Socket {
    pub(super) fn tcp(&self) -> &TcpStream {
        match self {
            Socket::Plain(tcp) => tcp,
            Socket::Secure(tls) => &tls.get_ref().0.tcp,
        }
    }

    /// Ready where there is something to read, or may be; asks nobody but the event loop's memory.
    pub(super) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            // An error is the reader's to find.
            Socket::Plain(tcp) => tcp.poll_read_ready(context).map(drop),
            // TLS may have read more of the socket than it has given out.
            Socket::Secure(_) => Poll::Ready(()),
        }
    }

    /// True where nothing has come that nobody asked for, the end of the connection included. The event loop's memory
    /// does not do: it has not heard of what came while its thread was busy. So the kernel is asked, for one system
    /// call each time.
    pub(super) fn is_quiet(&mut self) -> bool {
        if let Socket::Secure(tls) = self {
            // TLS has messages of its own (session tickets), which are no answer. This reads those that are known of.
            let mut byte = [MaybeUninit::uninit(); 1];
            let mut context = Context::from_waker(Waker::noop());
            let is_read = Pin::new(&mut *tls).poll_read(&mut context, &mut ReadBuf::uninit(&mut byte)).is_ready();
            if is_read || !tls.get_ref().0.is_between() {
                return false;
            }
        }
        let peeked = socket2::SockRef::from(self.tcp()).peek(&mut [MaybeUninit::uninit(); 1]);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Socket::Secure(tls) => Pin::new(tls).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Socket::Secure(tls) => Pin::new(tls).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Socket::Secure(tls) => Pin::new(tls).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Socket::Secure(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}
