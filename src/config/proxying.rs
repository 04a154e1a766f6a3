//! What a conf says of a mount that leads to a cluster: `/path = @name/folder`, and the keys of `[mount /path]` that
//! are for such a mount alone.

use std::fmt;
use std::time::Duration;

use skitai_actors::spec::Balance;

use super::header_rules::HeaderRule;
use super::ini::Section;
use super::keys::Key;
use super::reading::{Reading, find};
use super::report::Problem;
use super::settings::{Declared, RouteLine, RouteTarget, default_of};
use super::{header_rules, keys, values};

/// Where the requests to a mount are passed on to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassRoute {
    /// The cluster, without `@`.
    pub cluster: String,
    /// What stands before the rest of the path at the members: empty, or beginning with a slash, with none at its end.
    pub folder: String,
}

/// How they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassRules {
    /// What members get as `Host`.
    pub host: PassedHost,
    /// Octets of an answer that are read ahead of a client that reads slowly.
    pub buffer: usize,
    /// The largest body of a request, in octets; `None` for any.
    pub max_body: Option<u64>,
    /// Whether redirects and the paths of cookies are translated.
    pub rewrites: bool,
    /// How long a member may be silent; `None`: the cluster's `member_timeout`.
    pub silence: Option<Duration>,
    /// How long the head of an answer may take, from the request's last octet on; `None`: the site's `deadline`.
    pub deadline: Option<Duration>,
    /// What is set and taken away of the headers for members, after all else.
    pub of_requests: Vec<HeaderRule>,
    /// The same of the headers for clients.
    pub of_answers: Vec<HeaderRule>,
    /// Other protocols than WebSocket that are passed on behind a 101, as clients name them.
    pub upgrades: Vec<String>,
    /// How long one may be silent both ways; `None` for ever.
    pub idle: Option<Duration>,
    /// What keeps a client at its member; `None` for the target of each request.
    pub affinity: Option<Affinity>,
}

/// What requests that go to the same member have in common. All but the sealed cookie need `balance = hash`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// The address of the real client.
    Address,
    /// A cookie; without it the address.
    Cookie(String),
    /// A header; without it the address.
    Header(String),
    /// A cookie of the proxy that names the member. Any `balance` chooses the first one.
    Sealed,
}

/// What members get as `Host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassedHost {
    /// That of the client.
    Kept,
    /// The member's own.
    Members,
    /// This one.
    Named(String),
}

/// The keys that only such a mount may have.
const KEYS: [&Key; 11] = [
    &keys::PROXY_HOST,
    &keys::PROXY_BUFFER,
    &keys::PROXY_MAX_BODY,
    &keys::PROXY_REWRITE,
    &keys::PROXY_TIMEOUT,
    &keys::PROXY_DEADLINE,
    &keys::PROXY_REQUEST_HEADERS,
    &keys::PROXY_ANSWER_HEADERS,
    &keys::PROXY_UPGRADE,
    &keys::PROXY_IDLE,
    &keys::AFFINITY,
];

impl Default for PassRules {
    /// Those of a mount without a section.
    fn default() -> PassRules {
        PassRules {
            host: PassedHost::Kept,
            buffer: usize::try_from(default_of(&keys::PROXY_BUFFER)).unwrap_or(usize::MAX),
            max_body: None,
            rewrites: true,
            silence: None,
            deadline: None,
            of_requests: Vec::new(),
            of_answers: Vec::new(),
            upgrades: Vec::new(),
            idle: Some(values::duration(default_of(&keys::PROXY_IDLE))),
            affinity: None,
        }
    }
}

impl PassRoute {
    /// Of `name/folder`.
    pub(super) fn of(text: &str) -> PassRoute {
        let (cluster, folder) = text.split_at(text.find('/').unwrap_or(text.len()));
        PassRoute { cluster: cluster.to_owned(), folder: folder.trim_end_matches('/').to_owned() }
    }
}

/// As in a conf.
impl fmt::Display for PassRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}{}", self.cluster, self.folder)
    }
}

/// Reads the keys of a section; they are a mistake where no route leads from `path`, which is bare, to a cluster.
pub(super) fn rules(
    reading: &mut Reading<'_>,
    section: &Section,
    path: &str,
    (routes, clusters): (&[RouteLine], &[Declared]),
) -> Option<PassRules> {
    let at_path = routes.iter().filter(|route| route.path.trim_end_matches('/') == path);
    let mut passed = at_path.filter_map(|route| match &route.target {
        RouteTarget::Cluster(route) => Some(route),
        _ => None,
    });
    let route = passed.next();
    let given = KEYS.into_iter().find_map(|key| Some((key, find(Some(section), key)?)));
    let (key, value) = given?;
    let Some(route) = route else {
        let problem = Problem::error(value.span(), format!("`{}` is for a mount that leads to a cluster", key.name));
        reading.push(problem.label("this one does not").help("write `/path = @cluster` under [routes:line]"));
        return None;
    };
    let host = match find(Some(section), &keys::PROXY_HOST).map(|value| (value, value.text.as_str())) {
        None | Some((_, "keep")) => PassedHost::Kept,
        Some((_, "member")) => PassedHost::Members,
        Some((_, name)) if !name.is_empty() && name.bytes().all(is_of_host) => PassedHost::Named(name.to_owned()),
        Some((value, _)) => {
            let problem = Problem::error(value.span(), "this is no value for `proxy_host`");
            reading.push(problem.label("expected `keep`, `member` or a name, which may have a port"));
            PassedHost::Kept
        }
    };
    Some(PassRules {
        host,
        buffer: reading.count(Some(section), &keys::PROXY_BUFFER),
        max_body: Some(reading.number(Some(section), &keys::PROXY_MAX_BODY)).filter(|&most| most > 0),
        rewrites: reading.flag(Some(section), &keys::PROXY_REWRITE).0,
        silence: reading.maybe_number(Some(section), &keys::PROXY_TIMEOUT).map(values::duration),
        deadline: reading.maybe_number(Some(section), &keys::PROXY_DEADLINE).map(values::duration),
        of_requests: header_rules::rules(reading, section, &keys::PROXY_REQUEST_HEADERS),
        of_answers: header_rules::rules(reading, section, &keys::PROXY_ANSWER_HEADERS),
        upgrades: upgrades(reading, section),
        idle: Some(reading.time(Some(section), &keys::PROXY_IDLE)).filter(|time| !time.is_zero()),
        affinity: affinity(reading, section, route, clusters),
    })
}

/// Reads `proxy_upgrade`: names of protocols, which may have versions.
fn upgrades(reading: &mut Reading<'_>, section: &Section) -> Vec<String> {
    let Some(value) = find(Some(section), &keys::PROXY_UPGRADE) else { return Vec::new() };
    let names: Vec<String> = value.text.split(',').map(|name| name.trim().to_owned()).collect();
    let is_of_name = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(&octet);
    for name in &names {
        let why = if name.is_empty() || !name.bytes().all(is_of_name) {
            "expected names of protocols, with commas between them"
        } else if name.eq_ignore_ascii_case("h2c") || name.eq_ignore_ascii_case("h2") {
            "HTTP/2 is not spoken to members: requests in it would pass by all that is said here"
        } else {
            continue;
        };
        let problem = Problem::error(value.span(), format!("`{name}` is no value for `proxy_upgrade`"));
        reading.push(problem.label(why));
    }
    names
}

/// Reads `affinity`. What a key keeps, only a cluster that chooses by a key can.
fn affinity(
    reading: &mut Reading<'_>,
    section: &Section,
    route: &PassRoute,
    clusters: &[Declared],
) -> Option<Affinity> {
    let value = find(Some(section), &keys::AFFINITY)?;
    let is_by_key = clusters.iter().any(|cluster| match cluster {
        Declared::Http(spec) => *spec.name == route.cluster && spec.balance == Balance::Hash,
        Declared::Db(_) => false,
    });
    if value.text == "cookie" {
        return Some(Affinity::Sealed);
    }
    if !is_by_key {
        let message = format!("this `affinity` needs `balance = hash` in [@{}]", route.cluster);
        let problem = Problem::error(value.span(), message).label("this cluster chooses its members in another way");
        reading.push(problem.help("`affinity = cookie`, a sealed cookie of the proxy, works with any balance"));
        return None;
    }
    let named = |kind: &str| {
        let name = value.text.strip_prefix(kind)?;
        let is_token = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
        (!name.is_empty() && name.bytes().all(is_token)).then(|| name.to_owned())
    };
    let read = match value.text.as_str() {
        "address" => Some(Affinity::Address),
        _ => named("cookie:").map(Affinity::Cookie).or_else(|| named("header:").map(Affinity::Header)),
    };
    if read.is_none() {
        let problem = Problem::error(value.span(), "this is no value for `affinity`");
        reading.push(problem.label("expected `cookie`, `address`, `cookie:NAME` or `header:NAME`"));
    }
    read
}

fn is_of_host(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._:[]".contains(&octet)
}
