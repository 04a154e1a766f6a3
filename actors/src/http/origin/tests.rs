//! TLS, with an authority of its own that no configuration names. The certificates beside this file are for `localhost`
//! and valid for a hundred years.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use skitai_wire::Value;

use super::*;
use crate::dns::names::{Looking, Names};
use crate::http::{Request, unrecorded};
use crate::spec::Authority;

const LIMITS: OriginLimits =
    OriginLimits { connect_timeout: Duration::from_secs(1), connections: 4, max_answer: 1 << 20 };

struct Secure {
    port: u16,
    connections: Arc<AtomicUsize>,
}

/// A member that answers `/` with a page, and other paths with half an answer and a clean end of TLS.
fn secure() -> Secure {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    let chain = vec![CertificateDer::from_pem_slice(include_bytes!("member.pem")).expect("it is a certificate")];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("member-key.pem")).expect("it is a key");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks them")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("the key belongs to the certificate");
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            count.fetch_add(1, SeqCst);
            let connection = ServerConnection::new(config.clone()).expect("the configuration is whole");
            let mut tls = StreamOwned::new(connection, tcp);
            std::thread::spawn(move || {
                let mut head = [0; 4096];
                while let Ok(count @ 1..) = tls.read(&mut head) {
                    let is_whole = head[..count].starts_with(b"GET / ");
                    let answer: &[u8] = if is_whole {
                        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello"
                    } else {
                        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
                    };
                    drop(tls.write_all(answer));
                    if !is_whole {
                        tls.conn.send_close_notify();
                        drop(tls.flush());
                        return;
                    }
                }
            });
        }
    });
    Secure { port, connections }
}

fn origin(trust: &TlsTrust, host: &str, port: u16, address: Option<IpAddr>) -> Origin {
    Origin::member(Endpoint { trust: Some(trust), host, port, address }, LIMITS).expect("it is a name")
}

fn ours() -> TlsTrust {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/origin/authority.pem");
    TlsTrust::of(&Authority::read(file.as_ref()).expect("it is an authority"))
}

fn trusting(port: u16) -> Origin {
    origin(&ours(), "localhost", port, None)
}

async fn get(origin: &Origin, path: &str) -> (Outcome, Trace) {
    let progress = unrecorded();
    let request = PreparedRequest::new(Request::get(path.to_owned())).expect("it can be sent");
    (origin.ask(&request, &progress, Instant::now(), &"a".into()).await, progress.get())
}

#[test]
fn a_trusted_member_is_talked_to_and_its_connection_kept() {
    actix_rt::System::new().block_on(async {
        let member = secure();
        let origin = trusting(member.port);
        for _ in 0..3 {
            let (outcome, trace) = get(&origin, "/").await;
            assert_eq!(outcome.data, Value::String("hello".to_owned()));
            // A handshake would add some hundred bytes.
            assert!((30..200).contains(&trace.written), "{trace:?}");
        }
        assert_eq!(member.connections.load(SeqCst), 1);
    });
}

#[test]
fn an_answer_cut_short_by_a_proper_end_of_tls_is_no_answer() {
    actix_rt::System::new().block_on(async {
        let (outcome, _) = get(&trusting(secure().port), "/half").await;
        assert_eq!(outcome.reason, Reason::Closed);
    });
}

#[test]
fn an_unknown_authority_is_refused_before_anything_is_sent() {
    actix_rt::System::new().block_on(async {
        let member = secure();
        let origin = origin(&TlsTrust::web(), "localhost", member.port, None);
        let (failure, trace) = get(&origin, "/").await;
        assert_eq!((failure.reason, trace.written), (Reason::Tls, 0));
        assert!(failure.msg.contains("certificate"), "{}", failure.msg);
    });
}

#[test]
fn the_certificate_goes_by_the_name_and_the_dial_by_the_address() {
    actix_rt::System::new().block_on(async {
        let member = secure();
        let here = Some(IpAddr::from([127, 0, 0, 1]));
        let (outcome, _) = get(&origin(&ours(), "localhost", member.port, here), "/").await;
        assert!(outcome.is_ok(), "the name is the certificate's: {outcome:?}");
        // The right address, under a name that is neither in the certificate nor in DNS.
        let (failure, trace) = get(&origin(&ours(), "other.invalid", member.port, here), "/").await;
        assert_eq!((failure.reason, trace.written), (Reason::Tls, 0));
        assert!(failure.msg.contains("other.invalid"), "{}", failure.msg);
    });
}

#[derive(Debug)]
struct SilentNames;

impl Names for SilentNames {
    fn look_up(&self, _: &str) -> Looking {
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_silent_name_server_costs_no_more_than_a_dial_may_take() {
    actix_rt::System::new().block_on(async {
        let connect_timeout = Duration::from_millis(200);
        let endpoint = Endpoint { trust: None, host: "member.test", port: 80, address: None };
        let mut origin = Origin::member(endpoint, OriginLimits { connect_timeout, ..LIMITS }).expect("it is a name");
        let OriginClient::Leg { dial, .. } = &mut origin.client else { unreachable!("a member is asked by the leg") };
        dial.resolver = Resolver::new("member.test", 80, None, Arc::new(SilentNames));
        let begun = Instant::now();
        let all = (0..20).map(|_| get(&origin, "/"));
        for (outcome, trace) in futures_util::future::join_all(all).await {
            assert_eq!((outcome.reason, trace.written), (Reason::Dns, 0));
        }
        // Four connections for twenty calls: five times the wait, but never more than that.
        assert!(begun.elapsed() < connect_timeout * 5 + Duration::from_secs(1), "{:?}", begun.elapsed());
    });
}

#[test]
fn no_octet_of_a_host_becomes_another_header() {
    for octet in 0..=u8::MAX {
        let host = format!("a{}b", char::from(octet));
        let endpoint = Endpoint { trust: None, host: &host, port: 80, address: None };
        for origin in [Origin::member(endpoint, LIMITS), Origin::any(endpoint, LIMITS)] {
            let is_bad = matches!(octet, b'\0' | b'\r' | b'\n' | b' ' | b'\t' | b'/' | b'?' | b'#' | b'@' | b'\\');
            assert!(
                !is_bad || origin.is_err_and(|why| why.to_string().contains("is not the name of a host")),
                "{host:?}"
            );
        }
    }
    for host in ["a", "a-b.c", "127.0.0.1", "::1", "a_b"] {
        let endpoint = Endpoint { trust: None, host, port: 80, address: None };
        assert!(Origin::member(endpoint, LIMITS).is_ok() && Origin::any(endpoint, LIMITS).is_ok(), "{host}");
    }
}
