//! What the system allows the process: how many descriptors, and who may read the files that it makes.

use std::fmt;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};
use skitai_actors::spec::Shard;

use crate::config::{Declared, Settings};

/// Descriptors of the process itself: the program, its logs, listening sockets, look-ups of names.
const OWN: u64 = 64;
/// Descriptors of a thread: its event loop, its wakers, its access log.
const OF_THREAD: u64 = 8;
/// Clients for whom there must be room; with less there is a warning.
const CLIENTS: u64 = 1000;
/// A database, its `-wal` and its `-shm`.
const OF_SQLITE: u64 = 3;

/// Sets the permissions that new files do not have. It is the whole process's, so it is for programs, and for the time
/// before their threads.
pub(crate) fn set_umask(mask: u32) {
    umask(Mode::from_bits_truncate(mask));
}

/// Raises the limit of descriptors as far as a program may, and returns it; `None` if there is none.
pub(crate) fn raise_descriptors() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!("the limit of descriptors stays at {}: {error}", limit.current.unwrap_or(u64::MAX));
            limit.current
        }
    }
}

/// The limit that a start would have; `None` if there is none.
pub(crate) fn descriptors() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

/// The descriptors that one process of a site may need at most, without those of its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DescriptorNeed {
    members: u64,
    databases: u64,
    /// Tunnels of the forward proxy, which have two each.
    proxied: u64,
    own: u64,
}

impl DescriptorNeed {
    pub(crate) fn of(settings: &Settings) -> DescriptorNeed {
        let threads = settings.server.threads as u64;
        let tunnels = settings.server.proxy.as_ref().and_then(|proxy| proxy.max_connections).unwrap_or(0) as u64;
        let mut need =
            DescriptorNeed { members: 0, databases: 0, proxied: 2 * tunnels, own: OWN + OF_THREAD * threads };
        for declared in &settings.clusters {
            match declared {
                // A health check has a connection of its own.
                Declared::Http(spec) => {
                    need.members += (spec.connections as u64 * threads + 1) * spec.members.len() as u64;
                }
                Declared::Db(spec) => {
                    let of_one = |shard: &Shard| if matches!(shard, Shard::Sqlite { .. }) { OF_SQLITE } else { 1 };
                    let each: u64 = spec.members.iter().map(|member| of_one(&member.shard)).sum();
                    need.databases += spec.connections as u64 * threads * each;
                }
            }
        }
        need
    }

    fn total(&self) -> u64 {
        self.members + self.databases + self.proxied + self.own
    }

    /// What an operator must know if the limit is too low.
    pub(crate) fn warning(&self, limit: Option<u64>) -> Option<String> {
        let limit = limit.filter(|limit| *limit < self.total() + CLIENTS)?;
        Some(format!(
            "warning: this process may have {limit} descriptors, and needs up to {self} and {CLIENTS} for clients; \
             raise the limit (`LimitNOFILE=` of systemd, `ulimit -Hn`), or lower `connections` of the clusters"
        ))
    }

    /// The line of `check`.
    pub(crate) fn told(&self, limit: Option<u64>) -> String {
        match limit {
            Some(limit) => format!("descriptors: up to {self}; {limit} are allowed here"),
            None => format!("descriptors: up to {self}; as many as it likes are allowed here"),
        }
    }
}

impl fmt::Display for DescriptorNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DescriptorNeed { members, databases, proxied, own } = self;
        write!(f, "{} ({members} for members, {databases} for databases, ", self.total())?;
        if *proxied > 0 {
            write!(f, "{proxied} for the forward proxy, ")?;
        }
        write!(f, "{own} for itself)")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    fn need(clusters: &str) -> DescriptorNeed {
        let text = format!("[server]\nthreads = 4\n[routes:line]\n{clusters}");
        let loaded = config::parse("a.conf", &text, Path::new("/site"), &|_| None).expect("a good conf");
        DescriptorNeed::of(&loaded.settings)
    }

    #[test]
    fn every_connection_that_the_conf_allows_is_counted() {
        assert_eq!(need(""), DescriptorNeed { members: 0, databases: 0, proxied: 0, own: 96 });
        let clusters = "[@a]\nmembers = a:1, b:2, c:3\nconnections = 40\n[@b]\nmembers = h/db/me/pw, h2/db/me/pw\n\
                        connections = 8\n[@c]\ntype = sqlite3\nmembers = c.db\nconnections = 4\n";
        assert_eq!(need(clusters), DescriptorNeed { members: 123, databases: 2 * 8 + 4 * 3, proxied: 0, own: 96 });
    }

    #[test]
    fn a_forward_proxy_needs_two_for_each_tunnel() {
        let text = "[server]\nthreads = 4\nproxy = yes\n[routes:line]\n[proxy]\nlisten = 127.0.0.1:3128\n\
                    allow = 10.0.0.0/8\nhosts = *\nmax_connections = 50\n";
        let loaded = config::parse("a.conf", text, Path::new("/site"), &|_| None).expect("a good conf");
        let need = DescriptorNeed::of(&loaded.settings);
        assert_eq!(need.to_string(), "196 (0 for members, 0 for databases, 100 for the forward proxy, 96 for itself)");
    }

    #[test]
    fn too_low_a_limit_is_told_with_its_numbers() {
        let need = need("[@a]\nmembers = a:1\nconnections = 400\n");
        assert_eq!(need.warning(None), None);
        assert_eq!(need.warning(Some(1497)), None, "just enough");
        let told = need.warning(Some(1496)).expect("one is missing");
        for part in
            ["1496 descriptors", "up to 497 (401 for members, 0 for databases, 96 for itself)", "1000 for clients"]
        {
            assert!(told.contains(part), "{told}");
        }
        assert!(need.told(Some(1024)).ends_with("1024 are allowed here"));
    }
}
