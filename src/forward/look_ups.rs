//! Look-ups of hosts: few at a time in all, and fewer for one client.
//!
//! A name whose name server is silent holds its place for as long as the system's resolver waits, half a minute or so.
//! So a client that asks for such names has two places at most, and the others look their names up beside it.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use skitai_actors::dns::names::Names;
use skitai_actors::kit::tasks;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use super::counts::ProxyRefusal;
use super::rejection::Rejection;

/// Look-ups at a time: half of the threads that all of the process has for them, so that clients who ask for names of
/// silent name servers keep no cluster from its members.
pub(super) const AT_A_TIME: usize = 8;
/// Of these, one client's at most.
pub(super) const OF_ONE_CLIENT: usize = 2;

/// The look-ups of a process.
pub(super) struct LookUps {
    names: Arc<dyn Names>,
    places: Arc<Semaphore>,
    /// The places of each client that waits for one or has one.
    by_client: Arc<Mutex<HashMap<IpAddr, ClientPlaces>>>,
}

/// The places of a client.
struct ClientPlaces {
    semaphore: Arc<Semaphore>,
    /// How many of its look-ups wait or are under way; with the last of them the entry goes.
    users: usize,
}

/// A look-up's part in its client's entry.
struct LookUpTurn {
    by_client: Arc<Mutex<HashMap<IpAddr, ClientPlaces>>>,
    client: IpAddr,
    semaphore: Arc<Semaphore>,
}

impl LookUps {
    pub(super) fn new(names: Arc<dyn Names>) -> LookUps {
        LookUps { names, places: Arc::new(Semaphore::new(AT_A_TIME)), by_client: Arc::default() }
    }

    /// The addresses of a name, asked for by this client, by `until`. Who waits may leave; a look-up that has begun
    /// keeps its places until it is over.
    pub(super) async fn look_up(&self, client: IpAddr, name: &str, until: Instant) -> Result<Vec<IpAddr>, Rejection> {
        let turn = LookUpTurn::of(&self.by_client, client);
        let Ok(places) = timeout_at(until, self.places(&turn)).await else {
            let why = "too many look-ups of hosts are under way";
            return Err(Rejection::new(503, ProxyRefusal::LookUps, why).again_in(1));
        };
        let looking = self.names.look_up(name);
        let (sender, found) = oneshot::channel();
        tasks::spawn("look-ups of the forward proxy", async move {
            let found = looking.await;
            drop((places, turn));
            // Nobody may wait any more.
            let _ = sender.send(found);
        });
        match timeout_at(until, found).await {
            Ok(found) => {
                let found = found.unwrap_or_else(|gone| Err(io::Error::other(gone)));
                found.map_err(|error| Rejection::failed(502, "the host is not found", error.to_string()))
            }
            Err(_) => Err(Rejection::failed(504, "the look-up of the host took too long", String::new())),
        }
    }

    /// A place of the client's, and then one of all: in the other order one client would hold what others need.
    async fn places(&self, turn: &LookUpTurn) -> [Option<OwnedSemaphorePermit>; 2] {
        // Neither is ever closed.
        let own = turn.semaphore.clone().acquire_owned().await.ok();
        [own, self.places.clone().acquire_owned().await.ok()]
    }
}

impl LookUpTurn {
    fn of(by_client: &Arc<Mutex<HashMap<IpAddr, ClientPlaces>>>, client: IpAddr) -> LookUpTurn {
        let mut clients = by_client.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || ClientPlaces { semaphore: Arc::new(Semaphore::new(OF_ONE_CLIENT)), users: 0 };
        let places = clients.entry(client).or_insert_with(new);
        places.users += 1;
        LookUpTurn { by_client: by_client.clone(), client, semaphore: places.semaphore.clone() }
    }
}

impl Drop for LookUpTurn {
    fn drop(&mut self) {
        let mut clients = self.by_client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = clients.get_mut(&self.client) {
            places.users -= 1;
            if places.users == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::time::Duration;

    use skitai_actors::dns::names::Looking;

    use super::*;

    /// Answers nobody but those who ask for `quick`.
    #[derive(Debug, Default)]
    struct Silent(AtomicUsize);

    impl Names for Silent {
        fn look_up(&self, name: &str) -> Looking {
            self.0.fetch_add(1, SeqCst);
            if name == "quick" {
                return Box::pin(async { Ok(vec![[127, 0, 0, 1].into()]) });
            }
            Box::pin(std::future::pending())
        }
    }

    #[test]
    fn names_of_silent_servers_hold_the_places_of_their_client_alone() {
        let names = Arc::new(Silent::default());
        let look_ups = LookUps::new(names.clone());
        let asks = |client: [u8; 4], name: &'static str| {
            let until = Instant::now() + Duration::from_millis(200);
            let told = look_ups.look_up(client.into(), name, until);
            async { told.await.map(|addresses| addresses.len()).map_err(|rejection| rejection.status) }
        };
        actix_rt::System::new().block_on(async {
            let many = futures_util::future::join_all((0..20).map(|_| asks([192, 0, 2, 1], "silent")));
            let (told, quick) = futures_util::future::join(many, asks([192, 0, 2, 2], "quick")).await;
            let count = |status| told.iter().filter(|told| **told == Err(status)).count();
            assert_eq!((count(504), count(503)), (OF_ONE_CLIENT, 20 - OF_ONE_CLIENT), "{told:?}");
            assert_eq!(quick, Ok(1), "another client is served beside it");
            assert_eq!(names.0.load(SeqCst), OF_ONE_CLIENT + 1);
            // The client itself waits for its own; many clients together have no more than all places.
            assert_eq!(asks([192, 0, 2, 1], "quick").await, Err(503));
            let others = (10..30).map(|nth| asks([192, 0, 2, nth], "silent"));
            futures_util::future::join_all(others).await;
            assert_eq!(names.0.load(SeqCst), AT_A_TIME + 1);
        });
        let left = look_ups.by_client.lock().expect("whole").len();
        assert!(left <= AT_A_TIME, "{left} clients are remembered");
    }

    #[test]
    fn nothing_is_left_of_clients_that_were_served() {
        let look_ups = LookUps::new(Arc::new(Silent::default()));
        actix_rt::System::new().block_on(async {
            let until = Instant::now() + Duration::from_secs(5);
            for nth in 0..50 {
                assert!(look_ups.look_up([192, 0, 2, nth].into(), "quick", until).await.is_ok());
            }
        });
        assert!(look_ups.by_client.lock().expect("whole").is_empty());
    }
}
