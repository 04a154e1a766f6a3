//! Sockets, threads, and the shutdown: a drain that lets requests finish.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use actix_server::{Server, ServerHandle};
use actix_service::{fn_factory, fn_service};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

use super::site::OpenSite;
use super::slot::ThreadSlot;
use super::watch::Watch;
use crate::app::blocking_pool;
use crate::connection;
use crate::connection::Ending;
use crate::edge::actix_fallback;
use crate::observe::panics::Catching;

/// Connections that the kernel queues until we accept them.
const BACKLOG: i32 = 1024;
/// Unsent octets that the kernel buffers per connection, beyond those in flight.
const AHEAD: u32 = 16 * 1024;
/// How long a drain waits for requests to finish, in seconds: the default deadline of a request.
const DRAIN_SECONDS: u64 = 30;

/// Opens the listening socket. Without an address it listens on all interfaces, IPv6 and IPv4 if the machine has both.
pub(crate) fn listen(ip: Option<IpAddr>, port: u16) -> io::Result<TcpListener> {
    match ip {
        Some(ip) => bind(SocketAddr::new(ip, port)),
        None => bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)).or_else(|error| {
            // A machine without IPv6 fails here; a port in use would fail again on IPv4.
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
    // A restart must not wait for the previous server's last connections.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(address.ip() != IpAddr::from(Ipv6Addr::UNSPECIFIED))?;
    }
    // Connections inherit these options. A reply is sent as it is made, and the kernel's buffer of unsent octets is
    // bounded like ours.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(AHEAD)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

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
