//! Names to addresses, kept for a while.
//!
//! A name is looked up when a connection is dialled, never per call. Once known it answers at once; past [`FRESH`] it
//! still answers at once and is looked up again in the background, so a slow name server slows nobody whose host is
//! known, and a moved host is found by the next dial but one.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long addresses are used without looking again. Name servers' own lives are often 30–60 s; getaddrinfo does not
/// tell them, and 5 s keeps a moved host's time of errors short.
const FRESH: Duration = Duration::from_secs(5);

/// The addresses of one host and port.
pub(super) struct Resolver {
    host: String,
    port: u16,
    /// Set where the host is an address itself: nothing to look up, ever.
    literal: Option<SocketAddr>,
    known: RefCell<Option<Known>>,
    refreshing: Cell<bool>,
}

struct Known {
    addresses: Rc<[SocketAddr]>,
    since: Instant,
}

impl Resolver {
    pub(super) fn new(host: &str, port: u16) -> Rc<Resolver> {
        let literal = host.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, port));
        Rc::new(Resolver {
            host: host.to_owned(),
            port,
            literal,
            known: RefCell::new(None),
            refreshing: Cell::new(false),
        })
    }

    /// The addresses, at least one.
    pub(super) async fn addresses(self: &Rc<Self>) -> io::Result<Rc<[SocketAddr]>> {
        if let Some(literal) = self.literal {
            return Ok(Rc::new([literal]));
        }
        let known = self.known.borrow().as_ref().map(|known| (known.addresses.clone(), known.since.elapsed()));
        match known {
            None => self.look_up().await,
            Some((addresses, age)) => {
                if age > FRESH && !self.refreshing.replace(true) {
                    let resolver = self.clone();
                    actix_rt::spawn(async move {
                        if let Err(error) = resolver.look_up().await {
                            tracing::warn!(
                                host = resolver.host,
                                "the name was not found again, its old addresses stay: {error}"
                            );
                        }
                        resolver.refreshing.set(false);
                    });
                }
                Ok(addresses)
            }
        }
    }

    async fn look_up(&self) -> io::Result<Rc<[SocketAddr]>> {
        let addresses: Rc<[SocketAddr]> = tokio::net::lookup_host((self.host.as_str(), self.port)).await?.collect();
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        *self.known.borrow_mut() = Some(Known { addresses: addresses.clone(), since: Instant::now() });
        Ok(addresses)
    }
}
