//! The settings of a cluster. The configuration builds them; the actors are built from them.

mod authority;
mod identity;
mod pem_file;
mod roots;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use authority::trusting;
pub use authority::{Authority, NoAuthority};
pub use identity::{Identity, NoIdentity};
pub use pem_file::NoCertificates;
pub(crate) use roots::public_roots;

/// Which members a call addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spread {
    /// Every member: one outcome each, in the order of the configuration (`map`, `dmap`).
    All,
    /// One member, chosen by load; another one only if the first has certainly not seen the call (`lb`, `dlb`).
    One,
}

/// A text that is never printed: a password or a key. `Debug` shows `***`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// One HTTP member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// `host:port` as shown everywhere.
    pub node: Arc<str>,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The address to dial; `None`: resolve `host`. Set by [`discover`], never by the configuration.
    ///
    /// [`discover`]: ClusterSpec::discover
    pub address: Option<IpAddr>,
    /// Share of the load under `lb`, relative to the other members. Default 1.
    pub weight: u32,
}

impl Member {
    /// A member with weight 1, whose `node` is `host:port`.
    pub fn new(host: &str, port: u16) -> Member {
        // A colon in a host is an IPv6 address.
        let node = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        Member { node: node.into(), host: host.to_owned(), port, address: None, weight: 1 }
    }
}

/// A cluster of HTTP members: `[@name]` without a database type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSpec {
    /// The name without `@`.
    pub name: Arc<str>,
    /// TLS to the members.
    pub tls: bool,
    /// The certificate authorities of the members. Default: the usual roots of the web.
    pub authority: Option<Authority>,
    /// Shown to members that ask who calls. Default: nothing.
    pub identity: Option<Identity>,
    /// In the order of the configuration.
    pub members: Vec<Member>,
    /// Resolve each member's name at this interval (±10 % jitter); every address becomes a member of its own. Default:
    /// `None`, no discovery.
    pub discover: Option<Duration>,
    /// How long a dial may take. Default 1 s.
    pub connect_timeout: Duration,
    /// How long one member may take to answer. Default 10 s.
    pub member_timeout: Duration,
    /// Connections per member and thread. Default 100 per member and instance, divided by the threads.
    pub connections: usize,
    /// The largest answer accepted, in bytes. Default 16 MiB.
    pub max_answer: usize,
    /// The accepted encoding of answers, unless the call sets one. Default: identity.
    pub encoding: Encoding,
    /// Sent with every request that has no `authorization` header, checks included. Default: none.
    pub login: Option<Login>,
    /// How `lb` chooses. Default [`Balance::Ewma`].
    pub balance: Balance,
    /// When a member is ejected and readmitted.
    pub rules: Rules,
    /// Active checks of the members. Default: none.
    pub check: Option<Check>,
    /// How often a failed idempotent call of `lb` may be retried on another member. Default 0.
    pub retries: u32,
    /// Whether an idempotent `lb` call that takes longer than the member's 95th percentile goes to a second member too,
    /// and to a third if that one is as late. Default no.
    pub hedge: bool,
}

/// The credentials of HTTP Basic authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The name, without `:`.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl ClusterSpec {
    /// A cluster with all the defaults, for one thread.
    pub fn new(name: impl Into<Arc<str>>, members: Vec<Member>) -> ClusterSpec {
        ClusterSpec {
            name: name.into(),
            tls: false,
            authority: None,
            identity: None,
            members,
            discover: None,
            connect_timeout: Duration::from_secs(1),
            member_timeout: Duration::from_secs(10),
            connections: 100,
            max_answer: 16 << 20,
            encoding: Encoding::default(),
            login: None,
            balance: Balance::default(),
            rules: Rules::default(),
            check: None,
            retries: 0,
            hedge: false,
        }
    }
}

/// The content encoding that an answer may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Not compressed.
    #[default]
    Identity,
    /// gzip is accepted too; the answer is decompressed before it is decoded.
    Gzip,
}

impl Encoding {
    /// Reads `gzip` or `identity`; `None` for anything else.
    pub fn named(name: &str) -> Option<Encoding> {
        match name {
            "identity" => Some(Encoding::Identity),
            "gzip" => Some(Encoding::Gzip),
            _ => None,
        }
    }
}

/// How `lb` and `dlb` choose a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Balance {
    /// Draws two members by weight and takes the one with fewer calls in flight per weight.
    P2c,
    /// Draws two members by weight and takes the one with the lower predicted latency, by recent answers and calls in
    /// flight.
    #[default]
    Ewma,
    /// The one with the fewest calls in flight per weight.
    Least,
    /// Each in turn, by weight.
    RoundRobin,
    /// Consistent hashing: the same key goes to the same member. The key is the caller's, or else path and body. Not
    /// for `dlb`, whose statements have no key: statements with a key use `shard_by`.
    Hash,
}

/// When a member is ejected and readmitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Consecutive failures that eject. Default 5.
    pub eject_after: u32,
    /// The first ejection; each further one lasts twice as long. Default 10 s.
    pub eject_time: Duration,
    /// The longest ejection. After the same time in health a member's next ejection has the first length again. Default
    /// 300 s.
    pub eject_time_max: Duration,
    /// The percentage of members that may be ejected at once; the last one never is. Default 50.
    pub max_ejected: u32,
    /// How long a readmitted member takes to get its full share. Default 10 s.
    pub slow_start: Duration,
    /// Consecutive passed checks that readmit. Default 2.
    pub rise: u32,
    /// Consecutive failed checks that eject. Default 3.
    pub fall: u32,
}

impl Rules {
    /// The rules of databases. No other member has a shard's rows, so it is tried again sooner, after 1 s. There is no
    /// slow start, because by default `dlb` takes the member with the fewest calls in flight.
    pub fn of_databases() -> Rules {
        Rules {
            eject_time: Duration::from_secs(1),
            eject_time_max: Duration::from_secs(30),
            slow_start: Duration::ZERO,
            ..Rules::default()
        }
    }
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            eject_after: 5,
            eject_time: Duration::from_secs(10),
            eject_time_max: Duration::from_secs(300),
            max_ejected: 50,
            slow_start: Duration::from_secs(10),
            rise: 2,
            fall: 3,
        }
    }
}

/// Active checks: how members are probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is asked.
    pub kind: CheckKind,
    /// How often (±10 % jitter). Default 5 s.
    pub interval: Duration,
}

/// The probe that tells whether a member is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// A TCP connection.
    Tcp,
    /// `system.listMethods` at this path: any RPC answer passes, faults included. A path that ends in `/rpc3` is probed
    /// by JSON-RPC; any other by XML-RPC and, if the answer is not XML-RPC, by JSON-RPC.
    Rpc(String),
    /// A GET of this path: a code from 200 to 399 passes.
    Http(String),
}

/// Encryption of the connections to a database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum DbTls {
    /// None: for a database on the same machine or in a private network.
    #[default]
    Off,
    /// TLS; the certificate must be valid for the member's host, under a root of this PEM file or, without a file, of
    /// the web.
    Verified(Option<std::path::PathBuf>),
}

/// Which databases a program has drivers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drivers {
    /// The feature `postgres`.
    pub postgres: bool,
    /// The feature `sqlite`.
    pub sqlite: bool,
}

impl Drivers {
    /// The drivers of this program.
    pub const BUILT_IN: Drivers = Drivers { postgres: cfg!(feature = "postgres"), sqlite: cfg!(feature = "sqlite") };
}

/// Which database a member is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Shard {
    /// A PostgreSQL database.
    Postgres {
        /// Host name or address; a leading `/` is the directory of a Unix socket.
        host: String,
        /// Port; default 5432.
        port: u16,
        /// Database.
        database: String,
        /// User.
        user: String,
        /// Password; empty for none.
        password: Secret,
        /// Whether the connections are encrypted. Default [`DbTls::Off`].
        tls: DbTls,
    },
    /// An SQLite file.
    Sqlite {
        /// Its path.
        path: std::path::PathBuf,
    },
}

/// One member of a database cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DbMember {
    /// How it is shown everywhere, without secrets: `host:port/db` or the file's name without
    /// its folder.
    pub node: Arc<str>,
    /// The database.
    pub shard: Shard,
    /// Share of the load under `dlb`. Default 1; a member of weight 0 is used only if no other is left.
    pub weight: u32,
}

/// A cluster of databases: `[@name] type = postgresql | sqlite3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbSpec {
    /// The name without `@`.
    pub name: Arc<str>,
    /// In the order of the configuration.
    pub members: Vec<DbMember>,
    /// Connections per member and thread. Default 10 per member and instance, divided among the threads, at least 1.
    pub connections: usize,
    /// The percentage of the connections that streams of rows may use: at least one connection and, if there are
    /// several, at most all but one. Default 50.
    pub stream_share: u32,
    /// How long a statement waits for a free connection. Default 1 s.
    pub wait: Duration,
    /// How long a dial with login may take. Default 1 s.
    pub connect_timeout: Duration,
    /// How long one statement may run. Default 10 s; a shorter deadline of the caller wins.
    pub member_timeout: Duration,
    /// Whether PostgreSQL gets a `statement_timeout` one second above `member_timeout`, in case no one is left to
    /// cancel the statement, and whether the program's statements are prepared under names. Default yes; say no behind
    /// a transaction pooler, where another client would inherit both.
    pub statement_timeout: bool,
    /// Whether statements to PostgreSQL share one connection per thread, unless a call says otherwise. Default no.
    pub pipeline: bool,
    /// How `dlb` chooses. Default [`Balance::Least`]; a configuration refuses [`Balance::Hash`].
    pub balance: Balance,
    /// When a member is ejected and readmitted.
    pub rules: Rules,
}

impl DbSpec {
    /// A database cluster with all the defaults, for one thread.
    pub fn new(name: impl Into<Arc<str>>, members: Vec<DbMember>) -> DbSpec {
        DbSpec {
            name: name.into(),
            members,
            connections: 10,
            stream_share: STREAM_SHARE,
            wait: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
            member_timeout: Duration::from_secs(10),
            statement_timeout: true,
            pipeline: false,
            balance: Balance::Least,
            rules: Rules::of_databases(),
        }
    }

    /// How many connections per member and thread streams of rows may use.
    pub fn streams(&self) -> usize {
        part(self.connections, self.stream_share)
    }
}

/// Default percentage of a member's connections that streams of rows may use.
pub(crate) const STREAM_SHARE: u32 = 50;

/// The connections that streams may use: rounded down, so that a slow reader does not hold up other statements.
pub(crate) fn part(connections: usize, percent: u32) -> usize {
    let part = connections.saturating_mul(percent as usize) / 100;
    part.clamp(1, connections.saturating_sub(1).max(1))
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn streams_and_statements_have_a_connection_each_where_there_are_two() {
        let half = [1, 2, 3, 4, 5, 10, 100].map(|connections| part(connections, 50));
        assert_eq!(half, [1, 1, 1, 2, 2, 5, 50]);
        assert_eq!([1, 2, 3, 10].map(|connections| part(connections, 100)), [1, 1, 2, 9]);
        assert_eq!([1, 2, 3, 10, 250].map(|connections| part(connections, 1)), [1, 1, 1, 1, 2]);
    }
}
