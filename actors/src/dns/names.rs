//! Looks up names by the system's resolver.
//!
//! `getaddrinfo` blocks, for half a minute if the name server is dead, and cannot be cancelled. So it runs on threads
//! of its own, apart from those of plain handlers. One look-up per name runs at a time and serves all callers; a caller
//! may leave at any time.

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Look-ups at once, each on a thread. More would not help a process with that many names on silent servers.
const THREADS: usize = 16;
/// Names that may queue for a thread. With a dead name server, no caller waits longer than its connect timeout.
const WAITING: usize = 1_000;

/// A look-up in progress. Dropping it does not cancel it for others.
pub type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// A resolver of names.
pub trait Names: Send + Sync + Debug {
    /// The addresses of a host, at least one, in the order in which to try them.
    fn look_up(&self, host: &str) -> Looking;
}

/// The system's resolver: `/etc/hosts`, DNS, and the other sources that the machine configures.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNames;

impl Names for SystemNames {
    fn look_up(&self, host: &str) -> Looking {
        let receiver = lock().receiver_for(host, ask);
        Box::pin(async move {
            let mut receiver = receiver?;
            let found = receiver.wait_for(Option::is_some).await.map(|found| found.clone());
            match found.ok().flatten() {
                Some(Ok(addresses)) => Ok(addresses),
                Some(Err((kind, msg))) => Err(io::Error::new(kind, msg)),
                None => Err(io::Error::other("the look-up was given up")),
            }
        })
    }
}

/// A result that can be copied for every caller, the error included.
type Found = Result<Vec<IpAddr>, (io::ErrorKind, String)>;
type Ask = fn(&str) -> Found;

fn ask(host: &str) -> Found {
    let mut addresses: Vec<IpAddr> = Vec::new();
    let found = (host, 0).to_socket_addrs().map_err(|error| (error.kind(), error.to_string()))?;
    for address in found.map(|address| address.ip()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err((io::ErrorKind::NotFound, "the name has no address".to_owned()));
    }
    Ok(addresses)
}

/// The look-ups of this process.
#[derive(Default)]
struct LookUps {
    under_way: HashMap<String, watch::Receiver<Option<Found>>>,
    waiting: VecDeque<Job>,
    threads: usize,
}

struct Job {
    host: String,
    ask: Ask,
    sender: watch::Sender<Option<Found>>,
}

static LOOK_UPS: LazyLock<Mutex<LookUps>> = LazyLock::new(Mutex::default);

fn lock() -> MutexGuard<'static, LookUps> {
    // No code panics under this lock; if it did, the lists would still be valid.
    LOOK_UPS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LookUps {
    /// The channel of a look-up's result: of one in progress, or of a new one.
    fn receiver_for(&mut self, host: &str, ask: Ask) -> io::Result<watch::Receiver<Option<Found>>> {
        if let Some(receiver) = self.under_way.get(host) {
            return Ok(receiver.clone());
        }
        let (sender, receiver) = watch::channel(None);
        let job = Job { host: host.to_owned(), ask, sender };
        if self.threads < THREADS {
            std::thread::Builder::new().name("names".to_owned()).spawn(move || work(job))?;
            self.threads += 1;
        } else if self.waiting.len() < WAITING {
            self.waiting.push_back(job);
        } else {
            return Err(io::Error::other(format!("{WAITING} other names are waiting for the name server")));
        }
        self.under_way.insert(host.to_owned(), receiver.clone());
        Ok(receiver)
    }
}

/// Looks up names until the queue is empty.
fn work(mut job: Job) {
    loop {
        let found = (job.ask)(&job.host);
        let next = {
            let mut look_ups = lock();
            // Removed before the result is published: later callers start a new look-up.
            look_ups.under_way.remove(&job.host);
            let next = look_ups.waiting.pop_front();
            if next.is_none() {
                look_ups.threads -= 1;
            }
            next
        };
        job.sender.send_replace(Some(found));
        match next {
            Some(next) => job = next,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_name_is_asked_once_at_a_time_and_a_silent_one_holds_up_no_other() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        #[expect(clippy::disallowed_methods, reason = "it stands for getaddrinfo, which blocks as well")]
        fn slow(_: &str) -> Found {
            ASKED.fetch_add(1, SeqCst);
            std::thread::sleep(Duration::from_secs(1));
            Err((io::ErrorKind::NotFound, "silent".to_owned()))
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut silent: Vec<_> =
                (0..50).map(|_| lock().receiver_for("silent.test", slow).expect("there is room")).collect();
            let quick = tokio::time::timeout(Duration::from_millis(900), SystemNames.look_up("localhost"));
            let addresses = quick.await.expect("it does not wait").expect("it is known everywhere");
            assert!(addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
            for receiver in &mut silent {
                let found = receiver.wait_for(Option::is_some).await.expect("there is a result").clone();
                assert_eq!(found.expect("it is there").expect_err("it fails").1, "silent");
            }
            assert_eq!(ASKED.load(SeqCst), 1);
        });
    }
}
