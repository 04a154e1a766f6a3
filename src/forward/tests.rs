//! What is looked up, judged and dialled, with a name server that changes its mind.

use std::io;
use std::net::{IpAddr, TcpListener};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use skitai_actors::dns::names::{Looking, Names};

use super::*;
use crate::config;

/// Answers what is next in its list, and the last of it for ever.
#[derive(Debug)]
struct Fickle {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Names for Fickle {
    fn look_up(&self, _: &str) -> Looking {
        self.asked.fetch_add(1, SeqCst);
        let answers = &mut *self.answers.lock().expect("whole");
        let next = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        Box::pin(async move { if next.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(next) } })
    }
}

fn forward(section: &str, answers: &[&[&str]]) -> (Forward, Arc<Fickle>) {
    let text = format!(
        "[server]\nip = 127.0.0.1\nport = 5\nproxy = yes\n[routes:line]\n/ = x\n[proxy]\nlisten = 127.0.0.1:6\n\
         allow = 127.0.0.1\n{section}\n"
    );
    let loaded =
        config::parse("a.conf", &text, Path::new("/site"), &|_| None).unwrap_or_else(|report| panic!("{report}"));
    let addresses = |texts: &&[&str]| texts.iter().map(|text| text.parse().expect("an address")).collect();
    let answers = Mutex::new(answers.iter().map(addresses).collect());
    let names = Arc::new(Fickle { answers, asked: AtomicUsize::new(0) });
    let forward = Arc::into_inner(Forward::of(&loaded.settings.server).expect("there is one")).expect("nobody has it");
    (Forward { look_ups: LookUps::new(names.clone()), ..forward }, names)
}

/// Where a dial leads: the address, or the status and the reason.
fn led(forward: &Forward, authority: &str) -> Result<String, (u16, Option<ProxyRefusal>)> {
    let dialled = async {
        let target = ProxyTarget::of(authority, None)?;
        let ports = &forward.settings.connect_ports;
        forward.dial(&target, ports, Ipv4Addr::LOCALHOST.into()).await
    };
    let dialled = actix_rt::System::new().block_on(dialled);
    let address = dialled.map(|socket| socket.peer_addr().expect("it is connected").to_string());
    address.map_err(|rejection: Rejection| (rejection.status, rejection.reason))
}

/// A port of these addresses on which somebody listens, for as long as the listeners are held.
fn listening(addresses: &[&str]) -> (u16, Vec<TcpListener>) {
    let first = TcpListener::bind((addresses[0], 0)).expect("a port");
    let port = first.local_addr().expect("it listens").port();
    let others = addresses[1..].iter().map(|address| TcpListener::bind((*address, port)).expect("the same port"));
    (port, std::iter::once(first).chain(others).collect())
}

#[test]
fn a_name_is_asked_for_once_and_what_was_judged_is_dialled() {
    let (port, _held) = listening(&["127.0.0.2", "127.0.0.3"]);
    let authority = format!("fickle.test:{port}");
    let section = format!("hosts = fickle.test, 127.0.0.2\nconnect_ports = {port}");
    // It is open at the check, and the other one, which is not, at a second look.
    let (proxy, names) = forward(&section, &[&["127.0.0.2"], &["127.0.0.3"]]);
    assert_eq!(led(&proxy, &authority), Ok(format!("127.0.0.2:{port}")));
    assert_eq!(names.asked.load(SeqCst), 1);
    // The next request is judged anew.
    assert_eq!(led(&proxy, &authority), Err((403, Some(ProxyRefusal::Address))));
    assert_eq!(names.asked.load(SeqCst), 2);
    // Of several addresses only those that passed are dialled.
    let (proxy, _) = forward(&section, &[&["127.0.0.3", "127.0.0.2", "::1"]]);
    assert_eq!(led(&proxy, &authority), Ok(format!("127.0.0.2:{port}")));
}

#[test]
fn a_listed_name_opens_public_addresses_alone() {
    for address in [
        "127.0.0.1",
        "0.0.0.0",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "fd00:ec2::254",
        "192.168.1.1",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fe80::1",
    ] {
        for hosts in ["*", "inside.test", "*.test"] {
            let (proxy, _) = forward(&format!("hosts = {hosts}"), &[&[address]]);
            let refused = Err((403, Some(ProxyRefusal::Address)));
            assert_eq!(led(&proxy, "inside.test:443"), refused, "{address} by {hosts}");
            assert_eq!(led(&proxy, "INSIDE.test.:443"), refused, "{address} by {hosts}");
        }
    }
}

#[test]
fn what_is_not_listed_is_not_even_looked_up() {
    let (proxy, names) = forward("hosts = example.org, *.example.com", &[&["192.0.2.1"]]);
    for authority in
        ["example.com:443", "a.example.org:443", "example.org.evil:443", "8.8.8.8:443", "[2606:4700::1]:443"]
    {
        assert_eq!(led(&proxy, authority), Err((403, Some(ProxyRefusal::Host))), "{authority}");
    }
    for authority in ["example.org:22", "example.org:80", "example.org:8443"] {
        assert_eq!(led(&proxy, authority), Err((403, Some(ProxyRefusal::Port))), "{authority}");
    }
    assert_eq!(names.asked.load(SeqCst), 0);
    // A port that is open for another host only.
    let (proxy, _) = forward("hosts = example.org, example.net:8443", &[&["192.0.2.1"]]);
    for authority in ["example.net:443", "example.org:8443"] {
        assert_eq!(led(&proxy, authority), Err((403, Some(ProxyRefusal::Port))), "{authority}");
    }
    assert_eq!(led(&proxy, "example.com:8443"), Err((403, Some(ProxyRefusal::Host))));
    let (proxy, _) = forward("hosts = example.org", &[&[]]);
    assert_eq!(led(&proxy, "example.org:443"), Err((502, None)));
}

#[test]
fn odd_spellings_lead_nowhere() {
    let (proxy, names) = forward("hosts = *, 127.0.0.0/8\nconnect_ports = 443, 80", &[&["127.0.0.1"]]);
    for host in [
        "2130706433",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "127.1",
        "127.0.1",
        "127.0.0.01",
        "1.2.3.4.5",
        "0",
        "0x",
        "127.0.0.1.2",
        "a.1",
        "%31%32%37.0.0.1",
        "a..b",
        ".a",
        "a b",
        "a_b!c",
        "[::1%eth0]",
        "[::ffff]x",
        "[]",
        "[127.0.0.1]",
        "[v1.fe80]",
    ] {
        let refused = Err((400, Some(ProxyRefusal::Spelling)));
        assert_eq!(led(&proxy, &format!("{host}:80")), refused, "{host}");
    }
    for port in ["", ":", ":0", ":65536", ":99999", ":+80", ":8 0", ":http", ":80:80"] {
        let refused = Err((400, Some(ProxyRefusal::Spelling)));
        assert_eq!(led(&proxy, &format!("example.org{port}")), refused, "{port}");
    }
    assert_eq!(names.asked.load(SeqCst), 0);
}

#[test]
fn who_listens_everywhere_is_closed_everywhere() {
    for everywhere in ["0.0.0.0", "[::]"] {
        let (held, _held) = listening(&["127.0.0.1"]);
        let section =
            format!("hosts = 127.0.0.0/8, fickle.test\nconnect_ports = 5, 6, {held}\nlisten = {everywhere}:6");
        let text = format!(
            "[server]\nip = {everywhere}\nport = 5\nproxy = yes\n[routes:line]\n/ = x\n[proxy]\nallow = 127.0.0.1\n{section}\n"
        );
        let loaded =
            config::parse("a.conf", &text, Path::new("/site"), &|_| None).unwrap_or_else(|report| panic!("{report}"));
        let proxy =
            Arc::into_inner(Forward::of(&loaded.settings.server).expect("there is one")).expect("nobody has it");
        for closed in ["127.0.0.1:5", "127.0.0.1:6", "127.0.0.2:5", "127.9.9.9:6"] {
            assert_eq!(led(&proxy, closed), Err((403, Some(ProxyRefusal::Own))), "{everywhere} {closed}");
        }
        // Another port of this machine is what the rule is for.
        assert_eq!(led(&proxy, &format!("127.0.0.1:{held}")), Ok(format!("127.0.0.1:{held}")));
    }
}

#[test]
fn the_site_itself_is_closed_unless_it_is_listed_with_its_port() {
    let (port, _held) = listening(&["127.0.0.1"]);
    let of_site = |hosts: &str, address: &str| {
        let section = format!("hosts = {hosts}\nconnect_ports = {port}");
        let (mut proxy, _) = forward(&section, &[&[address]]);
        proxy.listens = vec![ListenAddress::Tcp { ip: None, port }];
        proxy
    };
    let own = Err((403, Some(ProxyRefusal::Own)));
    let proxy = of_site("own.test, 127.0.0.0/8, 0.0.0.0/8", "127.0.0.1");
    for authority in ["127.0.0.1", "127.0.0.2", "0.0.0.0", "own.test", "[::ffff:127.0.0.1]"] {
        assert_eq!(led(&proxy, &format!("{authority}:{port}")), own, "{authority}");
    }
    let proxy = of_site(&format!("127.0.0.1:{port}"), "127.0.0.1");
    assert_eq!(led(&proxy, &format!("127.0.0.1:{port}")), Ok(format!("127.0.0.1:{port}")));
}

#[test]
fn its_own_name_in_via_is_a_loop() {
    let mut headers = HeaderMap::new();
    let mut has = |value: &'static str| {
        headers.append(header::VIA, header::HeaderValue::from_static(value));
        has_been_here(&headers, "skitai-1")
    };
    assert!(!has("1.1 skitai-10, 1.1 x (skitai-1.0)") && !has("1.0 proxy"));
    assert!(has("1.1 a,\t1.1  skitai-1 (old)"));
    headers.clear();
    headers.append(header::VIA, header::HeaderValue::try_from("1.1 a, ".repeat(40)).expect("a value"));
    assert!(has_been_here(&headers, "skitai-1"), "a long chain");
}
