//! Places that are closed: by their address, by their spelling, by who comes, and by a name that changes its mind.

use std::path::PathBuf;
use std::process::Command;

use super::{HELLO, Host, Proxy, connect, get, listening};
use crate::harness::data::root;
use crate::harness::{Conn, End, Scenario, TestServer, eventually, ports};

/// Names whose answers change, in the place of the system's.
struct FickleNames {
    scenario: Scenario,
    asked: PathBuf,
}

impl FickleNames {
    /// `names` are lines of a name and its answers, see `tests/interop/fickle_names.c`.
    fn new(names: &str) -> FickleNames {
        let scenario = TestServer::site().file("names", names);
        let library = scenario.dir().join("fickle_names.so");
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library);
        compiler.arg(root().join("tests/interop/fickle_names.c")).args(["-ldl", "-lpthread"]);
        assert!(compiler.status().unwrap().success());
        let (names, asked) = (scenario.dir().join("names"), scenario.dir().join("asked"));
        let text = |path: &PathBuf| path.display().to_string();
        let scenario = scenario
            .env("LD_PRELOAD", &text(&library))
            .env("FICKLE_NAMES", &text(&names))
            .env("FICKLE_ASKED", &text(&asked));
        FickleNames { scenario, asked }
    }

    /// How often a name was asked for.
    fn asked(asked: &PathBuf, name: &str) -> usize {
        std::fs::read_to_string(asked).unwrap_or_default().lines().filter(|line| *line == name).count()
    }
}

/// What nobody may reach: a server on all addresses of this machine, which counts.
fn forbidden() -> Host {
    Host::saying(HELLO)
}

#[test]
fn a_name_leads_nowhere_that_is_not_public() {
    let host = forbidden();
    let names = FickleNames::new(
        "loopback.test 127.0.0.1\nzero.test 0.0.0.0\nmapped.test ::ffff:127.0.0.1\nsix.test ::1\n\
         other.test 127.8.9.10\nprivate.test 10.0.0.1\nmetadata.test 169.254.169.254\nunique.test fd00:ec2::254\n\
         shared.test 100.64.0.1\nmulti.test 224.0.0.1\nbroad.test 255.255.255.255\nnat.test 64:ff9b::7f00:1\n\
         sixtofour.test 2002:7f00:1::\nteredo.test 2001:0:7f00:1::1\ncompatible.test ::127.0.0.1\nany.test ::\n\
         both.test 127.0.0.1,::1\n",
    );
    let lines =
        format!("allow = 127.0.0.1\nhosts = *\nconnect_ports = {0}\nhttp_ports = {0}\nconnect_timeout = 2", host.port);
    let proxy = Proxy::by(names.scenario, &lines);
    let kinds = [
        "loopback",
        "zero",
        "mapped",
        "six",
        "other",
        "private",
        "metadata",
        "unique",
        "shared",
        "multi",
        "broad",
        "nat",
        "sixtofour",
        "teredo",
        "compatible",
        "any",
        "both",
    ];
    for kind in kinds {
        let name = format!("{kind}.test:{}", host.port);
        let reply = proxy.get(&format!("http://{name}/")).expect_code(403);
        assert!(reply.text().contains("does not lead"), "{kind}: {}", reply.text());
        // Clients learn nothing of the addresses inside.
        assert!(!reply.text().contains("127.") && !reply.text().contains("10.0"), "{}", reply.text());
        let mut conn = proxy.conn();
        let reply = conn.send(format!("CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n\r\n")).read().expect_code(403);
        assert_eq!(reply.header("connection"), "close");
        assert!(conn.ends(), "{kind}");
        assert_eq!(FickleNames::asked(&names.asked, &format!("{kind}.test")), 2, "{kind}");
    }
    assert_eq!((host.heads().len(), proxy.count("refused.address")), (0, 2 * kinds.len() as i64));
    // The log has the addresses, and not every line of a flood.
    let log = proxy.site.log();
    assert!(log.contains("127.0.0.1 is loopback"), "{log}");
    for _ in 0..60 {
        proxy.get(&format!("http://loopback.test:{}/", host.port)).expect_code(403);
    }
    let told = proxy.site.log().matches("forward proxy: 403").count();
    assert!(told <= 60, "{told} lines for {} refusals", 60 + 2 * kinds.len());
}

#[test]
fn a_name_that_is_good_at_the_check_and_bad_at_the_dial_leads_to_the_good_one() {
    // Both listen on one port; one address is listed, the other is not.
    let (good, bad) = (forbidden(), Host::saying("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"));
    let port = ports::free();
    let serve = |address: &str, to: u16| {
        listening(&format!("{address}:{port}"), move |mut stream| {
            let head = super::head_of(&mut stream);
            let mut onward = Conn::to(to);
            onward.send(head);
            let (all, _) = onward.until_end();
            drop(std::io::Write::write_all(&mut stream, &all));
        })
    };
    serve("127.0.0.2", good.port);
    serve("127.0.0.3", bad.port);
    let names = FickleNames::new(
        "turns.test 127.0.0.2 127.0.0.3 127.0.0.2 127.0.0.3\nfirst.test 127.0.0.3 127.0.0.2\n\
         both.test 127.0.0.3,127.0.0.2\n",
    );
    let lines = format!(
        "allow = 127.0.0.1\nhosts = turns.test, first.test, both.test, 127.0.0.2\nhttp_ports = {port}\nconnect_ports = 1"
    );
    let proxy = Proxy::by(names.scenario, &lines);
    let asks = |name: &str| proxy.get(&format!("http://{name}.test:{port}/"));
    assert_eq!(asks("turns").expect_code(200).text(), "hello");
    assert_eq!(FickleNames::asked(&names.asked, "turns.test"), 1, "one look-up for one request");
    asks("turns").expect_code(403);
    assert_eq!(asks("turns").expect_code(200).text(), "hello");
    asks("first").expect_code(403);
    assert_eq!(asks("both").expect_code(200).text(), "hello");
    assert_eq!((good.heads().len(), bad.heads().len()), (3, 0));
}

#[test]
fn an_address_has_one_spelling() {
    let host = forbidden();
    // All of loopback is listed: the spelling alone keeps these out.
    let lines = format!("allow = 127.0.0.1\nhosts = 127.0.0.0/8, *\nconnect_ports = {0}\nhttp_ports = {0}", host.port);
    let proxy = Proxy::by(TestServer::site(), &lines);
    proxy.get(&host.url("/")).expect_code(200);
    let kinds = [
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "127.1",
        "127.0.1",
        "127.0.0.01",
        "127.0.0.1.",
        "127.0.0.0x1",
        "0",
        "00000177.0.0.1",
        "127.0.0.1.0",
        "%31%32%37.0.0.1",
        "[127.0.0.1]",
        "[::ffff:7f00:1%25lo]",
        "[::127.0.0.1.1]",
        "loc$alhost",
        "a..b",
        "[]",
    ];
    for kind in kinds {
        let code = proxy.get(&format!("http://{kind}:{}/", host.port)).code;
        // One with a dot at its end is the same address.
        assert_eq!(code, if kind == "127.0.0.1." { 200 } else { 400 }, "{kind}");
        let mut conn = proxy.conn();
        let code = conn.send(format!("CONNECT {kind}:{} HTTP/1.1\r\nHost: h\r\n\r\n", host.port)).read_head().code;
        assert_eq!(code, if kind == "127.0.0.1." { 200 } else { 400 }, "{kind}");
    }
    assert_eq!(host.heads().len(), 2 + usize::from(host.heads().len() > 2));
    assert!(proxy.count("refused.spelling") > 20);
}

#[test]
fn what_is_not_listed_is_closed() {
    let (host, other) = (Host::saying(HELLO), Host::saying(HELLO));
    let lines = format!(
        "allow = 127.0.0.1\nhosts = example.org, *.example.org, 127.0.0.1:{}\nconnect_ports = 443\nhttp_ports = 80",
        host.port
    );
    let proxy = Proxy::by(TestServer::site(), &lines);
    // A rule with a port opens that one alone, for both kinds.
    proxy.get(&host.url("/")).expect_code(200);
    proxy.tunnel(host.port);
    for (url, reason) in [
        (other.url("/"), "port"),
        ("http://127.0.0.1/".to_owned(), "host"),
        (format!("http://127.0.0.2:{}/", host.port), "address"),
        ("http://example.com/".to_owned(), "host"),
        ("http://notexample.org/".to_owned(), "host"),
        ("http://example.org.evil/".to_owned(), "host"),
        ("http://1.1.1.1/".to_owned(), "host"),
        ("http://[2606:4700::1111]/".to_owned(), "host"),
        ("http://example.org:8080/".to_owned(), "port"),
        ("http://example.org:443/".to_owned(), "port"),
    ] {
        let before = proxy.count(&format!("refused.{reason}"));
        proxy.get(&url).expect_code(403);
        assert_eq!(proxy.count(&format!("refused.{reason}")), before + 1, "{url}");
    }
    assert_eq!(other.heads().len(), 0);
}

#[test]
fn the_site_and_the_proxy_are_closed_unless_they_are_listed_with_their_ports() {
    let lines = "allow = 127.0.0.1\nhosts = 127.0.0.0/8, localhost\nhttp_ports = 1\nconnect_ports = 1";
    let proxy = Proxy::by(TestServer::site().server("supervise", "yes"), lines);
    let (own, itself) = (proxy.site.port(), proxy.port);
    // The ports are known now.
    let rewrite = |from: &str, to: &str| {
        proxy.site.rewrite(from, to);
        let reloaded = proxy.site.command("reload", &["--wait"]);
        assert!(reloaded.status.success(), "{reloaded:?}");
    };
    rewrite("_ports = 1", &format!("_ports = {own}, {itself}"));
    let page = |host: &str| proxy.get(&format!("http://{host}:{own}/nothing")).code;
    // The process before may still take some of the first connections.
    eventually("the ports are taken up", || {
        page("127.0.0.1");
        (proxy.count("refused.own") > 0).then_some(())
    });
    let before = proxy.count("refused.own");
    assert_eq!((page("127.0.0.1"), page("localhost")), (403, 403));
    // It would lead to itself for ever.
    proxy.get(&format!("http://127.0.0.1:{itself}/")).expect_code(403);
    proxy.ask(&connect(itself)).expect_code(403);
    assert_eq!(proxy.count("refused.own"), before + 4);
    rewrite("hosts = 127.0.0.0/8, ", &format!("hosts = 127.0.0.1:{own}, 127.0.0.0/8, "));
    eventually("they are open", || ((page("127.0.0.1"), page("localhost")) == (204, 204)).then_some(()));
    proxy.ask(&connect(itself)).expect_code(403);
}

#[test]
fn what_has_been_here_before_is_a_loop() {
    let host = Host::saying(HELLO);
    let proxy = Proxy::to(&[host.port]);
    proxy.get(&host.url("/")).expect_code(200);
    let via = super::fields(&host.heads()[0], "via")[0].to_owned();
    let looped = |start: &str| proxy.ask(&format!("{start} HTTP/1.1\r\nHost: h\r\nVia: 1.1 a, {via}, 1.1 b\r\n\r\n"));
    looped(&format!("GET {}", host.url("/"))).expect_code(508);
    looped(&format!("CONNECT 127.0.0.1:{}", host.port)).expect_code(508);
    assert_eq!((host.heads().len(), proxy.count("refused.loop")), (1, 2));
    // Another proxy's name is none.
    proxy.ask(&format!("GET {} HTTP/1.1\r\nHost: h\r\nVia: {via}0\r\n\r\n", host.url("/"))).expect_code(200);
}

#[test]
fn strangers_are_told_and_nothing_of_theirs_is_read() {
    let host = Host::saying(HELLO);
    let lines = format!("allow = 10.0.0.0/8\nhosts = 127.0.0.1\nhttp_ports = {}", host.port);
    let proxy = Proxy::by(TestServer::site(), &lines);
    let mut conn = proxy.conn();
    // Before anything was asked.
    conn.read().expect_code(403);
    assert!(conn.ends());
    let mut conn = proxy.conn();
    conn.send_reluctantly(get(&host.url("/")).as_bytes());
    let (all, end) = conn.until_end();
    assert!(String::from_utf8_lossy(&all).starts_with("HTTP/1.1 403 ") && end != End::Never);
    assert_eq!((host.heads().len(), proxy.count("refused.client")), (0, 2));
    eventually("a line says so", || proxy.site.log().contains("`allow` does not have this client").then_some(()));
}
