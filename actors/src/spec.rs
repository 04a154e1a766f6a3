//! What a cluster is made of: the configuration builds these, the actors are made from them.

use std::sync::Arc;
use std::time::Duration;

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
    /// Share of the load under `lb`, relative to the other members. Default 1.
    pub weight: u32,
}

/// A cluster of HTTP members: `[@name]` without a database type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSpec {
    /// The name without `@`.
    pub name: Arc<str>,
    /// TLS to the members.
    pub tls: bool,
    /// In the order of the configuration.
    pub members: Vec<Member>,
    /// How long a dial may take. Default 1 s.
    pub connect_timeout: Duration,
    /// How long one member may take to answer. Default 10 s.
    pub member_timeout: Duration,
    /// Connections per member and worker. Default 100 per member and instance, divided by the workers.
    pub connections: usize,
    /// The largest answer accepted, in bytes. Default 16 MiB.
    pub max_answer: usize,
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
    /// Share of the load under `dlb`. Default 1.
    pub weight: u32,
}

/// A cluster of databases: `[@name] type = postgresql | sqlite3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbSpec {
    /// The name without `@`.
    pub name: Arc<str>,
    /// In the order of the configuration.
    pub members: Vec<DbMember>,
    /// Connections per member and worker. Default 10 per member and instance, divided among the workers, at least 1.
    pub connections: usize,
    /// How long a statement waits for a free connection. Default 1 s.
    pub wait: Duration,
    /// How long a dial with login may take. Default 1 s.
    pub connect_timeout: Duration,
    /// How long one statement may run. Default 10 s; a shorter deadline of the caller wins.
    pub member_timeout: Duration,
}
