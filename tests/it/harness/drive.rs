//! Steady load: requests that begin at fixed times, whatever became of the ones before, as long as a client is free.
//! What a stalled answer holds up is thus not left out of the figures.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::scope;
use std::time::{Duration, Instant};

use super::server::TestServer;

/// How a request ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// When it was to begin, from the begin of the load.
    pub(crate) at: Duration,
    /// From then to its answer.
    pub(crate) took: Duration,
    pub(crate) code: u16,
    pub(crate) body: String,
}

/// A load to come.
pub(crate) struct Steady<'a> {
    site: &'a TestServer,
    clients: usize,
    per_second: u32,
    requests: usize,
}

impl<'a> Steady<'a> {
    /// So many requests, so many a second.
    pub(crate) fn on(site: &'a TestServer, requests: usize, per_second: u32) -> Steady<'a> {
        Steady { site, clients: 16, per_second, requests }
    }

    /// How many may be under way at once; 16 unless said.
    pub(crate) fn clients(self, clients: usize) -> Steady<'a> {
        Steady { clients, ..self }
    }

    /// Runs it: `path` gives the path of the n-th request. The requests in the order of their begin.
    pub(crate) fn run(self, path: impl Fn(usize) -> String + Sync) -> Vec<Ended> {
        let (next, began) = (AtomicUsize::new(0), Instant::now());
        let client = || {
            let mut ended = Vec::new();
            let mut conn = self.site.conn();
            loop {
                let nth = next.fetch_add(1, SeqCst);
                if nth >= self.requests {
                    return ended;
                }
                let at = Duration::from_secs_f64(nth as f64 / f64::from(self.per_second));
                std::thread::sleep(at.saturating_sub(began.elapsed()));
                conn.send(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", path(nth)));
                let reply = conn.read();
                let took = began.elapsed() - at;
                ended.push((nth, Ended { at, took, code: reply.code, body: reply.text() }));
            }
        };
        let mut ended: Vec<(usize, Ended)> = scope(|threads| {
            let clients: Vec<_> = (0..self.clients).map(|_| threads.spawn(client)).collect();
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        });
        ended.sort_by_key(|(nth, _)| *nth);
        ended.into_iter().map(|(_, ended)| ended).collect()
    }
}

/// The time within which this share of the requests had their answer.
pub(crate) fn quantile(ended: &[Ended], share: f64) -> Duration {
    let mut times: Vec<Duration> = ended.iter().map(|one| one.took).collect();
    times.sort();
    times[((times.len() - 1) as f64 * share).round() as usize]
}

/// The requests that were not answered with 200: how many, and the first of them.
pub(crate) fn errors(ended: &[Ended]) -> (usize, String) {
    let mut bad = ended.iter().filter(|one| one.code != 200);
    let first = bad.next();
    (bad.count() + usize::from(first.is_some()), format!("{first:?}"))
}
