//! The threads, and the shutdown: a drain that lets requests finish.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use actix_server::{Server, ServerHandle};
use actix_service::{fn_factory, fn_service};
use tokio::net::TcpStream;

use super::site::OpenSite;
use super::slot::ThreadSlot;
use super::watch::Watch;
use crate::app::blocking_pool;
use crate::connection;
use crate::connection::Ending;
use crate::edge::actix_fallback;
use crate::observe::panics::Catching;

/// How long a drain waits for requests to finish, in seconds: the default deadline of a request.
const DRAIN_SECONDS: u64 = 30;

/// Starts the threads on a socket. Must be called inside the actor system. `began` runs on each thread as it starts.
pub(crate) fn start(
    site: &Arc<OpenSite>,
    listener: TcpListener,
    watch: Option<Arc<Watch>>,
    began: impl Fn() + Clone + Send + 'static,
) -> io::Result<Server> {
    let number = Arc::new(AtomicUsize::new(0));
    let site = site.clone();
    let threads = site.site.server.threads;
    let address = listener.local_addr()?;
    let builder = Server::build();
    let ends = builder.graceful_shutdown_signal();
    let connections = move || {
        let (site, number, watch, ends) = (site.clone(), number.clone(), watch.clone(), ends.clone());
        let began = began.clone();
        // Called once per thread and listener; there is one listener, so each thread gets its actors once.
        fn_factory(move || {
            began();
            let config = actix_fallback::config(address);
            let slot = ThreadSlot::new(site.clone(), number.fetch_add(1, Relaxed), watch.clone(), config);
            let ending = Rc::<Ending>::default();
            let (of_thread, ends) = (ending.clone(), ends.clone());
            actix_rt::spawn(async move {
                ends.notified().await;
                of_thread.begin();
            });
            let service = fn_service(move |socket: TcpStream| {
                let peer = socket.peer_addr().ok();
                let drive = connection::drive(socket, peer, ending.clone(), slot.clone());
                let slot = slot.clone();
                async move {
                    if let Err(panicked) = Catching(Box::pin(drive)).await {
                        slot.broken(peer, &panicked);
                    }
                    Ok::<_, ()>(())
                }
            });
            async { Ok::<_, ()>(service) }
        })
    };
    let server = builder
        .workers(threads)
        .worker_max_blocking_threads((blocking_pool::THREADS / threads).max(1))
        .shutdown_timeout(DRAIN_SECONDS)
        .disable_signals()
        .listen("http", listener, connections)?
        .run();
    Ok(server)
}

/// Stops the server at the first signal and lets requests finish. The future ends at the second signal: its caller then
/// drops the server, which stops it at once.
pub(crate) fn stop_on_signals(handle: ServerHandle) -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut another = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(async move {
        another().await;
        tracing::info!("stopping: requests under way may finish; a second signal ends them");
        // The call itself sends the command; the end is awaited on the server.
        drop(handle.stop(true));
        another().await;
        tracing::info!("stopping at once");
    })
}
