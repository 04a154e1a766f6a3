//! The harness proved by itself: a member that misbehaves otherwise than it is named would make its tests worthless.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::patience::PATIENCE;
use super::raw::request;
use super::{Conduct, Conn, Member, Relay, call};

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
