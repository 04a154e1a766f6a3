//! What a conf says of a mount that leads to a cluster: `/path = @name/folder`, and the keys of `[mount /path]` that
//! are for such a mount alone.

use std::fmt;

use skitai_actors::spec::Balance;

use super::ini::Section;
use super::keys;
use super::keys::Key;
use super::reading::{Reading, find};
use super::report::Problem;
use super::settings::{Declared, RouteLine, RouteTarget, default_of};

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
    /// What keeps a client at its member; `None` for the target of each request.
    pub affinity: Option<Affinity>,
}

/// What requests that go to the same member have in common, in a cluster with `balance = hash`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// The address of the real client.
    Address,
    /// A cookie; without it the address.
    Cookie(String),
    /// A header; without it the address.
    Header(String),
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
const KEYS: [&Key; 5] =
    [&keys::PROXY_HOST, &keys::PROXY_BUFFER, &keys::PROXY_MAX_BODY, &keys::PROXY_REWRITE, &keys::AFFINITY];

impl Default for PassRules {
    /// Those of a mount without a section.
    fn default() -> PassRules {
        PassRules {
            host: PassedHost::Kept,
            buffer: usize::try_from(default_of(&keys::PROXY_BUFFER)).unwrap_or(usize::MAX),
            max_body: None,
            rewrites: true,
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
        affinity: affinity(reading, section, route, clusters),
    })
}

/// Reads `affinity`, which only a cluster that chooses by a key can keep.
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
    if !is_by_key {
        let message = format!("`affinity` needs `balance = hash` in [@{}]", route.cluster);
        reading.push(Problem::error(value.span(), message).label("this cluster chooses its members in another way"));
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
        reading.push(problem.label("expected `address`, `cookie:NAME` or `header:NAME`"));
    }
    read
}

fn is_of_host(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._:[]".contains(&octet)
}
