//! The sockets a site listens on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel queues until we accept them.
const BACKLOG: i32 = 1024;
/// Unsent octets that the kernel buffers per connection, beyond those in flight.
const AHEAD: u32 = 16 * 1024;

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

#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
}
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ListenError(String);
impl Listener {
    pub(crate) fn from_fd(fd: std::os::fd::OwnedFd) -> io::Result<Listener> {
        Ok(Listener::Tcp(TcpListener::from(fd)))
    }
    pub(crate) fn try_clone(&self) -> io::Result<Listener> {
        let Listener::Tcp(tcp) = self;
        tcp.try_clone().map(Listener::Tcp)
    }
    pub(crate) fn port(&self) -> Option<u16> {
        let Listener::Tcp(tcp) = self;
        tcp.local_addr().ok().map(|a| a.port())
    }
}
impl std::os::fd::AsFd for Listener {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        let Listener::Tcp(tcp) = self;
        tcp.as_fd()
    }
}
pub(crate) fn addresses(server: &crate::config::ServerSettings) -> Vec<String> {
    vec![server.ip.map_or_else(
        || format!("all interfaces, port {}", server.port),
        |ip| SocketAddr::new(ip, server.port).to_string(),
    )]
}
pub(crate) fn open_at(server: &crate::config::ServerSettings, _: &str) -> Result<Listener, ListenError> {
    listen(server.ip, server.port).map(Listener::Tcp).map_err(|e| ListenError(format!("port {}: {e}", server.port)))
}
pub(crate) fn open(server: &crate::config::ServerSettings) -> Result<Vec<Listener>, ListenError> {
    open_at(server, "").map(|l| vec![l])
}
