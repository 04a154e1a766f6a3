//! What one process knows of itself at one moment: it is shown, or sent to the process that shows it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use skitai_wire::{Map, Value};

use super::counters::counters;
use super::merge::merged;
use super::wanted::TreePath;
use crate::kit::{Missed, Slot};

/// Of the form of [`Snapshot`]. Fields are only added, with defaults.
const VERSION: u32 = 1;

/// The reports of all actors of a process, and what else it knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    pub(super) version: u32,
    /// The process id.
    pub pid: u32,
    /// Of this process, in the order in which it began to ask its actors.
    pub number: u64,
    /// How many threads have actors.
    pub(super) threads: usize,
    /// What the operating system says of the process.
    pub(super) facts: Value,
    pub(super) heard: Vec<Heard>,
    /// What actors had counted that are gone, or do not answer, by their names.
    pub(super) counted: Vec<(String, Value)>,
    /// What is known beside the actors, by top-level keys.
    pub(super) beside: Map,
}

impl Snapshot {
    pub(super) fn new(number: u64, threads: usize) -> Snapshot {
        Snapshot { version: VERSION, pid: std::process::id(), number, threads, ..Snapshot::default() }
    }

    /// Everything that is counted, as one tree: what stays true when the process has ended.
    pub fn counters(&self) -> Value {
        let mut tree: Vec<(Arc<str>, Value)> = Vec::new();
        for path in self.paths() {
            let counted = counters(&self.merged_at(&path));
            if counted != Value::Nil {
                path.put(&mut tree, counted);
            }
        }
        for (name, value) in &self.beside.0 {
            let counted = counters(&Value::Map(Map(vec![(name.clone(), value.clone())])));
            if let Value::Map(counted) = counted {
                tree.extend(counted.0);
            }
        }
        Value::Map(Map(tree))
    }

    /// The paths of all actors, each once.
    pub(super) fn paths(&self) -> Vec<TreePath> {
        let mut paths = Vec::new();
        let names = self.heard.iter().map(|heard| &heard.name).chain(self.counted.iter().map(|(name, _)| name));
        for path in names.map(|name| TreePath::of_actor(name)) {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
    }

    /// The actors at a path.
    pub(super) fn at<'s>(&'s self, path: &TreePath) -> impl Iterator<Item = &'s Heard> {
        self.heard.iter().filter(move |heard| TreePath::of_actor(&heard.name) == *path)
    }

    /// The reports of the actors at a path as one.
    pub(super) fn merged_at(&self, path: &TreePath) -> Value {
        let answers = self.at(path).filter(|heard| heard.answered).map(|heard| &heard.report);
        let counted = self.counted.iter().filter(|(name, _)| TreePath::of_actor(name) == *path);
        // Of what all threads see as one, the last is taken: that of one that answered.
        let trees: Vec<&Value> = counted.map(|(_, value)| value).chain(answers).collect();
        merged(&trees)
    }
}

/// The report of one actor on one thread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Heard {
    pub(super) thread: usize,
    pub(super) name: String,
    pub(super) answered: bool,
    pub(super) report: Value,
    pub(super) gauges: Value,
}

/// A snapshot as an answer: `None` if it did not come in time.
#[derive(Debug)]
pub struct SnapshotReply(pub Option<Snapshot>);

impl Slot for SnapshotReply {
    fn missed(&mut self, _: Missed) {}

    fn filter_failed(&mut self, _: &str) {}
}
