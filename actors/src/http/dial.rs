//! Makes the connections, for the leg and for awc. They set TCP_NODELAY, and do TLS below their users, so that byte
//! counts are those of requests and exclude the handshake.

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::failure;
use super::failure::ExchangeFailure;
use super::records::Records;
use crate::dns::resolve::Resolver;
use crate::outcome::course::{Course, Instants};

/// How far an exchange has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    /// All connections to the origin are busy.
    Waiting,
    /// It may use a connection: an idle one, or a new dial.
    #[default]
    Admitted,
    /// A name is looked up.
    Resolving,
    /// A connection is being made.
    Dialling,
    /// The TLS handshake is under way.
    TlsHandshake,
    /// A connection is there: a new one, or a reused one whose first byte was sent.
    Connected,
}

/// The record of one exchange. It answers the question that matters: may the call have run?
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace {
    pub(crate) stage: Stage,
    /// When each step was.
    pub(crate) course: Course,
    /// The connection was made for this exchange.
    pub(crate) dialled: bool,
    /// An interim answer (1xx) came: the member has begun its work.
    pub(crate) interim: bool,
    /// Bytes of the request that were sent.
    pub(crate) written: u64,
    /// The whole request was sent.
    pub(crate) sent: bool,
    /// Bytes of the answer that were read.
    pub(crate) read: u64,
    /// When the head of an answer that is passed on was here, and its status.
    pub(crate) answered: Option<(Instant, u16)>,
    /// The member had its full time and sent not one byte.
    pub(crate) is_silent: bool,
}

impl Trace {
    /// That of an exchange which begins.
    pub(crate) fn of(course: Course) -> Trace {
        Trace {
            stage: Stage::default(),
            course,
            dialled: false,
            interim: false,
            written: 0,
            sent: false,
            read: 0,
            answered: None,
            is_silent: false,
        }
    }

    /// The same with another instant.
    pub(super) fn marked(mut self, what: Instants, at: Instant) -> Trace {
        self.course.mark(what, at);
        self
    }

    /// A connection is there, for which nobody had to wait.
    pub(super) fn lent(mut self) -> Trace {
        self.course.mark_at_once(Instants::Connected);
        self
    }

    pub(super) fn with_written(self, count: usize) -> Trace {
        Trace { stage: Stage::Connected, written: self.written + count as u64, ..self }
    }

    pub(super) fn wholly_sent(self) -> Trace {
        Trace { sent: true, ..self.marked(Instants::Sent, Instant::now()) }
    }

    /// What was read; the first octet with its instant.
    pub(super) fn with_read(self, count: usize) -> Trace {
        let trace = if self.read == 0 { self.marked(Instants::Answering, Instant::now()) } else { self };
        Trace { read: self.read + count as u64, ..trace }
    }

    /// The answer was read to its end. `at_once`: in one piece, so that the clock need not be read.
    pub(super) fn wholly_read(mut self, at_once: bool) -> Trace {
        match at_once {
            true => self.course.mark_at_once(Instants::Read),
            false => self.course.mark(Instants::Read, Instant::now()),
        }
        self
    }

    pub(super) fn with_interim(self) -> Trace {
        Trace { interim: true, ..self }
    }
}

/// How far an exchange has come, readable by the code that gives up on it.
pub(crate) type Progress = Cell<Trace>;

/// That of an exchange which begins now, and of which nobody keeps a record.
pub(crate) fn unrecorded() -> Progress {
    Progress::new(Trace::of(Course::begun(Instant::now())))
}

/// TLS of the connections to an origin.
#[derive(Clone)]
pub(super) struct TlsSettings {
    pub(super) config: Arc<ClientConfig>,
    /// The name that the origin's certificate must have.
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
    /// A new connection, within the timeout. `progress` records how far it came, even if it fails.
    pub(super) async fn open(&self, progress: &Progress) -> Result<Socket, ExchangeFailure> {
        let opened = tokio::time::timeout(self.timeout, self.opened(progress)).await;
        opened.unwrap_or_else(|_| Err(failure::late(progress.get().stage, self.timeout)))
    }

    async fn opened(&self, progress: &Progress) -> Result<Socket, ExchangeFailure> {
        let stage = |stage: Stage| {
            progress.update(|mut trace| {
                trace.course.is_dialled = true;
                Trace { stage, dialled: true, ..trace }
            });
        };
        stage(Stage::Resolving);
        let addresses = self.resolver.addresses().await.map_err(|error| failure::unresolved(&error))?;
        stage(Stage::Dialling);
        let tcp = connect(&addresses, self.timeout).await.map_err(|error| failure::unconnected(&error))?;
        // Without TCP_NODELAY an exchange is slower, but correct.
        drop(tcp.set_nodelay(true));
        let socket = match &self.tls {
            None => Socket::Plain(tcp),
            Some(TlsSettings { config, name }) => {
                stage(Stage::TlsHandshake);
                let greeting = TlsConnector::from(config.clone()).connect(name.clone(), Records::of(tcp));
                Socket::Secure(Box::new(greeting.await.map_err(|error| failure::unsecured(&error))?))
            }
        };
        stage(Stage::Connected);
        progress.update(|trace| trace.marked(Instants::Connected, Instant::now()));
        Ok(socket)
    }
}

/// Tries the addresses in turn. Each but the last gets an equal share of the time, so that one unreachable address does
/// not use up all of it; the last is bounded by the timeout of the whole dial.
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

    /// Ready if there is something to read, or may be. Costs no system call.
    pub(super) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            // The read reports the error, if there is one.
            Socket::Plain(tcp) => tcp.poll_read_ready(context).map(drop),
            // TLS may hold decrypted data although the socket is empty.
            Socket::Secure(_) => Poll::Ready(()),
        }
    }

    /// True if no unexpected data has come, and the peer has not closed. The event loop's readiness is not enough: it
    /// is stale if its thread was busy. So this asks the kernel, at the cost of one system call.
    pub(super) fn is_quiet(&mut self) -> bool {
        if let Socket::Secure(tls) = self {
            // TLS messages such as session tickets are no answer. This read processes those that have arrived.
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
