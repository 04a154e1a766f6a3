//! A small server inside a program, on its own port: used for the demo's members and the sites of
//! [`test`](mod@crate::test).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_server::ServerHandle;

use super::keys::Keys;
use super::server;
use super::site::OpenSite;
use super::watch::Watch;
use crate::app::App;
use crate::config::Loaded;

/// An app that a thread of this program serves. Dropping it stops the server.
#[derive(Debug)]
pub struct Background {
    address: SocketAddr,
    handle: Option<ServerHandle>,
    thread: Option<JoinHandle<()>>,
}

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
        let listener = server::listen(Some(address.ip()), address.port())
            .map_err(|error| NotStarted(format!("{address} cannot be listened on: {error}")))?;
        let address = listener.local_addr().map_err(|error| NotStarted(format!("{address}: {error}")))?;
        loaded.settings.server.port = address.port();
        let (sender, receiver) = mpsc::channel();
        let run = move || {
            actix_rt::System::new().block_on(async move {
                let watch = Watch::of(&loaded, Some(address.port()));
                let started = OpenSite::open(&loaded, apps, &keys, templates.as_deref())
                    .map_err(|unfit| unfit.to_string())
                    .and_then(|site| {
                        server::start(&site, listener, watch)
                            .map(|server| (site, server))
                            .map_err(|error| error.to_string())
                    });
                match started {
                    Ok((site, server)) => {
                        let _ = sender.send(Ok(server.handle()));
                        if let Err(error) = server.await {
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
            Ok(Ok(handle)) => Ok(Background { address, handle: Some(handle), thread: Some(thread) }),
            Ok(Err(problem)) => Err(NotStarted(problem)),
            Err(_) => Err(NotStarted(format!("the server at {address} ended before it was ready"))),
        }
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            // The call itself sends the command; its future only waits for the end, which the thread does.
            drop(handle.stop(false));
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
