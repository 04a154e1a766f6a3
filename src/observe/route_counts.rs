//! What became of requests, by the route that served them: their number and how long they took.
//!
//! Each is counted once, under the rule of its route (`/company/<int:cid>`) or under one of five words: nothing that a
//! client sends makes a new name. As with the edge's counters each thread has its own, and a look adds them up. A look
//! every ten seconds is kept for a minute ([`RecentMarks`]): so it is known what came lately.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use skitai_actors::kit::DurationHistogram;
use skitai_wire::{Map, Value};

use super::recent_routes::{RecentMarks, RouteMark};

/// Who served a request that no rule did. A rule begins with a slash, so none is taken for one of these.
const OTHERS: [&str; 5] = ["unmatched", "files", "probes", "several", "services"];

/// Who serves a request, as an index into a thread's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServedBy(usize);

impl ServedBy {
    /// Nobody: no rule has the path or the method, or the request was refused before it was looked for.
    pub(crate) const UNMATCHED: ServedBy = ServedBy(0);
    /// A folder of the site.
    pub(crate) const FILES: ServedBy = ServedBy(1);
    /// One of the server's probes.
    pub(crate) const PROBES: ServedBy = ServedBy(2);
    /// A batch of calls, which may be of several routes.
    pub(crate) const SEVERAL: ServedBy = ServedBy(3);
    /// A service of actix-web, whose rules are its own.
    pub(crate) const SERVICES: ServedBy = ServedBy(4);
}

/// Who serves the request, once it is known.
pub(crate) type Serving = Cell<ServedBy>;

/// The requests that one route had on one thread. Aligned as the edge's counters are.
#[derive(Debug, Default)]
#[repr(align(128))]
struct OfRoute {
    /// By the first digit of the status: 1xx to 5xx.
    classes: [AtomicU64; 5],
    durations: DurationHistogram,
    /// Requests that a handler serves at the moment.
    in_flight: AtomicU64,
    /// The longest of all, in microseconds.
    longest_us: AtomicU64,
    /// The same since the last mark.
    longest_lately_us: AtomicU64,
}

/// A route: its counters by thread, and what they were in the last minute.
#[derive(Debug)]
struct KnownRoute {
    threads: Vec<Arc<OfRoute>>,
    recent: RecentMarks,
}

/// The counters of a process. Those of a route that a changed configuration no longer has are kept.
#[derive(Debug, Default)]
pub(crate) struct RouteCounts(Mutex<BTreeMap<String, KnownRoute>>);

/// The counters of one thread for the routes of one site.
#[derive(Debug)]
pub(crate) struct ThreadRoutes {
    counts: Vec<Arc<OfRoute>>,
    /// Where the routes of each mount begin.
    mounts: Vec<usize>,
}

impl RouteCounts {
    /// The counters of a thread: of each mount, those of its rules, which are given from the root of the site.
    pub(crate) fn of_thread(&self, thread: usize, mounts: impl Iterator<Item = Vec<String>>) -> ThreadRoutes {
        let (mut known, now) = (self.lock(), Instant::now());
        let mut one = |rule: String| {
            let new = || KnownRoute { threads: Vec::new(), recent: RecentMarks::new(now) };
            let threads = &mut known.entry(rule).or_insert_with(new).threads;
            while threads.len() <= thread {
                threads.push(Arc::default());
            }
            threads[thread].clone()
        };
        let mut counts: Vec<Arc<OfRoute>> = OTHERS.iter().map(|word| one((*word).to_owned())).collect();
        let mut begins = Vec::new();
        for rules in mounts {
            begins.push(counts.len());
            counts.extend(rules.into_iter().map(&mut one));
        }
        ThreadRoutes { counts, mounts: begins }
    }

    /// The sums of all threads, by rule.
    pub(crate) fn tree(&self) -> Value {
        let (known, now) = (self.lock(), Instant::now());
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        Value::from_pairs(known.iter().map(|(rule, KnownRoute { threads, recent })| {
            let sum = |counter: &dyn Fn(&OfRoute) -> &AtomicU64| -> u64 {
                threads.iter().map(|thread| counter(thread).load(Relaxed)).sum()
            };
            let of_class = |class: usize| Value::Int(sum(&|thread| &thread.classes[class]).cast_signed());
            let requests = Value::from_pairs(classes.iter().enumerate().map(|(class, name)| (*name, of_class(class))));
            let durations: Vec<Value> =
                threads.iter().map(|thread| Value::from_pairs(thread.durations.pairs())).collect();
            let mut durations = skitai_actors::status::merged(&durations.iter().collect::<Vec<_>>());
            let longest = threads.iter().map(|thread| thread.longest_us.load(Relaxed)).max().unwrap_or(0);
            if let Value::Map(Map(pairs)) = &mut durations {
                pairs.push(("longest_ms".into(), Value::Double(longest as f64 / 1e3)));
            }
            let in_flight = Value::Int(sum(&|thread| &thread.in_flight).cast_signed());
            let told = [
                ("requests", requests),
                ("in_flight", in_flight),
                ("recent", recent.tree(now, &mark_of(threads, |longest| longest.load(Relaxed)))),
                ("durations", durations),
            ];
            (rule.clone(), Value::from_pairs(told))
        }))
    }

    /// Keeps what the counters are now, for the figures of the last minute.
    pub(crate) fn mark(&self, now: Instant) {
        for KnownRoute { threads, recent } in self.lock().values_mut() {
            recent.keep(now, mark_of(threads, |longest| longest.swap(0, Relaxed)));
        }
    }

    /// How many requests handlers serve at the moment.
    pub(crate) fn in_flight(&self) -> u64 {
        let known = self.lock();
        let threads = known.values().flat_map(|route| &route.threads);
        threads.map(|thread| thread.in_flight.load(Relaxed)).sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, KnownRoute>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The counters of all threads at this moment. `longest` reads how long the longest took since the last mark.
fn mark_of(threads: &[Arc<OfRoute>], longest: impl Fn(&AtomicU64) -> u64) -> RouteMark {
    let mut mark = RouteMark::default();
    for thread in threads {
        for (sum, counter) in mark.classes.iter_mut().zip(&thread.classes) {
            *sum += counter.load(Relaxed);
        }
        for (sum, count) in mark.buckets.iter_mut().zip(thread.durations.counts()) {
            *sum += count;
        }
        mark.longest_us = mark.longest_us.max(longest(&thread.longest_lately_us));
    }
    mark
}

impl ThreadRoutes {
    /// The route of this index in the table of a mount's app.
    pub(crate) fn of(&self, mount: usize, index: usize) -> ServedBy {
        ServedBy(self.mounts[mount] + index)
    }

    /// It is known now who serves a request: from here on it is in flight there.
    pub(crate) fn begin(&self, serving: &Serving, by: ServedBy) {
        self.moves(serving.replace(by), |count| count.wrapping_sub(1));
        self.moves(by, |count| count + 1);
    }

    /// Counts one more or less in flight. Who is served by nobody waits for nothing.
    fn moves(&self, by: ServedBy, change: impl Fn(u64) -> u64) {
        if by != ServedBy::UNMATCHED {
            // The thread is the only one that writes.
            let in_flight = &self.counts[by.0].in_flight;
            in_flight.store(change(in_flight.load(Relaxed)), Relaxed);
        }
    }

    /// Counts a request that has been answered, or whose client has left.
    pub(crate) fn count(&self, by: ServedBy, status: u16, took: Duration) {
        self.moves(by, |count| count.wrapping_sub(1));
        let counts = &self.counts[by.0];
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        for longest in [&counts.longest_us, &counts.longest_lately_us] {
            // A mark may take it away meanwhile; then this one counts for the next.
            if micros > longest.load(Relaxed) {
                longest.store(micros, Relaxed);
            }
        }
        if let Some(class) = usize::from(status / 100).checked_sub(1).and_then(|class| counts.classes.get(class)) {
            // The thread is the only one that writes.
            class.store(class.load(Relaxed) + 1, Relaxed);
        }
        counts.durations.add(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_one_name_whoever_serves_it_and_whatever_the_configuration_becomes() {
        let counts = RouteCounts::default();
        let rules = |rules: &[&str]| vec![rules.iter().map(|rule| (*rule).to_owned()).collect()];
        let first = counts.of_thread(0, rules(&["/a", "/b", "/a"]).into_iter());
        let second = counts.of_thread(1, rules(&["/a", "/b", "/a"]).into_iter());
        let count = |thread: &ThreadRoutes, by, status, took| {
            let serving = Serving::new(ServedBy::UNMATCHED);
            thread.begin(&serving, by);
            thread.count(serving.get(), status, took);
        };
        count(&first, first.of(0, 0), 200, Duration::from_millis(3));
        count(&first, first.of(0, 2), 404, Duration::from_millis(3));
        count(&second, second.of(0, 0), 204, Duration::from_secs(60));
        second.count(ServedBy::UNMATCHED, 700, Duration::ZERO);
        // Another configuration, which has the rule elsewhere.
        let later = counts.of_thread(0, rules(&["/c", "/a"]).into_iter());
        count(&later, later.of(0, 1), 200, Duration::from_millis(3));
        let tree = counts.tree();
        let of_a = &tree["/a"];
        assert_eq!((&of_a["requests"]["2xx"], &of_a["requests"]["4xx"]), (&Value::Int(3), &Value::Int(1)));
        assert_eq!(of_a["durations"]["buckets"].to_string(), r#"{"0.005":3,"+Inf":1}"#);
        assert_eq!(of_a["durations"]["total_us"], Value::Int(60_009_000));
        assert_eq!((&of_a["durations"]["longest_ms"], &of_a["in_flight"]), (&Value::Double(60_000.0), &Value::Int(0)));
        assert_eq!((&of_a["recent"]["requests"], counts.in_flight()), (&Value::Int(4), 0));
        let names: Vec<&str> = tree.as_map().expect("it is one").iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["/a", "/b", "/c", "files", "probes", "services", "several", "unmatched"]);
    }

    #[test]
    fn a_request_is_in_flight_where_it_is_served_and_there_alone() {
        let counts = RouteCounts::default();
        let thread = counts.of_thread(0, vec![vec!["/a".to_owned()]].into_iter());
        let serving = Serving::new(ServedBy::UNMATCHED);
        let in_flight = |name: &str| counts.tree()[name]["in_flight"].clone();
        thread.begin(&serving, ServedBy::SEVERAL);
        assert_eq!(in_flight("several"), Value::Int(1));
        thread.begin(&serving, thread.of(0, 0));
        assert_eq!((in_flight("several"), in_flight("/a"), counts.in_flight()), (Value::Int(0), Value::Int(1), 1));
        thread.count(serving.get(), 200, Duration::ZERO);
        thread.count(ServedBy::UNMATCHED, 404, Duration::ZERO);
        assert_eq!((in_flight("/a"), in_flight("unmatched"), counts.in_flight()), (Value::Int(0), Value::Int(0), 0));
    }
}
