//! The threads of the server: what each one is given, and how many there are. [`drain`](super::drain) ends them.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use actix_server::Server;
use actix_service::{fn_factory, fn_service};
use tokio::net::TcpStream;

use super::drain::{Serving, Shared};
use super::site::OpenSite;
use super::slot::ThreadSlot;
use super::watch::Watch;
use crate::app::blocking_pool;
use crate::connection;
use crate::edge::actix_fallback;
use crate::observe::panics::Catching;

/// Our own drain ends the threads; actix-server's never comes to the end of its patience, in seconds.
const FOR_EVER: u64 = u32::MAX as u64;

/// Starts the threads on a socket. Must be called inside the actor system. `began` runs on each thread as it starts.
pub(crate) fn start(
    site: &Arc<OpenSite>,
    listener: TcpListener,
    watch: Option<Arc<Watch>>,
    began: impl Fn() + Clone + Send + 'static,
) -> io::Result<Serving> {
    let number = Arc::new(AtomicUsize::new(0));
    let site = site.clone();
    let settings = site.site.server.clone();
    let threads = settings.threads;
    let shared = Shared::new(site.process.lifecycle.clone());
    let of_threads = shared.clone();
    let address = listener.local_addr()?;
    let connections = move || {
        let (site, number, watch, shared) = (site.clone(), number.clone(), watch.clone(), of_threads.clone());
        let began = began.clone();
        // Called once per thread and listener; there is one listener, so each thread gets its actors once.
        fn_factory(move || {
            began();
            let config = actix_fallback::config(address);
            let slot = ThreadSlot::new(site.clone(), number.fetch_add(1, Relaxed), watch.clone(), config);
            let connections = shared.connections();
            shared.began(threads);
            let service = fn_service(move |socket: TcpStream| {
                let peer = socket.peer_addr().ok();
                let drive = connection::drive(socket, peer, connections.clone(), slot.clone());
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
    let server = Server::build()
        .workers(threads)
        .worker_max_blocking_threads((blocking_pool::THREADS / threads).max(1))
        .shutdown_timeout(FOR_EVER)
        .disable_signals()
        .listen("http", listener, connections)?
        .run();
    Ok(Serving::run(server, shared, &settings))
}
