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
