//! A cache of a host's addresses.
//!
//! A name is looked up when a connection is dialled, never per call. Addresses older than [`FRESH`] are still used at
//! once, and looked up again in the background: so a slow name server delays no call to a known host, and a moved host
//! is found at the next dial but one. The first dial to a host waits for the name server, at most for the connect
//! timeout; [`names`](super::names) says why that blocks nothing else.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::names::Names;
use crate::kit::tasks;

/// How long addresses are used without a new look-up. TTLs are often 30–60 s, but getaddrinfo does not report them; 5 s
/// limit the errors after a host has moved.
const FRESH: Duration = Duration::from_secs(5);

/// The addresses of one host and port.
pub(crate) struct Resolver {
    host: String,
    port: u16,
    names: Arc<dyn Names>,
    /// Set if the address is given, or the host is an IP address: no look-up.
    fixed: Option<SocketAddr>,
    known: RefCell<Option<CachedAddresses>>,
    refreshing: Cell<bool>,
}

struct CachedAddresses {
    addresses: Rc<[SocketAddr]>,
    since: Instant,
}

impl Resolver {
    pub(crate) fn new(host: &str, port: u16, address: Option<IpAddr>, names: Arc<dyn Names>) -> Rc<Resolver> {
        let fixed = address.or_else(|| host.parse().ok()).map(|address| SocketAddr::new(address, port));
        Rc::new(Resolver {
            host: host.to_owned(),
            port,
            names,
            fixed,
            known: RefCell::new(None),
            refreshing: Cell::new(false),
        })
    }

    /// The addresses, at least one.
    pub(crate) async fn addresses(self: &Rc<Self>) -> io::Result<Rc<[SocketAddr]>> {
        if let Some(fixed) = self.fixed {
            return Ok(Rc::new([fixed]));
        }
        let known = self.known.borrow().as_ref().map(|known| (known.addresses.clone(), known.since.elapsed()));
        match known {
            None => self.look_up().await,
            Some((addresses, age)) => {
                if age > FRESH && !self.refreshing.replace(true) {
                    let resolver = self.clone();
                    tasks::spawn("look-ups of names", async move {
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
        let found = self.names.look_up(&self.host).await?;
        let addresses: Rc<[SocketAddr]> = found.into_iter().map(|ip| SocketAddr::new(ip, self.port)).collect();
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        *self.known.borrow_mut() = Some(CachedAddresses { addresses: addresses.clone(), since: Instant::now() });
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;
    use crate::dns::names::Looking;

    /// A resolver that answers once and then never again.
    #[derive(Debug, Default)]
    struct Dying(AtomicUsize);

    impl Names for Dying {
        fn look_up(&self, _: &str) -> Looking {
            match self.0.fetch_add(1, SeqCst) {
                0 => Box::pin(async { Ok(vec![IpAddr::from([127, 0, 0, 1])]) }),
                _ => Box::pin(pending()),
            }
        }
    }

    #[test]
    fn a_name_server_that_died_stalls_nobody_whose_host_is_known() {
        actix_rt::System::new().block_on(async {
            let names = Arc::new(Dying::default());
            let resolver = Resolver::new("member.test", 80, None, names.clone());
            let first = resolver.addresses().await.expect("it is found");
            resolver.known.borrow_mut().as_mut().expect("it is known").since -= FRESH * 2;
            for _ in 0..3 {
                let again = tokio::time::timeout(Duration::from_secs(1), resolver.addresses());
                assert_eq!(again.await.expect("it does not wait").expect("it is known"), first);
                tokio::task::yield_now().await;
            }
            assert_eq!(names.0.load(SeqCst), 2, "one look-up in the background at a time");
        });
    }

    #[test]
    fn a_given_address_is_never_looked_up() {
        actix_rt::System::new().block_on(async {
            let names = Arc::new(Dying::default());
            let given = Some(IpAddr::from([127, 0, 0, 2]));
            let found = Resolver::new("member.test", 80, given, names.clone()).addresses().await;
            assert_eq!(&found.expect("it is given")[..], &[SocketAddr::from(([127, 0, 0, 2], 80))]);
            let found = Resolver::new("::1", 80, None, names.clone()).addresses().await;
            assert_eq!(found.expect("it is an address")[0].to_string(), "[::1]:80");
            assert_eq!(names.0.load(SeqCst), 0);
        });
    }
}
