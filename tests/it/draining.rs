//! The end of a process: it loses no request, tells those that can end by themselves, and names what it cuts.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::foreign::node;
use crate::harness::ports;
use crate::harness::{Conduct, Conn, End, Member, TestServer, bound, eventually, python};

const SECOND: Duration = Duration::from_secs(1);
/// What takes a second or two, at most takes this long on a busy machine.
const CEILING: Duration = Duration::from_secs(15);

/// A request of either version of the protocol: one keeps connections by itself, one when it is asked.
type Request = fn(&str) -> String;

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")
}

fn old(path: &str) -> String {
    format!("GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
}

/// A request whose handler is at work, and answers when the server closes.
fn waiting(site: &TestServer) -> Conn {
    let mut conn = site.conn();
    conn.send(get("/draining/is-closing"));
    assert_eq!(conn.read().expect_code(200).text(), "false");
    conn.send(get("/draining/waits"));
    conn
}

/// Waits until nobody can connect any more.
fn refuses(port: u16) {
    eventually("the server accepts nothing", || TcpStream::connect(("127.0.0.1", port)).is_err().then_some(()));
}

#[test]
fn sixty_four_busy_clients_lose_no_request() {
    let site = TestServer::site().start();
    let said = python("draining.py", &[&site.port().to_string(), &site.id().to_string()]);
    assert_eq!(said.trim(), "64 close");
    let (status, _, log, _) = site.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("nothing was cut"), "{log}");
}

#[test]
fn a_connection_that_rests_sees_a_clean_end_after_its_time() {
    let site = TestServer::site().start();
    let mut resting: Vec<Conn> = (0..10).map(|_| site.conn()).collect();
    for (nth, conn) in resting.iter_mut().enumerate().skip(2) {
        conn.send(if nth % 2 == 0 { get("/nothing") } else { old("/nothing") });
        conn.read().expect_code(204);
    }
    let asked = Instant::now();
    site.signal("TERM");
    for conn in &mut resting {
        assert_eq!(conn.until_end(), (Vec::new(), End::Finished));
        assert!(asked.elapsed() > SECOND / 2, "it was closed at once, {:?}", asked.elapsed());
    }
    let (status, _, log, _) = site.ended();
    assert!(status.success() && asked.elapsed() < CEILING, "{:?}: {log}", asked.elapsed());
}

#[test]
fn who_has_left_is_not_waited_for() {
    let site = TestServer::site().server("drain_idle", "20").start();
    let mut conn = site.conn();
    conn.send(get("/nothing"));
    conn.read().expect_code(204);
    drop(conn);
    let (status, took, log, _) = site.stop();
    assert!(status.success() && took < CEILING, "{took:?}: {log}");
}

#[test]
fn a_request_on_a_connection_that_rests_is_answered_and_is_its_last() {
    let site = TestServer::site().server("drain_idle", "20").start();
    let mut resting: Vec<(Conn, Request)> =
        (0..8).map(|nth| (site.conn(), if nth % 2 == 0 { get as Request } else { old })).collect();
    for (conn, request) in &mut resting {
        conn.send(request("/nothing"));
        assert_ne!(conn.read().expect_code(204).header("connection"), "close");
    }
    site.signal("TERM");
    refuses(site.port());
    for (conn, request) in &mut resting {
        // The threads learn of it one after the other.
        eventually("an answer that is the last one", || {
            conn.send(request("/draining/is-closing"));
            (conn.read().expect_code(200).header("connection") == "close").then_some(())
        });
        assert_eq!(conn.until_end(), (Vec::new(), End::Finished));
    }
    let (status, took, log, _) = site.ended();
    assert!(status.success() && took < CEILING, "{took:?}: {log}");
}

#[test]
fn what_is_under_way_finishes_and_so_does_what_waits_behind_it() {
    let silent = Member::start(Conduct::Hangs);
    let site = TestServer::site().server("drain_idle", "10").cluster("silent", &[&silent]).start();
    let mut slow = site.begin("/slept?millis=1500");
    let mut pipelined = site.conn();
    pipelined.send(get("/slept?millis=600") + &get("/slept?millis=1"));
    let mut fan_out = site.begin("/outcomes?cluster=silent&timeout=700");
    silent.wait_for_requests(1);
    let mut waiting = waiting(&site);
    let mut streaming = site.conn();
    streaming.send(get("/draining/until"));
    streaming.read_head().expect_code(200);
    assert_eq!(streaming.next_chunk().expect("a chunk"), b"first\n");
    site.signal("TERM");
    let reply = waiting.read().expect_code(200);
    assert_eq!((reply.text().as_str(), reply.header("connection")), ("it closes", "close"));
    assert_eq!(streaming.next_chunk().expect("the handler was told"), b"last\n");
    assert_eq!(streaming.next_chunk(), None);
    assert_eq!(pipelined.read().expect_code(200).text(), "slept 600");
    let reply = pipelined.read().expect_code(200);
    assert_eq!((reply.text().as_str(), reply.header("connection")), ("slept 1", "close"));
    let reply = fan_out.read().expect_code(200);
    assert_eq!(reply.json()["outcomes"][0]["reason"], "deadline", "{}", reply.text());
    let reply = slow.read().expect_code(200);
    assert_eq!((reply.text().as_str(), reply.header("connection")), ("slept 1500", "close"));
    let (status, took, log, _) = site.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(took < CEILING && log.contains("nothing was cut"), "{took:?}: {log}");
}

#[test]
fn what_was_accepted_for_a_thread_that_is_held_is_answered() {
    let site = TestServer::site().route("/holding = holding").server("threads", "1").start();
    let mut holding = site.begin("/holding/holds?ms=3000");
    let first = eventually("the thread is held", || {
        let mut conn = site.begin("/draining/is-closing");
        conn.is_silent_for(SECOND / 5).then_some(conn)
    });
    // More than a task takes up in one go.
    let mut waiting: Vec<Conn> = (0..300).map(|_| site.begin("/draining/is-closing")).chain([first]).collect();
    site.signal("TERM");
    refuses(site.port());
    holding.read().expect_code(200);
    for conn in &mut waiting {
        conn.read().expect_code(200);
    }
    let (status, took, log, _) = site.ended();
    assert!(status.success() && took < CEILING, "{took:?}: {log}");
    assert!(log.contains("nothing was cut"), "{log}");
}

#[test]
fn readiness_fails_first_while_everything_is_served() {
    let site = TestServer::site().server("drain_delay", "2").start();
    site.get("/status/ready").expect_code(200);
    let mut kept = site.conn();
    let told = Instant::now();
    site.signal("TERM");
    let unready = eventually("it is not ready", || Some(site.get("/status/ready")).filter(|reply| reply.code == 503));
    assert_eq!(unready.text(), r#"{"ready":false,"why":"draining"}"#);
    let mut served = 0;
    // Well before the end of the delay, so that a busy machine does not let a request cross it.
    while told.elapsed() < SECOND || served == 0 {
        kept.send(get("/draining/is-closing"));
        let reply = kept.read().expect_code(200);
        assert_eq!((reply.text().as_str(), reply.header("connection")), ("false", ""));
        site.get("/status/live").expect_code(200);
        site.get("/ping").expect_code(200);
        assert_eq!(site.ask("HEAD", "/status/ready", &[], b"").code, 503);
        served += 1;
    }
    let (status, _, log, _) = site.ended();
    assert!(status.success() && told.elapsed() > 2 * SECOND && told.elapsed() < CEILING, "{log}");
}

#[test]
fn an_event_stream_ends_between_events_and_is_asked_to_come_again() {
    let site = TestServer::site().start();
    let mut after = Vec::new();
    let mut streams: Vec<Conn> = (0..4).map(|_| site.begin("/draining/events")).collect();
    for conn in &mut streams {
        conn.read_head().expect_code(200);
        let mut events = String::new();
        while !events.ends_with("id: 2\ndata: 2\n\n") {
            events += &String::from_utf8(conn.next_chunk().expect("two events")).unwrap();
        }
    }
    site.signal("TERM");
    for conn in &mut streams {
        let last = String::from_utf8(conn.next_chunk().expect("a last chunk")).unwrap();
        let millis = last.strip_prefix("retry: ").and_then(|rest| rest.strip_suffix("\n\n"));
        after.push(millis.and_then(|millis| millis.parse::<u32>().ok()).unwrap_or_else(|| panic!("{last:?}")));
        assert_eq!(conn.next_chunk(), None, "the reply is whole");
        assert_eq!(conn.until_end(), (Vec::new(), End::Finished));
    }
    assert!(after.iter().all(|millis| (1500..=3500).contains(millis)), "{after:?}");
    after.dedup();
    assert!(after.len() > 1, "not all come at the same time: {after:?}");
    let (status, took, log, _) = site.ended();
    assert!(status.success() && took < CEILING && log.contains("nothing was cut"), "{took:?}: {log}");
    assert_eq!(log.matches("the events were let go").count(), 4, "{log}");
}

#[test]
fn a_browsers_event_stream_goes_on_at_the_successor() {
    let (site, successor) = (TestServer::site().start(), TestServer::site().start());
    let arguments = [u32::from(site.port()), site.id(), u32::from(successor.port())].map(|number| number.to_string());
    let said = node("events_go_on.js", &arguments.each_ref().map(String::as_str));
    assert_eq!(said.trim(), "went on 2");
    assert!(site.ended().0.success());
}

#[test]
fn the_demos_websocket_says_that_it_goes_away() {
    let demo = TestServer::demo().start();
    let said = python("websocket_closing.py", &[&demo.port().to_string(), &demo.id().to_string()]);
    assert_eq!(said.trim(), "1001");
    let (status, took, log, _) = demo.ended();
    assert!(status.success() && took < CEILING && log.contains("nothing was cut"), "{took:?}: {log}");
}

#[test]
fn what_is_left_is_cut_counted_and_named() {
    let site = TestServer::site().route("/at = services").server("drain_timeout", "1").start();
    let mut stream = site.begin("/draining/endless?token=nobodys-business");
    stream.read_head().expect_code(200);
    assert_eq!(stream.next_chunk().expect("a chunk"), b"first\n");
    let mut socket = site.conn();
    socket.send("GET /at/stays HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: silence\r\n\r\n");
    socket.read_head().expect_code(101);
    let mut requests: Vec<Conn> = (0..30).map(|_| site.begin("/draining/never")).collect();
    let mut waiting = waiting(&site);
    site.signal("TERM");
    waiting.read().expect_code(200);
    assert_eq!(stream.until_end(), (Vec::new(), End::Reset), "its client sees that it is not whole");
    assert!(socket.ends());
    for conn in &mut requests {
        assert!(conn.try_read(true).is_none());
    }
    let (status, took, log, _) = site.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(took < CEILING, "{took:?}");
    let named: Vec<&str> = log.lines().filter(|line| line.contains("cut at `drain_timeout`: G")).collect();
    assert_eq!(named.len(), 20, "{log}");
    for (name, count) in [
        ("GET /draining/endless, a stream for ", 1),
        ("GET /at/stays, a socket for ", 1),
        ("GET /draining/never, a request for ", 18),
    ] {
        let lines = named.iter().filter(|line| line.contains(name)).count();
        assert_eq!(lines, count, "{name}: {log}");
    }
    assert!(log.contains("cut at `drain_timeout`: 12 more"), "{log}");
    assert!(log.contains("cut at `drain_timeout`: 30 requests, 1 stream, 1 socket"), "{log}");
    assert!(!log.contains("nobodys-business"), "{log}");
}

#[test]
fn a_handler_that_holds_its_thread_does_not_hold_the_end() {
    let site = TestServer::site().server("drain_timeout", "100ms").server("threads", "1").start();
    let _held = site.begin("/hold?millis=20000");
    // It is not seen from outside that a handler has begun: the thread answers nobody else then.
    let mut other = site.conn();
    other.send(get("/nothing"));
    assert!(other.is_silent_for(SECOND / 5));
    let (status, took, log, _) = site.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(took < CEILING, "{took:?}");
    assert!(log.contains(" of threads that a handler holds"), "{log}");
}

#[test]
fn each_signal_that_ends_it_lets_requests_finish_and_a_second_one_does_not() {
    for (first, second) in [("TERM", "INT"), ("INT", "QUIT"), ("QUIT", "TERM")] {
        let site = TestServer::site().start();
        let mut under_way = waiting(&site);
        site.signal(first);
        assert_eq!(under_way.read().expect_code(200).text(), "it closes", "{first}");
        let (status, _, log, _) = site.ended();
        assert_eq!(status.code(), Some(0), "{first}: {log}");

        let site = TestServer::site().server("drain_delay", "20").start();
        site.get("/nothing").expect_code(204);
        let mut under_way = site.begin("/draining/never");
        site.signal(first);
        eventually("it has heard", || (site.get("/status/ready").code == 503).then_some(()));
        site.signal(second);
        assert!(under_way.try_read(true).is_none(), "{second}: nobody answers");
        let (status, took, log, _) = site.ended();
        assert_eq!(status.code(), Some(1), "{first}, {second}: {log}");
        assert!(took < bound(2 * SECOND, CEILING), "{took:?}");
    }
}

#[test]
fn what_only_a_supervisor_can_do_is_refused_and_nothing_ends() {
    let site = TestServer::site().start();
    site.get("/nothing").expect_code(204);
    for (signal, what) in [("HUP", "reload"), ("USR2", "replace")] {
        site.signal(signal);
        eventually("the refusal", || {
            let log = site.log();
            let line = log.lines().find(|line| line.contains(&format!("SIG{signal} is refused")))?;
            assert!(line.contains("supervise = yes") && line.contains(what), "{line}");
            Some(())
        });
    }
    site.get("/nothing").expect_code(204);
    assert!(site.stop().0.success());
}

#[test]
fn a_terminal_that_is_closed_ends_what_runs_in_it() {
    let port = ports::free().to_string();
    let folder = tempfile::tempdir().unwrap();
    let said = python(
        "terminal.py",
        &[folder.path().to_str().unwrap(), &port, env!("CARGO_BIN_EXE_skitai-demo"), "-p", &port],
    );
    assert_eq!(said.trim(), "0");
}

#[test]
fn an_access_log_that_was_renamed_is_let_go() {
    let site = TestServer::site().server("access_log", "access.log").start();
    let (log, aside) = (site.dir().join("access.log"), site.dir().join("access.log.1"));
    let lines = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default().lines().count();
    // Each of both threads has a log of its own.
    for _ in 0..20 {
        site.get("/nothing").expect_code(204);
    }
    std::fs::rename(&log, &aside).unwrap();
    site.get("/nothing").expect_code(204);
    site.signal("USR1");
    eventually("the file is there again", || log.exists().then_some(()));
    eventually("both threads have gone over", || site.log().contains("opened anew").then_some(()));
    assert_eq!(lines(&aside), 21);
    for _ in 0..20 {
        site.get("/nothing").expect_code(204);
    }
    let scenario = {
        let (status, _, said, scenario) = site.stop();
        assert!(status.success(), "{said}");
        scenario
    };
    assert_eq!((lines(&aside), lines(&log)), (21, 20));
    drop(scenario);
}
