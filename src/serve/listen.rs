//! The sockets a site listens on: TCP ports and Unix sockets, opened here or inherited from who opened them.
//!
//! A Unix socket has a file. [`open`] makes it, in this order:
//!
//! 1. a file that is there stays, unless it is a socket on which nobody listens: that was left by a crash;
//! 2. the socket is bound, which makes the file, and the file gets its mode and its owner;
//! 3. only then the socket listens: nobody can connect before the file says who may.
//!
//! All of it happens under a lock of the folder, so that of two programs that start at once one is told that the other
//! listens. Whoever opened a socket removes its file at the end ([`SocketFiles`]); a process that inherited it does
//! not.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::listen_error::{ListenError, SocketError};
use super::owner;
use super::owner::Ids;
use crate::config::{LONGEST_SOCKET_PATH, ListenAddress, ListenSettings, ServerSettings};

/// Connections that the kernel queues until we accept them; it takes no more than `net.core.somaxconn`. A Unix socket
/// whose queue is full refuses the next one at once, so theirs is longer.
const BACKLOG: i32 = 1024;
const UNIX_BACKLOG: i32 = 4096;
/// Unsent octets that the kernel buffers per connection, beyond those in flight.
const AHEAD: u32 = 16 * 1024;
/// The first port that is for everybody, where the system does not say it.
const UNPRIVILEGED: u16 = 1024;
/// The bit of `CAP_NET_BIND_SERVICE` (linux/capability.h).
const NET_BIND_SERVICE: u64 = 1 << 10;
/// How long to wait for another program that opens a socket in the same folder.
const LOCKED: Duration = Duration::from_secs(2);

/// A listening socket, non-blocking.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Opens one socket of a site.
pub(crate) fn open_at(address: &ListenAddress, listening: &ListenSettings) -> Result<Listener, ListenError> {
    match address {
        ListenAddress::Tcp { ip, port } => tcp(*ip, *port),
        ListenAddress::Unix(path) => unix(path, &listening.of_address(address)),
    }
}

/// The first port that this user may not listen on, as a start would refuse it.
pub(crate) fn port_of_root(listening: &ListenSettings) -> Option<ListenError> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let first_free = read("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let first_free = first_free.and_then(|text| text.trim().parse().ok()).unwrap_or(UNPRIVILEGED);
    let status = read("/proc/self/status")?;
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    if u64::from_str_radix(capabilities.trim(), 16).ok()? & NET_BIND_SERVICE != 0 {
        return None;
    }
    listening.addresses.iter().find_map(|address| match address {
        ListenAddress::Tcp { ip, port } if *port < first_free && *port != 0 => {
            Some(ListenError::PortOfRoot { ip: *ip, port: *port })
        }
        _ => None,
    })
}

/// Opens the sockets of a site. If one of them fails, the files of the others are removed again.
pub(crate) fn open(server: &ServerSettings) -> Result<Vec<Listener>, ListenError> {
    let mut listeners = Vec::new();
    for address in &server.listening.addresses {
        match open_at(address, &server.listening) {
            Ok(listener) => listeners.push(listener),
            Err(error) => {
                drop(SocketFiles::of(&listeners));
                return Err(error);
            }
        }
    }
    Ok(listeners)
}

/// Opens a port. Without an address it listens on all interfaces, IPv6 and IPv4 if the machine has both.
pub(crate) fn tcp(ip: Option<IpAddr>, port: u16) -> Result<Listener, ListenError> {
    let opened = match ip {
        Some(ip) => bind(SocketAddr::new(ip, port)),
        None => bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)).or_else(|error| {
            // A machine without IPv6 fails here; a port in use would fail again on IPv4.
            if error.kind() == io::ErrorKind::AddrInUse {
                Err(error)
            } else {
                bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
            }
        }),
    };
    opened.map(Listener::Tcp).map_err(|error| ListenError::of_port(ip, port, error))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the previous server's last connections.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(address.ip() != IpAddr::from(Ipv6Addr::UNSPECIFIED))?;
    }
    prepare(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Sets the options of a TCP socket. Connections inherit them: a reply is sent as it is made, and the kernel's buffer
/// of unsent octets is bounded like ours.
fn prepare(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(AHEAD)?;
    socket.set_nonblocking(true)
}

fn unix(path: &Path, listening: &ListenSettings) -> Result<Listener, ListenError> {
    let failed = |error| ListenError::Socket { path: path.to_owned(), error };
    let length = path.as_os_str().len();
    if length > LONGEST_SOCKET_PATH {
        return Err(failed(SocketError::TooLong(length)));
    }
    let owner = listening.owner.as_ref().map(owner::ids).transpose().map_err(|error| failed(error.into()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(failed(SocketError::NoFolder(folder.to_owned())));
    }
    let _lock = lock(folder);
    remove_stale(path).map_err(failed)?;
    let opened = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        Ok(socket)
    };
    let socket = opened().map_err(|error: io::Error| failed(SocketError::of_bind(folder, error)))?;
    if let Err(error) = admit(path, listening, owner).and_then(|()| Ok(socket.listen(UNIX_BACKLOG)?)) {
        let _ = fs::remove_file(path);
        return Err(failed(error));
    }
    Ok(Listener::Unix(socket.into()))
}

/// Gives the file of a socket its owner and its mode. The path is resolved once and no link is followed: in a folder
/// that others may write, somebody could have put another file in its place.
fn admit(path: &Path, listening: &ListenSettings, owner: Option<Ids>) -> Result<(), SocketError> {
    let file = File::from(
        rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
            .map_err(io::Error::from)?,
    );
    if !file.metadata()?.file_type().is_socket() {
        return Err(SocketError::OtherFile);
    }
    // A descriptor of this kind is changed by its name alone.
    let named = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    if let Some((user, group)) = owner {
        chown(&named, user, group).map_err(|error| SocketError::of_owner(listening, error))?;
    }
    Ok(fs::set_permissions(&named, fs::Permissions::from_mode(listening.mode))?)
}

/// Locks a folder until the file is dropped. `None` if it cannot be locked, or somebody else keeps it: the lock helps
/// two programs that start at the same moment, and nobody else.
fn lock(folder: &Path) -> Option<File> {
    let file = File::open(folder).ok()?;
    let end = Instant::now() + LOCKED;
    loop {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) if Instant::now() < end => pause(),
            Err(_) => return None,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "sockets are opened before an event loop runs")]
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

/// Removes the socket that a crash left at a path. Everything else that is there is an error.
fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !there.file_type().is_socket() {
        return Err(SocketError::OtherFile);
    }
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Who listens may have a full queue, for whose end this must not wait.
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    match connect() {
        Ok(()) => Err(SocketError::InUse),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(SocketError::InUse),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(fs::remove_file(path)?),
        // Its owner removed it just now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(SocketError::Unknown(error)),
    }
}

impl Listener {
    /// A socket that another program opened.
    ///
    /// # Errors
    /// If it is no listening stream socket, of TCP or Unix.
    pub(crate) fn from_fd(fd: OwnedFd) -> io::Result<Listener> {
        let socket = Socket::from(fd);
        let refused = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("the descriptor is {what}"));
        let domain = socket.domain().map_err(|_| refused("no socket"))?;
        if socket.r#type()? != Type::STREAM {
            return Err(refused("no stream socket"));
        }
        if !socket.is_listener()? {
            return Err(refused("a socket that does not listen"));
        }
        // The programs that this one starts have no use for it.
        socket.set_cloexec(true)?;
        match domain {
            Domain::IPV4 | Domain::IPV6 => {
                prepare(&socket)?;
                Ok(Listener::Tcp(socket.into()))
            }
            Domain::UNIX => {
                socket.set_nonblocking(true)?;
                Ok(Listener::Unix(socket.into()))
            }
            _ => Err(refused("a socket of a family that is not served")),
        }
    }

    pub(crate) fn try_clone(&self) -> io::Result<Listener> {
        match self {
            Listener::Tcp(listener) => listener.try_clone().map(Listener::Tcp),
            Listener::Unix(listener) => listener.try_clone().map(Listener::Unix),
        }
    }

    /// Whether it still listens: whoever has a copy can end that for all.
    pub(crate) fn listens(&self) -> bool {
        let socket = match self {
            Listener::Tcp(listener) => SockRef::from(listener),
            Listener::Unix(listener) => SockRef::from(listener),
        };
        socket.is_listener().unwrap_or(false)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> io::Result<BoundAddress> {
        Ok(match self {
            Listener::Tcp(listener) => BoundAddress::Tcp(listener.local_addr()?),
            Listener::Unix(listener) => {
                BoundAddress::Unix(listener.local_addr()?.as_pathname().map(Path::to_owned).unwrap_or_default())
            }
        })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(listener) => listener.as_fd(),
            Listener::Unix(listener) => listener.as_fd(),
        }
    }
}

/// Where a socket listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BoundAddress {
    Tcp(SocketAddr),
    /// The path of its file; empty if it has none.
    Unix(PathBuf),
}

impl BoundAddress {
    /// Whether it is one of those that a configuration names.
    pub(crate) fn is_one_of(&self, addresses: &[ListenAddress]) -> bool {
        addresses.iter().any(|address| match (self, address) {
            (BoundAddress::Tcp(bound), ListenAddress::Tcp { ip, port }) => {
                bound.port() == *port && ip.map_or(bound.ip().is_unspecified(), |ip| ip == bound.ip())
            }
            (BoundAddress::Unix(bound), ListenAddress::Unix(path)) => bound == path,
            _ => false,
        })
    }

    pub(crate) fn port(&self) -> Option<u16> {
        match self {
            BoundAddress::Tcp(address) => Some(address.port()),
            BoundAddress::Unix(_) => None,
        }
    }
}

/// The files of the Unix sockets that this process opened: they are removed when this is dropped. A file that another
/// program has put in the place of ours stays.
#[derive(Debug)]
pub(crate) struct SocketFiles(Vec<(PathBuf, FileIdentity)>);

/// Device, inode and the time of the last modification: a number of an inode is given to the next file at once.
type FileIdentity = (u64, u64, i64, i64);

fn identity(path: &Path) -> Option<FileIdentity> {
    let there = fs::symlink_metadata(path).ok().filter(|there| there.file_type().is_socket())?;
    Some((there.dev(), there.ino(), there.mtime(), there.mtime_nsec()))
}

impl SocketFiles {
    /// The files of these sockets, which were opened just now.
    pub(crate) fn of(listeners: &[Listener]) -> SocketFiles {
        let path = |listener: &Listener| match listener.address() {
            Ok(BoundAddress::Unix(path)) => Some(path),
            _ => None,
        };
        let paths = listeners.iter().filter_map(path);
        SocketFiles(paths.filter_map(|path| Some((path.clone(), identity(&path)?))).collect())
    }
}

impl Drop for SocketFiles {
    fn drop(&mut self) {
        for (path, made) in &self.0 {
            if identity(path).as_ref() == Some(made) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

#[cfg(test)]
mod tests;
