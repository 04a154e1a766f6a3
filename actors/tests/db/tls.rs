//! Encrypted connections: to the right server alone.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use skitai_actors::Reason;
use skitai_actors::spec::{DbMember, DbTls, Shard, Spread};
use skitai_actors::wire::Value;

use crate::server::{PASSWORD, Server};
use crate::{Cluster, get, run, server, until};

fn member(server: &Server, as_host: &str, roots: Option<PathBuf>) -> DbMember {
    let mut member = server.member("postgres", "postgres", PASSWORD);
    let Shard::Postgres { host, tls, .. } = &mut member.shard else { panic!("{member:?}") };
    as_host.clone_into(host);
    *tls = DbTls::Verified(roots);
    member
}

#[test]
fn connections_are_encrypted_and_only_to_the_server_that_was_meant() {
    run(async {
        let server = Server::encrypted();
        let cluster = Cluster::of(vec![member(&server, "localhost", Some(server.root()))]);
        let ssl = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        assert_eq!(cluster.value(ssl, ()).await, Value::Bool(true));

        // The same server under a name its certificate does not have; a root that did not sign it.
        for (member, why) in [
            (member(&server, "127.0.0.1", Some(server.root())), "not valid for name"),
            (member(&server, "localhost", None), "UnknownIssuer"),
            (member(&server, "localhost", Some("/no/such/file".into())), "/no/such/file"),
            (member(server::shared(), "127.0.0.1", Some(server.root())), "server does not support TLS"),
        ] {
            let outcome = Cluster::of(vec![member]).one("SELECT 1", ()).await;
            assert_eq!(outcome.reason, Reason::Tls, "{}", outcome.msg);
            assert!(outcome.msg.contains(why), "{why}: {}", outcome.msg);
        }
    });
}

#[test]
fn a_cancel_request_is_encrypted_too_and_the_connection_is_kept() {
    run(async {
        let server = Server::encrypted();
        let member = member(&server, "localhost", Some(server.root()));
        let cluster = Cluster::with(vec![member], |spec| spec.connections = 1);
        let pid = cluster.value("SELECT pg_backend_pid()", ()).await;
        let slow = cluster.ask(Spread::One, "SELECT pg_sleep(20)", ());
        until("it runs", async || get(&cluster.report().await, "in_use") == Value::Int(1)).await;
        let began = Instant::now();
        drop(slow);
        assert_eq!(cluster.value("SELECT pg_backend_pid()", ()).await, pid);
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    });
}
