//! What of a report is counted, and never goes back: the part that outlives who reported it.
//!
//! A report mixes what is now (connections that are open) with what has been (requests that were answered). When an
//! actor, a thread or a process ends, the first is gone with it; the second stays true, and is added to what the
//! others report.

use std::sync::Arc;

use foldhash::{HashMap, HashSet};
use skitai_wire::{Map, Value};

use super::merge::{Member, as_members, is_counted, is_measured};

/// The counters of a tree: numbers that only grow, largest values, means beside their counts, and the nodes that
/// they belong to. `Nil` if there are none.
pub fn counters(tree: &Value) -> Value {
    of("", tree, false).unwrap_or(Value::Nil)
}

fn of(name: &str, value: &Value, is_beneath: bool) -> Option<Value> {
    if is_measured(name) || name == "by_thread" {
        return None;
    }
    let is_counted = is_beneath || is_counted(name);
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
    name.starts_with("max") || name.starts_with("longest")
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
        (Value::List(_), Value::List(_)) => {
            let now: HashMap<Member<'_>, &Value> = as_members(now).unwrap_or_default().into_iter().collect();
            let before = as_members(before).unwrap_or_default();
            before.into_iter().any(|(member, before)| now.get(&member).is_some_and(|now| has_gone_back(before, now)))
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
            let kept = counters.0.iter().filter_map(|(name, counters)| match tree.get(name) {
                Some(tree) => Some((name.clone(), still_there(counters, tree)?)),
                // Some are named only once they have counted something.
                None => counters.as_f64().map(|_| (name.clone(), counters.clone())),
            });
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Value {
        serde_json::from_str(text).expect("it is JSON")
    }

    #[test]
    fn counters_are_what_stays_true() {
        let report = tree(
            r#"{"state": "up", "in_flight": 3, "calls": 9, "max_ms": 7, "by_thread": [{"calls": 9}],
                "latency": {"count": 2, "mean_ms": 1.5, "p95_ms": 4.0}, "statements": {"ok": 5, "outstanding": 1},
                "connections": {"open": 2, "configured": 5}, "asked": {"map": 4},
                "members": [{"node": "a:1", "ok": 1, "weight": 2}, {"node": "b:1", "state": "up"}]}"#,
        );
        let kept = tree(
            r#"{"calls": 9, "max_ms": 7, "latency": {"count": 2, "mean_ms": 1.5}, "statements": {"ok": 5},
                "asked": {"map": 4}, "members": [{"node": "a:1", "ok": 1}]}"#,
        );
        assert_eq!(counters(&report), kept);
        assert_eq!(counters(&tree(r#"{"state": "up"}"#)), Value::Nil);
    }

    #[test]
    fn a_node_that_is_listed_twice_has_not_begun_anew() {
        let before = tree(r#"{"members": [{"node": "a:1", "ok": 10}, {"node": "a:1", "ok": 5}]}"#);
        let later = tree(r#"{"members": [{"node": "a:1", "ok": 12}, {"node": "a:1", "ok": 6}]}"#);
        assert!(!has_gone_back(&before, &later) && has_gone_back(&later, &before));
        let without = tree(r#"{"members": [{"node": "b:1", "ok": 0}]}"#);
        assert!(!has_gone_back(&before, &without), "a member that is gone is no beginning");
    }

    #[test]
    fn what_nobody_has_any_more_is_not_shown_and_what_nobody_has_yet_is() {
        let counted = tree(
            r#"{"a": {"asked": {"map": 4, "lb": 1}, "members": [{"node": "x", "ok": 1}, {"node": "y", "ok": 2}]},
                "b": {"calls": 1}}"#,
        );
        let now = tree(r#"{"a": {"asked": {"lb": 1}, "members": [{"node": "y", "ok": 0}]}}"#);
        let shown = tree(r#"{"a": {"asked": {"map": 4, "lb": 1}, "members": [{"node": "y", "ok": 2}]}}"#);
        assert_eq!(still_there(&counted, &now), Some(shown));
    }
}
