//! The last minutes of the instance: what each process has kept of them, added up moment by moment.

use std::collections::BTreeMap;

use super::{items, pairs};
use crate::builtin::admin::words;
use crate::prelude::*;

/// The figures of the last minutes, from the oldest to the newest.
pub(super) struct LastMinutes {
    /// How many seconds each figure is of.
    pub(super) step: f64,
    figures: BTreeMap<String, Vec<f64>>,
}

impl LastMinutes {
    /// Adds up what the processes have kept. A process has a figure for each step; the newest is of its `at`.
    pub(super) fn of(history: &Value) -> LastMinutes {
        let step = items(history).map(|process| words::number(&process["step_s"])).max().unwrap_or(1).max(1);
        let mut sums = BTreeMap::<String, BTreeMap<i64, f64>>::new();
        for process in items(history) {
            let newest = words::number(&process["at"]).div_euclid(step);
            for (name, figures) in pairs(process) {
                let Some(figures) = figures.as_list() else { continue };
                let of_name = sums.entry(name.to_owned()).or_default();
                for (back, figure) in (0..).zip(figures.iter().rev()) {
                    *of_name.entry(newest - back).or_default() += figure.as_f64().unwrap_or(0.0);
                }
            }
        }
        // The newest step may be of some processes only: they do not tick together.
        let complete = items(history).map(|process| words::number(&process["at"]).div_euclid(step)).min();
        let until = complete.unwrap_or(0);
        let figures = sums.into_iter().map(|(name, sums)| (name, sums.range(..=until).map(|(_, sum)| *sum).collect()));
        LastMinutes { step: step as f64, figures: figures.collect() }
    }

    /// The figures of a name, each of its step.
    pub(super) fn figures(&self, name: &str) -> Vec<f64> {
        self.figures.get(name).cloned().unwrap_or_default()
    }

    /// The same for each second.
    pub(super) fn per_second(&self, name: &str) -> Vec<f64> {
        self.figures(name).into_iter().map(|figure| figure / self.step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_added_up_moment_by_moment() {
        let process = |at: i64, figures: &[i64]| {
            let figures = figures.iter().map(|figure| Value::Int(*figure)).collect();
            Value::from_pairs([("at", Value::Int(at)), ("step_s", Value::Int(5)), ("requests", Value::List(figures))])
        };
        // The second has just begun, and is a step ahead.
        let minutes = LastMinutes::of(&Value::List(vec![process(1_000, &[10, 20, 30]), process(1_006, &[1, 2])]));
        assert_eq!(minutes.figures("requests"), [10.0, 20.0, 31.0]);
        assert_eq!(minutes.per_second("requests"), [2.0, 4.0, 6.2]);
        assert!(minutes.figures("nothing").is_empty() && LastMinutes::of(&Value::Nil).figures("requests").is_empty());
    }
}
