//! What a route's counters were at a few moments of the last minute, so that what came since is known.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use skitai_actors::kit::{BOUNDS, buckets};
use skitai_wire::Value;

/// How long is recent.
const RECENT: Duration = Duration::from_secs(60);
/// The most moments that are kept: one each ten seconds, and the one at which the minute began.
const MOST: usize = 7;

/// The counters of a route at one moment, of all threads together.
#[derive(Clone, Debug, Default)]
pub(super) struct RouteMark {
    /// By the first digit of the status: 1xx to 5xx.
    pub(super) classes: [u64; 5],
    pub(super) buckets: [u64; BOUNDS.len() + 1],
    /// The longest since the mark before, in microseconds.
    pub(super) longest_us: u64,
}

/// The moments that are kept.
#[derive(Debug)]
pub(super) struct RecentMarks {
    began: Instant,
    marks: VecDeque<(Instant, RouteMark)>,
}

impl RecentMarks {
    pub(super) fn new(now: Instant) -> RecentMarks {
        RecentMarks { began: now, marks: VecDeque::new() }
    }

    /// Keeps this moment.
    pub(super) fn keep(&mut self, now: Instant, mark: RouteMark) {
        self.marks.push_back((now, mark));
        while self.marks.len() > MOST {
            self.marks.pop_front();
        }
    }

    /// What came within the last minute, or since the start. `now` has the longest since the last mark.
    pub(super) fn tree(&self, at: Instant, now: &RouteMark) -> Value {
        let is_old = |(then, _): &&(Instant, RouteMark)| at.saturating_duration_since(*then) >= RECENT;
        let begun = self.marks.iter().rfind(is_old);
        // While there is none from before the minute, it began with the route.
        let nothing = (self.began, RouteMark::default());
        let (then, before) = begun.unwrap_or(&nothing);
        let grown = |now: u64, before: u64| now.saturating_sub(before);
        let classes: Vec<u64> = now.classes.iter().zip(before.classes).map(|(now, then)| grown(*now, then)).collect();
        let grown_buckets = std::array::from_fn(|at| grown(now.buckets[at], before.buckets[at]));
        let later = self.marks.iter().filter(|(kept, _)| kept > then).map(|(_, mark)| mark.longest_us);
        let longest = later.chain([now.longest_us]).max().unwrap_or(0);
        let requests: u64 = classes.iter().sum();
        let seconds = at.saturating_duration_since(*then).as_secs_f64().max(1.0);
        Value::from_pairs([
            ("requests", Value::Int(requests.cast_signed())),
            ("errors", Value::Int(classes[4].cast_signed())),
            ("per_s", Value::Double(requests as f64 / seconds)),
            ("longest_ms", Value::Double(longest as f64 / 1e3)),
            ("buckets", buckets(&grown_buckets)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(ok: u64, failed: u64, longest_us: u64) -> RouteMark {
        let mut mark = RouteMark { classes: [0, ok, 0, 0, failed], longest_us, ..RouteMark::default() };
        mark.buckets[3] = ok + failed;
        mark
    }

    #[test]
    fn what_is_older_than_a_minute_does_not_count() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut recent = RecentMarks::new(began);
        let told = recent.tree(at(10), &mark(30, 0, 7_000));
        assert_eq!((&told["requests"], &told["per_s"]), (&Value::Int(30), &Value::Double(3.0)), "since the start");
        for tenth in 1..=12 {
            recent.keep(at(tenth * 10), mark(tenth * 100, tenth, if tenth == 3 { 90_000 } else { 1_000 }));
        }
        let told = recent.tree(at(125), &mark(1_260, 14, 2_000));
        // Since the mark of 60 s.
        assert_eq!((&told["requests"], &told["errors"]), (&Value::Int(668), &Value::Int(8)), "{told}");
        assert_eq!(told["buckets"].to_string(), r#"{"0.005":668}"#);
        assert_eq!(told["longest_ms"], Value::Double(2.0), "that of 30 s is over: {told}");
        assert_eq!(recent.marks.len(), MOST);
    }
}
