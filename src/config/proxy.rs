//! `proxy` of `[server]` and the section `[proxy]`: a forward proxy on a port of its own. What is not listed is closed,
//! so a section that lists nothing is an error that shows one that works.

use std::fmt;
use std::time::Duration;

use skitai_actors::spec::Secret;

use super::ini::{Section, Value};
use super::keys;
use super::keys::Key;
use super::listening::{ListenAddress, listed_in};
use super::mounts::NetworkList;
use super::password_hash::PasswordHash;
use super::proxy_hosts::{HostRule, host_rule};
use super::reading::{Reading, find, parts};
use super::report::Problem;
use super::settings::ServerSettings;

/// The name of the section.
const SECTION: &str = "proxy";
/// A section that works.
const MINIMAL: &str = "a section that works:\n\n[proxy]\nlisten = 127.0.0.1:3128\nallow = 127.0.0.1\n\
                       hosts = example.org, *.example.org";

/// `[proxy]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySettings {
    /// Where it listens.
    pub listen: Vec<ListenAddress>,
    /// The clients that may use it.
    pub allow: NetworkList,
    /// Where it leads.
    pub hosts: Vec<HostRule>,
    /// The ports that CONNECT may open where a rule of `hosts` names none.
    pub connect_ports: Vec<u16>,
    /// The same of requests in clear text.
    pub http_ports: Vec<u16>,
    /// Users with their passwords, or the hashes of these; without any no login is asked for.
    pub users: Vec<(String, Secret)>,
    /// For the look-up of a name and the connection together.
    pub connect_timeout: Duration,
    /// How long nothing may move.
    pub idle_timeout: Duration,
    /// How long a tunnel or an exchange may last; `None` for any time.
    pub lifetime: Option<Duration>,
    /// Bytes of one tunnel or exchange, both ways together; `None` for any number.
    pub max_bytes: Option<u64>,
    /// Connections of clients to each process; `None` for any number.
    pub max_connections: Option<usize>,
    /// Those of one address to the whole site; `None` for any number.
    pub max_connections_per_address: Option<usize>,
    /// Largest head of a request, in bytes.
    pub max_head: usize,
    /// The most header lines of a request.
    pub max_headers: usize,
    /// Whether servers are told the client's address.
    pub forwarded_for: bool,
}

/// A line for `check`.
impl fmt::Display for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts.iter().map(ToString::to_string).collect();
        write!(f, "[proxy] allow = {} hosts = {}", self.allow, hosts.join(", "))?;
        for (key, ports) in [(&keys::CONNECT_PORTS, &self.connect_ports), (&keys::HTTP_PORTS, &self.http_ports)] {
            let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
            write!(f, " {} = {}", key.name, ports.join(", "))?;
        }
        match self.users.len() {
            0 => f.write_str(", without a login"),
            1 => f.write_str(", for 1 user"),
            count => write!(f, ", for {count} users"),
        }
    }
}

/// Reads whether there is a proxy, and its section. Where it listens is added to what is listened on.
pub(super) fn into_server(reading: &mut Reading<'_>, sections: &[&Section], server: &mut ServerSettings) {
    let section = |name: &str| sections.iter().copied().find(|section| section.name == name);
    let asked = asked(reading, section("server"));
    let proxy = section(SECTION);
    if let Some(section) = proxy {
        reading.check_keys(section, keys::PROXY_SECTION);
    }
    match (asked, proxy) {
        (None, None) => {}
        (None, Some(section)) => {
            let problem = Problem::warning(section.name_span.clone(), "[proxy] has no effect without `proxy = yes`");
            reading.push(problem.label("nobody reads it").help("write `proxy = yes` in [server]"));
        }
        (Some((key, value)), None) => {
            let asked = format!("`{} = {}`", key.name, value.text);
            let message = format!("{asked} without a section [proxy]: nothing says who may go where");
            reading.push(Problem::error(value.span(), message).label("closed to everybody").help(MINIMAL));
        }
        (Some(_), Some(section)) => {
            let mut taken = server.listening.addresses.clone();
            let settings = settings(reading, section, &mut taken);
            server.listening.addresses = taken;
            server.listening.proxy.clone_from(&settings.listen);
            server.proxy = Some(settings);
        }
    }
}

/// The key that asks for a proxy, `proxy` or its other spelling, with its value.
fn asked<'s>(reading: &mut Reading<'_>, section: Option<&'s Section>) -> Option<(&'static Key, &'s Value)> {
    let proxy = reading.flag(section, &keys::PROXY);
    let enable_proxy = reading.flag(section, &keys::ENABLE_PROXY);
    if let ((a, Some(_)), (b, Some(value))) = (proxy, enable_proxy)
        && a != b
    {
        reading.push(
            Problem::error(value.span(), "`enable_proxy` and `proxy` are the same key and say different things")
                .label("differs from `proxy`")
                .help("keep `proxy` alone"),
        );
    }
    let spellings = [(&keys::PROXY, proxy), (&keys::ENABLE_PROXY, enable_proxy)];
    spellings.into_iter().find_map(|(key, (asked, value))| Some((key, value.filter(|_| asked)?)))
}

fn settings(reading: &mut Reading<'_>, section: &Section, taken: &mut Vec<ListenAddress>) -> ProxySettings {
    let mut help = Some(MINIMAL.to_owned());
    for (key, what) in [
        (&keys::PROXY_LISTEN, "it listens nowhere"),
        (&keys::PROXY_ALLOW, "no client may use it"),
        (&keys::HOSTS, "it leads nowhere"),
    ] {
        let value = find(Some(section), key);
        if value.is_none_or(|value| parts(&value.text).next().is_none()) {
            let span = value.map_or(section.name_span.clone(), Value::span);
            let message = format!("[proxy] without `{}`: {what}", key.name);
            reading.push(Problem::error(span, message).label("closed to everybody").maybe_help(help.take()));
        }
    }
    let section = Some(section);
    let before = taken.len();
    if let Some(value) = find(section, &keys::PROXY_LISTEN) {
        listed_in(reading, value, taken);
    }
    let (networks, unix) = reading.networks(section, &keys::PROXY_ALLOW);
    for (_, span) in networks.iter().filter(|(network, _)| network.is_everything()) {
        reading.push(
            Problem::warning(span.clone(), "`allow` of [proxy] lets everybody in")
                .label("strangers hide behind this machine")
                .help("name the networks of the clients"),
        );
    }
    let most = |reading: &mut Reading<'_>, key: &Key| Some(reading.number(section, key)).filter(|most| *most > 0);
    let as_size = |most: u64| usize::try_from(most).unwrap_or(usize::MAX);
    ProxySettings {
        listen: taken[before..].to_vec(),
        allow: NetworkList { networks: networks.into_iter().map(|(network, _)| network).collect(), unix },
        hosts: hosts(reading, section),
        connect_ports: ports(reading, section, &keys::CONNECT_PORTS),
        http_ports: ports(reading, section, &keys::HTTP_PORTS),
        users: users(reading, section),
        connect_timeout: reading.time(section, &keys::PROXY_CONNECT_TIMEOUT),
        idle_timeout: reading.time(section, &keys::IDLE_TIMEOUT),
        lifetime: Some(reading.time(section, &keys::LIFETIME)).filter(|time| !time.is_zero()),
        max_bytes: most(reading, &keys::MAX_BYTES),
        max_connections: most(reading, &keys::PROXY_MAX_CONNECTIONS).map(as_size),
        max_connections_per_address: most(reading, &keys::PROXY_MAX_CONNECTIONS_PER_ADDRESS).map(as_size),
        max_head: reading.count(section, &keys::PROXY_MAX_HEAD),
        max_headers: reading.count(section, &keys::MAX_HEADERS),
        forwarded_for: reading.flag(section, &keys::FORWARDED_FOR).0,
    }
}

fn hosts(reading: &mut Reading<'_>, section: Option<&Section>) -> Vec<HostRule> {
    let Some(value) = find(section, &keys::HOSTS) else { return Vec::new() };
    let mut rules = Vec::new();
    for (text, range) in parts(&value.text) {
        match host_rule(text) {
            Ok(rule) => rules.push(rule),
            Err(expected) => {
                reading
                    .push(Problem::error(value.span_of(&range), "this is no place for `hosts`").label(expected).help(
                    "write `hosts = example.org, *.example.org, 10.0.0.0/8, example.com:8443`, or `*` for all names",
                ))
            }
        }
    }
    rules
}

/// A list of ports; the default where it is not given.
fn ports(reading: &mut Reading<'_>, section: Option<&Section>, key: &Key) -> Vec<u16> {
    let read = |text: &str| text.parse().ok().filter(|port| *port > 0);
    let Some(value) = find(section, key) else {
        return parts(key.default).filter_map(|(text, _)| read(text)).collect();
    };
    let mut ports = Vec::new();
    for (text, range) in parts(&value.text) {
        match read(text) {
            Some(port) => ports.push(port),
            None => {
                let problem = Problem::error(value.span_of(&range), format!("this is no port for `{}`", key.name));
                reading.push(problem.label("expected a port from 1 to 65535"));
            }
        }
    }
    ports
}

fn users(reading: &mut Reading<'_>, section: Option<&Section>) -> Vec<(String, Secret)> {
    const FEWEST: usize = 8;
    let mut users: Vec<(String, Secret)> = Vec::new();
    if let Some(value) = find(section, &keys::USERS).filter(|value| parts(&value.text).next().is_none()) {
        let problem = Problem::error(value.span(), "`users` names nobody").label("nobody would have to log in");
        reading.push(problem.help("write `name:password`, or remove the line"));
    }
    for (secret, span) in reading.secrets(section, &keys::USERS) {
        let Some((user, password)) = secret.0.split_once(':').filter(|(user, _)| !user.is_empty()) else {
            let problem = Problem::error(span, "this is no user for `users`").label("expected `user:password`");
            reading.push(problem.help("a password with a comma in it is given by env: or file:"));
            continue;
        };
        if users.iter().any(|(known, _)| known == user) {
            reading.push(Problem::error(span.clone(), "this user of `users` is there twice").label("the second time"));
        }
        let is_elsewhere = password.starts_with("env:") || password.starts_with("file:");
        if is_elsewhere || password.contains(char::is_control) {
            let message = match is_elsewhere {
                true => "`env:` and `file:` of `users` stand for a whole `user:password`",
                false => "a user of `users` has a line break or the like in the password",
            };
            let problem = Problem::error(span.clone(), message).label("this would be the password itself");
            reading.push(problem.help("write `users = env:NAME, file:PATH`, each with one `user:password` in it"));
        }
        if PasswordHash::is_meant(password) {
            if let Err(expected) = PasswordHash::read(password) {
                reading.push(
                    Problem::error(span, "this password begins as a hash does, and is none that is read here")
                        .label(expected)
                        .help("make one with the command `hash-password`"),
                );
            }
        } else if password.chars().count() < FEWEST {
            reading.push(
                Problem::error(span, format!("a password of `users` is shorter than {FEWEST} characters"))
                    .label("can be guessed"),
            );
        }
        users.push((user.to_owned(), Secret(password.to_owned())));
    }
    users
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Loaded, Report, parse};
    use super::*;

    fn read(section: &str) -> Result<Loaded, Report> {
        let text = format!("[server]\nport = 5000\nip = 127.0.0.1\nproxy = yes\n[routes:line]\n/ = x\n{section}\n");
        parse("a.conf", &text, Path::new("/site"), &|_| None)
    }

    #[test]
    fn a_password_is_not_where_it_would_be_found() {
        let open = "[proxy]\nlisten = 127.0.0.1:6\nallow = 127.0.0.1\nhosts = a.example";
        read(&format!("{open}\nusers = anna:long enough")).expect("a user");
        for users in ["anna:env:ANNA_PASSWORD", "anna:file:anna.hash", "anna:long enough, bert:env:BERT_PASSWORD"] {
            let report = read(&format!("{open}\nusers = {users}")).expect_err(users).to_string();
            assert!(report.contains("stand for a whole `user:password`"), "{report}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("users");
        std::fs::write(&file, "anna:long enough\nbert:long as well\n").expect("written");
        let report = read(&format!("{open}\nusers = file:{}", file.display())).expect_err("two users").to_string();
        assert!(report.contains("line break") && !report.contains("long"), "{report}");
    }

    #[test]
    fn a_list_of_nothing_is_no_list() {
        let open = "[proxy]\nlisten = 127.0.0.1:6\nallow = 127.0.0.1\nhosts = a.example";
        read(open).expect("it lists all three");
        for (empty, why) in [
            ("listen = ,", "listens nowhere"),
            ("allow = , ,", "no client"),
            ("hosts = ,", "leads nowhere"),
            ("users =", "names nobody"),
            ("users = ,", "names nobody"),
        ] {
            let (key, _) = empty.split_once(' ').expect("a key");
            let others: Vec<&str> = open.lines().filter(|line| !line.starts_with(key)).collect();
            let report = read(&format!("{}\n{empty}", others.join("\n"))).expect_err(empty).to_string();
            assert!(report.contains(why), "{empty}: {report}");
        }
        // The same port at all addresses and at one of them.
        let report = read("[proxy]\nlisten = 0.0.0.0:5000\nallow = 127.0.0.1\nhosts = a.example").expect_err("taken");
        assert!(report.to_string().contains("5000"), "{report}");
        read("[proxy]\nlisten = [::]:5000\nallow = 127.0.0.1\nhosts = a.example").expect("of another kind");
    }

    #[test]
    fn the_section_that_an_error_shows_works() {
        for section in ["", "[proxy]", "[proxy]\nallow = 127.0.0.1"] {
            let report = read(section).expect_err("it lists nothing").to_string();
            let shown = report.split("works:\n").nth(1).expect("it shows one");
            let lines = shown.lines().map(str::trim).skip_while(|line| line.is_empty());
            let lines = lines.take_while(|line| !line.is_empty());
            let shown: Vec<&str> = lines.collect();
            let loaded = read(&shown.join("\n")).unwrap_or_else(|report| panic!("{report}"));
            assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
            let proxy = loaded.settings.server.proxy.expect("there is one");
            assert_eq!((proxy.connect_ports, proxy.http_ports), (vec![443], vec![80]));
            let listening = &loaded.settings.server.listening;
            assert_eq!(listening.addresses.len(), 2);
            assert_eq!((listening.tcp().expect("the site's").1, &listening.proxy), (5000, &proxy.listen));
        }
    }

    #[test]
    fn another_port_of_the_site_leaves_the_proxy_where_it_is() {
        let mut listening = read(&MINIMAL[MINIMAL.find("[proxy]").expect("its name")..])
            .map(|loaded| loaded.settings.server.listening)
            .unwrap_or_else(|report| panic!("{report}"));
        listening.set_port(7);
        let shown: Vec<String> = listening.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["127.0.0.1:7", "127.0.0.1:3128"]);
    }

    #[test]
    fn nothing_is_shown_of_passwords() {
        let section =
            "[proxy]\nlisten = 127.0.0.1:3128\nallow = 10.0.0.0/8, unix\nhosts = *\nusers = bob:do-not-show-this";
        let proxy = read(section).map(|loaded| loaded.settings.server.proxy);
        let proxy = proxy.unwrap_or_else(|report| panic!("{report}")).expect("there is one");
        assert_eq!(
            proxy.to_string(),
            "[proxy] allow = 10.0.0.0/8, unix hosts = * connect_ports = 443 http_ports = 80, for 1 user"
        );
        assert!(!format!("{proxy:?}").contains("do-not-show"), "{proxy:?}");
    }
}
