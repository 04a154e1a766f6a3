//! The threads of the server: what each one is given, and how many there are. [`drain`](super::drain) ends them.

use std::cell::RefCell;
use std::io;
use std::net::TcpListener;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use actix_server::{FromStream, Server, ServerServiceFactory};
use actix_service::{fn_factory, fn_service};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::crowd::turn_away;
use super::drain::{Serving, Shared};
use super::entrance::{Entrance, Leads, Port};
use super::figures;
use super::listen::Listener;
use super::site::OpenSite;
use super::slot::ThreadSlot;
use super::watch::Watch;
use crate::app::blocking_pool;
use crate::connection;
use crate::connection::list::Connections;
use crate::connection::{Peer, TlsSocket, Transport};
use crate::edge::actix_fallback;
use crate::edge::files::disk::DISK_PLACES;
use crate::observe::panics::Catching;

/// Our own drain ends the threads; actix-server's never comes to the end of its patience, in seconds.
const FOR_EVER: u64 = u32::MAX as u64;

/// What a thread serves with, whichever socket a connection comes from.
struct ThreadService {
    slot: Rc<ThreadSlot>,
    connections: Rc<Connections>,
}

thread_local! {
    /// That of the current thread. Its sockets' services hold it, so it ends with them.
    static HERE: RefCell<Weak<ThreadService>> = const { RefCell::new(Weak::new()) };
}

/// Starts the threads on the sockets. Must be called inside the actor system. `began` runs on each thread as it starts.
pub(crate) fn start(
    site: &Arc<OpenSite>,
    listeners: Vec<Listener>,
    watch: Option<Arc<Watch>>,
    began: impl Fn() + Clone + Send + 'static,
) -> io::Result<Serving> {
    let number = Arc::new(AtomicUsize::new(0));
    let (site, opened) = (site.clone(), site);
    let threads = site.site.server.threads;
    let address = listeners.iter().find_map(|listener| match listener {
        Listener::Tcp(listener) => listener.local_addr().ok(),
        Listener::Unix(_) => None,
    });
    let settings = site.site.server.clone();
    let certificates = site.process.certificates.clone();
    let shared = Shared::new(site.process.lifecycle.clone(), threads, site.process.recorder.clone());
    opened.process.connections.count_in(shared.open());
    figures::keep(&opened.process);
    let of_threads = shared.clone();
    let make = move || {
        began();
        let config = actix_fallback::config(address);
        let slot = ThreadSlot::new(site.clone(), number.fetch_add(1, Relaxed), watch.clone(), config);
        let connections = of_threads.connections();
        of_threads.began(threads);
        Rc::new(ThreadService { slot, connections })
    };
    // Of each mount with folders, and of the files that handlers reply with. They are started when they are needed.
    let of_folders = opened.site.router.mounts().iter().filter(|mount| !mount.folders.is_empty()).count();
    let for_files = (of_folders + 1) * DISK_PLACES;
    let mut builder = Server::build()
        .workers(threads)
        .worker_max_blocking_threads((blocking_pool::THREADS / threads).max(1) + for_files)
        .shutdown_timeout(FOR_EVER)
        .disable_signals();
    for listener in listeners {
        let is_admin = listener.address().is_ok_and(|address| address.is_one_of(&settings.listening.admin.addresses));
        let over_tls_for_admin = certificates.clone().filter(|_| settings.admin.tls != Some(false));
        let is_proxy = listener.address().is_ok_and(|address| address.is_one_of(&settings.listening.proxy));
        builder = match listener {
            Listener::Tcp(listener) => {
                let peer = |socket: &TcpStream| socket.peer_addr().ok().map(Peer::Address);
                let port = match &certificates {
                    _ if is_admin => Port::Admin(over_tls_for_admin),
                    _ if is_proxy => Port::Forward,
                    _ if is_redirect(&listener, settings.listening.redirect) => Port::Redirect,
                    Some(certificates) => Port::Tls(certificates.clone()),
                    None => Port::Clear,
                };
                let over_tls = |socket, config| Transport::from(TlsSocket::new(socket, config));
                builder.listen("http", listener, connections(make.clone(), peer, port, over_tls))?
            }
            Listener::Unix(listener) => {
                let peer = |_: &UnixStream| Some(Peer::Unix);
                // Who connects there is on this machine, so nothing is encrypted.
                let port = match (is_admin, is_proxy) {
                    (true, _) => Port::Admin(None),
                    (false, true) => Port::Forward,
                    (false, false) => Port::Clear,
                };
                let connections = connections(make.clone(), peer, port, |socket, _| socket.into());
                builder.listen_uds("http", listener, connections)?
            }
        };
    }
    Ok(Serving::run(builder.run(), shared, &settings))
}

/// Whether a socket is the one of `redirect_http`.
fn is_redirect(listener: &TcpListener, port: Option<u16>) -> bool {
    port.is_some() && listener.local_addr().ok().map(|address| address.port()) == port
}

/// Makes what drives the connections of one socket, on each thread. All sockets of a thread share what `make` makes.
fn connections<S: FromStream + Into<Transport> + AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    make: impl Fn() -> Rc<ThreadService> + Clone + Send + 'static,
    peer: fn(&S) -> Option<Peer>,
    port: Port,
    over_tls: fn(S, Arc<rustls::ServerConfig>) -> Transport,
) -> impl ServerServiceFactory<S> {
    move || {
        let (make, port) = (make.clone(), port.clone());
        // Called once per thread and socket.
        fn_factory(move || {
            let here = HERE.with_borrow_mut(|here| {
                here.upgrade().unwrap_or_else(|| {
                    let made = make();
                    *here = Rc::downgrade(&made);
                    made
                })
            });
            let port = port.clone();
            let service = fn_service(move |socket: S| {
                let peer = peer(&socket);
                let leads = port.leads();
                let entered = match leads {
                    Leads::Elsewhere => here.slot.enter_forward(peer),
                    Leads::ToAdmin => here.slot.enter_admin(),
                    Leads::ToSite | Leads::ToHttps => here.slot.enter(peer),
                };
                let entered = match entered {
                    Ok(entered) => {
                        let entrance = Entrance { slot: here.slot.clone(), leads };
                        let socket = port.accept(socket, over_tls);
                        let drive = connection::drive(socket, peer, here.connections.clone(), entrance);
                        // Boxed here: actix-server's task has room for what follows twice over, for as long as the
                        // connection lasts.
                        Ok((entered, Catching(Box::pin(drive))))
                    }
                    Err(turned) => Err((socket, turned, port.is_tls())),
                };
                let here = here.clone();
                async move {
                    match entered {
                        Ok((_entered, drive)) => {
                            if let Err(panicked) = drive.await {
                                here.slot.broken(peer, &panicked);
                            }
                        }
                        Err((socket, turned, is_tls)) => Box::pin(turn_away(socket, turned, is_tls)).await,
                    }
                    Ok::<_, ()>(())
                }
            });
            async { Ok::<_, ()>(service) }
        })
    }
}
