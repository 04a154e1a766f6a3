//! What the processes have counted: that of those that have ended stays in the sums.
//!
//! Each process says once a second what it has counted, before it shows its figures to anybody, and at its end. The
//! supervisor keeps the latest text of each, and looks into it only when the process has ended: then its numbers are
//! added to those of the others that have.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use skitai_actors::status::merged;
use skitai_wire::{Map, Value};

use crate::ipc::messages::Reckoning;

/// The longest sum in octets: without it, a site whose members come and go by their names would add one after another.
const LONGEST: usize = 1 << 20;

/// The longest text of one process.
const LONGEST_OF_PROCESS: usize = 4 << 20;
/// The longest answer with the texts of silent processes: it is one message.
const LONGEST_ANSWER: usize = 8 << 20;

/// A process has counted more than is kept.
#[derive(Debug, thiserror::Error)]
#[error("what it has counted takes {length} octets, where {LONGEST_OF_PROCESS} are the most: the last ones stay")]
pub(super) struct TooMany {
    length: usize,
}

/// What has been counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Totals {
    ended: Value,
    ended_count: u64,
    killed_count: u64,
    running: BTreeMap<i32, CountedSoFar>,
}

/// What a process has said.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct CountedSoFar {
    /// Numbers grow; one may come late.
    pub(super) number: u64,
    pub(super) counters: String,
    pub(super) is_last: bool,
}

impl Totals {
    /// Keeps what a process says. What is too long is refused, and what it said before stays.
    pub(super) fn keep(&mut self, pid: i32, said: CountedSoFar) -> Result<(), TooMany> {
        let length = said.counters.len();
        if length > LONGEST_OF_PROCESS {
            return Err(TooMany { length });
        }
        let so_far = self.running.entry(pid).or_default();
        if said.number >= so_far.number {
            // What it says after its last word, the last word includes.
            let is_last = said.is_last || so_far.is_last;
            *so_far = CountedSoFar { is_last, ..said };
        }
        Ok(())
    }

    /// A process has ended. One that never served has counted nothing.
    pub(super) fn ended(&mut self, pid: i32, has_served: bool) {
        let said = self.running.remove(&pid);
        if said.is_none() && !has_served {
            return;
        }
        self.ended_count += 1;
        let CountedSoFar { counters, is_last, .. } = said.unwrap_or_default();
        self.killed_count += u64::from(!is_last);
        self.ended = merged(&[&self.ended, &read(pid, &counters)]);
        if serde_json::to_string(&self.ended).is_ok_and(|text| text.len() > LONGEST) {
            tracing::info!("what ended processes have counted by member takes over {LONGEST} octets: it begins anew");
            self.ended = without_members(&self.ended);
        }
    }

    /// What those have counted that have ended, and these that are silent.
    pub(super) fn reckoning(&self, running: Vec<i32>, silent: &[i32]) -> Reckoning {
        // Those that are killed and not reaped yet answer no more, and have not ended.
        let between = self.running.iter().filter(|(pid, _)| !running.contains(pid));
        let between: Vec<Value> = between.map(|(pid, said)| read(*pid, &said.counters)).collect();
        let ended = merged(&std::iter::once(&self.ended).chain(&between).collect::<Vec<_>>());
        // Each once, whatever a process asks for, and no more than a message holds.
        let silent: BTreeSet<i32> = silent.iter().copied().collect();
        let mut room = LONGEST_ANSWER;
        let silent = silent.iter().filter_map(|pid| {
            let counters = &self.running.get(pid)?.counters;
            room = room.checked_sub(counters.len())?;
            Some((*pid, counters.clone()))
        });
        Reckoning {
            ended,
            ended_count: self.ended_count,
            killed_count: self.killed_count,
            running,
            silent: silent.collect(),
            supervisor: Value::Nil,
        }
    }
}

/// The counters that a process has said; `Nil` for none.
fn read(pid: i32, counters: &str) -> Value {
    if counters.is_empty() {
        return Value::Nil;
    }
    serde_json::from_str(counters).unwrap_or_else(|error| {
        tracing::error!("what process {pid} has counted cannot be read and is lost: {error}");
        Value::Nil
    })
}

/// A tree without its lists, which are of members.
fn without_members(tree: &Value) -> Value {
    let Value::Map(map) = tree else { return tree.clone() };
    let rest = map.0.iter().filter(|(_, value)| !matches!(value, Value::List(_)));
    Value::Map(Map(rest.map(|(name, value)| (name.clone(), without_members(value))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(count: i64) -> String {
        format!("{{\"requests\":{{\"requests\":{count},\"2xx\":{count}}}}}")
    }

    fn said(number: u64, counters: String, is_last: bool) -> CountedSoFar {
        CountedSoFar { number, counters, is_last }
    }

    fn sum(totals: &Totals) -> i64 {
        let ended = totals.reckoning(totals.running.keys().copied().collect(), &[]).ended;
        ended.get("requests").and_then(|requests| requests.get("2xx")).and_then(Value::as_i64).unwrap_or(0)
    }

    #[test]
    fn who_ends_is_added_and_who_runs_is_not() {
        let mut totals = Totals::default();
        totals.keep(1, said(1, requests(5), false)).expect("it is short");
        totals.keep(2, said(1, requests(70), false)).expect("it is short");
        totals.keep(1, said(3, requests(7), true)).expect("it is short");
        totals.keep(1, said(2, requests(6), false)).expect("it is short");
        totals.keep(1, said(4, requests(7), false)).expect("it is short");
        assert_eq!(sum(&totals), 0);
        totals.ended(1, true);
        assert_eq!(sum(&totals), 7, "its last word counts");
        let killed = totals.reckoning(Vec::new(), &[]).ended;
        assert_eq!(
            killed.get("requests").and_then(|requests| requests.get("2xx")),
            Some(&Value::Int(77)),
            "not reaped"
        );
        totals.ended(2, true);
        totals.ended(3, true);
        totals.ended(4, false);
        assert_eq!((sum(&totals), totals.ended_count, totals.killed_count), (77, 3, 2));
    }

    #[test]
    fn what_cannot_be_read_takes_nothing_from_the_others() {
        let mut totals = Totals::default();
        for (pid, text) in [(1, requests(1)), (2, "{".to_owned()), (3, "[]".to_owned()), (4, requests(2))] {
            totals.keep(pid, said(1, text, true)).expect("it is short");
            totals.ended(pid, true);
        }
        assert_eq!((totals.ended_count, totals.killed_count), (4, 0));
        let totals: Totals = serde_json::from_str(&serde_json::to_string(&totals).unwrap()).unwrap();
        assert_eq!(totals.ended_count, 4, "another program goes on with it");
    }

    #[test]
    fn members_that_come_and_go_do_not_fill_the_memory() {
        let mut totals = Totals::default();
        for pid in 0..30 {
            let members: Vec<String> =
                (0..100).map(|nth| format!("{{\"node\":\"{pid}.{nth}.{}:80\",\"ok\":1}}", "x".repeat(500))).collect();
            let members = members.join(",");
            let counters = format!("{{\"clusters\":{{\"a\":{{\"retries\":1,\"members\":[{members}]}}}}}}");
            totals.keep(pid, said(1, counters, true)).expect("it is short");
            totals.ended(pid, true);
            assert!(serde_json::to_string(&totals).unwrap().len() <= LONGEST + 1_000);
        }
        let ended = totals.reckoning(Vec::new(), &[]).ended;
        let retries = ended.get("clusters").and_then(|clusters| clusters.get("a")?.get("retries").cloned());
        assert_eq!(retries, Some(Value::Int(30)), "the cluster's own sum goes on");
    }

    #[test]
    fn whatever_is_asked_for_the_answer_is_one_message() {
        let mut totals = Totals::default();
        let long = |length| format!("\"{}\"", "x".repeat(length - 2));
        for pid in 1..=3 {
            totals.keep(pid, said(1, long(LONGEST_OF_PROCESS), false)).expect("it is just short enough");
        }
        totals.keep(4, said(1, requests(9), false)).expect("it is short");
        totals.keep(4, said(2, long(LONGEST_OF_PROCESS + 1), false)).expect_err("it is too long");
        let told = totals.reckoning(vec![1, 2, 3, 4], &[1, 1, 1, 4, 2, 2, 9, 3, 4]).silent;
        let pids: Vec<i32> = told.iter().map(|(pid, _)| *pid).collect();
        assert_eq!(pids, [1, 2], "each once, and not more than the message holds");
        assert_eq!(totals.reckoning(vec![4], &[4, 4]).silent, [(4, requests(9))], "what it said before stays");
    }
}
