//! What a cluster is made of: the configuration builds these, the actors are made from them.

mod authority;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use authority::Authority;

/// Whom a call goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spread {
    /// Every member: one outcome each, in the order of the configuration (`map`, `dmap`).
    All,
    /// One member, chosen by load; another one only where the first has certainly not seen the call (`lb`, `dlb`).
    One,
}

/// A text that is never printed: passwords and keys.
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
    /// Where it is dialled, whatever its name leads to; `None` for wherever the name leads. Found by [`discover`],
    /// never configured.
    ///
    /// [`discover`]: ClusterSpec::discover
    pub address: Option<IpAddr>,
    /// Share of the load under `lb`, relative to the other members. Default 1.
    pub weight: u32,
}

impl Member {
    /// The member of this host and port, shown as they are written.
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
    /// Who vouches for their certificates. Default: the usual roots of the web.
    pub authority: Option<Authority>,
    /// In the order of the configuration.
    pub members: Vec<Member>,
    /// Every address of a member's name is a member by itself; the names are looked up this often, within a tenth.
    /// Default: not so.
    pub discover: Option<Duration>,
    /// How long a dial may take. Default 1 s.
    pub connect_timeout: Duration,
    /// How long one member may take to answer. Default 10 s.
    pub member_timeout: Duration,
    /// Connections per member and thread. Default 100 per member and instance, divided by the threads.
    pub connections: usize,
    /// The largest answer accepted, in bytes. Default 16 MiB.
    pub max_answer: usize,
    /// How answers may come, where the call does not say. Default: as they are.
    pub encoding: Encoding,
    /// Sent with every request that has no `authorization` of its own, with checks too. Default: none.
    pub login: Option<Login>,
    /// How `lb` chooses. Default [`Balance::Ewma`].
    pub balance: Balance,
    /// When a member is left out and when it is let in again.
    pub rules: Rules,
    /// Asks the members by itself whether they are alive. Default: not at all.
    pub check: Option<Check>,
    /// How often an idempotent call of `lb` that failed may go to another member. Default 0.
    pub retries: u32,
    /// Whether an idempotent call of `lb` that takes longer than 95 of 100 goes to a second member too. Default no.
    pub hedge: bool,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The name, without `:`.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl ClusterSpec {
    /// A cluster with all the defaults, of one thread.
    pub fn new(name: impl Into<Arc<str>>, members: Vec<Member>) -> ClusterSpec {
        ClusterSpec {
            name: name.into(),
            tls: false,
            authority: None,
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

/// How an answer may come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As it is.
    #[default]
    Identity,
    /// Also packed by gzip; it is unpacked before anybody sees it.
    Gzip,
}

impl Encoding {
    /// Reads `gzip` or `identity`.
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
    /// Of two drawn by weight the one with fewer calls in flight per weight.
    P2c,
    /// Of two drawn by weight the one whose recent answers and calls in flight promise the earlier answer.
    #[default]
    Ewma,
    /// The one with the fewest calls in flight per weight.
    Least,
    /// One after the other, by weight.
    RoundRobin,
    /// The same key goes to the same member: the caller's key, or else the path and the body. Not for `dlb`, whose
    /// statements have no key: those that have one go by `shard_by`.
    Hash,
}

/// When a member is ejected and readmitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Failures in a row that eject. Default 5.
    pub eject_after: u32,
    /// The first ejection; each further one takes twice as long. Default 10 s.
    pub eject_time: Duration,
    /// The longest ejection. A member that was healthy for as long begins anew. Default 300 s.
    pub eject_time_max: Duration,
    /// Share of the members, in percent, that may be out at once; the last one never is. Default 50.
    pub max_ejected: u32,
    /// How long a readmitted member takes to get its full share. Default 10 s.
    pub slow_start: Duration,
    /// Passed checks in a row that readmit. Default 2.
    pub rise: u32,
    /// Failed checks in a row that eject. Default 3.
    pub fall: u32,
}

impl Rules {
    /// Those of databases. Nobody stands in for a shard, so it is tried again sooner; and it gets its full share at
    /// once, because where nothing else is configured the one with the least to do is chosen.
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

/// How members are asked whether they are alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is asked.
    pub kind: CheckKind,
    /// How often, within a tenth. Default 5 s.
    pub interval: Duration,
}

/// What is asked of a member to see whether it is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// A connection.
    Tcp,
    /// `system.listMethods` at this path: any RPC answer will do, a fault too. A path that ends in `/rpc3` is asked by
    /// JSON-RPC, any other by XML-RPC and, where no XML-RPC comes back, by JSON-RPC.
    Rpc(String),
    /// A GET of this path: a code from 200 to 399.
    Http(String),
}

/// Encryption of the connections to a database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum DbTls {
    /// None: for one machine, or a network that keeps strangers out.
    #[default]
    Off,
    /// TLS with a certificate for the member's host, of a root in this PEM file or, without one, of the web's.
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
    /// Those of this program.
    pub const BUILT_IN: Drivers = Drivers { postgres: cfg!(feature = "postgres"), sqlite: cfg!(feature = "sqlite") };
}

/// Which database a shard is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Shard {
    /// A PostgreSQL database.
    Postgres {
        /// Host name or address; a leading `/` is the directory of a Unix socket.
        host: String,
        /// Port, 5432 where none is written.
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
    /// How it is shown everywhere, without secrets: `host:port/db` or the file's path.
    pub node: Arc<str>,
    /// What it is.
    pub shard: Shard,
    /// Share of the load under `dlb`. Default 1; one of 0 is asked where nobody else is left.
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
    /// The part of them, in percent, that streams of rows may have; at least one, and where there are more than one,
    /// one less than all. Default 50.
    pub stream_share: u32,
    /// How long a statement waits for a free connection. Default 1 s.
    pub wait: Duration,
    /// How long a dial with login may take. Default 1 s.
    pub connect_timeout: Duration,
    /// How long one statement may run. Default 10 s; a shorter deadline of the caller wins.
    pub member_timeout: Duration,
    /// Whether PostgreSQL is told to end a statement by itself a second after that, for the case that nobody is left to
    /// cancel it, and statements of the program are prepared under names. Default yes; no behind a transaction pooler,
    /// where either would meet others.
    pub statement_timeout: bool,
    /// Whether statements share a connection per thread with PostgreSQL members, unless a call says otherwise. Default
    /// no.
    pub pipeline: bool,
    /// How `dlb` chooses. Default [`Balance::Least`]; a configuration refuses [`Balance::Hash`].
    pub balance: Balance,
    /// When a member is ejected and readmitted.
    pub rules: Rules,
}

impl DbSpec {
    /// A cluster of databases with all the defaults, of one thread.
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

    /// How many connections per member and thread streams of rows may have.
    pub fn streams(&self) -> usize {
        part(self.connections, self.stream_share)
    }
}

/// What streams of rows may have of a member's connections where nothing else is said, in percent.
pub(crate) const STREAM_SHARE: u32 = 50;

/// The connections that streams may have, of so many: rounded down, for others are not to wait for a slow reader.
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
