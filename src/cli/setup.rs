//! The settings that a program may read and change before its site starts.

use std::net::SocketAddr;
use std::path::Path;

use skitai_actors::spec::Member;

use crate::app::{Error, Result};
use crate::config::{Declared, Loaded};

/// A site before its start, as [`Program::prepare`](super::program::Program::prepare) gets it.
#[derive(Debug)]
pub struct Setup<'l> {
    loaded: &'l mut Loaded,
    var: &'l Path,
    port: u16,
}

impl<'l> Setup<'l> {
    pub(super) fn new(loaded: &'l mut Loaded, var: &'l Path, port: u16) -> Setup<'l> {
        Setup { loaded, var, port }
    }

    /// The folder `var` of the site.
    pub fn var(&self) -> &Path {
        self.var
    }

    /// The first port on which the site already listens; 0 if it has Unix sockets alone.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Replaces the members of a cluster of HTTP members in the configuration: for members that the program starts
    /// itself, on ports that are known only now. All other keys of the cluster stay.
    ///
    /// # Errors
    /// If the configuration has no such cluster.
    pub fn members(&mut self, cluster: &str, members: &[SocketAddr]) -> Result<()> {
        let cluster = cluster.trim_start_matches('@');
        let spec = self.loaded.settings.clusters.iter_mut().find_map(|declared| match declared {
            Declared::Http(spec) if *spec.name == *cluster => Some(spec),
            Declared::Http(_) | Declared::Db(_) => None,
        });
        let none = || Error::internal(format!("the configuration has no cluster [@{cluster}] of HTTP members"));
        let members = members.iter().map(|member| Member::new(&member.ip().to_string(), member.port()));
        spec.ok_or_else(none)?.members = members.collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn a_cluster_gets_other_members_and_keeps_the_rest() {
        let text =
            "[routes:line]\n\n[@search]\nmembers = a:1, b:2 3\nretries = 7\n\n[@shards]\ntype = sqlite3\nmembers = c";
        let mut loaded = config::parse("test.conf", text, Path::new("."), &|_| None).expect("a good conf");
        let mut setup = Setup::new(&mut loaded, Path::new("var"), 5050);
        assert_eq!((setup.var(), setup.port()), (Path::new("var"), 5050));
        let found = ["127.0.0.1:41000", "[::1]:41001"].map(|member| member.parse().expect("an address"));
        setup.members("@search", &found).expect("there is such a cluster");
        for unknown in ["search2", "shards", ""] {
            let refused = setup.members(unknown, &found).expect_err(unknown).to_string();
            assert!(refused.contains(&format!("[@{unknown}]")), "{refused}");
        }
        let Declared::Http(spec) = &loaded.settings.clusters[0] else { panic!("it is of HTTP members") };
        let nodes: Vec<&str> = spec.members.iter().map(|member| &*member.node).collect();
        assert_eq!((nodes, spec.retries), (vec!["127.0.0.1:41000", "[::1]:41001"], 7));
    }
}
