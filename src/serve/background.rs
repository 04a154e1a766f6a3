//! A small server inside a program, on its own port: used for the demo's members and the sites of
//! [`test`](mod@crate::test).

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::drain::Drain;
use super::keys::Keys;
use super::listen::BoundAddress;
use super::site::OpenSite;
use super::watch::Watch;
use super::{listen, server};
use crate::app::App;
use crate::config::{ListenAddress, ListenSettings, Loaded};

/// The longest wait for the threads of a server that is stopped. A handler on the blocking pool cannot be interrupted,
/// and its thread waits for it.
const LAST_THREAD: Duration = Duration::from_secs(5);

thread_local! {
    /// Held by each thread of a server until it ends. It is dropped after the thread's event loop, and so after the
    /// connections.
    static ALIVE: RefCell<Option<Sender<()>>> = const { RefCell::new(None) };
}

/// An app that threads of this program serve. Dropping it stops the server, as [`stop`](Background::stop) does.
#[derive(Debug)]
pub struct Background {
    address: SocketAddr,
    drain: Option<Drain>,
    thread: Option<JoinHandle<()>>,
    /// Disconnects when the last of its threads has ended. In a mutex, so that the server can be shared.
    ended: Mutex<Receiver<()>>,
}

/// A thread of a background server still ran five seconds after it was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is off, but a thread of it still runs")]
pub struct StillRunning(SocketAddr);

/// Why a background server did not start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotStarted(String);

impl NotStarted {
    pub(crate) fn because(why: impl Into<String>) -> NotStarted {
        NotStarted(why.into())
    }
}

impl Background {
    /// Serves `app` at `/` on an address such as `127.0.0.1:5001`; port 0 picks a free port.
    ///
    /// # Errors
    /// If the address cannot be bound, or the app cannot be mounted.
    pub fn start(app: App, address: SocketAddr) -> Result<Background, NotStarted> {
        let mut loaded = Loaded::without_conf(Path::new("/nonexistent"), &[&app.name]);
        loaded.settings.server.threads = 1;
        Background::serve(vec![app], loaded, Keys::ephemeral(), None, address)
    }

    /// Serves apps as a configuration says, but on this address.
    pub(crate) fn serve(
        apps: Vec<App>,
        mut loaded: Loaded,
        keys: Keys,
        templates: Option<PathBuf>,
        address: SocketAddr,
    ) -> Result<Background, NotStarted> {
        let (ip, port) = (address.ip(), address.port());
        let listener = listen::tcp(Some(ip), port).map_err(|error| NotStarted(error.to_string()))?;
        let address = match listener.address() {
            Ok(BoundAddress::Tcp(address)) => address,
            _ => return Err(NotStarted(format!("{address} cannot be asked for its port"))),
        };
        // Tests and demos speak clear text to themselves.
        loaded.settings.server.tls = None;
        loaded.settings.server.listening =
            ListenSettings::on(ListenAddress::Tcp { ip: Some(ip), port: address.port() });
        let (sender, receiver) = mpsc::channel();
        let (alive, ended) = mpsc::channel();
        let run = move || {
            actix_rt::System::new().block_on(async move {
                let watch = Watch::of(&loaded, Some(address.port()));
                let started = OpenSite::open(&loaded, apps, &keys, templates.as_deref())
                    .map_err(|unfit| unfit.to_string())
                    .and_then(|site| {
                        let hold = move || ALIVE.set(Some(alive.clone()));
                        server::start(&site, vec![listener], watch, hold)
                            .map(|serving| (site, serving))
                            .map_err(|error| error.to_string())
                    });
                match started {
                    Ok((site, serving)) => {
                        let _ = sender.send(Ok(serving.drain()));
                        if let Err(error) = serving.ended().await {
                            tracing::error!("the server at {address} ended: {error}");
                        }
                        site.process.close(Duration::ZERO);
                    }
                    Err(problem) => {
                        let _ = sender.send(Err(problem));
                    }
                }
            });
        };
        let thread = std::thread::Builder::new()
            .name(format!("background:{}", address.port()))
            .spawn(run)
            .map_err(|error| NotStarted(format!("no thread for {address}: {error}")))?;
        match receiver.recv() {
            Ok(Ok(drain)) => {
                Ok(Background { address, drain: Some(drain), thread: Some(thread), ended: Mutex::new(ended) })
            }
            Ok(Err(problem)) => Err(NotStarted(problem)),
            Err(_) => Err(NotStarted(format!("the server at {address} ended before it was ready"))),
        }
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops the server: closes its listener and its connections, and waits until its threads have ended.
    ///
    /// # Errors
    /// If one of its threads still runs after five seconds.
    pub fn stop(mut self) -> Result<(), StillRunning> {
        self.end()
    }

    fn end(&mut self) -> Result<(), StillRunning> {
        let Some(drain) = self.drain.take() else { return Ok(()) };
        drain.at_once();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        match ended.recv_timeout(LAST_THREAD) {
            Err(RecvTimeoutError::Disconnected) => Ok(()),
            Ok(()) | Err(RecvTimeoutError::Timeout) => Err(StillRunning(self.address)),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Err(problem) = self.end() {
            tracing::warn!("{problem}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpStream};
    use std::sync::mpsc::TryRecvError;

    use super::*;

    #[test]
    fn a_server_that_was_stopped_has_no_thread_left() {
        for _ in 0..20 {
            let (lives, ended) = mpsc::channel::<()>();
            // Every thread has a share of the app, and the app owns the sender.
            let app = App::new("one").startup(move |_| {
                let _lives = &lives;
                Ok(())
            });
            let server = Background::start(app, (Ipv4Addr::LOCALHOST, 0).into()).expect("started");
            let mut conn = TcpStream::connect(server.address()).expect("it listens");
            conn.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
            assert!(conn.read(&mut [0; 512]).expect("an answer") > 0);
            // The connection is still open.
            server.stop().expect("its threads end");
            assert_eq!(ended.try_recv(), Err(TryRecvError::Disconnected));
        }
    }
}
