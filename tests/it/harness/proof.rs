//! The harness proved by itself: a member that misbehaves otherwise than it is named would make its tests worthless.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::patience::PATIENCE;
use super::raw::request;
use super::{Chaos, Conduct, Conn, Member, Relay, call, eventually};

fn port(member: &Member) -> u16 {
    member.node().rsplit_once(':').unwrap().1.parse().unwrap()
}

/// A connection on which one call was sent.
fn called(member: &Member) -> Conn {
    let mut conn = Conn::to(port(member));
    conn.send(request("POST", "/rpc2", &[("Content-Type", "text/xml")], call::xml("search", &[]).as_bytes()));
    conn
}

/// How a plain socket that sends one call ends: with which bytes, or with which error.
fn end_of(member: &Member) -> Result<Vec<u8>, ErrorKind> {
    let mut socket = TcpStream::connect(("127.0.0.1", port(member))).map_err(|error| error.kind())?;
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(&request("POST", "/", &[], b"x")).unwrap();
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).map_err(|error| error.kind())?;
    Ok(bytes)
}

#[test]
fn members_do_what_they_are_named_for() {
    let fine = Member::start(Conduct::Fine("<int>7</int>"));
    let mut conn = called(&fine);
    assert!(conn.read().expect_code(200).text().contains("<int>7</int>"));
    conn.send(request("GET", "/", &[], b""));
    assert_eq!(conn.read().code, 200, "a fine member keeps the connection");
    assert_eq!((fine.requests(), fine.connections()), (2, 1));
    assert!(fine.bodies()[0].contains("<methodName>search</methodName>"));

    assert_eq!(called(&Member::start(Conduct::Page(500, "broken"))).read().expect_code(500).text(), "broken");
    let fault = called(&Member::start(Conduct::Fault(47, "no"))).read().expect_code(200).text();
    assert!(fault.contains("<int>47</int>") && fault.contains("<string>no</string>"), "{fault}");

    assert_eq!(end_of(&Member::start(Conduct::Closed)), Err(ErrorKind::ConnectionRefused));
    assert_eq!(end_of(&Member::start(Conduct::ReadsAndCloses)), Ok(Vec::new()));
    assert_eq!(end_of(&Member::start(Conduct::Resets)), Err(ErrorKind::ConnectionReset));
    assert!(end_of(&Member::start(Conduct::GarbageHttp)).is_ok_and(|bytes| bytes.starts_with(b"220 ")));
    assert!(end_of(&Member::start(Conduct::Truncates)).is_ok_and(|bytes| bytes.ends_with(b"<?xml")));
}

#[test]
fn hanging_members_see_their_callers_leave() {
    let slow = || Conduct::SlowHead(Duration::from_secs(60), "<int>1</int>");
    for conduct in [Conduct::Hangs, slow(), Conduct::Drips] {
        let member = Member::start(conduct);
        let conn = called(&member);
        member.wait_for_requests(1);
        drop(conn);
        member.abandoned();
    }
}

#[test]
fn a_relay_carries_stalls_refuses_and_carries_again() {
    let member = Member::start(Conduct::Fine("<int>7</int>"));
    let relay = Relay::to(port(&member));
    let ask = || {
        let mut conn = Conn::to(relay.port());
        conn.send(request("GET", "/", &[], b""));
        conn
    };
    ask().read().expect_code(200);
    relay.stall();
    let mut stalled = ask();
    assert!(stalled.is_silent_for(Duration::from_millis(100)));
    relay.mend();
    stalled.read().expect_code(200);
    relay.cut();
    assert!(stalled.ends());
    assert!(TcpStream::connect(("127.0.0.1", relay.port())).is_err());
    relay.mend();
    ask().read().expect_code(200);
}

#[test]
fn members_of_the_other_process_obey() {
    let chaos = Chaos::start(1);
    let port: u16 = chaos.node(0).rsplit_once(':').unwrap().1.parse().unwrap();
    let another = || {
        let mut conn = Conn::to(port);
        conn.send(request("POST", "/rpc2", &[("Content-Type", "text/xml")], call::xml("work", &[]).as_bytes()));
        conn
    };
    let called = |faults: &str| {
        chaos.set_all(faults);
        another()
    };
    let timed = |faults: &str| {
        let began = Instant::now();
        called(faults).read().expect_code(200);
        began.elapsed()
    };
    assert!(called("pass").read().expect_code(200).text().contains(&format!("<int>{port}</int>")));
    assert_eq!(called("error 429 retry_after 7").read().expect_code(429).header("retry-after"), "7");
    assert!(called("fault 9").read().expect_code(200).text().contains("<int>9</int>"));
    assert!(called("bytes 5000").read().expect_code(200).body.len() > 5_000);
    for faults in ["latency 200", "stall 100 200", "latency 200 capacity 1", "slow 60"] {
        assert!(timed(faults) >= Duration::from_millis(200), "{faults}");
    }
    assert!(timed("stall 0 60000") < Duration::from_secs(10));
    // One after the other.
    let (began, mut two) = (Instant::now(), [called("latency 200 capacity 1"), another()]);
    two.iter_mut().for_each(|conn| drop(conn.read().expect_code(200)));
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
    assert!(called("cut 20").try_read(true).is_none());
    assert!(called("reset").ends());
    // Until a test says otherwise.
    let mut hanging = called("hang");
    assert!(hanging.is_silent_for(Duration::from_millis(100)));
    chaos.set_all("pass");
    hanging.read().expect_code(200);

    chaos.zero();
    let leaving = called("hang");
    chaos.wait_for_requests(1);
    drop(leaving);
    eventually("the member sees its caller leave", || (chaos.counted("lost") == [1]).then_some(()));
    chaos.set_all("refuse");
    assert!(hanging.ends());
    assert_eq!(
        TcpStream::connect(("127.0.0.1", port)).map(drop).map_err(|e| e.kind()),
        Err(ErrorKind::ConnectionRefused)
    );
    assert!(called_after(&chaos, port).read().expect_code(200).text().contains(&port.to_string()));
    assert_eq!(chaos.sums(), (2, 1));
}

/// A page of a member that listens again.
fn called_after(chaos: &Chaos, port: u16) -> Conn {
    chaos.set_all("pass");
    let mut conn = Conn::to(port);
    conn.send(request("GET", "/", &[], b""));
    conn
}
