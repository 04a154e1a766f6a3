//! `[mount /path]`: what holds for the requests to one mount, and to all that is below its path unless a longer
//! section has the same key.
//!
//! A section is for a path that a line of `[routes:line]` has, or for one of the server's own pages: one that no
//! request can match is a mistake, and an access list that guards nothing is a dangerous one.

use std::fmt;

use super::folder_rules::{FolderRules, folder_rules, maybe_flag};
use super::ini::Section;
use super::keys;
use super::moves::{MoveRule, moves};
use super::network::Network;
use super::origins::{BrowserRules, Cors, browser_rules, cors};
use super::proxying;
use super::proxying::{PassRules, PassedHost};
use super::rates::{Rate, rates};
use super::reading::{Reading, find};
use super::report::Problem;
use super::settings::{Declared, RouteLine};
use super::spelling::nearest;

/// The word before the path.
const WORD: &str = "mount";
/// The mounts that no line of a conf makes.
const OWN: [&str; 5] = ["/status", "/status/methods", "/status/trail", "/status.json", "/metrics"];

/// What a conf says of one mount. A key that is not given is that of the next shorter section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountSettings {
    /// Its path, without a trailing slash; empty for `/`.
    pub path: String,
    /// The only clients that may come in.
    pub allow: Option<NetworkList>,
    /// Clients that may not.
    pub deny: Option<NetworkList>,
    /// Requests under way at a time, on the whole site; 0 for any number.
    pub max_in_flight: Option<usize>,
    /// Requests of one client in a time.
    pub rates: Option<Vec<Rate>>,
    /// Whose scripts may read its answers.
    pub cors: Option<Cors>,
    /// Headers for browsers.
    pub browsers: BrowserRules,
    /// Its folders.
    pub folders: FolderRules,
    /// Whether answers are compressed.
    pub compress: Option<bool>,
    /// Redirects and rewrites of its paths.
    pub moves: Vec<MoveRule>,
    /// How requests are passed on, where the mount leads to a cluster.
    pub passing: Option<PassRules>,
}

/// Addresses and networks, and the word `unix`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkList {
    /// The networks.
    pub networks: Vec<Network>,
    /// Whether clients at Unix sockets, which have no address, are meant, too.
    pub unix: bool,
}

/// A line for `check`: the path, and what the section says.
impl fmt::Display for MountSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[mount {}]", if self.path.is_empty() { "/" } else { &self.path })?;
        for (key, list) in [(&keys::ALLOW, &self.allow), (&keys::DENY, &self.deny)] {
            if let Some(list) = list {
                write!(f, " {} = {list}", key.name)?;
            }
        }
        if let Some(most) = self.max_in_flight {
            write!(f, " {} = {most}", keys::MAX_IN_FLIGHT.name)?;
        }
        if let Some(rates) = &self.rates {
            let rates: Vec<String> = rates.iter().map(ToString::to_string).collect();
            write!(f, " {} = {}", keys::RATE.name, rates.join(", "))?;
        }
        if let Some(cors) = &self.cors {
            write!(f, " {cors}")?;
        }
        if let Some(usual) = self.browsers.usual {
            write!(f, " {} = {}", keys::SECURITY_HEADERS.name, if usual { "yes" } else { "no" })?;
        }
        for (key, policy) in [
            (&keys::CONTENT_SECURITY_POLICY, &self.browsers.content_security_policy),
            (&keys::PERMISSIONS_POLICY, &self.browsers.permissions_policy),
        ] {
            if let Some(policy) = policy {
                write!(f, " {} = {policy}", key.name)?;
            }
        }
        for (name, value) in self.folders.describe() {
            write!(f, " {name} = {value}")?;
        }
        if let Some(compress) = self.compress {
            write!(f, " {} = {}", keys::COMPRESS.name, if compress { "yes" } else { "no" })?;
        }
        for (key, is_redirect) in [(&keys::REDIRECTS, true), (&keys::REWRITES, false)] {
            let rules = self.moves.iter().filter(|rule| rule.code.is_some() == is_redirect);
            let rules: Vec<String> = rules.map(ToString::to_string).collect();
            if !rules.is_empty() {
                write!(f, " {} = {}", key.name, rules.join(", "))?;
            }
        }
        if let Some(rules) = &self.passing {
            let host = match &rules.host {
                PassedHost::Kept => "keep",
                PassedHost::Members => "member",
                PassedHost::Named(name) => name,
            };
            write!(f, " {} = {host}", keys::PROXY_HOST.name)?;
        }
        Ok(())
    }
}

impl fmt::Display for NetworkList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = self.networks.iter().map(ToString::to_string);
        let all: Vec<String> = networks.chain(self.unix.then(|| "unix".to_owned())).collect();
        f.write_str(&all.join(", "))
    }
}

/// The path in the name of a section, as written; `None` for a section of another kind.
pub(super) fn path_of(name: &str) -> Option<&str> {
    let rest = name.strip_prefix(WORD)?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then(|| rest.trim())
}

/// Whether two names of sections are those of one mount: `/docs` and `/docs/` are.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    match (path_of(one), path_of(other)) {
        (Some(one), Some(other)) => bare(one) == bare(other),
        _ => false,
    }
}

fn bare(path: &str) -> &str {
    path.trim_end_matches('/')
}

/// Reads the sections of mounts.
pub(super) fn mounts(
    reading: &mut Reading<'_>,
    sections: &[&Section],
    routes: &[RouteLine],
    clusters: &[Declared],
) -> Vec<MountSettings> {
    let mut mounts = Vec::new();
    for section in sections {
        let Some(path) = path_of(&section.name) else { continue };
        reading.check_keys(section, keys::MOUNT);
        let mount = mount(reading, section, path, (routes, clusters));
        if is_mounted(reading, section, path, routes) {
            mounts.push(mount);
        }
    }
    mounts
}

/// Whether there is such a mount; reports one that is not there.
fn is_mounted(reading: &mut Reading<'_>, section: &Section, path: &str, routes: &[RouteLine]) -> bool {
    let problem = |message: &str| Problem::error(section.name_span.clone(), message);
    if path.is_empty() {
        reading.push(problem("[mount] names no path").label("no path").help("write `[mount /path]`"));
        return false;
    }
    if !path.starts_with('/') {
        let help = format!("write `[mount /{path}]`");
        reading.push(problem("the path of a mount starts with `/`").label("no path").help(help));
        return false;
    }
    let known = || OWN.into_iter().chain(routes.iter().map(|route| route.path.as_str()));
    if known().any(|known| bare(known) == bare(path)) {
        return true;
    }
    let help = match nearest(path, known()) {
        Some(near) => format!("did you mean `[mount {near}]`?"),
        None => "it is for a path of [routes:line], /status or /status/methods".to_owned(),
    };
    reading.push(problem("nothing is mounted at this path").label("no route has it").help(help));
    false
}

fn mount(
    reading: &mut Reading<'_>,
    section: &Section,
    path: &str,
    reached: (&[RouteLine], &[Declared]),
) -> MountSettings {
    MountSettings {
        path: bare(path).to_owned(),
        allow: networks(reading, section, &keys::ALLOW),
        deny: networks(reading, section, &keys::DENY),
        max_in_flight: reading
            .maybe_number(Some(section), &keys::MAX_IN_FLIGHT)
            .map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
        rates: rates(reading, section),
        cors: cors(reading, section),
        browsers: browser_rules(reading, section),
        folders: folder_rules(reading, section),
        compress: maybe_flag(reading, section, &keys::COMPRESS),
        moves: moves(reading, section, bare(path)),
        passing: proxying::rules(reading, section, bare(path), reached),
    }
}

fn networks(reading: &mut Reading<'_>, section: &Section, key: &keys::Key) -> Option<NetworkList> {
    let value = find(Some(section), key)?;
    if value.text.is_empty() {
        // An empty list could mean nobody, or that the key is not given.
        let problem = Problem::error(value.span(), format!("`{}` has no value", key.name));
        reading.push(problem.label("expected addresses and networks").help("remove the line, or name a network"));
        return None;
    }
    let (read, unix) = reading.networks(Some(section), key);
    Some(NetworkList { networks: read.into_iter().map(|(network, _)| network).collect(), unix })
}
