//! Limits: heads, connections, requests of a connection, requests under way, and rates by whatever tells clients apart.

use std::thread::scope;

use serde_json::json;

use super::{get_for, message};
use crate::harness::raw::request;
use crate::harness::server::ADMIN_PASSWORD;
use crate::harness::{Conn, Reply, TestServer, call, eventually, foreign};
use crate::status::basic;

const FINE: &str = "/defaults?needed=1";

#[test]
fn a_head_has_the_bounds_of_the_conf() {
    let site =
        TestServer::site().server("max_head", "2k").server("max_target", "100").server("max_headers", "5").start();
    let ask =
        |target: &str, lines: &str| site.conn().send(format!("GET {target} HTTP/1.1\r\nHost: h\r\n{lines}\r\n")).read();
    let target = |length: usize| format!("{FINE}&{}", "x".repeat(length - FINE.len() - 1));
    for (target, lines, code, why) in [
        (target(100), String::new(), 200, ""),
        (target(101), String::new(), 414, "limit of 100 bytes"),
        (target(1500), String::new(), 414, "limit of 100 bytes"),
        (FINE.to_owned(), "X: 1\r\n".repeat(4), 200, ""),
        (FINE.to_owned(), "X: 1\r\n".repeat(5), 431, "limit of 5"),
        (FINE.to_owned(), format!("X: {}\r\n", "x".repeat(1800)), 200, ""),
        (FINE.to_owned(), format!("X: {}\r\n", "x".repeat(2100)), 431, "limit of 2048 bytes"),
    ] {
        let reply = ask(&target, &lines);
        assert_eq!(reply.code, code, "{} {}: {}", target.len(), lines.len(), reply.text());
        assert!(why.is_empty() || reply.text().contains(why), "{}", reply.text());
    }
    // More than the usual number, where the conf says so.
    let site = TestServer::site().server("max_headers", "256").start();
    let reply = site.conn().send(format!("GET {FINE} HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: 1\r\n".repeat(250))).read();
    reply.expect_code(200);
}

#[test]
fn a_connection_has_its_number_of_requests() {
    let site = TestServer::site().server("max_requests", "3").start();
    let mut conn = site.conn();
    for nth in 1..=3 {
        conn.send(request("GET", FINE, &[], b""));
        let reply = conn.read().expect_code(200);
        assert_eq!(reply.header("connection") == "close", nth == 3, "{nth}: {:?}", reply.headers);
    }
    assert!(conn.ends());
    // Those that came along behind it are not executed, and curl sends them again elsewhere.
    let mut conn = site.conn();
    conn.send(request("GET", "/noted/many/x", &[], b"").repeat(5));
    let (bytes, _) = conn.until_end();
    assert_eq!(String::from_utf8_lossy(&bytes).matches("HTTP/1.1 200").count(), 3);
    assert_eq!(site.get("/notes/many").json().as_array().unwrap().len(), 3);
    let url = site.url(FINE);
    let said = foreign::curl(&["-w", "%{http_code}%{num_connects} ", "-o", "/dev/null", &url, &url, &url, &url]);
    assert!(said.contains("200"), "{said}");
}

/// So many connections that are served. The one by which the harness saw that the server listens may still be there.
fn held(site: &TestServer, count: usize) -> Vec<Conn> {
    let one = || {
        let mut conn = site.conn();
        let is_served = conn.send_reluctantly(&request("GET", FINE, &[], b"")).try_read(true)?.code == 200;
        is_served.then_some(conn)
    };
    (0..count).map(|_| eventually("a connection is served", one)).collect()
}

#[test]
fn an_address_has_its_number_of_connections() {
    let site = TestServer::site().server("max_connections_per_address", "3").start();
    let mut held = held(&site, 3);
    let mut refused = site.conn();
    let reply = refused.read().expect_code(503);
    assert_eq!((reply.header("retry-after"), message(&reply).as_str()), ("1", "too many connections; try again"));
    assert!(refused.ends());
    let said = foreign::curl(&["-w", " %{http_code}", &site.url(FINE)]);
    assert!(said.ends_with(" 503"), "{said}");
    assert!(site.log().contains("`max_connections_per_address` is reached"), "{}", site.log());
    // Those that are there go on, and a place that is given back is free.
    held[0].send(request("GET", FINE, &[], b"")).read().expect_code(200);
    drop(held.pop());
    eventually("the place is free", || (site.get(FINE).code == 200).then_some(()));
    // A trusted proxy has the connections of all its clients.
    let site =
        TestServer::site().server("max_connections_per_address", "1").server("trusted_proxies", "127.0.0.1").start();
    drop(self::held(&site, 4));
}

#[test]
fn a_process_has_its_number_of_connections() {
    let site = TestServer::site().server("max_connections", "4").server("trusted_proxies", "127.0.0.1").start();
    let held = held(&site, 4);
    site.conn().read().expect_code(503);
    drop(held);
    eventually("there is room", || (site.get(FINE).code == 200).then_some(()));
}

#[test]
fn a_mount_has_its_number_of_requests_under_way() {
    let site =
        TestServer::site().section("[mount /]\nmax_in_flight = 2").section("[mount /status]\nallow = unix").start();
    let mut slow: Vec<Conn> = (0..2).map(|_| site.conn()).collect();
    for conn in &mut slow {
        conn.send(request("GET", "/quiet", &[], b""));
        // An event stream is under way for as long as it lasts.
        assert_eq!(conn.read_head().code, 200);
    }
    let refused = site.get(FINE).expect_code(503);
    assert_eq!(refused.header("retry-after"), "1");
    let python = foreign::python("limits.py", &["status", &site.url(FINE)]);
    assert_eq!(python.trim(), "503 1");
    site.get("/status/ready").expect_code(403);
    site.get("/ping").expect_code(200);
    drop(slow);
    eventually("one has ended", || (site.get(FINE).code == 200).then_some(()));
}

/// Code, `Retry-After`, and what the three headers say.
fn told(reply: &Reply) -> (u16, String, [String; 3]) {
    let of = |name: &str| reply.header(&format!("ratelimit-{name}")).to_owned();
    (reply.code, reply.header("retry-after").to_owned(), [of("limit"), of("remaining"), of("reset")])
}

#[test]
fn a_client_has_its_rate_and_is_told() {
    let site = TestServer::site()
        .server("trusted_proxies", "127.0.0.1")
        .route("/guarded = behind")
        .section("[mount /guarded]\nrate = 3/h")
        .start();
    let ask = |client: &str| get_for(&site, "/guarded/told", client);
    let (code, wait, [limit, left, reset]) = told(&ask("203.0.113.9"));
    assert_eq!((code, wait.as_str(), limit.as_str(), left.as_str(), reset.as_str()), (200, "", "3", "2", "1200"));
    assert_eq!(ask("203.0.113.9").header("ratelimit-policy"), "3;w=3600");
    ask("203.0.113.9").expect_code(200);
    let refused = ask("203.0.113.9");
    let (code, wait, [_, left, _]) = told(&refused);
    assert_eq!((code, left.as_str()), (429, "0"));
    assert!((1190..=1200).contains(&wait.parse::<u32>().unwrap()), "{wait}");
    assert_eq!(message(&refused), "too many requests: 3 in 3600 s are allowed");
    // What is no page of the mount is counted, too, and another mount is not.
    get_for(&site, "/guarded/none", "203.0.113.9").expect_code(429);
    get_for(&site, FINE, "203.0.113.9").expect_code(200);
    // A method is counted where it is, from wherever it is called.
    let body = call::json("guarded.told", &json!([]));
    let headers = [("X-Forwarded-For", "203.0.113.9"), ("Content-Type", "application/json")];
    assert_eq!(site.ask("POST", "/rpc3", &headers, body.as_bytes()).json()["error"]["code"], -32429);
    // Others, and one /64 for all of it.
    ask("203.0.113.10").expect_code(200);
    let of_one = ["2001:db8::1", "2001:db8::2", "2001:db8::ffff", "2001:db8::aaaa:1"].map(|client| ask(client).code);
    assert_eq!(of_one, [200, 200, 200, 429]);
    ask("2001:db8:0:1::1").expect_code(200);
    let python = foreign::python("limits.py", &["retried", &site.url("/guarded/told"), "198.51.100.1"]);
    assert_eq!(python.trim(), "200 200 200 429");
}

#[test]
fn a_bucket_fills_again() {
    let site = TestServer::site().section("[mount /]\nrate = 20/s burst 1").start();
    site.get(FINE).expect_code(200);
    eventually("a token comes", || (site.get(FINE).code == 200).then_some(()));
}

#[test]
fn clients_are_told_apart_by_header_and_by_session() {
    let site = TestServer::site_of(&["/ = visits"])
        .section("[mount /]\nrate = 2/h by header:X-Api-Key, 100/h by session:visits")
        .start();
    let ask = |key: &str| site.ask("GET", "/recall?name=user", &[("X-Api-Key", key)], b"").code;
    assert_eq!([ask("a"), ask("a"), ask("a"), ask("b"), ask("b"), ask("b")], [200, 200, 429, 200, 200, 429]);
    // Without the header it is the address that counts.
    let bare = || site.get("/recall?name=user").code;
    assert_eq!([bare(), bare(), bare()], [200, 200, 429]);

    let site = TestServer::site_of(&["/ = visits"]).section("[mount /]\nrate = 3/h by session:user").start();
    let sign_in = |name: &str| {
        let reply = site.get(&format!("/remember?name=user&value={name}")).expect_code(204);
        reply.header("set-cookie").split(';').next().unwrap().to_owned()
    };
    let (anna, ben) = (sign_in("anna"), sign_in("ben"));
    let ask = |cookie: &str| site.ask("GET", "/recall?name=user", &[("Cookie", cookie)], b"").code;
    assert_eq!([ask(&anna), ask(&anna), ask(&anna), ask(&anna)], [200, 200, 200, 429]);
    assert_eq!([ask(&ben), ask(&ben)], [200, 200]);
    // A cookie that nobody sealed is nobody's: the address of both sign-ins.
    assert_eq!([ask("SESSION=forged"), ask("SESSION=forged")], [200, 429]);
}

#[test]
fn who_has_no_address_is_told_apart_by_nothing_but_names() {
    let site = TestServer::site()
        .server("listen", "unix:a.sock")
        .server("max_connections_per_address", "1")
        .section("[mount /]\nrate = 2/h, 2/h by header:X-Api-Key")
        .start();
    let socket = site.dir().join("a.sock");
    let ask = |more: &[&str]| {
        let mut arguments = vec!["--unix-socket", socket.to_str().unwrap(), "-o", "/dev/null", "-w", "%{http_code}"];
        arguments.extend(more);
        foreign::curl(&[&arguments[..], &["http://x/defaults?needed=1"]].concat())
    };
    assert_eq!([0; 5].map(|_| ask(&[])), ["200"; 5], "one address for all of them would be one bucket for all");
    assert_eq!([0; 3].map(|_| ask(&["-H", "X-Api-Key: a"])), ["200", "200", "429"]);
}

#[test]
fn what_is_refused_is_counted_by_its_reason() {
    let site = TestServer::site()
        .server("trusted_proxies", "127.0.0.1")
        .server("server_names", "x")
        .server("max_connections", "5")
        .route("/guarded = behind")
        .section("[mount /guarded]\nrate = 1/h\ndeny = 203.0.113.66")
        .start();
    let fine = format!("GET {FINE} HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut conn = eventually("there is room", || {
        let mut conn = site.conn();
        (conn.send_reluctantly(fine.as_bytes()).try_read(true)?.code == 200).then_some(conn)
    });
    let mut ask = |path: &str, host: &str, more: &str| {
        conn.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n")).read()
    };
    let login = |client: &str, password: &str| {
        format!(
            "X-Forwarded-For: {client}\r\nX-Forwarded-Proto: https\r\nAuthorization: {}\r\n",
            basic("admin", password)
        )
    };
    let refused = |tree: &serde_json::Value| tree["requests"]["refused"].clone();
    let own = login("203.0.113.1", ADMIN_PASSWORD);
    let before = refused(&ask("/status/", "x", &own).expect_code(200).json());
    ask(FINE, "other", "").expect_code(421);
    ask("/guarded/told", "x", "X-Forwarded-For: 203.0.113.66\r\n").expect_code(403);
    let of_one = [0; 3].map(|_| ask("/guarded/told", "x", "X-Forwarded-For: 203.0.113.7\r\n").code);
    assert_eq!(of_one, [200, 429, 429]);
    // The fifth is not looked at, and counts.
    let guesses = [0; 5].map(|_| ask("/status/", "x", &login("203.0.113.2", "a-guess-at-it")).code);
    assert_eq!(guesses, [401, 401, 401, 401, 429]);
    site.conn().send("GET / HTTP/1.1\nHost: x\r\n\r\n").read().expect_code(400);
    let held: Vec<Conn> = (0..20).map(|_| site.conn()).collect();
    let counted = eventually("those beyond the limit are refused", || {
        let now = refused(&ask("/status/", "x", &own).expect_code(200).json());
        (now["full"].as_u64()? >= before["full"].as_u64()? + 16).then_some(now)
    });
    drop(held);
    let grown = |reason: &str| counted[reason].as_u64().unwrap() - before[reason].as_u64().unwrap();
    let grown = ["name", "access", "rate", "login", "head", "under_way", "of_address"].map(grown);
    assert_eq!(grown, [1, 1, 2, 5, 1, 0, 0], "{counted}");
}

#[test]
fn a_flood_of_addresses_stays_within_its_memory() {
    let site = TestServer::site().server("trusted_proxies", "127.0.0.1").section("[mount /]\nrate = 5/h").start();
    let before = resident(&site);
    scope(|threads| {
        for network in 0..4 {
            let site = &site;
            threads.spawn(move || {
                let mut conn = site.conn();
                for nth in 0..4_000 {
                    let client = format!("10.{network}.{}.{}", nth / 250, nth % 250);
                    conn.send(request("GET", "/ping", &[("X-Forwarded-For", &client)], b"")).read();
                    conn.send(request("GET", FINE, &[("X-Forwarded-For", &client)], b"")).read().expect_code(200);
                }
            });
        }
    });
    let grown = resident(&site).saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB for 16 000 addresses");
}

/// The resident memory of the server, in KiB.
fn resident(site: &TestServer) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", site.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

#[test]
fn each_call_of_a_batch_is_counted_and_a_single_one_once() {
    let site = || TestServer::site().route("/guarded = behind").section("[mount /guarded]\ndeny = 10.0.0.0/8");
    let one = |id: usize| json!({"jsonrpc": "2.0", "method": "guarded.told", "id": id});
    let post = |site: &TestServer, path: &str, body: String| {
        site.ask("POST", path, &[("Content-Type", "application/json-rpc")], body.as_bytes()).expect_code(200).json()
    };
    // Four calls of a batch of nine, by whichever way they come.
    for path in ["/", "/rpc3", "/status/rpc3"] {
        let site = site().section("[mount /]\nrate = 4/h").start();
        let batch: Vec<_> = (0..9).map(one).collect();
        let answers = post(&site, path, json!(batch).to_string());
        let is_run = |answer: &&serde_json::Value| answer.get("result").is_some();
        let run = answers.as_array().unwrap().iter().filter(is_run).count();
        let refused = answers.as_array().unwrap().iter().filter(|it| it["error"]["code"] == -32429).count();
        assert_eq!((run, refused), (4, 5), "{path}: {answers}");
    }
    // What the longer section has of the shorter one is the same limit, and is passed once.
    let site = site().section("[mount /]\nmax_in_flight = 1\nrate = 4/h").start();
    for nth in 0..5 {
        let answer =
            site.ask("POST", "/", &[("Content-Type", "application/json-rpc")], one(nth).to_string().as_bytes());
        let is_run = answer.code == 200 && answer.json().get("result").is_some();
        assert_eq!(is_run, nth < 4, "{nth}: {}", answer.text());
    }
}
