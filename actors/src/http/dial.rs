//! Our own connections. They set TCP_NODELAY (awc never does), speak TLS below awc's sight and note how far the exchange
//! that uses them came.
//!
//! awc's pool does not tell which connection an exchange got. But everything here runs on one thread, and a connection is
//! only touched while its exchange is polled: so the exchange lays its [`Trace`] into the cell it shares with the
//! connections of its origin before each poll and takes it out after. No allocation, no look-up.
//!
//! TLS is done here, and not by awc, because the bytes counted must be those of the request, not of the handshake.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use actix_rt::net::{ActixStream, Ready, TcpStream};
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::http::Uri;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::head;
use super::resolve::Resolver;

/// Where an exchange stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    /// All connections to the origin are busy.
    Waiting,
    /// It may have a connection; the pool has one or a dial begins.
    #[default]
    Admitted,
    /// A name is looked up.
    Resolving,
    /// A connection is being made.
    Dialling,
    /// The TLS handshake is under way.
    Greeting,
    /// There is a connection: its own new one, or the first byte went out on a used one.
    Connected,
}

/// What is known of one exchange, for the question that matters: may the call have run?
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trace {
    pub(crate) stage: Stage,
    /// The connection was made for this exchange.
    pub(crate) dialled: bool,
    /// Bytes of the request that left.
    pub(crate) written: u64,
    /// Bytes of the answer that came.
    pub(crate) read: u64,
    /// The origin closed its side while we still wanted more.
    pub(crate) eof: bool,
    /// When the exchange began.
    pub(crate) begun: Option<Instant>,
}

/// The cell through which the exchange being polled and the connections of its origin meet.
pub(super) type Wire = Rc<Cell<Trace>>;

/// What a connection to the origin starts with besides TCP.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    /// The name the origin's certificate must bear.
    pub(super) name: ServerName<'static>,
}

/// Makes connections for awc's pool.
#[derive(Clone)]
pub(super) struct Dial {
    pub(super) resolver: Rc<Resolver>,
    pub(super) tls: Option<Tls>,
    pub(super) wire: Wire,
    pub(super) timeout: Duration,
}

impl Dial {
    fn stage(&self, stage: Stage) {
        self.wire.update(|trace| Trace { stage, dialled: true, ..trace });
    }

    async fn open(&self, uri: Uri) -> Result<Connection<Uri, Traced>, ConnectError> {
        self.stage(Stage::Resolving);
        let addresses = match self.resolver.addresses().await {
            Ok(addresses) => addresses,
            Err(error) => return Err(ConnectError::Resolver(Box::new(error))),
        };
        self.stage(Stage::Dialling);
        let tcp = connect(&addresses, self.timeout).await.map_err(ConnectError::Io)?;
        // A failure to set it costs time, not correctness.
        drop(tcp.set_nodelay(true));
        let line = match &self.tls {
            None => Line::Plain(tcp),
            Some(Tls { config, name }) => {
                self.stage(Stage::Greeting);
                let greeting = TlsConnector::from(config.clone()).connect(name.clone(), tcp);
                Line::Secure(Box::new(greeting.await.map_err(ConnectError::Io)?))
            }
        };
        self.stage(Stage::Connected);
        Ok(Connection::new(uri, Traced { line, wire: self.wire.clone(), used: Instant::now(), is_over: false }))
    }
}

/// Tries the addresses in turn. Each but the last may use its share of the time, so that one black hole of two does not
/// use it all up; the last is bounded by awc's own clock.
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

impl Service<ConnectInfo<Uri>> for Dial {
    type Response = Connection<Uri, Traced>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    actix_service::always_ready!();

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let dial = self.clone();
        Box::pin(async move { dial.open(info.request().clone()).await })
    }
}

#[derive(Debug)]
enum Line {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

impl Line {
    fn tcp(&self) -> &TcpStream {
        match self {
            Line::Plain(tcp) => tcp,
            Line::Secure(tls) => tls.get_ref().0,
        }
    }
}

/// A used connection that lay still this long is looked at before it is written to. A shorter rest means traffic, and
/// under traffic one more system call per exchange is not free.
const REST: Duration = Duration::from_millis(100);

/// A connection that notes what passes through it.
#[derive(Debug)]
pub(super) struct Traced {
    line: Line,
    wire: Wire,
    /// When the last exchange on it began. When that ended would be more exact, and a reading of the clock for each.
    used: Instant,
    /// The server has said all that it will say on it.
    is_over: bool,
}

impl Traced {
    /// Fails if the peer has closed in the meantime. awc asks the event loop's memory, which has not heard of a close
    /// that came while this thread was busy; this asks the kernel. No byte has left by then, so the call can go out on
    /// a new connection instead of ending as "may have run".
    fn check_alive(&self) -> io::Result<()> {
        let mut byte = [MaybeUninit::uninit(); 1];
        match socket2::SockRef::from(self.line.tcp()).peek(&mut byte) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
            // TLS has messages of its own (session tickets) that may lie there unread.
            Ok(count) if count > 0 && matches!(self.line, Line::Secure(_)) => Ok(()),
            Ok(_) => Err(ended("the idle connection had been closed")),
        }
    }
}

fn ended(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, why)
}

impl AsyncRead for Traced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(match &mut self.line {
            Line::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Line::Secure(tls) => Pin::new(tls).poll_read(context, buffer),
        })?;
        let count = buffer.filled().len() - before;
        let trace = self.wire.get();
        // Before the first write it is the pool that reads, to see whether the connection lives.
        if trace.written > 0 {
            if trace.read == 0 {
                self.is_over |= head::is_last(&buffer.filled()[before..]);
                head::announce_end(&mut buffer.filled_mut()[before..]);
            }
            let (read, eof) = (trace.read + count as u64, trace.eof || count == 0);
            self.wire.set(Trace { read, eof, ..trace });
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Traced {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let trace = self.wire.get();
        if trace.written == 0 {
            if self.is_over {
                return Poll::Ready(Err(ended("the server keeps no connection")));
            }
            let begun = trace.begun.unwrap_or_else(Instant::now);
            if !trace.dialled && begun.saturating_duration_since(self.used) > REST {
                self.check_alive()?;
            }
            self.used = begun;
        }
        let count = ready!(match &mut self.line {
            Line::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Line::Secure(tls) => Pin::new(tls).poll_write(context, bytes),
        })?;
        self.wire.set(Trace { stage: Stage::Connected, written: trace.written + count as u64, ..trace });
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.line {
            Line::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Line::Secure(tls) => Pin::new(tls).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.line {
            Line::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Line::Secure(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}

impl ActixStream for Traced {
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(self.line.tcp(), context)
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(self.line.tcp(), context)
    }
}
