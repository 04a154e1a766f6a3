//! Sockets, worker threads, and the end: a drain that lets requests finish.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use actix_service::fn_factory_with_config;
use actix_web::dev::{AppConfig, ServerHandle, fn_service};
use actix_web::{Error as ActixError, HttpServer};
use socket2::{Domain, Protocol, Socket, Type};

use super::pool;
use super::site::Site;
use super::watch::{Seat, Watch};
use crate::edge::behind::Incoming;
use crate::edge::pipeline;

/// Connections the kernel may keep for us before we accept them.
const BACKLOG: i32 = 1024;
/// How long a drain waits for requests to finish; the longest a request may take by default.
const DRAIN_SECONDS: u64 = 30;

/// Opens the listening socket. No address means all interfaces, of IPv6 and IPv4 alike where the machine has both.
pub(crate) fn listen(ip: Option<IpAddr>, port: u16) -> io::Result<TcpListener> {
    match ip {
        Some(ip) => bind(SocketAddr::new(ip, port)),
        None => bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)).or_else(|error| {
            // A machine without IPv6 says so here; a port in use says the same thing twice.
            if error.kind() == io::ErrorKind::AddrInUse {
                Err(error)
            } else {
                bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
            }
        }),
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server must not wait for the last connections of the one before.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(address.ip() != IpAddr::from(Ipv6Addr::UNSPECIFIED))?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Starts the workers on a socket. Must be called inside the actor system.
pub(crate) fn start(
    site: &Arc<Site>,
    listener: TcpListener,
    watch: Option<Arc<Watch>>,
) -> io::Result<actix_web::dev::Server> {
    let number = Arc::new(AtomicUsize::new(0));
    let site = site.clone();
    let threads = site.settings.server.threads;
    let head_timeout = site.settings.server.head_timeout;
    let server = HttpServer::new(move || {
        let (site, number, watch) = (site.clone(), number.clone(), watch.clone());
        // Once per worker thread and listener; there is one listener, so each thread has its actors once.
        fn_factory_with_config(move |config: AppConfig| {
            let seat = Seat::take(site.clone(), number.fetch_add(1, Relaxed), watch.clone(), config);
            let service = fn_service(move |mut incoming: Incoming| {
                let worker = seat.worker();
                async move {
                    Ok::<_, ActixError>(match worker {
                        Ok(worker) => pipeline::serve(&worker, &mut incoming).await,
                        Err(why) => pipeline::unfit(&why, &incoming),
                    })
                }
            });
            async { Ok::<_, ()>(service) }
        })
    })
    .workers(threads)
    .worker_max_blocking_threads((pool::THREADS / threads).max(1))
    // A client that leaves is seen at once, and its handler is dropped with everything it waits for. The price: a
    // client that closes its sending half after the request is taken for gone.
    .h1_allow_half_closed(false)
    .client_request_timeout(head_timeout)
    .shutdown_timeout(DRAIN_SECONDS)
    .disable_signals()
    .listen(listener)?
    .run();
    Ok(server)
}

/// Stops the server at the first signal to end, letting requests finish. Ends at the second: whoever drops the server
/// then stops it at once.
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
        // The command is sent by the call; it is the server that is waited for.
        drop(handle.stop(true));
        another().await;
        tracing::info!("stopping at once");
    })
}
