//! Makes the connections of this thread, and the extra connections that carry cancel requests.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use std::{fmt, io};

use futures_util::future::{Either, select};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_postgres::{CancelToken, Client, Config, Connection, Error, NoTls};

use super::lingering::Plain;
use super::seats::{Seat, Seats};
use super::tls::PostgresTls;
use crate::balance::circuit::{CallKind, Judged};
use crate::balance::health::MemberHealth;
use crate::db::budget::Share;
use crate::kit::tasks;
use crate::spec::DbTls;

/// Limit per address, so that one address that does not answer leaves time for the others of its name.
const CANCEL_DIAL: Duration = Duration::from_millis(300);

/// How long a connection that is closed may take until the server has closed it as well: on a busy machine its process
/// has been seen to need more than half a second.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// How long the server's process of a connection over a Unix socket may take to end.
const ENDS_WITHIN: Duration = Duration::from_millis(20);

/// Makes a server look every 300 ms whether the client of a running statement is still there. PostgreSQL can from
/// version 14 on, where its system tells it of closed sockets.
const LOOKS: &str = "SET client_connection_check_interval = '300ms'";

/// What nobody sends.
#[derive(Debug)]
pub(super) enum Never {}

/// Makes connections to one member.
pub(in crate::db) struct Dialer {
    host: String,
    port: u16,
    /// Health record to report to.
    health: Option<Arc<MemberHealth>>,
    /// `None` for unencrypted connections; an error in reading the roots is returned by every dial.
    tls: Option<Result<PostgresTls, Arc<str>>>,
    /// The server's own time limit for a statement.
    limit: Option<Duration>,
    seats: Arc<Seats>,
    /// Microseconds of the last dial, until they are read; 0 for none.
    last: AtomicU64,
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dialer").field(&self.to_string()).finish()
    }
}

impl fmt::Display for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Dialer {
    pub(super) fn new(
        host: &str,
        port: u16,
        tls: &DbTls,
        limit: Option<Duration>,
        health: Option<Arc<MemberHealth>>,
        share: Share,
    ) -> Dialer {
        let tls = match tls {
            DbTls::Off => None,
            DbTls::Verified(roots) => {
                Some(PostgresTls::new(roots.as_deref()).map_err(|why| format!("the root certificates: {why}").into()))
            }
        };
        Dialer { host: host.to_owned(), port, health, tls, limit, seats: Seats::new(share), last: AtomicU64::new(0) }
    }

    /// Why no connection can be made at all.
    pub(super) fn unusable(&self) -> Option<&str> {
        self.tls.as_ref()?.as_ref().err().map(|why| &**why)
    }

    /// Whether the server's acceptance of a cancel request can be seen from here.
    pub(super) fn tells_of_cancels(&self) -> bool {
        !self.is_local()
    }

    /// Whether it is reached over a Unix socket.
    pub(super) fn is_local(&self) -> bool {
        self.host.starts_with('/')
    }

    /// Reports to the member's health what was learnt apart from a statement's result.
    pub(super) fn report_health(&self, judged: Judged, msg: &str) {
        if let Some(health) = &self.health {
            health.record(CallKind::Regular, judged, msg);
        }
    }

    /// What the server has of this thread.
    pub(super) fn seats(&self) -> &Arc<Seats> {
        &self.seats
    }

    /// How long the last dial took; returned once. The pool hands out a new connection in the same turn of the loop in
    /// which its dial ended, so a call right after a checkout gets its own dial.
    pub(super) fn last_dial(&self) -> Option<Duration> {
        match self.last.swap(0, Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros)),
        }
    }

    /// Asks the server to stop the statement on the token's connection. True if a server accepted the request: it
    /// closes the cancel connection only after it has sent the signal.
    ///
    /// The name may have several addresses. The token's secret means nothing to the wrong servers, so the request goes
    /// to all.
    pub(super) async fn cancel(&self, token: &CancelToken) -> bool {
        let Dialer { host, port, .. } = self;
        if !self.tells_of_cancels() {
            // A Unix socket: the request is sent, but its close is not seen here and so proves nothing.
            drop(token.cancel_query(NoTls).await);
            return false;
        }
        let Ok(addresses) = tokio::net::lookup_host((host.as_str(), *port)).await else { return false };
        let mut heard = false;
        for address in addresses {
            let Ok(Ok(mut stream)) = tokio::time::timeout(CANCEL_DIAL, TcpStream::connect(address)).await else {
                continue;
            };
            let sent = match &self.tls {
                None => token.cancel_query_raw(OpenStream(&mut stream), Plain).await.is_ok(),
                Some(Ok(tls)) => match tls.to(host) {
                    Ok(greeting) => {
                        token.cancel_query_raw(OpenStream(&mut stream), greeting.staying_open()).await.is_ok()
                    }
                    Err(_) => false,
                },
                Some(Err(_)) => false,
            };
            heard |= sent && closed(&mut stream).await;
        }
        heard
    }
}

/// A stream that this side never shuts down: PgBouncer drops the cancel request of a client that closes before it was
/// handled, and version 1.18 may crash on it.
struct OpenStream<'s>(&'s mut TcpStream);

impl AsyncRead for OpenStream<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for OpenStream<'_> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

/// Waits until the server has closed the stream. An encrypted stream may still hold a few bytes, and a server that
/// closes it without reading our close_notify resets it; the reset, too, comes after the signal.
async fn closed(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 64];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}

impl Dialer {
    /// Makes a connection and the task that moves its bytes. The task closes the connection when the returned sender is
    /// dropped.
    pub(super) async fn dial(&self, config: &Config) -> Result<(Client, oneshot::Sender<Never>), Error> {
        let seat = self.seats.take().await;
        let began = Instant::now();
        let connected = match &self.tls {
            None if self.is_local() => self.seated(config.connect(NoTls).await, seat),
            None => self.seated(config.connect(Plain).await, seat),
            Some(tls) => {
                let tls = tls.clone().expect("a checkout asks whether it is usable");
                self.seated(config.connect(tls).await, seat)
            }
        };
        let connected = match connected {
            Ok((client, open)) => self.limited(&client).await.map(|()| (client, open)),
            Err(error) => Err(error),
        };
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last.store(micros.max(1), Relaxed);
        connected
    }

    /// The server's own time limit for a statement on a new connection.
    pub(super) fn limit(&self) -> Option<Duration> {
        self.limit
    }

    /// Sets the server's time limit, once per connection: per statement it would cost one more message each. The error
    /// of a server without this setting does no harm. And a server that can look whether its client is still there does
    /// so: a process that was killed stops no statement, and its connection would count until the statement has ended.
    pub(super) async fn limited(&self, client: &Client) -> Result<(), Error> {
        let Some(limit) = self.limit else { return Ok(()) };
        let set = format!("SET statement_timeout = {}", limit.as_millis());
        // Both or none: a server that knows the name may lack the means.
        let looks = client.batch_execute(&format!("{set}; {LOOKS}")).await;
        let set = match looks {
            Err(error) if error.as_db_error().is_some() => client.batch_execute(&set).await,
            done => done,
        };
        set.or_else(|error| if error.as_db_error().is_some() { Ok(()) } else { Err(error) })
    }

    /// What became of a dial, and of its seat.
    fn seated<S, T>(
        &self,
        connected: Result<(Client, Connection<S, T>), Error>,
        mut seat: Seat,
    ) -> Result<(Client, oneshot::Sender<Never>), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        seat.dialled();
        match connected {
            Ok((client, connection)) => Ok((client, self.driven(connection, seat))),
            Err(error) => {
                seat.leave();
                Err(error)
            }
        }
    }

    /// Spawns the task that moves a connection's bytes, on this thread: each thread is a runtime of its own.
    fn driven<S, T>(&self, connection: Connection<S, T>, seat: Seat) -> oneshot::Sender<Never>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (open, closed) = oneshot::channel::<Never>();
        let (node, is_local) = (self.to_string(), self.is_local());
        tokio::spawn(tasks::named("PostgreSQL connections", async move {
            let mut connection = pin!(connection);
            let ended = match select(connection.as_mut(), closed).await {
                Either::Left((ended, _)) => ended,
                // With a server that hangs the connection would never end.
                Either::Right(_) => tokio::time::timeout(CLOSE_WITHIN, connection).await.unwrap_or(Ok(())),
            };
            if let Err(error) = ended {
                tracing::info!(node, "a connection ended: {}", super::error_map::chain(&error));
            }
            if is_local {
                // The end of a Unix socket is not seen here.
                tokio::time::sleep(ENDS_WITHIN).await;
            }
            seat.leave();
        }));
        open
    }
}
