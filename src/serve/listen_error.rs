//! Why a site cannot listen, and what to do about it.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::owner::UnknownOwner;
use super::port_holder;
use crate::config::{LONGEST_SOCKET_PATH, ListenSettings, SocketOwner};

/// A site cannot listen on an address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    #[error(
        "port {port} of {} is in use: {by}; -p PORT picks another port",
        place(*ip)
    )]
    PortInUse { ip: Option<IpAddr>, port: u16, by: String },
    #[error(
        "port {port} of {} is for root: the ports below 1024 (sysctl net.ipv4.ip_unprivileged_port_start) need root or \
         the capability CAP_NET_BIND_SERVICE; -p PORT picks another port",
        place(*ip)
    )]
    PortOfRoot { ip: Option<IpAddr>, port: u16 },
    #[error("this machine has no address {ip}: name one that `ip address` lists, or leave it out for all interfaces")]
    NoAddress { ip: IpAddr },
    #[error("port {port} of {} cannot be listened on: {error}; -p PORT picks another port", place(*ip))]
    Port { ip: Option<IpAddr>, port: u16, error: io::Error },
    #[error("unix:{} cannot be listened on: {error}", path.display())]
    Socket { path: PathBuf, error: SocketError },
}

impl ListenError {
    /// Whether somebody else listens there.
    pub(crate) fn is_in_use(&self) -> bool {
        matches!(self, ListenError::PortInUse { .. } | ListenError::Socket { error: SocketError::InUse, .. })
    }

    pub(super) fn of_port(ip: Option<IpAddr>, port: u16, error: io::Error) -> ListenError {
        match (error.kind(), ip) {
            (io::ErrorKind::AddrInUse, _) => {
                let unknown = || "another program listens there, which `ss -ltnp` names".to_owned();
                let by = port_holder::told(port).map_or_else(unknown, |by| format!("there listens {by}"));
                ListenError::PortInUse { ip, port, by }
            }
            (io::ErrorKind::PermissionDenied, _) => ListenError::PortOfRoot { ip, port },
            (io::ErrorKind::AddrNotAvailable, Some(ip)) => ListenError::NoAddress { ip },
            _ => ListenError::Port { ip, port, error },
        }
    }
}

fn place(ip: Option<IpAddr>) -> String {
    ip.map_or_else(|| "every interface".to_owned(), |ip| ip.to_string())
}

/// Why a Unix socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error("the path has {0} octets, and a socket's may have {LONGEST_SOCKET_PATH}; name a shorter one in `listen`")]
    TooLong(usize),
    #[error("there is no folder {}; make it, and let the user that the program runs as write it", .0.display())]
    NoFolder(PathBuf),
    #[error(
        "somebody listens there already: another instance, or another program; stop it, or name another path in \
         `listen`"
    )]
    InUse,
    #[error("there is a file, and it is no socket; it stays as it is: move it, or name another path in `listen`")]
    OtherFile,
    #[error("there is a socket, and nobody can tell whether somebody listens on it ({0}); remove it if nobody does")]
    Unknown(io::Error),
    #[error(
        "the user that the program runs as may not make files in {}; let it, or name another path in `listen`",
        .0.display()
    )]
    NoAccess(PathBuf),
    #[error(transparent)]
    Owner(#[from] UnknownOwner),
    #[error(
        "`listen_owner = {0}`: only root may give a file to another user, or to a group that the user is not in; start \
         it as root, or leave `listen_owner` out"
    )]
    NotRoot(SocketOwner),
    #[error(transparent)]
    Other(#[from] io::Error),
}

impl SocketError {
    pub(super) fn of_bind(folder: &Path, error: io::Error) -> SocketError {
        match error.kind() {
            io::ErrorKind::AddrInUse => SocketError::InUse,
            io::ErrorKind::PermissionDenied => SocketError::NoAccess(folder.to_owned()),
            _ => SocketError::Other(error),
        }
    }

    pub(super) fn of_owner(listening: &ListenSettings, error: io::Error) -> SocketError {
        match (error.kind(), &listening.owner) {
            (io::ErrorKind::PermissionDenied, Some(owner)) => SocketError::NotRoot(owner.clone()),
            _ => SocketError::Other(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_system_is_told_with_what_to_do() {
        use io::ErrorKind::{AddrInUse, AddrNotAvailable, OutOfMemory, PermissionDenied};
        let ip = "192.0.2.1".parse().ok();
        for (ip, kind, told) in [
            (None, AddrInUse, "port 80 of every interface is in use"),
            (ip, AddrInUse, "-p PORT picks another port"),
            (ip, PermissionDenied, "port 80 of 192.0.2.1 is for root"),
            (ip, PermissionDenied, "CAP_NET_BIND_SERVICE"),
            (ip, AddrNotAvailable, "this machine has no address 192.0.2.1"),
            (ip, OutOfMemory, "cannot be listened on: out of memory"),
        ] {
            let text = ListenError::of_port(ip, 80, kind.into()).to_string();
            assert!(text.contains(told), "{told:?} is not in {text}");
        }
        let owner = SocketOwner { user: Some("www".to_owned()), group: Some("web".to_owned()) };
        let listening = ListenSettings { mode: 0o600, owner: Some(owner), is_given: true, ..ListenSettings::default() };
        let text = SocketError::of_owner(&listening, PermissionDenied.into()).to_string();
        assert!(text.contains("`listen_owner = www:web`: only root may give a file to another user"), "{text}");
        let text = SocketError::of_bind(Path::new("/run"), PermissionDenied.into()).to_string();
        assert!(text.contains("may not make files in /run"), "{text}");
    }
}
