//! The one table of all keys of a conf, with defaults, limits and units, used by the parser and the reference.
//!
//! Defaults are written as an operator would write them and parsed by the same code, so the table cannot be wrong.
//!
//! Long because it is one table.

/// One key of a section.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name in a conf.
    pub name: &'static str,
    /// The kind of its value.
    pub kind: KeyKind,
    /// The value if the key is missing; empty if there is none, or if `doc` explains it.
    pub default: &'static str,
    /// Its purpose.
    pub doc: &'static str,
}

/// The kind of a key's value.
#[derive(Clone, Copy, Debug)]
pub enum KeyKind {
    /// `yes` or `no`.
    Flag,
    /// A whole number within limits.
    Count {
        /// The smallest valid one.
        min: u64,
        /// The largest valid one.
        max: u64,
    },
    /// A duration in seconds, or with `ms`, `s`, `m`, `h`, `d`; limits in milliseconds.
    Time {
        /// The shortest valid one.
        min: u64,
        /// The longest valid one.
        max: u64,
    },
    /// A size in bytes, or with `k`, `m`.
    Size {
        /// The smallest valid one.
        min: u64,
        /// The largest valid one.
        max: u64,
    },
    /// An IP address.
    Address,
    /// A word.
    Text,
    /// A text that may have any mark in it.
    Phrase,
    /// A secret: the text itself, `env:NAME` or `file:PATH`. Never shown.
    Secret,
    /// Several secrets, separated by commas.
    Secrets,
    /// Addresses and networks, separated by commas.
    Networks,
    /// Numbers of requests in a time, separated by commas.
    Rates,
    /// Addresses to listen on, separated by commas.
    Addresses,
    /// Ports, separated by commas.
    Ports,
    /// Permissions in octal, such as `0660`.
    Mode,
    /// A file, relative to the conf.
    File,
    /// The members of a cluster.
    Members,
    /// The type of a cluster's members.
    Type,
}

/// The sections of a conf other than clusters.
pub const SECTIONS: &[&str] = &["server", "routes", "rpc", "certification", "proxy", "admin", "otlp"];

const HOUR: u64 = 60 * 60 * 1000;
const DAY: u64 = 24 * HOUR;
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

const fn key(name: &'static str, kind: KeyKind, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default, doc }
}

const fn count(min: u64, max: u64) -> KeyKind {
    KeyKind::Count { min, max }
}

const fn time(min: u64, max: u64) -> KeyKind {
    KeyKind::Time { min, max }
}

const fn size(min: u64, max: u64) -> KeyKind {
    KeyKind::Size { min, max }
}

// actix-server panics at more.
pub(super) const THREADS: Key =
    key("threads", count(1, 512), "", "threads of each process; the number of cores if not given");
pub(super) const PROCESSES: Key = key("processes", count(1, 1024), "1", "processes of the instance");
pub(super) const SUPERVISE: Key = key(
    "supervise",
    KeyKind::Text,
    "",
    "whether a supervisor owns the sockets and replaces processes without a pause; `yes` if not given, but `no` in \
     devel mode and for the first process of a container",
);
pub(super) const USER: Key =
    key("user", KeyKind::Text, "", "user as whom the processes run; needs a supervisor that is root");
pub(super) const GROUP: Key = key("group", KeyKind::Text, "", "group of the processes; the user's own if not given");
pub(super) const START_TIMEOUT: Key =
    key("start_timeout", time(1000, HOUR), "60", "how long a process may take until it serves");
pub(super) const IP: Key = key("ip", KeyKind::Address, "", "address to listen on; all interfaces if empty");
pub(super) const PORT: Key = key("port", count(1, 65535), "5000", "port to listen on");
pub(super) const LISTEN: Key = key(
    "listen",
    KeyKind::Addresses,
    "",
    "where to listen, in place of `ip` and `port`, or beside them: `unix:PATH`, `ADDRESS:PORT`, `*:PORT`",
);
pub(super) const LISTEN_MODE: Key =
    key("listen_mode", KeyKind::Mode, "", "permissions of Unix sockets; 0660 if not given, in devel mode 0600");
pub(super) const LISTEN_OWNER: Key =
    key("listen_owner", KeyKind::Text, "", "owner of Unix sockets: `user`, `user:group` or `:group`");
pub(super) const UMASK: Key =
    key("umask", KeyKind::Mode, "027", "permissions that files which the program makes do not have");
pub(super) const SSL: Key = key("ssl", KeyKind::Flag, "no", "serve HTTPS");
pub(super) const HTTP2: Key = key("http2", KeyKind::Flag, "no", "speak HTTP/2; refused");
pub(super) const CLIENT_CA: Key = key(
    "client_ca",
    KeyKind::File,
    "",
    "authorities of clients' certificates, PEM, looked for in `cert`; clients are asked for none if not given",
);
pub(super) const CLIENT_CERTIFICATES: Key = key(
    "client_certificates",
    KeyKind::Text,
    "",
    "whether a client needs one: `required` (if not given) or `optional`",
);
pub(super) const REDIRECT_HTTP: Key =
    key("redirect_http", count(1, 65535), "", "port of clear text whose clients are sent to HTTPS; none if not given");
pub(super) const ACME_WEBROOT: Key =
    key("acme_webroot", KeyKind::File, "", "folder in which the answers to HTTP-01 challenges are");
/// The time at the beginning of `hsts`.
pub(super) const HSTS_TIME: KeyKind = time(0, 10 * 365 * DAY);
pub(super) const HSTS: Key = key(
    "hsts",
    KeyKind::Text,
    "",
    "how long browsers are to use HTTPS alone, behind it `; includeSubDomains` and `; preload`; nothing if not given",
);
pub(super) const NAME: Key = key("name", KeyKind::Text, "", "name of the instance; the conf's file name if not given");
pub(super) const SESSIONTIMEOUT: Key = key("sessiontimeout", time(1000, 365 * DAY), "1200", "life of an idle session");
pub(super) const PROXY: Key = key("proxy", KeyKind::Flag, "no", "serve as a forward proxy");
pub(super) const ENABLE_PROXY: Key = key("enable_proxy", KeyKind::Flag, "no", "the other spelling of `proxy`");
pub(super) const STATIC_MAX_AGE: Key =
    key("static_max_age", time(0, 365 * DAY), "300", "how long a client may keep a static file");
pub(super) const NUM_RESULT_CACHE_MAX: Key =
    key("num_result_cache_max", count(0, 10_000_000), "2000", "RPC and SQL results kept; 0 keeps none");
pub(super) const SECUREKEY: Key =
    key("securekey", KeyKind::Secret, "", "seals the sessions; at least 16 bytes, better 32, at random");
pub(super) const PREVIOUS_SECUREKEYS: Key =
    key("previous_securekeys", KeyKind::Secrets, "", "former `securekey`s, whose sessions go on under the present one");
pub(super) const ADMIN_PASSWORD: Key =
    key("admin_password", KeyKind::Secret, "", "password of `admin` on the status pages; at least 6 characters");
pub(super) const VIEWER_PASSWORD: Key = key(
    "viewer_password",
    KeyKind::Secret,
    "",
    "password of `viewer`, who sees the status pages and changes nothing; there is no such user if not given",
);
pub(super) const ADMIN_CLEAR: Key = key(
    "admin_clear",
    KeyKind::Flag,
    "no",
    "whether the status pages answer other machines without TLS, which shows the password to whoever listens",
);
pub(super) const DEVEL: Key = key("devel", KeyKind::Flag, "no", "devel mode: reloads, shows errors, on loopback alone");
pub(super) const MAX_BODY: Key = key("max_body", size(KIB, 1024 * MIB), "5m", "largest body of a request");
pub(super) const MAX_BODIES: Key = key(
    "max_bodies",
    size(KIB, 1024 * 1024 * MIB),
    "",
    "memory of all bodies that are still coming; 64m if not given, twice `max_body` if that is more",
);
pub(super) const MAX_UPLOAD: Key =
    key("max_upload", size(KIB, 1024 * 1024 * MIB), "100m", "largest multipart form of a route that takes files");
pub(super) const MAX_UPLOAD_FILE: Key = key(
    "max_upload_file",
    size(KIB, 1024 * 1024 * MIB),
    "",
    "largest file of a multipart form; as `max_upload` if not given",
);
pub(super) const MAX_UPLOAD_PARTS: Key =
    key("max_upload_parts", count(1, 1_000_000), "1000", "files and fields of one multipart form");
pub(super) const UPLOAD_FOLDER: Key = key(
    "upload_folder",
    KeyKind::File,
    "",
    "where uploaded files are until their handler is done; the system's if empty",
);
pub(super) const HEAD_TIMEOUT: Key =
    key("head_timeout", time(1000, HOUR), "5", "how long a client may take to send the head of a request");
pub(super) const KEEP_ALIVE: Key =
    key("keep_alive", time(1000, HOUR), "75", "how long a connection may rest between two requests");
pub(super) const BODY_TIMEOUT: Key =
    key("body_timeout", time(100, HOUR), "30", "how long a client may take to send the body of a request");
pub(super) const SEND_TIMEOUT: Key =
    key("send_timeout", time(1000, HOUR), "30", "how long a client may take less than 1 KiB of what waits for it");
pub(super) const DRAIN_DELAY: Key = key(
    "drain_delay",
    time(0, HOUR),
    "0",
    "how long a server that was told to end serves on while it says it is unready",
);
pub(super) const DRAIN_IDLE: Key =
    key("drain_idle", time(0, HOUR), "1", "how long a server that ends keeps connections without a request");
pub(super) const DRAIN_TIMEOUT: Key =
    key("drain_timeout", time(0, DAY), "30", "how long requests may run on in a server that ends");
pub(super) const ACCESS_LOG: Key =
    key("access_log", KeyKind::File, "", "file to append a line per request to; no access log if not given");
pub(super) const DEADLINE: Key = key("deadline", time(1, HOUR), "30", "how long a request may take");
pub(super) const PARTIAL: Key = key(
    "partial",
    KeyKind::Text,
    "",
    "an answer from which members are missing: `tell` (if not given) sends it and says so, `consent` refuses it to \
     clients that do not send `Prefer: allow-partial`, `refuse` to all",
);
pub(super) const COVERAGE_DETAIL: Key = key(
    "coverage_detail",
    KeyKind::Text,
    "",
    "what clients learn of missing members: `positions` or `names`; names in devel mode and for `admin`, else \
     positions, if not given",
);

pub(super) const MAX_BATCH: Key =
    key("max_batch", count(1, 10_000), "1000", "calls in one JSON-RPC batch or one `system.multicall`");
pub(super) const MAX_BATCH_ANSWER: Key =
    key("max_batch_answer", size(KIB, 1024 * MIB), "16m", "largest answer of a batch or a `system.multicall`");
pub(super) const INTROSPECTION: Key = key(
    "introspection",
    KeyKind::Text,
    "",
    "who may ask what methods there are: `admin` (if not given), `public` (everybody) or `off` (nobody)",
);

pub(super) const SLOW: Key =
    key("slow", time(0, HOUR), "1", "from when on a request is slow, and a record of it is kept");
pub(super) const TRACE_RING: Key = key(
    "trace_ring",
    size(0, 1024 * MIB),
    "1m",
    "bytes of records of slow, failed and partial requests, of all processes together; 0 keeps none",
);

pub(super) const UNWRITABLE: Key = key(
    "unwritable",
    KeyKind::Text,
    "",
    "what becomes of an answer over XML-RPC with a character that XML cannot carry: `fault` (if not given), which names \
     its place to the caller, or `replace`: U+FFFD is sent in its place, and the log has a line",
);

pub(super) const METRICS: Key = key(
    "metrics",
    KeyKind::Text,
    "",
    "who may read the figures for monitoring at `/metrics`: `admin` (if not given), `public` (everybody) or `off` (nobody)",
);

pub(super) const TRUSTED_PROXIES: Key = key(
    "trusted_proxies",
    KeyKind::Networks,
    "",
    "proxies that are believed who their client is: addresses, networks, and `unix` for those at Unix sockets",
);
// 96 are what actix-http reads, the rest are what the reader of heads can.
pub(super) const MAX_HEAD: Key = key("max_head", size(KIB, MIB), "128k", "largest head of a request");
pub(super) const MAX_TARGET: Key =
    key("max_target", size(64, 65_534), "65534", "longest target of a request: its path and query");
pub(super) const MAX_HEADERS: Key = key("max_headers", count(4, 256), "96", "header lines of a request");
pub(super) const MAX_REQUESTS: Key =
    key("max_requests", count(0, 1_000_000_000), "0", "requests of one connection; 0 for any number");
pub(super) const MAX_CONNECTIONS: Key =
    key("max_connections", count(0, 10_000_000), "0", "connections of clients to each process; 0 for any number");
pub(super) const MAX_CONNECTIONS_PER_ADDRESS: Key = key(
    "max_connections_per_address",
    count(0, 10_000_000),
    "0",
    "connections of one address, or /64 of IPv6, to the site; 0 for any number",
);
pub(super) const SERVER_NAMES: Key = key(
    "server_names",
    KeyKind::Text,
    "",
    "the names that are answered, such as `example.org, *.example.org`; any if not given, in devel mode `localhost` and \
     addresses",
);
pub(super) const FORWARDED_HEADER: Key = key(
    "forwarded_header",
    KeyKind::Text,
    "",
    "where they say it: `x-forwarded-for` or `forwarded`; the second where the first is missing, if not given",
);

pub(super) const CERTFILE: Key = key("certfile", KeyKind::File, "", "certificate chain, PEM; looked for in `cert`");
pub(super) const KEYFILE: Key = key("keyfile", KeyKind::File, "", "private key, PEM, if it is not in `certfile`");
pub(super) const CAFILE: Key =
    key("cafile", KeyKind::File, "", "certificates that are sent behind those of `certfile`, PEM");
pub(super) const PASSPHRASE: Key = key("passphrase", KeyKind::Secret, "", "opens the private key");
pub(super) const PASS_PHRASE: Key = key("pass_phrase", KeyKind::Secret, "", "the other spelling of `passphrase`");

pub(super) const ALLOW: Key = key(
    "allow",
    KeyKind::Networks,
    "",
    "the only clients that may come in: addresses, networks, and `unix` for those at Unix sockets; everybody if not given",
);
pub(super) const MAX_IN_FLIGHT: Key =
    key("max_in_flight", count(0, 1_000_000), "0", "requests under way at a time; 0 for any number");
pub(super) const RATE: Key = key(
    "rate",
    KeyKind::Rates,
    "",
    "requests of one client, such as `100/m burst 20 by header:X-Api-Key`; any number if not given",
);
pub(super) const CORS_ORIGINS: Key = key(
    "cors_origins",
    KeyKind::Phrase,
    "",
    "whose scripts may read the answers: `*` or origins such as `https://app.example, https://*.example.org`",
);
pub(super) const CORS_CREDENTIALS: Key =
    key("cors_credentials", KeyKind::Flag, "no", "whether they may send cookies and logins; needs named origins");
pub(super) const CORS_METHODS: Key = key(
    "cors_methods",
    KeyKind::Text,
    "",
    "methods that they may use; GET, HEAD, POST, PUT, PATCH, DELETE if not given",
);
pub(super) const CORS_HEADERS: Key =
    key("cors_headers", KeyKind::Text, "", "headers that they may send; any if not given");
pub(super) const CORS_EXPOSE: Key =
    key("cors_expose", KeyKind::Text, "", "headers that they may read, beside the server's own");
pub(super) const CORS_MAX_AGE: Key =
    key("cors_max_age", time(0, DAY), "600", "how long a browser may keep what a preflight was told");
pub(super) const SECURITY_HEADERS: Key =
    key("security_headers", KeyKind::Flag, "no", "send the usual headers against sniffing, framing and leaking paths");
pub(super) const CONTENT_SECURITY_POLICY: Key =
    key("content_security_policy", KeyKind::Phrase, "", "sent with every answer that has none of its own");
pub(super) const PERMISSIONS_POLICY: Key =
    key("permissions_policy", KeyKind::Phrase, "", "sent with every answer that has none of its own");
pub(super) const FALLBACK: Key = key(
    "fallback",
    KeyKind::Phrase,
    "",
    "the file of its folders that is sent for pages that nobody has: `index.html`",
);
pub(super) const IMMUTABLE: Key = key(
    "immutable",
    KeyKind::Phrase,
    "",
    "files that never change under their name, such as `assets/**, *.????????.js`",
);
pub(super) const LINKS: Key =
    key("links", KeyKind::Flag, "no", "follow symbolic links that lead out of the mount's folders");
pub(super) const PRECOMPRESSED: Key =
    key("precompressed", KeyKind::Flag, "yes", "send `app.js.br`, `.zst` or `.gz` in place of `app.js`");
pub(super) const COMPRESS: Key =
    key("compress", KeyKind::Flag, "yes", "compress answers of text and data for clients that say they can read it");
pub(super) const REDIRECTS: Key =
    key("redirects", KeyKind::Phrase, "", "paths that lead elsewhere, such as `/old /new, /blog/* /articles/* 301`");
pub(super) const REWRITES: Key = key(
    "rewrites",
    KeyKind::Phrase,
    "",
    "paths that stand for others of the mount, such as `/docs/latest/* /docs/v3/*`",
);
pub(super) const PROXY_HOST: Key =
    key("proxy_host", KeyKind::Text, "", "`host` that members get: `keep` (if not given), `member` or a name");
pub(super) const PROXY_BUFFER: Key =
    key("proxy_buffer", size(4 * KIB, 64 * MIB), "64k", "of an answer, read ahead of a client that reads slowly");
pub(super) const PROXY_MAX_BODY: Key =
    key("proxy_max_body", size(0, 1024 * 1024 * MIB), "0", "largest body of a request; 0 for any");
pub(super) const PROXY_REWRITE: Key =
    key("proxy_rewrite", KeyKind::Flag, "yes", "translate redirects and the paths of cookies to those of the mount");
pub(super) const PROXY_TIMEOUT: Key = key(
    "proxy_timeout",
    time(1, HOUR),
    "",
    "how long a member may be silent; the cluster's `member_timeout` if not given",
);
pub(super) const PROXY_DEADLINE: Key =
    key("proxy_deadline", time(1, HOUR), "", "how long the head of an answer may take; `deadline` if not given");
pub(super) const PROXY_REQUEST_HEADERS: Key =
    key("proxy_request_headers", KeyKind::Text, "", "for members: `Name: value` is set, `-Name` is taken away");
pub(super) const PROXY_ANSWER_HEADERS: Key =
    key("proxy_answer_headers", KeyKind::Text, "", "for clients: `Name: value` is set, `-Name` is taken away");
pub(super) const PROXY_UPGRADE: Key = key(
    "proxy_upgrade",
    KeyKind::Phrase,
    "",
    "other protocols that clients may speak to members, with commas between them; WebSocket is always one",
);
pub(super) const PROXY_IDLE: Key =
    key("proxy_idle", time(0, 7 * DAY), "3600", "how long such a protocol may be silent both ways; 0 for ever");
pub(super) const AFFINITY: Key = key(
    "affinity",
    KeyKind::Text,
    "",
    "what keeps a client at its member: `cookie` (a sealed one of ours), `address`, `cookie:NAME` or `header:NAME`",
);
pub(super) const DENY: Key = key("deny", KeyKind::Networks, "", "clients that may not come in, written as in `allow`");

pub(super) const TYPE: Key =
    key("type", KeyKind::Type, "", "`http`, `postgresql` or `sqlite3`; read from the members if not given");
pub(super) const MEMBERS: Key = key("members", KeyKind::Members, "", "the members, with commas between them");
pub(super) const TLS: Key = key("ssl", KeyKind::Flag, "no", "speak TLS to the members");
pub(super) const CA_FILE: Key =
    key("ca_file", KeyKind::File, "", "authorities trusted in place of the web's roots, PEM; needs `ssl = yes`");
pub(super) const CLIENT_CERT: Key =
    key("client_cert", KeyKind::File, "", "shown to members that ask who calls, PEM; needs `ssl = yes`");
pub(super) const CLIENT_KEY: Key =
    key("client_key", KeyKind::File, "", "the private key of `client_cert`, if it is in a file of its own");
pub(super) const DISCOVER: Key =
    key("discover", KeyKind::Text, "", "`dns`: every address of a member's name is a member by itself");
pub(super) const DISCOVER_INTERVAL: Key =
    key("discover_interval", time(1000, HOUR), "10", "how often `discover` looks the names up");
pub(super) const CONNECT_TIMEOUT: Key = key("connect_timeout", time(1, HOUR), "1", "how long a dial may take");
pub(super) const MEMBER_TIMEOUT: Key =
    key("member_timeout", time(1, HOUR), "10", "how long one member may take to answer");
pub(super) const CONNECTIONS: Key =
    key("connections", count(1, 100_000), "100", "connections per member, shared out to the threads");
pub(super) const MAX_ANSWER: Key = key("max_answer", size(KIB, 1024 * MIB), "16m", "largest answer of a member");
pub(super) const ENCODING: Key = key(
    "encoding",
    KeyKind::Text,
    "",
    "`gzip`: members may pack their answers; `identity` (if not given): they may not",
);
pub(super) const LOGIN: Key =
    key("login", KeyKind::Secret, "", "`user:password`, sent to the members as Basic authorization, with checks too");
pub(super) const BALANCE: Key = key(
    "balance",
    KeyKind::Text,
    "",
    "how `lb` chooses: `ewma` (if not given), `p2c`, `least`, `round_robin` or `hash`",
);
pub(super) const DB_BALANCE: Key =
    key("balance", KeyKind::Text, "", "how `dlb` chooses: `least` (if not given), `ewma`, `p2c` or `round_robin`");
pub(super) const RETRIES: Key =
    key("retries", count(0, 100), "0", "how often an idempotent call of `lb` that failed may go to another member");
pub(super) const HEDGE: Key =
    key("hedge", KeyKind::Flag, "no", "send a late idempotent call of `lb` to a second member too, and to a third");
pub(super) const EJECT_AFTER: Key = key("eject_after", count(1, 10_000), "5", "failures in a row that eject a member");
pub(super) const EJECT_TIME: Key =
    key("eject_time", time(100, HOUR), "10", "the first ejection; each further one takes twice as long, up to 300 s");
pub(super) const MAX_EJECTED: Key = key(
    "max_ejected",
    count(0, 100),
    "50",
    "share of the members, in percent, that may be out at once; 0 ejects nobody",
);
pub(super) const SLOW_START: Key =
    key("slow_start", time(0, HOUR), "10", "how long a readmitted member takes to get its full share");
pub(super) const CHECK: Key = key(
    "check",
    KeyKind::Text,
    "",
    "asks the members by itself: `tcp`, `rpc`, `rpc:/path` or `http:/path`; not at all if empty",
);
pub(super) const CHECK_INTERVAL: Key =
    key("check_interval", time(100, HOUR), "5", "how often `check` asks each member");
pub(super) const CHECK_RISE: Key =
    key("check_rise", count(1, 1_000), "2", "passed checks in a row that readmit a member");
pub(super) const CHECK_FALL: Key =
    key("check_fall", count(1, 1_000), "3", "failed checks in a row that eject a member");
pub(super) const DB_CONNECTIONS: Key =
    key("connections", count(1, 10_000), "10", "connections per member, shared out to the threads");
pub(super) const STREAM_SHARE: Key = key(
    "stream_share",
    count(1, 100),
    "50",
    "share of a member's connections, in percent, that streams of rows may have",
);
pub(super) const STATEMENT_TIMEOUT: Key = key(
    "statement_timeout",
    KeyKind::Flag,
    "yes",
    "PostgreSQL ends a statement by itself a second after `member_timeout`; `no` behind a transaction pooler",
);
pub(super) const PIPELINE: Key = key(
    "pipeline",
    KeyKind::Flag,
    "no",
    "statements share a connection with PostgreSQL, which costs less; they are not cancelled there",
);
pub(super) const DB_EJECT_TIME: Key =
    key("eject_time", time(100, HOUR), "1", "the first ejection; each further one takes twice as long, up to 30 s");
pub(super) const WAIT: Key = key("wait", time(1, HOUR), "1", "how long a statement waits for a free connection");

pub(super) const PROXY_LISTEN: Key = key(
    "listen",
    KeyKind::Addresses,
    "",
    "where it listens, never where the site does: `ADDRESS:PORT`, `*:PORT`, `unix:PATH`",
);
pub(super) const PROXY_ALLOW: Key = key(
    "allow",
    KeyKind::Networks,
    "",
    "the only clients that may use it: addresses, networks, and `unix` for those at Unix sockets",
);
pub(super) const HOSTS: Key = key(
    "hosts",
    KeyKind::Phrase,
    "",
    "the only places to which it leads: `example.org`, `*.example.org`, `10.0.0.0/8`, each also with a port; `*` for \
     any name with public addresses",
);
pub(super) const CONNECT_PORTS: Key =
    key("connect_ports", KeyKind::Ports, "443", "ports that CONNECT may open where `hosts` names none");
pub(super) const HTTP_PORTS: Key =
    key("http_ports", KeyKind::Ports, "80", "ports of requests in clear text where `hosts` names none");
pub(super) const USERS: Key = key(
    "users",
    KeyKind::Secrets,
    "",
    "`user:password` of those who may use it, the password also as a hash; no login if not given",
);
pub(super) const PROXY_CONNECT_TIMEOUT: Key = key(
    "connect_timeout",
    time(100, HOUR),
    "10",
    "how long the look-up of a name and the connection to its server may take",
);
pub(super) const IDLE_TIMEOUT: Key =
    key("idle_timeout", time(100, DAY), "300", "how long a tunnel or an exchange may rest");
pub(super) const LIFETIME: Key =
    key("lifetime", time(0, 30 * DAY), "24h", "how long a tunnel or an exchange may last; 0 for any time");
pub(super) const MAX_BYTES: Key = key(
    "max_bytes",
    size(0, 1024 * 1024 * 1024 * MIB),
    "0",
    "bytes of one tunnel or exchange, both ways together; 0 for any number",
);
pub(super) const PROXY_MAX_CONNECTIONS: Key =
    key("max_connections", count(0, 10_000_000), "1000", "connections of clients to each process; 0 for any number");
pub(super) const PROXY_MAX_CONNECTIONS_PER_ADDRESS: Key = key(
    "max_connections_per_address",
    count(0, 10_000_000),
    "100",
    "connections of one address, or /64 of IPv6, to the whole proxy; 0 for any number",
);
pub(super) const PROXY_MAX_HEAD: Key = key("max_head", size(KIB, MIB), "64k", "largest head of a request");
pub(super) const FORWARDED_FOR: Key =
    key("forwarded_for", KeyKind::Flag, "no", "tell servers the client's address in `X-Forwarded-For`");

pub(super) const ADMIN_LISTEN: Key = key(
    "listen",
    KeyKind::Addresses,
    "",
    "where the server's own pages are, in place of the site's ports: `unix:PATH`, `ADDRESS:PORT`",
);
pub(super) const ADMIN_LISTEN_MODE: Key =
    key("listen_mode", KeyKind::Mode, "0600", "permissions of Unix sockets of `listen`");
pub(super) const ADMIN_LISTEN_OWNER: Key =
    key("listen_owner", KeyKind::Text, "", "owner of Unix sockets of `listen`: `user`, `user:group` or `:group`");
pub(super) const ADMIN_PUBLIC: Key =
    key("public", KeyKind::Flag, "no", "whether the server's own pages stay on the site's ports as well");
pub(super) const ADMIN_TLS: Key =
    key("tls", KeyKind::Text, "", "whether ports of `listen` speak TLS, `yes` or `no`; as the site does if not given");
pub(super) const AUDIT_LOG_KEY: Key = key(
    "audit_log",
    KeyKind::File,
    "",
    "file of what operators have done; `var/audit.log`, or beside `access_log`, if not given",
);

/// The keys of `[admin]`.
pub const ADMIN_SECTION: &[Key] =
    &[ADMIN_LISTEN, ADMIN_LISTEN_MODE, ADMIN_LISTEN_OWNER, ADMIN_PUBLIC, ADMIN_TLS, AUDIT_LOG_KEY];

pub(super) const ENDPOINT: Key = key(
    "endpoint",
    KeyKind::Secret,
    "",
    "URL of the collector of traces; it may have a login, as `https://user:password@…`",
);
pub(super) const OTLP_HEADERS: Key =
    key("headers", KeyKind::Secrets, "", "headers of what is sent to the collector, each `Name: value`");
pub(super) const RATIO: Key = key(
    "ratio",
    KeyKind::Text,
    "",
    "share of all traces that is exported whatever comes of them, 0 to 1; 0.01 if not given",
);
pub(super) const OTLP_TIMEOUT: Key =
    key("timeout", time(100, HOUR), "10", "how long the collector may take for an answer");
pub(super) const TRUST: Key = key(
    "trust",
    KeyKind::Networks,
    "",
    "whom to believe what trace a request belongs to, besides `trusted_proxies`; this machine and private networks if \
     not given",
);

/// The keys of `[otlp]`.
pub const OTLP: &[Key] = &[ENDPOINT, OTLP_HEADERS, RATIO, OTLP_TIMEOUT, TRUST];

/// The keys of `[proxy]`.
pub const PROXY_SECTION: &[Key] = &[
    PROXY_LISTEN,
    PROXY_ALLOW,
    HOSTS,
    CONNECT_PORTS,
    HTTP_PORTS,
    USERS,
    PROXY_CONNECT_TIMEOUT,
    IDLE_TIMEOUT,
    LIFETIME,
    MAX_BYTES,
    PROXY_MAX_CONNECTIONS,
    PROXY_MAX_CONNECTIONS_PER_ADDRESS,
    PROXY_MAX_HEAD,
    MAX_HEADERS,
    FORWARDED_FOR,
];

/// The keys of `[rpc]`.
pub const RPC: &[Key] = &[UNWRITABLE];

/// The keys of `[server]`.
pub const SERVER: &[Key] = &[
    THREADS,
    PROCESSES,
    SUPERVISE,
    USER,
    GROUP,
    START_TIMEOUT,
    IP,
    PORT,
    LISTEN,
    LISTEN_MODE,
    LISTEN_OWNER,
    UMASK,
    NAME,
    DEVEL,
    SESSIONTIMEOUT,
    STATIC_MAX_AGE,
    NUM_RESULT_CACHE_MAX,
    SECUREKEY,
    PREVIOUS_SECUREKEYS,
    ADMIN_PASSWORD,
    VIEWER_PASSWORD,
    ADMIN_CLEAR,
    MAX_BODY,
    MAX_BODIES,
    MAX_UPLOAD,
    MAX_UPLOAD_FILE,
    MAX_UPLOAD_PARTS,
    UPLOAD_FOLDER,
    HEAD_TIMEOUT,
    KEEP_ALIVE,
    BODY_TIMEOUT,
    SEND_TIMEOUT,
    DRAIN_DELAY,
    DRAIN_IDLE,
    DRAIN_TIMEOUT,
    DEADLINE,
    PARTIAL,
    COVERAGE_DETAIL,
    MAX_BATCH,
    MAX_BATCH_ANSWER,
    INTROSPECTION,
    METRICS,
    SLOW,
    TRACE_RING,
    ACCESS_LOG,
    MAX_HEAD,
    MAX_TARGET,
    MAX_HEADERS,
    MAX_REQUESTS,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_PER_ADDRESS,
    SERVER_NAMES,
    TRUSTED_PROXIES,
    FORWARDED_HEADER,
    SSL,
    HTTP2,
    CLIENT_CA,
    CLIENT_CERTIFICATES,
    REDIRECT_HTTP,
    ACME_WEBROOT,
    HSTS,
    PROXY,
    ENABLE_PROXY,
    CERTFILE,
    KEYFILE,
    PASSPHRASE,
    PASS_PHRASE,
];

/// The keys of `[certification]`.
pub const CERTIFICATION: &[Key] = &[CERTFILE, KEYFILE, CAFILE, PASSPHRASE, PASS_PHRASE];

/// The keys of `[mount /path]`.
pub const MOUNT: &[Key] = &[
    ALLOW,
    DENY,
    MAX_IN_FLIGHT,
    RATE,
    CORS_ORIGINS,
    CORS_CREDENTIALS,
    CORS_METHODS,
    CORS_HEADERS,
    CORS_EXPOSE,
    CORS_MAX_AGE,
    SECURITY_HEADERS,
    CONTENT_SECURITY_POLICY,
    PERMISSIONS_POLICY,
    FALLBACK,
    STATIC_MAX_AGE,
    IMMUTABLE,
    LINKS,
    PRECOMPRESSED,
    COMPRESS,
    REDIRECTS,
    REWRITES,
    PROXY_HOST,
    PROXY_BUFFER,
    PROXY_MAX_BODY,
    PROXY_REWRITE,
    PROXY_TIMEOUT,
    PROXY_DEADLINE,
    PROXY_REQUEST_HEADERS,
    PROXY_ANSWER_HEADERS,
    PROXY_UPGRADE,
    PROXY_IDLE,
    AFFINITY,
];

/// The keys of `[@name]` with HTTP members.
pub const HTTP_CLUSTER: &[Key] = &[
    TYPE,
    MEMBERS,
    DISCOVER,
    DISCOVER_INTERVAL,
    TLS,
    CA_FILE,
    CLIENT_CERT,
    CLIENT_KEY,
    CONNECT_TIMEOUT,
    MEMBER_TIMEOUT,
    CONNECTIONS,
    MAX_ANSWER,
    ENCODING,
    LOGIN,
    BALANCE,
    RETRIES,
    HEDGE,
    EJECT_AFTER,
    EJECT_TIME,
    MAX_EJECTED,
    SLOW_START,
    CHECK,
    CHECK_INTERVAL,
    CHECK_RISE,
    CHECK_FALL,
];

/// The keys of `[@name]` with databases.
pub const DB_CLUSTER: &[Key] = &[
    TYPE,
    MEMBERS,
    CONNECT_TIMEOUT,
    MEMBER_TIMEOUT,
    DB_CONNECTIONS,
    STREAM_SHARE,
    WAIT,
    STATEMENT_TIMEOUT,
    PIPELINE,
    DB_BALANCE,
    EJECT_AFTER,
    DB_EJECT_TIME,
    MAX_EJECTED,
];

/// Every table with the title of its section, for the test of the reference.
pub const TABLES: &[(&str, &[Key])] = &[
    ("[server]", SERVER),
    ("[rpc]", RPC),
    ("[certification]", CERTIFICATION),
    ("[mount /path]", MOUNT),
    ("[proxy]", PROXY_SECTION),
    ("[admin]", ADMIN_SECTION),
    ("[otlp]", OTLP),
    ("[@name] of HTTP members", HTTP_CLUSTER),
    ("[@name] of databases", DB_CLUSTER),
];

/// Whether any section has such a key.
pub(super) fn is_known(name: &str) -> bool {
    TABLES.iter().any(|(_, table)| table.iter().any(|key| key.name == name))
}

/// Whether the value of a key may contain a `/`.
pub(super) fn takes_path(name: &str) -> bool {
    let takes = |key: &Key| {
        let is_of_paths = matches!(
            key.kind,
            KeyKind::File
                | KeyKind::Members
                | KeyKind::Secret
                | KeyKind::Secrets
                | KeyKind::Networks
                | KeyKind::Addresses
                | KeyKind::Rates
                | KeyKind::Phrase
        );
        key.name == name && (is_of_paths || [CHECK.name, SERVER_NAMES.name].contains(&name))
    };
    TABLES.iter().any(|(_, table)| table.iter().any(takes))
}

/// Keys whose value is never shown.
pub(super) fn secret_names() -> impl Iterator<Item = &'static str> {
    TABLES
        .iter()
        .flat_map(|(_, table)| table.iter())
        .filter(|key| matches!(key.kind, KeyKind::Secret | KeyKind::Secrets))
        .map(|key| key.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: &str = include_str!("../../docs/CONFIG.md");

    /// The heading in the reference for each of the [`TABLES`].
    const HEADINGS: [&str; 9] = [
        "## `[server]`",
        "## `[rpc]`",
        "## `[certification]`",
        "## `[mount /path]`",
        "## `[proxy]`",
        "## `[admin]`",
        "## `[otlp]`",
        "### Of HTTP members",
        "### Of databases",
    ];

    /// The part of the reference from a heading that begins with `title` to the next heading of any level.
    fn part(title: &str) -> &'static str {
        let start = REFERENCE.find(title).unwrap_or_else(|| panic!("docs/CONFIG.md has no heading `{title}`"));
        let rest = &REFERENCE[start + title.len()..];
        &rest[..rest.find("\n#").unwrap_or(rest.len())]
    }

    #[test]
    fn the_reference_names_every_key_where_it_belongs() {
        assert_eq!(HEADINGS.len(), TABLES.len());
        for (heading, (title, table)) in HEADINGS.into_iter().zip(TABLES) {
            for key in *table {
                let named = part(heading).contains(&format!("`{}`", key.name));
                assert!(named, "docs/CONFIG.md, {heading}: no word of `{}` of {title}", key.name);
            }
        }
    }

    #[test]
    fn the_reference_names_no_key_that_is_gone() {
        for (heading, (title, table)) in HEADINGS.into_iter().zip(TABLES) {
            let rows = part(heading).lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
            for name in rows.flat_map(|cell| cell.split(", ")).map(|name| name.trim_matches('`')) {
                assert!(table.iter().any(|key| key.name == name), "docs/CONFIG.md: {title} has no key `{name}`");
            }
        }
    }
}
