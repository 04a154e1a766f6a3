//! Many workers' trees to one.
//!
//! The rules, by what a value is called:
//!
//! - a number whose name is in [`SUMMED`] is added up, and so is every number beneath such a name (`asked: {..}`);
//! - a number whose name begins with `max` is the largest;
//! - `last_error` is the latest, by its `when`;
//! - `shared` is one thing that every worker sees: taken once, its content put in its place;
//! - maps are merged name by name, lists of members by their `node`;
//! - anything else is itself where all workers agree, and a list of the different values where they do not: a wrong sum
//!   of two ports would look right, a list of two cannot be mistaken.

use std::sync::Arc;

use skitai_wire::{Map, Value};

/// Names of numbers that count per worker and are added up. A number of another name is shown as it is.
const SUMMED: &[&str] = &[
    // every actor (kit)
    "asked",
    "cancelled",
    "done",
    "expired",
    "in_flight",
    "limit",
    "panics",
    "refused",
    "restarts",
    // clusters and databases
    "active",
    "attempts",
    "available",
    "bytes_in",
    "bytes_out",
    "calls",
    "cancels",
    "closed",
    "connected",
    "connections",
    "dials",
    "discarded",
    "ejections",
    "errors",
    "failed",
    "failures",
    "hedges",
    "idle",
    "in_use",
    "not_admitted",
    "not_sent",
    "ok",
    "open",
    "opened",
    "outstanding",
    "queries",
    "reasons",
    "requests",
    "retries",
    "reused",
    "rows",
    "size",
    "statements",
    "successes",
    "timed_out",
    "timeouts",
    "waiting",
    // the result cache, whose figures are added up over processes
    "entries",
    "evicted",
    "followed",
    "forgets",
    "hits",
    "led",
    "misses",
    "refused_incomplete",
    "stored",
    // sessions
    "absent",
    "load_failed",
    "loaded",
    "removed",
    "save_failed",
    "saved",
    "too_large",
];

/// One tree of these, which are in the order of the workers. `Nil` for none.
pub(super) fn merged(trees: &[&Value]) -> Value {
    value("", trees, false)
}

fn value(name: &str, values: &[&Value], summing: bool) -> Value {
    // A worker that has nothing to say (no error yet) does not contradict one that has.
    let values: Vec<&Value> = values.iter().copied().filter(|value| **value != Value::Nil).collect();
    let Some(first) = values.first() else { return Value::Nil };
    let summing = summing || SUMMED.contains(&name);

    if matches!(name, "last_error" | "last error")
        && let Some(latest) = latest(&values)
    {
        return latest.clone();
    }
    if let Some(maps) = all(&values, as_map) {
        return Value::Map(map(&maps, summing));
    }
    if let Some(lists) = all(&values, as_members) {
        return Value::List(members(&lists, summing));
    }
    let is_max = name.starts_with("max");
    if let Some(numbers) = all(&values, as_int) {
        if is_max {
            return Value::Int(numbers.into_iter().fold(i64::MIN, i64::max));
        }
        if summing {
            return Value::Int(numbers.into_iter().fold(0, i64::saturating_add));
        }
    }
    if let Some(numbers) = all(&values, as_number) {
        if is_max {
            return Value::Double(numbers.into_iter().fold(f64::NEG_INFINITY, f64::max));
        }
        if summing {
            return Value::Double(numbers.into_iter().sum());
        }
    }
    let mut different: Vec<&Value> = Vec::new();
    for value in &values {
        if !different.contains(value) {
            different.push(value);
        }
    }
    if different.len() == 1 { (*first).clone() } else { Value::List(different.into_iter().cloned().collect()) }
}

fn map(maps: &[&Map], summing: bool) -> Map {
    let mut merged: Vec<(Arc<str>, Value)> = Vec::new();
    for name in names(maps.iter().flat_map(|map| map.0.iter().map(|(name, _)| name))) {
        let of_name: Vec<&Value> = maps.iter().filter_map(|map| map.get(&name)).collect();
        match (&*name, of_name.last()) {
            ("shared", Some(Value::Map(shared))) => merged.extend(shared.0.iter().cloned()),
            _ => merged.push((name.clone(), value(&name, &of_name, summing))),
        }
    }
    Map(merged)
}

fn members(lists: &[Vec<(&str, &Value)>], summing: bool) -> Vec<Value> {
    let nodes = names(lists.iter().flatten().map(|(node, _)| node));
    let of_node = |node: &str| -> Vec<&Value> {
        lists.iter().flatten().filter(|(other, _)| *other == node).map(|(_, member)| *member).collect()
    };
    nodes.into_iter().map(|node| value("", &of_node(node), summing)).collect()
}

/// Each name once, in the order of its first appearance.
fn names<'a, T: PartialEq + Clone + 'a>(all: impl Iterator<Item = &'a T>) -> Vec<T> {
    let mut names: Vec<T> = Vec::new();
    for name in all {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn all<'a, T>(values: &[&'a Value], kind: impl Fn(&'a Value) -> Option<T>) -> Option<Vec<T>> {
    values.iter().map(|value| kind(value)).collect()
}

fn as_map(value: &Value) -> Option<&Map> {
    if let Value::Map(map) = value { Some(map) } else { None }
}

/// A list whose items all have a `node`.
fn as_members(value: &Value) -> Option<Vec<(&str, &Value)>> {
    let Value::List(items) = value else { return None };
    items
        .iter()
        .map(|item| match as_map(item)?.get("node")? {
            Value::String(node) => Some((node.as_str(), item)),
            _ => None,
        })
        .collect()
}

fn as_int(value: &Value) -> Option<i64> {
    if let Value::Int(number) = value { Some(*number) } else { None }
}

fn as_number(value: &Value) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "a mixed sum is a measure, not a count")]
        Value::Int(number) => Some(*number as f64),
        Value::Double(number) => Some(*number),
        _ => None,
    }
}

/// The one with the greatest `when`, whether that is a number of seconds or an ISO 8601 text.
fn latest<'a>(values: &[&'a Value]) -> Option<&'a Value> {
    let whens = all(values, |value| as_map(value)?.get("when"))?;
    let mut latest = (*whens.first()?, *values.first()?);
    for (when, value) in whens.into_iter().zip(values.iter().copied()) {
        let is_later = match (when, latest.0) {
            (Value::String(one) | Value::DateTime(one), Value::String(other) | Value::DateTime(other)) => one > other,
            (one, other) => as_number(one)? > as_number(other)?,
        };
        if is_later {
            latest = (when, value);
        }
    }
    Some(latest.1)
}
