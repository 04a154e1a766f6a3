//! What became of requests, by the route that served them: their number and how long they took.
//!
//! Each is counted once, under the rule of its route (`/company/<int:cid>`) or under one of five words: nothing that a
//! client sends makes a new name. As with the edge's counters each thread has its own, and a look adds them up.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use skitai_actors::kit::DurationHistogram;
use skitai_wire::Value;

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
}

/// The counters of a process. Those of a route that a changed configuration no longer has are kept.
#[derive(Debug, Default)]
pub(crate) struct RouteCounts(Mutex<BTreeMap<String, Vec<Arc<OfRoute>>>>);

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
        let mut known = self.lock();
        let mut one = |rule: String| {
            let threads = known.entry(rule).or_default();
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
        let known = self.lock();
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        Value::from_pairs(known.iter().map(|(rule, threads)| {
            let of_class = |class: usize| {
                let sum: u64 = threads.iter().map(|thread| thread.classes[class].load(Relaxed)).sum();
                Value::Int(sum.cast_signed())
            };
            let requests = Value::from_pairs(classes.iter().enumerate().map(|(class, name)| (*name, of_class(class))));
            let durations: Vec<Value> =
                threads.iter().map(|thread| Value::from_pairs(thread.durations.pairs())).collect();
            let durations = skitai_actors::status::merged(&durations.iter().collect::<Vec<_>>());
            (rule.clone(), Value::from_pairs([("requests", requests), ("durations", durations)]))
        }))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Arc<OfRoute>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ThreadRoutes {
    /// The route of this index in the table of a mount's app.
    pub(crate) fn of(&self, mount: usize, index: usize) -> ServedBy {
        ServedBy(self.mounts[mount] + index)
    }

    /// Counts a request that has been answered, or whose client has left.
    pub(crate) fn count(&self, by: ServedBy, status: u16, took: Duration) {
        let counts = &self.counts[by.0];
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
        first.count(first.of(0, 0), 200, Duration::from_millis(3));
        first.count(first.of(0, 2), 404, Duration::from_millis(3));
        second.count(second.of(0, 0), 204, Duration::from_secs(60));
        second.count(ServedBy::UNMATCHED, 700, Duration::ZERO);
        // Another configuration, which has the rule elsewhere.
        let later = counts.of_thread(0, rules(&["/c", "/a"]).into_iter());
        later.count(later.of(0, 1), 200, Duration::from_millis(3));
        let tree = counts.tree();
        let of_a = &tree["/a"];
        assert_eq!((&of_a["requests"]["2xx"], &of_a["requests"]["4xx"]), (&Value::Int(3), &Value::Int(1)));
        assert_eq!(of_a["durations"]["buckets"].to_string(), r#"{"0.005":3,"+Inf":1}"#);
        assert_eq!(of_a["durations"]["total_us"], Value::Int(60_009_000));
        let names: Vec<&str> = tree.as_map().expect("it is one").iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["/a", "/b", "/c", "files", "probes", "services", "several", "unmatched"]);
    }
}
