//! Over TLS, by both clients: bytes that rustls holds back are neither lost nor taken for the answer of another call.

use std::io::{Read as _, Write as _};
use std::sync::atomic::Ordering::SeqCst;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use skitai_actors::cluster::{Fetch, UrlClient, UrlClientLimits, fetch_slots};
use skitai_actors::spec::Authority;
use skitai_actors::wire::Value;

use crate::framing::{brief, pause_for};
use crate::member::on_sockets;
use crate::*;

/// Beside the tests of `http::origin`, for which they were made.
const PEM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/origin/");

fn server() -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_file(format!("{PEM}member.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(format!("{PEM}member-key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    Arc::new(config.with_single_cert(chain, key).unwrap())
}

enum Way {
    Cluster(Started),
    Web(ActorRef<UrlClient>, u16),
}

impl Way {
    fn both(port: u16) -> [Way; 2] {
        let authority = Authority::read(format!("{PEM}authority.pem").as_ref()).unwrap();
        let members = vec![Member::new("localhost", port)];
        let spec =
            ClusterSpec { tls: true, authority: Some(authority.clone()), ..ClusterSpec::new("members", members) };
        let web = move || UrlClient::with_authority(UrlClientLimits::default(), Some(&authority));
        [Way::Cluster(Started::new(spec)), Way::Web(ActorRef::open("web", Admission::default(), web), port)]
    }

    async fn ask(&self, request: Request) -> Outcome {
        let deadline = after(3_000);
        match self {
            Way::Cluster(cluster) => cluster.ask(Spread::One, request, deadline).all(deadline).await.remove(0),
            Way::Web(web, port) => {
                let url = format!("https://localhost:{port}{}", request.path);
                let slots = fetch_slots(&url);
                web.ask(Fetch { url, request }, slots, None, deadline).all(deadline).await.remove(0)
            }
        }
    }
}

fn page(text: &str) -> Vec<u8> {
    let length = text.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n{text}").into_bytes()
}

/// rustls takes the last octets of an upload into its buffer: all is written then, but not yet sent.
#[test]
fn an_early_refusal_is_heard_while_the_last_octets_wait() {
    in_system(async {
        let config = server();
        let there = on_sockets(move |tcp, seen| {
            let mut tls = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), tcp);
            if matches!(tls.read(&mut [0; 1_024]), Ok(1..)) {
                seen.requests.fetch_add(1, SeqCst);
                let said =
                    "HTTP/1.1 413 No\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nno";
                drop(tls.write_all(said.as_bytes()));
                drop(tls.flush());
                pause_for(3_000);
            }
        });
        // Made once: an encoder that is not optimised takes its time.
        let whole = Request::form("/up", &[("a".to_owned(), "x".repeat(160 * (32 << 10)))]);
        for way in Way::both(there.port) {
            // Somewhere among these sizes the buffers of both kernels are full to the last octets.
            let mut asking = Vec::new();
            for size in (8..160).map(|step| step * (32 << 10)) {
                asking.push(way.ask(Request { body: whole.body.slice(..size), ..whole.clone() }));
                if asking.len() == 8 {
                    for outcome in futures_util::future::join_all(asking.drain(..)).await {
                        assert_eq!(outcome.code, 413, "{size}: {}", brief(&outcome));
                    }
                }
            }
        }
        assert_eq!(there.seen.requests(), 2 * 152);
    });
}

#[test]
fn half_a_record_on_a_resting_connection_is_nobodys_answer() {
    in_system(async {
        let config = server();
        let there = on_sockets(move |mut tcp, seen| {
            let mut tls = ServerConnection::new(config.clone()).unwrap();
            let mut late = Vec::new();
            loop {
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    while tls.wants_write() {
                        if tls.write_tls(&mut tcp).is_err() {
                            return;
                        }
                    }
                    if !matches!(tls.read_tls(&mut tcp), Ok(1..)) || tls.process_new_packets().is_err() {
                        return;
                    }
                    let mut piece = [0; 4_096];
                    while let Ok(count @ 1..) = tls.reader().read(&mut piece) {
                        asked.extend_from_slice(&piece[..count]);
                    }
                }
                seen.requests.fetch_add(1, SeqCst);
                if !late.is_empty() {
                    drop(tcp.write_all(&std::mem::take(&mut late)));
                    continue;
                }
                // The answer, and the first octets of the record of another one, in one piece.
                let (mut records, mut second) = (Vec::new(), Vec::new());
                tls.writer().write_all(&page("own")).unwrap();
                tls.write_tls(&mut records).unwrap();
                tls.writer().write_all(&page("somebody else's")).unwrap();
                tls.write_tls(&mut second).unwrap();
                late = second.split_off(10);
                records.extend_from_slice(&second);
                drop(tcp.write_all(&records));
            }
        });
        for way in Way::both(there.port) {
            for _ in 0..3 {
                let outcome = way.ask(Request::get("/x")).await;
                assert_eq!(outcome.data, Value::String("own".to_owned()), "{}", brief(&outcome));
            }
        }
        assert_eq!((there.seen.requests(), there.seen.connections()), (6, 6));
    });
}
