//! Which member is asked, when another one is, and what a client is told when none answers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{RawMember, before};
use crate::harness::server::{ADMIN_PASSWORD, Scenario};
use crate::harness::{Reply, TestServer, eventually, ports};
use crate::status::basic;

const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";

fn among(members: &[String], more: &str) -> Scenario {
    TestServer::site().route("/articles = @web").section(&format!("[@web]\nmembers = {}\n{more}", members.join(", ")))
}

fn message(reply: &Reply) -> String {
    reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_member_that_is_down_is_passed_over() {
    let member = RawMember::answering(FINE);
    let down = format!("127.0.0.1:{}", ports::free());
    let site = among(&[down, member.node()], "balance = round_robin\neject_after = 1000").start();
    let body = vec![b'x'; 100_000];
    for nth in 0..6 {
        site.get("/articles").expect_code(200);
        // Nothing of the body was sent to the one that is down.
        site.ask("POST", "/articles", &[], &body[nth..]).expect_code(200);
    }
    assert_eq!(member.asked().iter().filter(|asked| asked.line().starts_with("POST")).count(), 6);
}

#[test]
fn what_may_have_run_is_not_sent_again() {
    let breaks = || {
        RawMember::start(|talk| {
            talk.request()?;
            None
        })
    };
    for (method, retries, expected, asked) in
        [("GET", 1, 200, 1), ("PUT", 1, 200, 1), ("POST", 1, 502, 1), ("GET", 0, 502, 1), ("PATCH", 1, 502, 1)]
    {
        let (broken, fine) = (breaks(), RawMember::answering(FINE));
        let more = format!("balance = round_robin\nretries = {retries}");
        let site = among(&[broken.node(), fine.node()], &more).start();
        // The first member is the first to be asked; `round_robin` begins anywhere.
        let mut reply = site.ask(method, "/articles", &[], b"abc");
        if broken.asked().is_empty() {
            reply = site.ask(method, "/articles", &[], b"abc");
        }
        assert_eq!((reply.code, broken.asked().len()), (expected, asked), "{method}: {}", reply.text());
        if expected == 200 {
            assert!(fine.asked().iter().all(|asked| asked.body == b"abc"));
        } else {
            assert!(message(&reply).contains("closed"), "{}", reply.text());
        }
    }
}

#[test]
fn each_failure_has_its_status_and_its_reason() {
    let told = |conduct: RawMember, more: &str| {
        let site = among(&[conduct.node()], more).start();
        let reply = site.get("/articles");
        (reply.code, message(&reply))
    };
    let silent = || {
        RawMember::start(|talk| {
            talk.head()?;
            talk.is_left();
            None
        })
    };
    let (code, why) = told(silent(), "member_timeout = 200ms");
    assert!(code == 504 && why.contains("no answer within"), "{code} {why}");
    let (code, why) = told(RawMember::answering("220 this is no HTTP\r\n\r\n"), "");
    assert!(code == 502 && why.contains("not HTTP"), "{code} {why}");
    let two = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nfine";
    let (code, why) = told(RawMember::answering(two), "");
    assert!(code == 502 && why.contains("two lengths"), "{code} {why}");
    let (code, why) = told(RawMember::start(|talk| talk.reset()), "");
    assert!(code == 502, "{code} {why}");
    let down = format!("127.0.0.1:{}", ports::free());
    let reply = among(&[down], "").start().get("/articles").expect_code(502);
    assert!(message(&reply).contains("refused"), "{}", reply.text());
    // A request has its own time, too.
    let member = silent();
    let site = among(&[member.node()], "").start();
    let reply = site.ask("GET", "/articles", &[("X-Request-Timeout-Ms", "200")], b"").expect_code(504);
    assert!(message(&reply).contains("before the deadline"), "{}", reply.text());
}

#[test]
fn nobody_waits_longer_for_a_connection_than_for_an_answer() {
    let member = RawMember::start(|talk| {
        talk.head()?;
        talk.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")?;
        talk.is_left();
        None
    });
    let site = among(&[member.node()], "connections = 1\nmember_timeout = 200ms").server("threads", "1").start();
    let mut held = site.begin("/articles");
    assert_eq!(held.read_head().code, 200);
    let reply = site.get("/articles").expect_code(503);
    assert!(message(&reply).contains("no connection to the member was free"), "{}", reply.text());
    assert_eq!(reply.header("retry-after"), "1");
    assert!(!held.is_silent_for(Duration::from_millis(1)), "the stream goes on");
}

#[test]
fn answers_of_any_status_pass_and_the_health_is_that_of_calls() {
    let member = RawMember::answering("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy");
    let site = before(&member).start();
    let reply = site.get("/articles").expect_code(503);
    assert_eq!((reply.text().as_str(), reply.header("retry-after")), ("busy", "7"));
    let login = basic("admin", ADMIN_PASSWORD);
    let headers = [("Authorization", login.as_str()), ("Accept", "application/json")];
    let status = site.ask("GET", "/status", &headers, b"");
    let text = status.expect_code(200).text();
    assert!(text.contains("HTTP 503") && text.contains("\"pass\""), "{text}");
}

#[test]
fn a_client_stays_at_its_member() {
    let members: Vec<RawMember> = (0..3).map(|_| RawMember::answering(FINE)).collect();
    let nodes: Vec<String> = members.iter().map(RawMember::node).collect();
    let counts = || members.iter().map(|member| member.asked().len()).collect::<Vec<_>>();
    // What tells the clients apart, by each kind of key.
    for (affinity, header, value) in [
        ("cookie:sid", "Cookie", "x=1; sid=NTH; y=2"),
        ("header:X-User", "X-User", "NTH"),
        ("address", "X-Forwarded-For", "10.0.0.NTH"),
    ] {
        let more = format!("balance = hash\n[mount /articles]\naffinity = {affinity}");
        let site = among(&nodes, &more).server("trusted_proxies", "127.0.0.1").start();
        let mut asked_at_all = [false; 3];
        for nth in 0..24 {
            let value = value.replace("NTH", &nth.to_string());
            let before = counts();
            for round in 0..3 {
                site.ask("GET", &format!("/articles/{round}"), &[(header, &value)], b"").expect_code(200);
            }
            let after = counts();
            let at: Vec<usize> = (0..3).filter(|&member| after[member] > before[member]).collect();
            assert_eq!(at.len(), 1, "{affinity} {value}: {before:?} {after:?}");
            asked_at_all[at[0]] = true;
        }
        assert_eq!(asked_at_all, [true; 3], "{affinity}");
    }
}

#[test]
fn attempts_share_the_time_of_their_request() {
    let slow = || {
        RawMember::start(|talk| {
            talk.request()?;
            talk.is_left();
            None
        })
    };
    let (one, other) = (slow(), slow());
    let more = "member_timeout = 4s\nretries = 1\n[mount /articles]\nproxy_deadline = 5s";
    let site = among(&[one.node(), other.node()], more).start();
    let begun = std::time::Instant::now();
    site.get("/articles/a").expect_code(504);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(4900) && took < Duration::from_millis(7500), "{took:?}");
    assert_eq!(one.asked().len() + other.asked().len(), 2);
}

/// A member that takes its time for the head, and then for the body.
#[test]
fn a_mount_has_its_own_times() {
    let member = RawMember::start(|talk| {
        let head = talk.head()?;
        let (first, second) = if head.contains("/slow") { (1500, 0) } else { (0, 1500) };
        std::thread::sleep(Duration::from_millis(first));
        talk.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfi")?;
        std::thread::sleep(Duration::from_millis(second));
        talk.send("ne")
    });
    let site = |keys: &str| {
        let more = format!("[mount /articles]\n{keys}");
        among(&[member.node()], &more).route("/others = @web").start()
    };
    let hasty = site("proxy_deadline = 1s");
    assert!(message(&hasty.get("/articles/slow").expect_code(504)).contains("deadline"));
    hasty.get("/others/slow").expect_code(200);
    hasty.get("/articles/late").expect_code(200);
    let hasty = site("proxy_timeout = 1s");
    let told = message(&hasty.get("/articles/slow").expect_code(504));
    assert!(told.contains("member's timeout of 1s"), "{told}");
    let mut conn = hasty.conn();
    conn.send("GET /articles/late HTTP/1.1\r\nHost: h\r\n\r\n");
    let (body, _) = {
        conn.read_head().expect_code(200);
        conn.until_end()
    };
    assert_eq!(body, b"fi", "an answer that breaks off is cut");
    assert_eq!(hasty.get("/others/late").expect_code(200).text(), "fine");
}

#[test]
fn a_sealed_cookie_keeps_a_client_at_its_member_while_that_one_is_in() {
    let mut members: Vec<RawMember> = (0..3).map(|_| RawMember::answering(FINE)).collect();
    let nodes: Vec<String> = members.iter().map(RawMember::node).collect();
    let more = "balance = round_robin\nretries = 2\n[mount /articles]\naffinity = cookie";
    let site = among(&nodes, more).server("threads", "1").start();
    let cookie_of = |reply: &Reply| {
        let line = reply.header("set-cookie").to_owned();
        assert!(line.ends_with("; HttpOnly; SameSite=Lax; Path=/articles") && !line.contains("Secure"), "{line}");
        assert!(!nodes.iter().any(|node| line.contains(node.as_str())), "it tells no address: {line}");
        line.split(';').next().unwrap().to_owned()
    };
    let asks = |cookie: &str| site.ask("GET", "/articles/a", &[("Cookie", cookie)], b"").expect_code(200);
    let clients: Vec<String> = (0..3).map(|_| cookie_of(&site.get("/articles/a").expect_code(200))).collect();
    assert_eq!(members.iter().map(|member| member.asked().len()).collect::<Vec<_>>(), [1; 3]);
    for (nth, cookie) in clients.iter().enumerate() {
        for _ in 0..5 {
            assert_eq!(asks(&format!("x=1; {cookie}; y=2")).header("set-cookie"), "");
        }
        let counts: Vec<usize> = members.iter().map(|member| member.asked().len()).collect();
        assert_eq!(counts.iter().filter(|&&count| count == 6).count(), nth + 1, "{counts:?}");
    }
    // What nobody has sealed for this cluster chooses nobody: each gets a cookie.
    let other = clients[0].replace("MEMBER=", "MEMBER=A");
    for strange in ["MEMBER=", "MEMBER=127.0.0.1:80", "MEMBER=AAAA", &other] {
        cookie_of(&asks(strange));
    }
    // Its member ends: another one answers, and stays.
    let dead = members.remove(0);
    let was_first = |cookie: &&String| asks(cookie).header("set-cookie").is_empty();
    assert_eq!(clients.iter().filter(was_first).count(), 3);
    drop(dead);
    let moved: Vec<String> = clients.iter().map(|cookie| asks(cookie).header("set-cookie").to_owned()).collect();
    let moved: Vec<&String> = moved.iter().filter(|line| !line.is_empty()).collect();
    assert_eq!(moved.len(), 1, "{moved:?}");
    let moved = moved[0].split(';').next().unwrap();
    assert_eq!(asks(moved).header("set-cookie"), "");
}

#[test]
fn members_that_die_under_load_cost_no_get_and_double_no_post() {
    let mut members: Vec<RawMember> = (0..3).map(|_| RawMember::answering(FINE)).collect();
    let nodes: Vec<String> = members.iter().map(RawMember::node).collect();
    let site = among(&nodes, "balance = round_robin\nretries = 2").start();
    let (served, mut posted) = (AtomicUsize::new(0), Vec::new());
    let (served, site) = (&served, &site);
    std::thread::scope(|threads| {
        for client in 0..4 {
            threads.spawn(move || {
                for nth in 0..150 {
                    site.get(&format!("/articles/{client}/{nth}")).expect_code(200);
                    // One that may have run fails, and is not sent again.
                    let reply = site.ask("POST", &format!("/articles/p{client}x{nth}"), &[], b"abc");
                    assert!(matches!(reply.code, 200 | 502), "{}", reply.text());
                    served.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for after in [150, 300] {
            eventually("clients are served", || (served.load(Ordering::SeqCst) >= after).then_some(()));
            let dead = members.remove(0);
            posted.extend(dead.asked());
        }
    });
    posted.extend(members.iter().flat_map(RawMember::asked));
    let mut posted: Vec<&str> =
        posted.iter().map(|asked| asked.line()).filter(|line| line.starts_with("POST")).collect();
    let count = posted.len();
    posted.sort_unstable();
    posted.dedup();
    assert_eq!(posted.len(), count, "no POST came to two members");
    assert!(count > 500, "{count}");
}

/// What the status counts for the only member.
fn counted(site: &TestServer) -> serde_json::Value {
    crate::status::tree(site)["clusters"]["web"]["members"][0].clone()
}

#[test]
fn an_answer_for_the_client_is_no_failure_of_its_member() {
    let codes = [200, 204, 302, 304, 404, 412, 429, 500, 503];
    let next = AtomicUsize::new(0);
    let member = RawMember::start(move |talk| {
        talk.request()?;
        let code = codes[next.fetch_add(1, Ordering::SeqCst) % codes.len()];
        let length = if matches!(code, 204 | 304) { "" } else { "Content-Length: 0\r\n" };
        talk.send(format!("HTTP/1.1 {code} X\r\n{length}\r\n"))
    });
    let site = among(&[member.node()], "eject_after = 1000").start();
    for code in codes {
        site.get("/articles").expect_code(code);
    }
    let told = eventually("all are counted", || {
        let told = counted(&site);
        (told["latency"]["count"] == codes.len()).then_some(told)
    });
    assert_eq!((&told["ok"], &told["failed"]), (&6.into(), &3.into()), "{told}");
}

#[test]
fn a_body_that_is_too_large_is_not_late() {
    let member = RawMember::start(|talk| {
        talk.request()?;
        None
    });
    let site = among(&[member.node()], "[mount /articles]\nproxy_max_body = 1k").start();
    let mut conn = site.conn();
    conn.send("POST /articles HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    conn.send(format!("800\r\n{}\r\n", "x".repeat(0x800)));
    conn.read().expect_code(413);
    let told = eventually("it is counted", || {
        let told = counted(&site);
        (told["in_flight"] == 0 && (told["cancelled"] != 0 || told["timed_out"] != 0)).then_some(told)
    });
    assert_eq!((&told["cancelled"], &told["timed_out"]), (&1.into(), &0.into()), "{told}");
}
