//! Connections of this thread, and the second connection on which a cancel request travels.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use deadpool_postgres::Connect;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_postgres::{CancelToken, Client, Config, Error, NoTls};

/// One address of a name that does not answer must not use up the time for the others.
const CANCEL_DIAL: Duration = Duration::from_millis(300);

/// Dials one member.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    target: Arc<(String, u16)>,
    open: Arc<AtomicUsize>,
    /// Microseconds of the dial that ended last, until somebody asks; 0 for none.
    last: Arc<AtomicU64>,
}

impl fmt::Display for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.target.0, self.target.1)
    }
}

/// One connection's task in the count, however the task ends.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Dialer {
    pub(super) fn new(host: &str, port: u16) -> Dialer {
        Dialer { target: Arc::new((host.to_owned(), port)), open: Arc::default(), last: Arc::default() }
    }

    /// Connections whose task is alive.
    pub(super) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// How long the dial took that ended last; told once. The pool hands out a new connection in the very turn in which
    /// its dial ended, so whoever asks right after a checkout is told of its own.
    pub(super) fn last_dial(&self) -> Option<Duration> {
        match self.last.swap(0, Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros)),
        }
    }

    /// Asks the server to stop what the token's connection runs. True when a server has taken note of it: it closes
    /// the connection only after it has sent the signal.
    ///
    /// The name may stand for several servers; the token's secret means nothing to the wrong ones, so all are told.
    pub(super) async fn cancel(&self, token: &CancelToken) -> bool {
        let (host, port) = &*self.target;
        if host.starts_with('/') {
            // A socket in the file system: sent, but its close is not seen here, so it proves nothing.
            drop(token.cancel_query(NoTls).await);
            return false;
        }
        let Ok(addresses) = tokio::net::lookup_host((host.as_str(), *port)).await else { return false };
        let mut heard = false;
        for address in addresses {
            let Ok(Ok(mut stream)) = tokio::time::timeout(CANCEL_DIAL, TcpStream::connect(address)).await else {
                continue;
            };
            if token.cancel_query_raw(&mut stream, NoTls).await.is_ok() {
                heard |= matches!(stream.read(&mut [0; 16]).await, Ok(0));
            }
        }
        heard
    }
}

impl Connect for Dialer {
    fn connect(
        &self,
        config: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        let config = config.clone();
        Box::pin(async move {
            let began = Instant::now();
            let connected = config.connect(NoTls).await;
            let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.last.store(micros.max(1), Relaxed);
            let (client, connection) = connected?;
            self.open.fetch_add(1, Relaxed);
            let counted = Counted(self.open.clone());
            let node = self.to_string();
            // On this thread: each worker is a runtime of its own.
            let task = tokio::spawn(async move {
                let _counted = counted;
                if let Err(error) = connection.await {
                    tracing::info!(node, "a connection ended: {}", super::told::chain(&error));
                }
            });
            Ok((client, task))
        })
    }
}
