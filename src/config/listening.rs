//! Where a site listens: `listen`, `listen_mode`, `listen_owner`, `ip` and `port` of `[server]`.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::ini::{Section, Value};
use super::keys::Key;
use super::reading::{Reading, find, parts};
use super::report::Problem;
use super::{keys, mask, values};

/// The longest path of a Unix socket in octets: the kernel has room for 108, with a zero at the end.
pub const LONGEST_SOCKET_PATH: usize = 107;
/// Members of the owner's group may connect, such as a proxy in front.
const MODE: u32 = 0o660;
/// The owner alone may connect.
const DEVEL_MODE: u32 = 0o600;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A port of one address; without an address of all interfaces.
    Tcp {
        /// The address.
        ip: Option<IpAddr>,
        /// The port.
        port: u16,
    },
    /// The file of a Unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Whether other machines cannot reach it.
    fn is_loopback(&self) -> bool {
        match self {
            ListenAddress::Tcp { ip, .. } => ip.is_some_and(|ip| ip.is_loopback()),
            ListenAddress::Unix(_) => true,
        }
    }

    /// Whether both cannot be listened on: all interfaces have each of them.
    fn overlaps(&self, other: &ListenAddress) -> bool {
        match (self, other) {
            (ListenAddress::Tcp { ip, port }, ListenAddress::Tcp { ip: other_ip, port: other_port }) => {
                port == other_port && (ip == other_ip || has_all(ip, other_ip) || has_all(other_ip, ip))
            }
            _ => self == other,
        }
    }
}

/// Whether the first one stands for all interfaces, those of the second one's kind at least.
fn has_all(ip: &Option<IpAddr>, other: &Option<IpAddr>) -> bool {
    ip.is_none_or(|ip| ip.is_unspecified() && other.is_none_or(|other| other.is_ipv4() == ip.is_ipv4()))
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp { ip: Some(ip), port } => SocketAddr::new(*ip, *port).fmt(f),
            ListenAddress::Tcp { ip: None, port } => write!(f, "all interfaces, port {port}"),
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Where the site listens, and who may connect to its Unix sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenSettings {
    /// At least one address.
    pub addresses: Vec<ListenAddress>,
    /// The permissions of the files of Unix sockets.
    pub mode: u32,
    /// The owner of these files; `None` for the user that the program runs as.
    pub owner: Option<SocketOwner>,
    /// Whether a service manager has opened the sockets, in place of those that the configuration names.
    pub is_given: bool,
    /// The port among the addresses whose clients are sent to HTTPS.
    pub redirect: Option<u16>,
    /// Those of the addresses that are the forward proxy's.
    pub proxy: Vec<ListenAddress>,
    /// Those of the addresses that are of the server's own pages.
    pub admin: AdminSockets,
}

/// Where the server's own pages are, if not on the site's ports, and who may connect to the Unix sockets among these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminSockets {
    /// Those of `listen` of `[admin]`.
    pub addresses: Vec<ListenAddress>,
    /// The permissions of the files of its Unix sockets.
    pub mode: u32,
    /// The owner of these files.
    pub owner: Option<SocketOwner>,
}

/// The user and the group that own the file of a Unix socket, by name or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketOwner {
    /// The user; `None` for the one that the program runs as.
    pub user: Option<String>,
    /// The group; `None` for the user's own group.
    pub group: Option<String>,
}

impl fmt::Display for SocketOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.user.as_deref().unwrap_or(""))?;
        self.group.as_deref().map_or(Ok(()), |group| write!(f, ":{group}"))
    }
}

impl AdminSockets {
    /// Who may connect to a Unix socket: its owner alone.
    pub(super) const MODE: u32 = 0o600;
}

impl Default for AdminSockets {
    fn default() -> AdminSockets {
        AdminSockets { addresses: Vec::new(), mode: AdminSockets::MODE, owner: None }
    }
}

impl ListenSettings {
    /// One address.
    pub(crate) fn on(address: ListenAddress) -> ListenSettings {
        ListenSettings { addresses: vec![address], mode: MODE, ..ListenSettings::default() }
    }

    /// Those of the addresses that are the site's.
    fn of_site(&self) -> impl Iterator<Item = &ListenAddress> {
        self.addresses.iter().filter(|address| !self.proxy.contains(address) && !self.admin.addresses.contains(address))
    }

    /// The address and the port of the site's first address that has one.
    pub fn tcp(&self) -> Option<(Option<IpAddr>, u16)> {
        self.of_site().find_map(|address| match address {
            ListenAddress::Tcp { ip, port } => Some((*ip, *port)),
            ListenAddress::Unix(_) => None,
        })
    }

    /// Listens on another port (`-p`): it takes the place of every address with a port, and has the interface of the
    /// first of these. Where only Unix sockets were named, it is added, on loopback. A forward proxy and the server's
    /// own pages stay where they are.
    pub fn set_port(&mut self, port: u16) {
        let ip = self.tcp().map_or(Some(Ipv4Addr::LOCALHOST.into()), |(ip, _)| ip);
        let (proxy, admin) = (&self.proxy, &self.admin.addresses);
        self.addresses.retain(|address| is_unix(address) || proxy.contains(address) || admin.contains(address));
        self.addresses.insert(0, ListenAddress::Tcp { ip, port });
        self.redirect = None;
    }

    /// The same with the permissions and the owner that the Unix socket of this address has.
    pub(crate) fn of_address(&self, address: &ListenAddress) -> Cow<'_, ListenSettings> {
        if !self.admin.addresses.contains(address) {
            return Cow::Borrowed(self);
        }
        let AdminSockets { mode, owner, .. } = self.admin.clone();
        Cow::Owned(ListenSettings { mode, owner, ..self.clone() })
    }

    /// Whether only this machine can reach the site, and of Unix sockets only the user that owns them: what devel mode
    /// asks for.
    pub fn is_private(&self) -> bool {
        let has_open_file = self.mode & 0o077 != 0 && self.of_site().any(is_unix);
        self.of_site().all(ListenAddress::is_loopback) && !has_open_file
    }
}

fn is_unix(address: &ListenAddress) -> bool {
    matches!(address, ListenAddress::Unix(_))
}

/// An address, and its place in the conf if it is written there.
type Listed = (ListenAddress, Option<Range<usize>>);

const DEVEL_LISTEN: &str = "listen on a port of 127.0.0.1 or on a Unix socket, or write `devel = no`";

/// Reads the keys. `devel` is the value that turns devel mode on.
pub(super) fn listening(reading: &mut Reading<'_>, section: Option<&Section>, devel: Option<&Value>) -> ListenSettings {
    let ip = reading.address(section, &keys::IP);
    let port = u16::try_from(reading.number(section, &keys::PORT)).unwrap_or(u16::MAX);
    let listen = find(section, &keys::LISTEN).filter(|value| !value.text.is_empty());
    let has_port = [&keys::IP, &keys::PORT].iter().any(|key| find(section, key).is_some());
    let mut listed: Vec<Listed> = Vec::new();
    if listen.is_none() || has_port {
        // An address that could not be parsed has been reported.
        let value = find(section, &keys::IP).filter(|value| !value.text.is_empty());
        let is_unread = ip.is_none() && value.is_some_and(|value| value.text != "*");
        if !is_unread {
            listed.push((ListenAddress::Tcp { ip, port }, value.map(Value::span)));
        }
    }
    if let Some(value) = listen {
        of_list(reading, value, &mut listed);
    }
    let mode_value = find(section, &keys::LISTEN_MODE).filter(|value| !value.text.is_empty());
    let default = if devel.is_some() { DEVEL_MODE } else { MODE };
    let mode = reading.mode(section, &keys::LISTEN_MODE).unwrap_or(default);
    let owner = owner_of(reading, section, &keys::LISTEN_OWNER);
    if let Some(devel) = devel {
        for (nth, (address, span)) in listed.iter().enumerate().filter(|(_, (address, _))| !address.is_loopback()) {
            let is_of_ip = nth == 0 && (listen.is_none() || has_port);
            let help = if is_of_ip { "write `ip = 127.0.0.1`, or `devel = no`" } else { DEVEL_LISTEN };
            keep_on_loopback(reading, address, span.clone(), devel, help);
        }
    }
    let has_unix = listed.iter().any(|(address, _)| is_unix(address));
    for value in [mode_value, find(section, &keys::LISTEN_OWNER)].into_iter().flatten().filter(|_| !has_unix) {
        let message = "it is about the files of Unix sockets, and `listen` names none";
        reading.push(Problem::warning(value.span(), message).label("has no effect"));
    }
    if let (Some(_), Some(value), true) = (devel, mode_value, has_unix && mode & 0o077 != 0) {
        reading.push(
            Problem::error(value.span(), "devel mode has Unix sockets for their owner alone")
                .label("would show errors and source to others")
                .help("write `listen_mode = 0600`, leave it out, or write `devel = no`"),
        );
    }
    let addresses = listed.into_iter().map(|(address, _)| address).collect();
    ListenSettings { addresses, mode, owner, ..ListenSettings::default() }
}

/// Devel mode shows errors and reloads, so only this machine may reach it.
fn keep_on_loopback(
    reading: &mut Reading<'_>,
    address: &ListenAddress,
    span: Option<Range<usize>>,
    devel: &Value,
    help: &str,
) {
    let place = match address {
        ListenAddress::Tcp { ip: Some(ip), .. } => ip.to_string(),
        _ => "all interfaces".to_owned(),
    };
    let message = format!("`devel = {}` on {place}: devel mode listens on loopback alone", devel.text);
    reading.push(
        Problem::error(span.unwrap_or_else(|| devel.span()), message)
            .label("would show errors and source to anybody")
            .help(help),
    );
}

/// Adds the addresses of a list to those that are taken; invalid ones are reported and left out.
pub(super) fn listed_in(reading: &mut Reading<'_>, value: &Value, taken: &mut Vec<ListenAddress>) {
    let mut listed = taken.drain(..).map(|address| (address, None)).collect();
    of_list(reading, value, &mut listed);
    taken.extend(listed.into_iter().map(|(address, _)| address));
}

/// Adds the addresses of `listen`; invalid ones are reported and left out.
fn of_list(reading: &mut Reading<'_>, value: &Value, listed: &mut Vec<Listed>) {
    for (text, range) in parts(&value.text) {
        let span = value.span_of(&range);
        match address(text, reading.base) {
            Ok(address) if listed.iter().any(|(known, _)| known.overlaps(&address)) => {
                reading.push(Problem::error(span, format!("`{text}` is listened on already")).label("the second time"));
            }
            Ok(address) => listed.push((address, Some(span))),
            Err(why) => {
                let shown = mask::quotable(text).filter(|_| !text.contains(['=', '@']));
                let message = format!("{} is nothing to listen on", shown.as_deref().unwrap_or("this"));
                reading.push(Problem::error(span, message).label(why));
            }
        }
    }
}

fn address(text: &str, base: &Path) -> Result<ListenAddress, String> {
    const EXPECTED: &str = "expected `unix:PATH`, or an address with its port, such as 127.0.0.1:5000 or *:5000";
    if let Some(path) = text.strip_prefix("unix:").map(str::trim) {
        if path.is_empty() || path.ends_with('/') || path.contains(char::is_control) {
            return Err("expected the file of the socket behind `unix:`".to_owned());
        }
        let path = base.join(path);
        return match path.as_os_str().len() {
            0..=LONGEST_SOCKET_PATH => Ok(ListenAddress::Unix(path)),
            length => Err(format!("that path has {length} octets, and a socket's may have {LONGEST_SOCKET_PATH}")),
        };
    }
    let (host, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
    if host.is_empty() {
        return Err(format!("write *:{port} for all interfaces"));
    }
    if host.contains(':') && !host.starts_with('[') {
        return Err("an IPv6 address stands in brackets: [::1]:5000".to_owned());
    }
    let port =
        port.parse().ok().filter(|port| *port > 0).ok_or("expected a port from 1 to 65535 behind the last `:`")?;
    let ip = values::address(host).map_err(|_| EXPECTED)?;
    Ok(ListenAddress::Tcp { ip, port })
}

/// `user`, `user:group` or `:group`.
pub(super) fn owner_of(reading: &mut Reading<'_>, section: Option<&Section>, key: &Key) -> Option<SocketOwner> {
    let value = find(section, key).filter(|value| !value.text.is_empty())?;
    let (user, group) = match value.text.split_once(':') {
        Some((user, group)) => (user.trim(), Some(group.trim())),
        None => (value.text.as_str(), None),
    };
    let is_name = |name: &str| !name.is_empty() && !name.contains([':', '/']) && !name.contains(char::is_whitespace);
    let user = Some(user).filter(|user| !user.is_empty() || group.is_none());
    if user.is_some_and(|user| !is_name(user)) || group.is_some_and(|group| !is_name(group)) {
        reading.refuse(key, value, "expected `user`, `user:group` or `:group`", None);
        return None;
    }
    Some(SocketOwner { user: user.map(str::to_owned), group: group.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ListenAddress, String> {
        address(text, Path::new("/site"))
    }

    #[test]
    fn an_address_is_a_port_or_the_file_of_a_socket() {
        for (text, shown) in [
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("localhost:80", "127.0.0.1:80"),
            ("[::1]:5000", "[::1]:5000"),
            ("*:65535", "all interfaces, port 65535"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
            ("unix:run/a:1.sock", "unix:/site/run/a:1.sock"),
            ("unix: a b", "unix:/site/a b"),
        ] {
            assert_eq!(read(text).map(|address| address.to_string()), Ok(shown.to_owned()), "{text}");
        }
        let long = format!("unix:/{}", "x".repeat(LONGEST_SOCKET_PATH - 1));
        assert!(read(&long).is_ok());
        let longer = format!("{long}x");
        for (text, why) in [
            ("5000", "expected `unix:PATH`"),
            (":5000", "write *:5000"),
            ("::1:5000", "in brackets"),
            ("[::1]", "expected"),
            ("example.org:80", "expected `unix:PATH`"),
            ("127.0.0.1:0", "a port from 1 to 65535"),
            ("127.0.0.1:65536", "a port from 1 to 65535"),
            ("unix:", "the file of the socket"),
            ("unix:/run/", "the file of the socket"),
            (longer.as_str(), "has 108 octets"),
        ] {
            let told = read(text).expect_err(text);
            assert!(told.contains(why), "{text}: {told}");
        }
    }

    #[test]
    fn another_port_replaces_every_port_and_no_socket() {
        let unix = || ListenAddress::Unix("a.sock".into());
        let tcp = |ip: Option<&str>, port| ListenAddress::Tcp { ip: ip.and_then(|ip| ip.parse().ok()), port };
        for (before, after) in [
            (vec![tcp(None, 5000)], vec![tcp(None, 7)]),
            (vec![unix(), tcp(Some("::1"), 1), tcp(None, 2)], vec![tcp(Some("::1"), 7), unix()]),
            (vec![unix()], vec![tcp(Some("127.0.0.1"), 7), unix()]),
        ] {
            let mut listening = ListenSettings { addresses: before, ..ListenSettings::on(unix()) };
            listening.set_port(7);
            assert_eq!(listening.addresses, after);
        }
    }

    #[test]
    fn what_others_can_reach_is_not_private() {
        let on =
            |address: &str, mode| ListenSettings { mode, ..ListenSettings::on(read(address).expect("an address")) };
        for (address, mode, is_private) in [
            ("127.0.0.1:1", 0o660, true),
            ("[::1]:1", 0o660, true),
            ("*:1", 0o600, false),
            ("10.0.0.1:1", 0o600, false),
            ("unix:a", 0o600, true),
            ("unix:a", 0o660, false),
            ("unix:a", 0o602, false),
        ] {
            assert_eq!(on(address, mode).is_private(), is_private, "{address} {mode:o}");
        }
    }
}
