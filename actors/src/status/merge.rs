//! Merges the reports of many threads, or processes, into one.
//!
//! The rules depend on the name of a value:
//!
//! - a number whose name is in [`COUNTED`] or [`MEASURED`] is added up, and so is every number beneath such a name
//!   (`asked: {..}`);
//! - of numbers whose name begins with `max` or `longest`, the largest is taken, and of percentiles as well: it is the
//!   one of the slowest thread;
//! - a number whose name begins with `mean`, beside a `count`, becomes the mean weighted by it;
//! - of `last_error`, the latest is taken, by its `when` or `at`;
//! - `shared` is one thing that every thread sees: it is taken once, and its content replaces it;
//! - maps are merged name by name, lists of members by their `node`;
//! - any other value is taken if all agree on it; if they differ, it becomes a list of the different values. A wrong
//!   sum of two ports would look right; a list of two cannot be mistaken.

use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

use foldhash::{HashMap, HashSet};
use skitai_wire::{Map, Value};

use super::counters::{is_largest, is_percentile};

/// Names of numbers that only grow: what they count is added up, and stays true when who counted is gone.
const COUNTED: &[&str] = &[
    // every actor (kit)
    "asked",
    "cancelled",
    "dead_letters",
    "done",
    "expired",
    "panics",
    "refused",
    "restarts",
    // clusters and databases
    "attempts",
    "buckets",
    "bytes_out",
    "calls",
    "closed",
    "count",
    "dials",
    "ejections",
    "errors",
    "extra_denied",
    "failed",
    "failures",
    "hedges",
    "not_admitted",
    "not_connected",
    "not_sent",
    "ok",
    "opened",
    "otlp_dropped",
    "partial",
    "queries",
    "reasons",
    "requests",
    "retries",
    "sent",
    "spared",
    "statements",
    "timed_out",
    "timeouts",
    "total_ms",
    "total_us",
    "waits",
    // the result cache
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

/// Names of numbers that are what is now. They are added up, too, and end with who reports them.
const MEASURED: &[&str] = &[
    "connections",
    "entries",
    "idle",
    "in_flight",
    "in_use",
    "limit",
    "missed",
    "open",
    "outstanding",
    // Of the last minute, whatever stands beneath it.
    "recent",
    "size",
    "waiting",
];

/// The same for a look: there are many names in the reports of thousands of members.
static NAMES: LazyLock<HashMap<&str, Added>> = LazyLock::new(|| {
    let named = |names: &[&'static str], added| names.iter().map(move |name| (*name, added)).collect::<Vec<_>>();
    named(COUNTED, Added::Counted).into_iter().chain(named(MEASURED, Added::Measured)).collect()
});

/// How a number is added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Added {
    Counted,
    Measured,
}

/// Whether numbers of this name only grow.
pub(super) fn is_counted(name: &str) -> bool {
    NAMES.get(name) == Some(&Added::Counted)
}

/// Whether numbers of this name are what is now.
pub(super) fn is_measured(name: &str) -> bool {
    NAMES.get(name) == Some(&Added::Measured)
}

/// Merges these trees, which are in the order of the threads or the processes. `Nil` if there is none.
pub fn merged(trees: &[&Value]) -> Value {
    value("", trees, false)
}

fn value(name: &str, values: &[&Value], summing: bool) -> Value {
    // A thread without a value (no error yet) does not contradict one that has one.
    let values: Vec<&Value> = values.iter().copied().filter(|value| **value != Value::Nil).collect();
    let Some(first) = values.first() else { return Value::Nil };
    let summing = summing || NAMES.contains_key(name);

    if matches!(name, "last_error" | "last error")
        && let Some(latest) = latest(&values)
    {
        return latest.clone();
    }
    if let Some(maps) = all(&values, Value::as_map) {
        return Value::Map(map(&maps, summing));
    }
    if let Some(lists) = all(&values, as_members) {
        return Value::List(members(&lists, summing));
    }
    let is_max = is_largest(name) || is_percentile(name);
    if let Some(numbers) = all(&values, as_whole) {
        if is_max {
            return Value::Int(numbers.into_iter().fold(i64::MIN, i64::max));
        }
        if summing {
            return Value::Int(numbers.into_iter().fold(0, i64::saturating_add));
        }
    }
    if let Some(numbers) = all(&values, Value::as_f64) {
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
    let mut merged: Vec<(Arc<str>, Value)> = Vec::with_capacity(maps.first().map_or(0, |map| map.0.len()));
    let mut add = |name: &Arc<str>, of_name: &[&Value]| match (&**name, of_name.last()) {
        ("shared", Some(Value::Map(shared))) => merged.extend(shared.0.iter().cloned()),
        _ => {
            let mean = if name.starts_with("mean") { mean(name, maps) } else { None };
            merged.push((name.clone(), mean.unwrap_or_else(|| value(name, of_name, summing))));
        }
    };
    if let Some((first, others)) = maps.split_first()
        && others.iter().all(|other| are_named_alike(first, other))
    {
        // Threads report alike, and there may be thousands of members: no name has to be looked for.
        let mut of_name = Vec::with_capacity(maps.len());
        for (at, (name, _)) in first.0.iter().enumerate() {
            of_name.clear();
            of_name.extend(maps.iter().map(|map| &map.0[at].1));
            add(name, &of_name);
        }
    } else {
        for name in names(maps.iter().flat_map(|map| map.0.iter().map(|(name, _)| name))) {
            let of_name: Vec<&Value> = maps.iter().filter_map(|map| map.get(&name)).collect();
            add(&name, &of_name);
        }
    }
    Map(merged)
}

/// Whether two maps have the same names in the same order.
fn are_named_alike(one: &Map, other: &Map) -> bool {
    one.0.len() == other.0.len() && one.0.iter().zip(&other.0).all(|((one, _), (other, _))| one == other)
}

/// The overall mean, if every map has the count behind its own mean.
fn mean(name: &str, maps: &[&Map]) -> Option<Value> {
    let (mut total, mut count) = (0.0, 0.0);
    for map in maps {
        let (mean, weight) = (map.get(name)?.as_f64()?, map.get("count")?.as_f64()?);
        total += mean * weight;
        count += weight;
    }
    Some(Value::Double(if count > 0.0 { total / count } else { 0.0 }))
}

fn members(lists: &[Vec<(Member<'_>, &Value)>], summing: bool) -> Vec<Value> {
    // By a table: there may be thousands.
    let (mut order, mut of_member) = (Vec::new(), HashMap::<Member<'_>, Vec<&Value>>::default());
    for (member, content) in lists.iter().flatten() {
        let contents = of_member.entry(*member).or_default();
        if contents.is_empty() {
            order.push(*member);
        }
        contents.push(content);
    }
    order.iter().map(|member| value("", &of_member[member], summing)).collect()
}

/// Each name once, in the order of its first appearance.
fn names<'a>(all: impl Iterator<Item = &'a Arc<str>>) -> Vec<Arc<str>> {
    let mut seen = HashSet::<&str>::default();
    all.filter(|name| seen.insert(name)).cloned().collect()
}

fn all<'a, T>(values: &[&'a Value], kind: impl Fn(&'a Value) -> Option<T>) -> Option<Vec<T>> {
    values.iter().map(|value| kind(value)).collect()
}

/// A whole number; a double is a measure even if it happens to be whole.
fn as_whole(value: &Value) -> Option<i64> {
    if let Value::Double(_) = value { None } else { value.as_i64() }
}

/// A member's node, and its number among the members of that node: a cluster may list a node twice.
pub(super) type Member<'a> = (&'a str, usize);

/// The members, if the value is a list whose items all have a `node`.
pub(super) fn as_members(value: &Value) -> Option<Vec<(Member<'_>, &Value)>> {
    let (mut members, mut of_node) = (Vec::new(), HashMap::<&str, usize>::default());
    for item in value.as_list()? {
        let node = item.get("node")?.as_str()?;
        let nth = of_node.entry(node).or_default();
        members.push(((node, *nth), item));
        *nth += 1;
    }
    Some(members)
}

/// The item with the latest `when` (or `at`), which is a number of seconds or an ISO 8601 text.
fn latest<'a>(values: &[&'a Value]) -> Option<&'a Value> {
    let when = |value: &'a Value| value.get("when").or_else(|| value.get("at"));
    let (mut latest, mut value) = (when(values.first()?)?, *values.first()?);
    for other in &values[1..] {
        let time = when(other)?;
        // If the times cannot be compared, the rule for differing values applies.
        if ordered(time, latest)?.is_gt() {
            (latest, value) = (time, *other);
        }
    }
    Some(value)
}

/// The order of two times. One that came from another process as JSON is a text there.
fn ordered(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::DateTime(one), Value::String(other)) => Some(one.cmp(other)),
        (Value::String(one), Value::DateTime(other)) => Some(one.cmp(other)),
        _ => one.partial_cmp(other),
    }
}
