//! The content of a conf, typed: every value is valid, and every default is filled in.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use skitai_actors::CoverageDetail;
use skitai_actors::spec::{ClusterSpec, DbSpec, Secret};

use super::admin::AdminSettings;
use super::certification::TlsSettings;
use super::connection_limits::ConnectionLimits;
use super::listening::{ListenAddress, ListenSettings};
use super::mounts::MountSettings;
use super::names::ServerNames;
use super::network::Network;
use super::otlp::OtlpSettings;
use super::proxy::ProxySettings;
use super::proxying::PassRoute;
use super::{keys, values};

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `[server]`.
    pub server: ServerSettings,
    /// `[routes:line]`, in the order of the file.
    pub routes: Vec<RouteLine>,
    /// `[mount /path]`, in the order of the file.
    pub mounts: Vec<MountSettings>,
    /// `[@name]`, in the order of the file.
    pub clusters: Vec<Declared>,
}

/// `[server]`: settings of the whole instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Threads of each process.
    pub threads: usize,
    /// Processes.
    pub processes: usize,
    /// Whether there is a supervisor; `None` for what [`is_supervised`](ServerSettings::is_supervised) says.
    pub supervise: Option<bool>,
    /// The user as whom the processes run; `None` for the one that starts the instance.
    pub user: Option<String>,
    /// Their group; `None` for the user's own.
    pub group: Option<String>,
    /// How long a process may take until it serves.
    pub start_timeout: Duration,
    /// Where to listen.
    pub listening: ListenSettings,
    /// Permissions that files which the program makes do not have.
    pub umask: u32,
    /// Name of the instance, for logs and the status page.
    pub name: String,
    /// Lifetime of an idle session.
    pub sessiontimeout: Duration,
    /// How long a client may cache a static file.
    pub static_max_age: Duration,
    /// RPC and SQL results to cache; 0 disables the cache.
    pub num_result_cache_max: u64,
    /// The key that seals sessions; if there is none, one is made and stored.
    pub securekey: Option<Secret>,
    /// Former `securekey`s. Sessions they sealed stay valid and are sealed again with the current key.
    pub previous_securekeys: Vec<Secret>,
    /// Password of the user `admin` for the status pages, or its hash.
    pub admin_password: Option<Secret>,
    /// Password of the user `viewer`, or its hash; `None` if there is no such user.
    pub viewer_password: Option<Secret>,
    /// Whether the status pages answer other machines without TLS.
    pub admin_clear: bool,
    /// Devel mode.
    pub devel: bool,
    /// Largest body of a request, in bytes.
    pub max_body: usize,
    /// Memory of all incomplete bodies together, in bytes.
    pub max_bodies: usize,
    /// Multipart forms.
    pub uploads: Uploads,
    /// Timeout for the head of a request.
    pub head_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub keep_alive: Duration,
    /// Timeout for the body of a request.
    pub body_timeout: Duration,
    /// How long a client may take less than 1 KiB of the output that waits for it.
    pub send_timeout: Duration,
    /// How long a server that was told to end serves and accepts as before, while it reports that it is not ready.
    pub drain_delay: Duration,
    /// After that, how long connections without a request stay open.
    pub drain_idle: Duration,
    /// After the delay, how long requests may run before they are cut.
    pub drain_timeout: Duration,
    /// Time limit of a request.
    pub deadline: Duration,
    /// What becomes of an answer from which members are missing, unless its route says otherwise.
    pub partial: PartialAnswers,
    /// What clients learn of missing members; `None` for names in devel mode and for `admin`, else positions.
    pub coverage_detail: Option<CoverageDetail>,
    /// The most calls in one JSON-RPC batch or one `system.multicall`.
    pub max_batch: usize,
    /// Largest answer of a batch or a `system.multicall`, in bytes.
    pub max_batch_answer: usize,
    /// What becomes of an answer that XML cannot carry.
    pub unwritable: Unwritable,
    /// The clients that may list the methods.
    pub introspection: Introspection,
    /// From when on a request is slow.
    pub slow: Duration,
    /// Bytes of records of requests, of all processes together; 0 for none.
    pub trace_ring: usize,
    /// The clients that may read `/metrics`.
    pub metrics: MetricsAccess,
    /// File of the access log; `None` for no access log.
    pub access_log: Option<PathBuf>,
    /// TLS to clients; `None` for clear text.
    pub tls: Option<TlsSettings>,
    /// The value of `Strict-Transport-Security`, for clients that speak TLS.
    pub hsts: Option<String>,
    /// The folder whose `.well-known/acme-challenge` the port of `redirect_http` serves.
    pub acme_webroot: Option<PathBuf>,
    /// Bounds of clients' connections.
    pub limits: ConnectionLimits,
    /// The names that are answered; any if there are none.
    pub server_names: ServerNames,
    /// The proxies whose forwarding headers are trusted.
    pub trusted_proxies: TrustedProxies,
    /// The forward proxy; `None` if there is none.
    pub proxy: Option<ProxySettings>,
    /// Where the server's own pages are, and the audit log.
    pub admin: AdminSettings,
    /// Where traces are exported to; `None` if they are not.
    pub otlp: Option<OtlpSettings>,
}

impl ServerSettings {
    /// Whether an instance with these settings has a supervisor: not in devel mode, and not as the first process of a
    /// container, unless `supervise` says otherwise.
    pub fn is_supervised(&self) -> bool {
        self.supervise.unwrap_or(!self.devel && (std::process::id() != 1 || self.processes > 1))
    }

    /// The memory for bodies of one process, of that of the instance: at least one body has room.
    pub(crate) fn max_bodies_of_process(&self) -> usize {
        (self.max_bodies / self.processes).max(self.max_body)
    }

    /// The results that one process keeps, of those of the instance.
    pub(crate) fn results_of_process(&self) -> usize {
        usize::try_from(self.num_result_cache_max).unwrap_or(usize::MAX).div_ceil(self.processes)
    }
}

/// The proxies whose forwarding headers are trusted, and the header they use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Their addresses.
    pub networks: Vec<Network>,
    /// Whether who connects to a Unix socket is one of them.
    pub unix: bool,
    /// Their header; `None` for X-Forwarded-For, or Forwarded if there is no X-Forwarded-For.
    pub header: Option<ForwardedHeader>,
}

impl TrustedProxies {
    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// Whether this peer is one of them.
    pub fn has(&self, peer: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(peer))
    }
}

/// A header in which a proxy forwards the client's address (`forwarded_header`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, together with `X-Forwarded-Proto`.
    XForwardedFor,
    /// `Forwarded` of RFC 7239.
    Forwarded,
}

/// What becomes of an answer from which members are missing (`partial`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartialAnswers {
    /// It is sent, and says what is missing.
    #[default]
    Tell,
    /// It is sent to clients that accept it (`Prefer: allow-partial`); the others get a 503.
    Consent,
    /// It is not sent: a 503.
    Refuse,
}

/// The clients that may list the methods (`introspection`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Introspection {
    /// The user `admin`; in devel mode all clients.
    #[default]
    Admin,
    /// All clients.
    Public,
    /// None.
    Off,
}

/// What becomes of an answer over XML-RPC with a character that XML cannot carry (`unwritable` of `[rpc]`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unwritable {
    /// The caller gets a fault that names the place.
    #[default]
    Fault,
    /// U+FFFD takes its place, and the log has a line.
    Replace,
}

/// The clients that may read `/metrics` (`metrics`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricsAccess {
    /// The user `admin`.
    #[default]
    Admin,
    /// All clients.
    Public,
    /// None: the path is the site's.
    Off,
}

/// The keys of `[server]` for multipart forms. Sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploads {
    /// Largest form, all parts together.
    pub max_all: u64,
    /// Largest file in a form.
    pub max_file: u64,
    /// The most files and fields in a form.
    pub max_parts: usize,
    /// Folder of the files while their handler runs; `None` for the system's folder.
    pub folder: Option<PathBuf>,
}

/// One line of `[routes:line]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteLine {
    /// The path of the mount, as written: relative links in a page differ between `/test` and `/test/`.
    pub path: String,
    /// The target of the mount.
    pub target: RouteTarget,
    /// The target's bytes in the conf; `None` for a route that is in no conf.
    pub span: Option<Range<usize>>,
}

/// The target of a route, before the apps of the program are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteTarget {
    /// `@name/folder`.
    Cluster(PassRoute),
    /// A folder or an app, as written: see [`resolve`](super::routes::resolve).
    Name(String),
    /// An app of this program, even if there is a folder of that name.
    App(String),
}

/// A declared cluster, from which actors are made.
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
                listening: ListenSettings::on(ListenAddress::Tcp {
                    ip: Some(Ipv4Addr::LOCALHOST.into()),
                    port: default_port(),
                }),
                devel: true,
                ..ServerSettings::default()
            },
            routes: folder.into_iter().chain(app).collect(),
            mounts: Vec::new(),
            clusters: Vec::new(),
        }
    }
}

/// The default memory of all incomplete bodies, in bytes, unless a single body may need more than half of it.
pub(super) const MAX_BODIES: usize = 64 << 20;

impl Default for ServerSettings {
    /// The settings of an empty `[server]`: every default is from the table of keys.
    fn default() -> ServerSettings {
        ServerSettings {
            threads: cores(),
            processes: default_count(&keys::PROCESSES),
            supervise: None,
            user: None,
            group: None,
            start_timeout: values::duration(default_of(&keys::START_TIMEOUT)),
            listening: ListenSettings::on(ListenAddress::Tcp { ip: None, port: default_port() }),
            umask: default_umask(),
            name: "skitai".to_owned(),
            sessiontimeout: values::duration(default_of(&keys::SESSIONTIMEOUT)),
            static_max_age: values::duration(default_of(&keys::STATIC_MAX_AGE)),
            num_result_cache_max: default_of(&keys::NUM_RESULT_CACHE_MAX),
            securekey: None,
            previous_securekeys: Vec::new(),
            admin_password: None,
            viewer_password: None,
            admin_clear: false,
            devel: false,
            max_body: default_count(&keys::MAX_BODY),
            max_bodies: MAX_BODIES,
            uploads: Uploads::default(),
            head_timeout: values::duration(default_of(&keys::HEAD_TIMEOUT)),
            keep_alive: values::duration(default_of(&keys::KEEP_ALIVE)),
            body_timeout: values::duration(default_of(&keys::BODY_TIMEOUT)),
            send_timeout: values::duration(default_of(&keys::SEND_TIMEOUT)),
            drain_delay: values::duration(default_of(&keys::DRAIN_DELAY)),
            drain_idle: values::duration(default_of(&keys::DRAIN_IDLE)),
            drain_timeout: values::duration(default_of(&keys::DRAIN_TIMEOUT)),
            deadline: values::duration(default_of(&keys::DEADLINE)),
            partial: PartialAnswers::default(),
            coverage_detail: None,
            max_batch: default_count(&keys::MAX_BATCH),
            max_batch_answer: default_count(&keys::MAX_BATCH_ANSWER),
            unwritable: Unwritable::default(),
            introspection: Introspection::default(),
            metrics: MetricsAccess::default(),
            slow: Duration::from_secs(1),
            trace_ring: 1 << 20,
            access_log: None,
            tls: None,
            hsts: None,
            acme_webroot: None,
            limits: ConnectionLimits::default(),
            server_names: ServerNames::default(),
            trusted_proxies: TrustedProxies::default(),
            proxy: None,
            admin: AdminSettings::default(),
            otlp: None,
        }
    }
}

impl Default for Uploads {
    fn default() -> Uploads {
        let max_all = default_of(&keys::MAX_UPLOAD);
        Uploads { max_all, max_file: max_all, max_parts: default_count(&keys::MAX_UPLOAD_PARTS), folder: None }
    }
}

/// The default number of threads: one per core, because handlers that wait do not block a thread.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn default_port() -> u16 {
    u16::try_from(default_of(&keys::PORT)).unwrap_or(u16::MAX)
}

pub(super) fn default_umask() -> u32 {
    values::mode(keys::UMASK.default).expect("a test reads every default of the table")
}

pub(super) fn default_of(key: &keys::Key) -> u64 {
    values::number(key.default, key.kind).expect("a test reads every default of the table")
}

fn default_count(key: &keys::Key) -> usize {
    usize::try_from(default_of(key)).unwrap_or(usize::MAX)
}
