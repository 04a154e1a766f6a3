//! The three RPC members of the demo: small Skitai servers in this process, on ports of their own.
//!
//! The demo can switch its own members off. Before [`Members::switch`] returns, the member's listener is closed, its
//! threads have ended, and with them the connections that callers kept open. Its port stays bound without a listener:
//! new connections are refused, and the system does not assign the port to a program that asks for any free one.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use skitai::prelude::*;
use skitai::{Background, NotStarted};
use socket2::{Domain, Protocol, Socket, Type};

use crate::catalogue;
use crate::shards::SHARDS;

/// The demo's default port.
const USUAL: u16 = 5000;
/// The first of the members' ports beside the default port.
const FIRST: u16 = 5001;

/// The members, shared by the program, which starts them, and its app, which shows and switches them. Empty if the demo
/// runs with a configuration other than its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members(Arc<OnceLock<Vec<Member>>>);

/// The visible state of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) address: SocketAddr,
    pub(crate) is_on: bool,
}

#[derive(Debug)]
struct Member {
    third: usize,
    address: SocketAddr,
    /// Outside the lock, so that a page does not wait for a switch in progress.
    is_on: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    On(Background),
    /// With the socket that holds its port, unless another program took the port.
    Off(Option<Socket>),
}

impl Members {
    /// Starts the members of a demo on this port and returns their addresses. Beside the default port they use the
    /// default ports if all are free; otherwise free ports.
    pub(crate) fn start(&self, beside: u16) -> Result<Vec<SocketAddr>> {
        self.start_at(usual(beside))
    }

    fn start_at(&self, first: Option<u16>) -> Result<Vec<SocketAddr>> {
        let started = match all_at(first) {
            Err(taken) if first.is_some() => {
                tracing::info!("{taken}; the members take free ports");
                all_at(None)?
            }
            started => started?,
        };
        let members = self.0.get_or_init(|| started);
        let addresses: Vec<SocketAddr> = members.iter().map(|member| member.address).collect();
        let shown: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        tracing::info!("the members listen on {}", shown.join(", "));
        Ok(addresses)
    }

    /// The members in their order; none if this demo has started none.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let seen = |member: &Member| Seen { address: member.address, is_on: member.is_on.load(Relaxed) };
        self.0.get().into_iter().flatten().map(seen).collect()
    }

    /// Switches one of them, counted from 1, on or off; no effect if it already is. Blocks until its threads have
    /// ended.
    pub(crate) fn switch(&self, number: usize, on: bool) -> Result<()> {
        let members = self.0.get().map_or(&[][..], Vec::as_slice);
        let member = number.checked_sub(1).and_then(|index| members.get(index));
        let many = members.len();
        member.ok_or_else(|| Error::new(404, format!("there is no member {number} of {many} to switch")))?.switch(on)
    }
}

/// The members' first default port beside a demo on this port; `None` if they take any free ports.
fn usual(beside: u16) -> Option<u16> {
    (beside == USUAL).then_some(FIRST)
}

/// Starts all members or none, on consecutive ports from `first` on, or on free ones.
fn all_at(first: Option<u16>) -> Result<Vec<Member>, NotStarted> {
    let port = |third| first.map_or(0, |first| first + third as u16);
    (0..SHARDS).map(|third| Member::start(third, port(third))).collect()
}

impl Member {
    fn start(third: usize, port: u16) -> Result<Member, NotStarted> {
        let server = Background::start(catalogue::app(third), (Ipv4Addr::LOCALHOST, port).into())?;
        let address = server.address();
        Ok(Member { third, address, is_on: AtomicBool::new(true), state: Mutex::new(State::On(server)) })
    }

    fn switch(&self, on: bool) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match (std::mem::replace(&mut *state, State::Off(None)), on) {
            (State::Off(held), true) => {
                drop(held);
                let server = Background::start(catalogue::app(self.third), self.address);
                *state = State::On(server.map_err(|taken| Error::new(503, format!("it stays off: {taken}")))?);
                self.is_on.store(true, Relaxed);
            }
            (State::On(server), false) => {
                self.is_on.store(false, Relaxed);
                let stopped = server.stop();
                *state = State::Off(Some(held(self.address)?));
                stopped.map_err(|problem| Error::internal(problem.to_string()))?;
            }
            (same, _) => *state = same,
        }
        Ok(())
    }
}

/// A socket that is bound and does not listen: the system refuses connections to it.
fn held(address: SocketAddr) -> Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Closing connections of the member still use the port.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Connects and returns the error if that fails.
    fn dialled(address: SocketAddr) -> Result<(), ErrorKind> {
        TcpStream::connect(address).map(drop).map_err(|error| error.kind())
    }

    /// Requests a page of a member on a kept connection.
    fn asked(conn: &mut TcpStream) -> String {
        conn.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
        let mut answer = String::new();
        while !answer.ends_with("</h1>") {
            let mut piece = [0; 512];
            let count = conn.read(&mut piece).expect("read");
            assert_ne!(count, 0, "it hung up after {answer:?}");
            answer.push_str(std::str::from_utf8(&piece[..count]).expect("text"));
        }
        answer
    }

    #[test]
    fn beside_the_usual_port_members_have_the_usual_ones() {
        assert_eq!((usual(5000), usual(5050), usual(0)), (Some(5001), None, None));
        // Looks for three free ports in a row. Another program may take one in between; then the next try finds others.
        let found = (0..50).find_map(|_| {
            let first = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).ok()?.port();
            let first = first.checked_sub(3)?;
            let members = Members::default();
            let addresses = members.start_at(Some(first)).expect("started");
            let ports: Vec<u16> = addresses.iter().map(SocketAddr::port).collect();
            (ports == [first, first + 1, first + 2]).then_some(members)
        });
        let members = found.expect("three free ports in a row");
        assert!(members.seen().iter().all(|seen| seen.is_on && dialled(seen.address).is_ok()));
    }

    #[test]
    fn where_a_usual_port_is_taken_all_members_have_free_ones() {
        // Another listener, of this test or of a demo running beside it, has port 5001.
        let foreign = TcpListener::bind(("127.0.0.1", FIRST));
        assert!(foreign.as_ref().map_or_else(|error| error.kind() == ErrorKind::AddrInUse, |_| true), "{foreign:?}");
        let members = Members::default();
        let addresses = members.start(USUAL).expect("started");
        assert_eq!(addresses.len(), SHARDS);
        for address in addresses {
            assert!(!(FIRST..FIRST + 3).contains(&address.port()), "{address}");
            let mut conn = TcpStream::connect(address).expect("it listens");
            assert!(asked(&mut conn).contains("A member of the demo"));
        }
    }

    #[test]
    fn one_that_is_off_hangs_up_refuses_and_keeps_its_port_for_itself() {
        let members = Members::default();
        let [first, second, third] = members.start(0).expect("started")[..] else { panic!("there are three") };
        let mut kept = TcpStream::connect(second).expect("it listens");
        asked(&mut kept);
        for _ in 0..2 {
            members.switch(2, false).expect("switched");
            assert_eq!(members.seen().iter().map(|seen| seen.is_on).collect::<Vec<_>>(), [true, false, true]);
            assert_eq!((dialled(first), dialled(second)), (Ok(()), Err(ErrorKind::ConnectionRefused)));
        }
        let hung_up = kept.read(&mut [0]).map_err(|error| error.kind());
        assert!(matches!(hung_up, Ok(0) | Err(ErrorKind::ConnectionReset)), "{hung_up:?}");
        // The third member has had no connection, so none is left that keeps the port from others.
        members.switch(3, false).expect("switched");
        // Without SO_REUSEADDR, as when the system looks for a free port.
        let stranger = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket").bind(&third.into());
        assert_eq!(stranger.map_err(|error| error.kind()), Err(ErrorKind::AddrInUse));
        members.switch(3, true).expect("switched");
        for _ in 0..2 {
            members.switch(2, true).expect("switched");
            assert!(members.seen().iter().all(|seen| seen.is_on));
            asked(&mut TcpStream::connect(second).expect("it listens again"));
        }
    }

    #[test]
    fn who_is_no_member_cannot_be_switched() {
        let members = Members::default();
        assert_eq!((members.seen(), members.switch(1, false).expect_err("none").status()), (vec![], 404));
        members.start(0).expect("started");
        for number in [0, 4, usize::MAX] {
            assert_eq!(members.switch(number, false).expect_err("none of three").status(), 404, "{number}");
        }
        assert!(members.seen().iter().all(|seen| seen.is_on));
    }
}
