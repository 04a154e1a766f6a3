//! How many connections clients may have: all of them together in this process, and those of one address.
//!
//! Who comes beyond gets a 503 that any HTTP client can read, and the end of the connection. The answer is written at
//! once, before anything was read, so a flood costs a write and no memory. A client that is still sending could lose it
//! to a reset, so a few of these connections linger for a moment.
//!
//! Addresses are counted as peers are: a trusted proxy has the connections of all its clients, and who connects to a
//! Unix socket has no address; neither is counted by address.

use std::cell::Cell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::app::request::neighbours::counted_as;
use crate::config::ServerSettings;
use crate::connection::Peer;
use crate::observe::seldom::Seldom;

/// The whole answer to a connection that is one too many.
pub(super) const REFUSAL: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: 66\r\n\
                       retry-after: 1\r\nconnection: close\r\n\r\n\
                       {\"error\":{\"code\":503,\"message\":\"too many connections; try again\"}}";
/// That to a client whom a forward proxy does not know.
pub(super) const STRANGER: &str = "HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\ncontent-length: 80\r\n\
                        connection: close\r\n\r\n\
                        {\"error\":{\"code\":403,\"message\":\"this proxy is not for clients of your address\"}}";
/// How long such a connection stays open for a client that is still sending.
const LINGER: Duration = Duration::from_millis(500);
/// How many of them a thread lets linger at a time. The others are closed at once.
const LINGERING: usize = 32;
/// Any client can cause this line.
static TOLD: Seldom = Seldom::new(1);

/// The connections of a process.
#[derive(Debug, Default)]
pub(crate) struct Crowd(Mutex<Present>);

#[derive(Debug, Default)]
struct Present {
    all: usize,
    of: HashMap<IpAddr, usize>,
    refused: u64,
}

/// One of the connections; its place is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Attendance {
    crowd: Arc<Crowd>,
    address: Option<IpAddr>,
}

/// A connection that is turned away at once, by this answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TurnedAtOnce(pub(super) &'static str);

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrowdLimit {
    All,
    OfAddress,
}

impl Crowd {
    /// Lets a connection to the site in. `None` if nothing is limited, so that nothing is counted.
    pub(crate) fn enter(
        self: &Arc<Crowd>,
        server: &ServerSettings,
        peer: Option<Peer>,
    ) -> Result<Option<Attendance>, CrowdLimit> {
        let address = peer.and_then(Peer::address).map(|address| address.ip());
        let address = address.filter(|address| !server.trusted_proxies.has(*address));
        let limits = &server.limits;
        self.enter_within((limits.max_connections, limits.max_connections_per_address), address, server.processes, "")
    }

    /// Lets a connection in within two limits: of all, and of one address. `of` says whose they are.
    pub(super) fn enter_within(
        self: &Arc<Crowd>,
        (all, of_address): (Option<usize>, Option<usize>),
        address: Option<IpAddr>,
        processes: usize,
        of: &'static str,
    ) -> Result<Option<Attendance>, CrowdLimit> {
        if all.is_none() && of_address.is_none() {
            return Ok(None);
        }
        let address = address.map(counted_as);
        // A limit of the whole site: each process has its share.
        let of_address = of_address.map(|most| most.div_ceil(processes.max(1)));
        let mut present = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from_there = address.and_then(|address| present.of.get(&address)).copied().unwrap_or(0);
        let is_full = all.is_some_and(|most| present.all >= most);
        if is_full || (address.is_some() && of_address.is_some_and(|most| from_there >= most)) {
            let limit = if is_full { CrowdLimit::All } else { CrowdLimit::OfAddress };
            present.refuse(limit, address, of);
            return Err(limit);
        }
        present.all += 1;
        if let Some(address) = address {
            *present.of.entry(address).or_default() += 1;
        }
        Ok(Some(Attendance { crowd: self.clone(), address }))
    }
}

impl Present {
    fn refuse(&mut self, limit: CrowdLimit, address: Option<IpAddr>, of: &str) {
        self.refused += 1;
        if TOLD.tail(Instant::now()).is_none() {
            return;
        }
        let limit = if limit == CrowdLimit::All { "max_connections" } else { "max_connections_per_address" };
        let from = address.map_or_else(|| "-".to_owned(), |address| address.to_string());
        tracing::warn!(from, "`{limit}`{of} is reached: {} connections were refused since the start", self.refused);
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        let mut present = self.crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        present.all -= 1;
        if let Some(address) = self.address
            && let Some(count) = present.of.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                present.of.remove(&address);
            }
        }
    }
}

/// Answers a connection that is not let in, and ends it. Over TLS the end is all there is: a handshake is what a
/// flood must not cost.
pub(super) async fn turn_away(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    TurnedAtOnce(answer): TurnedAtOnce,
    is_tls: bool,
) {
    if is_tls {
        return;
    }
    thread_local! {
        static NOW: Cell<usize> = const { Cell::new(0) };
    }
    struct Turned;
    impl Drop for Turned {
        fn drop(&mut self) {
            NOW.set(NOW.get() - 1);
        }
    }
    NOW.set(NOW.get() + 1);
    let _turned = Turned;
    let _ = timeout(LINGER, async {
        socket.write_all(answer.as_bytes()).await?;
        socket.shutdown().await?;
        if NOW.get() <= LINGERING {
            let mut room = [0; 1024];
            while socket.read(&mut room).await? > 0 {}
        }
        Ok::<_, std::io::Error>(())
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::config::{ConnectionLimits, TrustedProxies};

    fn server(all: Option<usize>, of_address: Option<usize>, processes: usize) -> ServerSettings {
        let limits =
            ConnectionLimits { max_connections: all, max_connections_per_address: of_address, ..Default::default() };
        let networks = vec!["10.0.0.0/8".parse().expect("a network")];
        let trusted_proxies = TrustedProxies { networks, ..TrustedProxies::default() };
        ServerSettings { limits, processes, trusted_proxies, ..ServerSettings::default() }
    }

    fn peer(address: &str) -> Option<Peer> {
        Some(Peer::Address(SocketAddr::new(address.parse().expect("an address"), 1)))
    }

    #[test]
    fn every_address_has_its_number_and_gives_it_back() {
        let (crowd, server) = (Arc::new(Crowd::default()), server(None, Some(3), 2));
        let enter = |address| crowd.enter(&server, peer(address)).map(|entered| entered.expect("it is counted"));
        // Two of three in each of two processes.
        let held = [enter("2001:db8::1"), enter("2001:db8::2")];
        assert_eq!(enter("2001:db8::3").err(), Some(CrowdLimit::OfAddress), "one /64 is one client");
        assert!(enter("2001:db8:0:1::1").is_ok() && enter("::ffff:192.0.2.1").is_ok());
        drop(held);
        assert!(enter("2001:db8::3").is_ok());
        let many: Vec<_> = (0..9).map(|_| enter("10.0.0.1")).collect();
        assert!(many.iter().all(Result::is_ok), "a proxy is not counted by its address");
        drop(many);
        let unix: Vec<_> = (0..9).map(|_| crowd.enter(&server, Some(Peer::Unix))).collect();
        assert!(unix.iter().all(Result::is_ok));
        drop(unix);
        assert!(crowd.0.lock().expect("whole").of.is_empty());
    }

    #[test]
    fn a_process_has_its_number_whoever_it_is() {
        let (crowd, server) = (Arc::new(Crowd::default()), server(Some(2), None, 4));
        let held = [crowd.enter(&server, Some(Peer::Unix)), crowd.enter(&server, peer("10.0.0.1"))];
        assert_eq!(crowd.enter(&server, peer("10.0.0.2")).err(), Some(CrowdLimit::All));
        assert!(crowd.enter(&server, None).is_err());
        drop(held);
        assert!(crowd.enter(&server, None).is_ok());
    }

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        for answer in [REFUSAL, STRANGER] {
            let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
            assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
        }
    }
}
