//! What of a report is counted, and never goes back: the part that outlives who reported it.
//!
//! A report mixes what is now (connections that are open) with what has been (requests that were answered). When an
//! actor, a thread or a process ends, the first is gone with it; the second stays true, and is added to what the
//! others report.

use std::sync::Arc;

use foldhash::{HashMap, HashSet};
use skitai_wire::{Map, Value};

use super::merge::{COUNTED, MEASURED};

/// The counters of a tree: numbers that are [`COUNTED`], largest values, means beside their counts, and the nodes that
/// they belong to. `Nil` if there are none.
pub fn counters(tree: &Value) -> Value {
    of("", tree, false).unwrap_or(Value::Nil)
}

fn of(name: &str, value: &Value, is_counted: bool) -> Option<Value> {
    if MEASURED.contains(&name) || name == "by_thread" {
        return None;
    }
    let is_counted = is_counted || COUNTED.contains(&name);
    match value {
        Value::Map(map) => {
            let has_count = map.get("count").is_some();
            let kept = map.0.iter().filter_map(|(key, value)| {
                let is_mean = has_count && key.starts_with("mean");
                let kept = if is_mean { Some(value.clone()) } else { of(key, value, is_counted) };
                Some((key.clone(), kept?))
            });
            let mut kept: Vec<_> = kept.collect();
            if kept.is_empty() {
                return None;
            }
            if let Some(node) = map.get("node") {
                kept.insert(0, (Arc::from("node"), node.clone()));
            }
            Some(Value::Map(Map(kept)))
        }
        Value::List(items) => {
            let members = items.iter().filter(|item| item.get("node").is_some());
            let kept: Vec<Value> = members.filter_map(|item| of("", item, is_counted)).collect();
            (!kept.is_empty()).then_some(Value::List(kept))
        }
        Value::Int(_) | Value::Double(_) if is_largest(name) => Some(value.clone()),
        Value::Int(_) | Value::Double(_) if is_counted && !is_percentile(name) => Some(value.clone()),
        _ => None,
    }
}

/// Whether the largest of several is the one of all.
pub(super) fn is_largest(name: &str) -> bool {
    name.starts_with("max_") || name.starts_with("longest_")
}

/// Whether a number is a percentile, such as `p95_ms`: there is none of all from those of each.
pub(super) fn is_percentile(name: &str) -> bool {
    name.strip_prefix('p').is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()))
}

fn node(member: &Value) -> Option<&str> {
    member.get("node")?.as_str()
}

/// Whether a counter of `now` is below what it was `before`, as after a restart.
pub(super) fn has_gone_back(before: &Value, now: &Value) -> bool {
    match (before, now) {
        (Value::Map(before), Value::Map(now)) => before.0.iter().any(|(name, before)| {
            let is_mean = name.starts_with("mean");
            !is_mean && now.get(name).is_some_and(|now| has_gone_back(before, now))
        }),
        (Value::List(before), Value::List(now)) => {
            let now: HashMap<&str, &Value> = now.iter().filter_map(|item| Some((node(item)?, item))).collect();
            let same = |before| Some((before, *now.get(node(before)?)?));
            before.iter().filter_map(same).any(|(before, now)| has_gone_back(before, now))
        }
        _ => match (before.as_f64(), now.as_f64()) {
            (Some(before), Some(now)) => now < before,
            _ => false,
        },
    }
}

/// Only what is in both: counters of members and clusters that nobody has any more are not shown.
pub(super) fn still_there(counters: &Value, tree: &Value) -> Option<Value> {
    match (counters, tree) {
        (Value::Map(counters), Value::Map(tree)) => {
            let kept = counters
                .0
                .iter()
                .filter_map(|(name, counters)| Some((name.clone(), still_there(counters, tree.get(name)?)?)));
            Some(Value::Map(Map(kept.collect())))
        }
        (Value::List(counters), Value::List(tree)) => {
            let there: HashSet<&str> = tree.iter().filter_map(node).collect();
            let is_there = |item: &&Value| node(item).is_some_and(|node| there.contains(node));
            Some(Value::List(counters.iter().filter(is_there).cloned().collect()))
        }
        (Value::Map(_) | Value::List(_), _) => None,
        _ => Some(counters.clone()),
    }
}

/// The same without what all threads see as one: the others still report it.
pub(super) fn of_its_own(counters: &Value) -> Value {
    match counters {
        Value::Map(map) => {
            let own = map.0.iter().filter(|(name, _)| &**name != "shared");
            Value::Map(Map(own.map(|(name, value)| (name.clone(), of_its_own(value))).collect()))
        }
        Value::List(items) => Value::List(items.iter().map(of_its_own).collect()),
        other => other.clone(),
    }
}
