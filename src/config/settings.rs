//! What a conf says, typed: everything in here is valid, and every default is filled in.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use skitai_actors::spec::{ClusterSpec, DbSpec, Secret};

use super::network::Network;
use super::{keys, values};

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `[server]`.
    pub server: ServerSettings,
    /// `[routes:line]`, in the order of the file.
    pub routes: Vec<RouteLine>,
    /// `[@name]`, in the order of the file.
    pub clusters: Vec<Declared>,
    /// `[certification]`.
    pub certification: Certification,
}

/// `[server]`: what holds for the whole instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Threads of each process.
    pub threads: usize,
    /// Thread processes.
    pub processes: usize,
    /// Address to listen on; none for all interfaces.
    pub ip: Option<IpAddr>,
    /// Port to listen on.
    pub port: u16,
    /// Name of the instance, in logs and on the status page.
    pub name: String,
    /// Life of an idle session.
    pub sessiontimeout: Duration,
    /// How long a client may keep a static file.
    pub static_max_age: Duration,
    /// RPC and SQL results kept; 0 keeps none.
    pub num_result_cache_max: u64,
    /// Seals the sessions; where there is none, one is made and kept.
    pub securekey: Option<Secret>,
    /// Former `securekey`s: sessions they sealed go on, sealed anew with the present one.
    pub previous_securekeys: Vec<Secret>,
    /// Password of `admin` on the status pages.
    pub admin_password: Option<Secret>,
    /// Devel mode.
    pub devel: bool,
    /// Largest body of a request, in bytes.
    pub max_body: usize,
    /// Memory of all bodies that are still coming, in bytes.
    pub max_bodies: usize,
    /// Multipart forms.
    pub uploads: Uploads,
    /// How long the head of a request may take to arrive.
    pub head_timeout: Duration,
    /// How long a connection may rest between two requests.
    pub keep_alive: Duration,
    /// How long the body of a request may take to arrive.
    pub body_timeout: Duration,
    /// How long a client may take less than 1 KiB of what waits for it.
    pub send_timeout: Duration,
    /// How long a request may take.
    pub deadline: Duration,
    /// Calls in one JSON-RPC batch or one `system.multicall`.
    pub max_batch: usize,
    /// Largest answer of a batch or a `system.multicall`, in bytes.
    pub max_batch_answer: usize,
    /// Who may ask what methods there are.
    pub introspection: Introspection,
    /// File of the access log; none for no access log.
    pub access_log: Option<PathBuf>,
    /// Who is believed when it says for whom it asks.
    pub trusted_proxies: TrustedProxies,
}

/// The proxies that are believed who their client is, and where they say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Where they are; empty where nobody is believed.
    pub networks: Vec<Network>,
    /// Where they say it; none for X-Forwarded-For, and Forwarded where there is no X-Forwarded-For.
    pub header: Option<ForwardedHeader>,
}

impl TrustedProxies {
    /// Whether such a peer is one of them.
    pub fn has(&self, peer: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(peer))
    }
}

/// A header in which a proxy says for whom it asks (`forwarded_header`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, and `X-Forwarded-Proto` beside it.
    XForwardedFor,
    /// `Forwarded` of RFC 7239.
    Forwarded,
}

/// Who may ask what methods there are (`introspection`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Introspection {
    /// The user `admin`; in devel mode everybody.
    #[default]
    Admin,
    /// Everybody.
    Public,
    /// Nobody.
    Off,
}

/// What of `[server]` is for multipart forms. Sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploads {
    /// Largest form in all.
    pub max_all: u64,
    /// Largest file in it.
    pub max_file: u64,
    /// Files and fields in it.
    pub max_parts: usize,
    /// Where files are until their handler is done; none for the system's folder.
    pub folder: Option<PathBuf>,
}

/// `[certification]`: files as they will be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certification {
    /// The chain.
    pub certfile: Option<PathBuf>,
    /// The private key, where it is not in the chain's file.
    pub keyfile: Option<PathBuf>,
    /// The authority's certificates.
    pub cafile: Option<PathBuf>,
    /// Opens the private key.
    pub passphrase: Option<Secret>,
}

/// One line of `[routes:line]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteLine {
    /// Where it is mounted, as written: `/test` and `/test/` differ in the links of a page.
    pub path: String,
    /// What is mounted.
    pub target: RouteTarget,
    /// The target's bytes in the conf; none for a route that no conf holds.
    pub span: Option<Range<usize>>,
}

/// What a route leads to, before the apps of the program are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteTarget {
    /// `@name`, without the `@`.
    Cluster(String),
    /// A folder or an app, as written: see [`resolve`](super::routes::resolve).
    Name(String),
    /// An app of this program, whatever folders there are.
    App(String),
}

/// A declared cluster, ready to make actors of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declared {
    /// HTTP and RPC members.
    Http(Box<ClusterSpec>),
    /// Databases.
    Db(DbSpec),
}

impl Declared {
    /// The name without `@`.
    pub fn name(&self) -> &str {
        match self {
            Declared::Http(spec) => &spec.name,
            Declared::Db(spec) => &spec.name,
        }
    }
}

impl Settings {
    /// A site without a conf: devel mode on loopback, `static` of the folder `here` before the first app, both at `/`.
    pub fn default_for_devel(here: &Path, apps: &[&str]) -> Settings {
        let route = |target| RouteLine { path: "/".to_owned(), target, span: None };
        let folder = here.join("static").is_dir().then(|| route(RouteTarget::Name("static".to_owned())));
        let app = apps.first().map(|app| route(RouteTarget::App((*app).to_owned())));
        Settings {
            server: ServerSettings {
                name: apps.first().map_or("skitai", |app| app).to_owned(),
                ip: Some(Ipv4Addr::LOCALHOST.into()),
                devel: true,
                ..ServerSettings::default()
            },
            routes: folder.into_iter().chain(app).collect(),
            clusters: Vec::new(),
            certification: Certification::default(),
        }
    }
}

/// What bodies that are still coming may hold together, unless one alone may be half of it, in bytes.
pub(super) const MAX_BODIES: usize = 64 << 20;

impl Default for ServerSettings {
    /// An empty `[server]`: every number is that of the table of keys.
    fn default() -> ServerSettings {
        ServerSettings {
            threads: cores(),
            processes: default_count(&keys::PROCESSES),
            ip: None,
            port: u16::try_from(default_of(&keys::PORT)).unwrap_or(u16::MAX),
            name: "skitai".to_owned(),
            sessiontimeout: values::duration(default_of(&keys::SESSIONTIMEOUT)),
            static_max_age: values::duration(default_of(&keys::STATIC_MAX_AGE)),
            num_result_cache_max: default_of(&keys::NUM_RESULT_CACHE_MAX),
            securekey: None,
            previous_securekeys: Vec::new(),
            admin_password: None,
            devel: false,
            max_body: default_count(&keys::MAX_BODY),
            max_bodies: MAX_BODIES,
            uploads: Uploads::default(),
            head_timeout: values::duration(default_of(&keys::HEAD_TIMEOUT)),
            keep_alive: values::duration(default_of(&keys::KEEP_ALIVE)),
            body_timeout: values::duration(default_of(&keys::BODY_TIMEOUT)),
            send_timeout: values::duration(default_of(&keys::SEND_TIMEOUT)),
            deadline: values::duration(default_of(&keys::DEADLINE)),
            max_batch: default_count(&keys::MAX_BATCH),
            max_batch_answer: default_count(&keys::MAX_BATCH_ANSWER),
            introspection: Introspection::default(),
            access_log: None,
            trusted_proxies: TrustedProxies::default(),
        }
    }
}

impl Default for Uploads {
    fn default() -> Uploads {
        let max_all = default_of(&keys::MAX_UPLOAD);
        Uploads { max_all, max_file: max_all, max_parts: default_count(&keys::MAX_UPLOAD_PARTS), folder: None }
    }
}

/// A thread for every core: handlers that wait do not block one.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

pub(super) fn default_of(key: &keys::Key) -> u64 {
    values::number(key.default, key.kind).expect("a test reads every default of the table")
}

fn default_count(key: &keys::Key) -> usize {
    usize::try_from(default_of(key)).unwrap_or(usize::MAX)
}
