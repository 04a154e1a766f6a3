//! The figures of the last minutes: a few numbers each five seconds, for the lines that the status page draws.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use skitai_wire::Value;

/// How often figures are kept.
pub(crate) const STEP: Duration = Duration::from_secs(5);
/// For how many steps: five minutes.
const MOST: usize = 60;

/// What a process is and has done at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProcessFigures {
    /// So far, all of them.
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) cpu_ms: u64,
    /// At the moment.
    pub(crate) in_flight: u64,
    pub(crate) connections: u64,
    pub(crate) rss_bytes: u64,
}

/// The figures that are kept: what was counted in each step, and what was at its end.
#[derive(Debug, Default)]
pub(crate) struct RecentFigures(Mutex<KeptFigures>);

#[derive(Debug, Default)]
struct KeptFigures {
    last: Option<ProcessFigures>,
    steps: VecDeque<ProcessFigures>,
    /// The moment of the newest, in seconds since 1970.
    at: u64,
}

impl RecentFigures {
    /// Keeps the figures of this moment. The first are what later ones are compared with.
    pub(crate) fn keep(&self, now: ProcessFigures) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if let Some(last) = kept.last.replace(now) {
            kept.steps.push_back(ProcessFigures {
                requests: now.requests.saturating_sub(last.requests),
                errors: now.errors.saturating_sub(last.errors),
                cpu_ms: now.cpu_ms.saturating_sub(last.cpu_ms),
                ..now
            });
        }
        if kept.steps.len() > MOST {
            kept.steps.pop_front();
        }
    }

    /// A list with one entry: the status has one of each process.
    pub(crate) fn tree(&self) -> Value {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |figure: fn(&ProcessFigures) -> u64| {
            Value::List(kept.steps.iter().map(|step| Value::Int(figure(step).cast_signed())).collect())
        };
        Value::List(vec![Value::from_pairs([
            ("at", Value::Int(kept.at.cast_signed())),
            ("step_s", Value::Int(STEP.as_secs().cast_signed())),
            ("requests", of(|step| step.requests)),
            ("errors", of(|step| step.errors)),
            ("cpu_ms", of(|step| step.cpu_ms)),
            ("in_flight", of(|step| step.in_flight)),
            ("connections", of(|step| step.connections)),
            ("rss_bytes", of(|step| step.rss_bytes)),
        ])])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_of_each_step_and_what_is_measured_as_it_is() {
        let figures = RecentFigures::default();
        for step in 0..=MOST as u64 + 3 {
            figures.keep(ProcessFigures { requests: step * step, rss_bytes: 7 + step, ..ProcessFigures::default() });
        }
        let told = figures.tree();
        let requests = told[0]["requests"].as_list().expect("a list");
        assert_eq!((requests.len(), &requests[0]), (MOST, &Value::Int(7)), "steps 1, 2 and 3 are over");
        assert_eq!(told[0]["rss_bytes"][MOST - 1], Value::Int(7 + MOST as i64 + 3));
        assert!(told[0]["at"].as_i64() > Some(1_700_000_000), "{told}");
    }
}
