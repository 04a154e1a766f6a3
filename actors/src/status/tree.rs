//! The tree that is shown: what the processes of the instance know, as one.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use skitai_wire::{Map, Value};

use super::counters::still_there;
use super::merge::merged;
use super::siblings::FromSiblings;
use super::snapshot::{Heard, Snapshot};
use super::wanted::{BESIDE, RECALLED, TOP, TreePath};
use crate::kit::percentiles;

/// Records that a list of them has.
const LISTED: usize = 50;

/// The processes that have answered, the asked one first, and what others had counted.
struct Processes<'s> {
    answered: Vec<&'s Snapshot>,
    /// Trees of counters, of those that are silent or have ended.
    counted: Vec<&'s Value>,
    /// Whether what each thread said is shown beside the sums.
    has_threads: bool,
}

/// The whole tree, in the order of [`TOP`].
pub(super) fn whole(
    about: &Value,
    own: &Snapshot,
    others: Option<&FromSiblings>,
    (begun, has_threads): (Instant, bool),
) -> Map {
    let siblings = || others.into_iter().flat_map(|others| &others.processes).filter(|other| other.pid != own.pid);
    let answered = std::iter::once(own).chain(siblings().filter_map(|sibling| sibling.snapshot.as_ref())).collect();
    let silent = siblings().filter(|sibling| sibling.snapshot.is_none()).map(|sibling| &sibling.counted);
    let counted = silent.chain(others.map(|others| &others.ended)).collect();
    let processes = Processes { answered, counted, has_threads };
    let paths = processes.paths();
    let several = |top: &str| {
        let named = paths.iter().filter(|path| path.top == top);
        let pairs = named.filter_map(|path| Some((Arc::from(path.name.as_deref()?), processes.at(path))));
        Value::Map(Map(pairs.collect()))
    };
    let mut tree: Vec<(Arc<str>, Value)> = Vec::new();
    for top in TOP {
        let value = match top {
            // Made at last, because it says how long all of it took.
            "about" => Value::Nil,
            "process" => own.facts.clone(),
            "processes" => match others {
                Some(others) => of_instance(own, others),
                None => continue,
            },
            "threads" => number(processes.threads()),
            "clusters" | "databases" => several(top),
            "others" => match several(top) {
                Value::Map(none) if none.0.is_empty() => continue,
                others => others,
            },
            "actors" => Value::List(processes.heard().map(|(pid, heard)| entry(pid, heard, true)).collect()),
            "log" => match processes.beside(top) {
                Some(lines) => with_supervisor(lines, others),
                None => continue,
            },
            "routes" => match processes.beside(top) {
                Some(routes) => with_percentiles(routes),
                None => continue,
            },
            beside if BESIDE.contains(&beside) => match processes.beside(top) {
                Some(value) => value,
                None => continue,
            },
            _ => match paths.iter().find(|path| path.top == top) {
                Some(path) => processes.at(path),
                None => continue,
            },
        };
        tree.push((Arc::from(top), value));
    }
    if let Some((_, first)) = tree.first_mut() {
        *first = at_this_moment(about, begun);
    }
    Map(tree)
}

/// What is known of the server, with the moment of this tree, in seconds since 1970, and how long it took to make.
fn at_this_moment(about: &Value, begun: Instant) -> Value {
    let mut pairs = about.as_map().map(|map| map.0.clone()).unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    pairs.push((Arc::from("at"), Value::Int(now.as_secs().cast_signed())));
    let took = (begun.elapsed().as_secs_f64() * 1e4).round() / 10.0;
    pairs.push((Arc::from("took_ms"), Value::Double(took)));
    Value::Map(Map(pairs))
}

/// Each process of the instance, and what became of those that have ended.
fn of_instance(own: &Snapshot, others: &FromSiblings) -> Value {
    let one = |sibling: &super::Sibling| {
        let snapshot = if sibling.pid == own.pid { Some(own) } else { sibling.snapshot.as_ref() };
        let mut pairs = vec![(Arc::from("pid"), Value::Int(sibling.pid.into()))];
        pairs.push((Arc::from("answered"), Value::Bool(snapshot.is_some())));
        for more in [Some(&sibling.about), snapshot.map(|snapshot| &snapshot.facts)].into_iter().flatten() {
            if let Value::Map(more) = more {
                pairs.extend(more.0.iter().filter(|(name, _)| &**name != "pid").cloned());
            }
        }
        if let Some(requests) = snapshot.and_then(|snapshot| snapshot.beside.get("requests")) {
            pairs.push((Arc::from("requests"), requests.clone()));
        }
        Value::Map(Map(pairs))
    };
    let mut pairs = vec![
        ("running", Value::List(others.processes.iter().map(one).collect())),
        ("ended", Value::Int(others.ended_count.cast_signed())),
        ("killed", Value::Int(others.killed_count.cast_signed())),
        ("ended_requests", others.ended.get("requests").cloned().unwrap_or_default()),
    ];
    pairs.extend(others.problem.iter().map(|problem| ("problem", Value::String(problem.clone()))));
    if let Value::Map(supervisor) = &others.supervisor {
        let rest = supervisor.0.iter().filter(|(name, _)| &**name != "log");
        pairs.push(("supervisor", Value::Map(Map(rest.cloned().collect()))));
    }
    Value::from_pairs(pairs)
}

/// The lines of all processes, and those of the supervisor.
fn with_supervisor(lines: Value, others: Option<&FromSiblings>) -> Value {
    let supervisor = others.map(|others| &others.supervisor);
    let pid = supervisor.and_then(|told| told["pid"].as_i64()).unwrap_or_default();
    let own = supervisor.and_then(|told| told["log"].as_list()).unwrap_or_default();
    let own = own.iter().map(|line| of_process(u32::try_from(pid).unwrap_or_default(), line));
    Value::List(lines.into_list().into_iter().chain(own).collect())
}

/// Percentiles beside each histogram. There are none of all processes from those of each, so they are made at last.
fn with_percentiles(told: Value) -> Value {
    let Value::Map(map) = told else { return told };
    let found = map.get("buckets").and_then(percentiles);
    let mut pairs: Vec<(Arc<str>, Value)> =
        map.0.into_iter().map(|(name, value)| (name, with_percentiles(value))).collect();
    pairs.extend(found.into_iter().flatten().map(|(name, millis)| (Arc::from(name), Value::Double(millis))));
    Value::Map(Map(pairs))
}

impl<'s> Processes<'s> {
    fn paths(&self) -> Vec<TreePath> {
        let mut paths: Vec<TreePath> = Vec::new();
        for path in self.answered.iter().flat_map(|snapshot| snapshot.paths()) {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
    }

    /// The reports of all processes, with their process ids.
    fn heard(&self) -> impl Iterator<Item = (u32, &'s Heard)> {
        self.answered.iter().flat_map(|snapshot| snapshot.heard.iter().map(|heard| (snapshot.pid, heard)))
    }

    fn threads(&self) -> usize {
        self.answered.iter().map(|snapshot| snapshot.threads).sum()
    }

    /// The actors at one path: their merged reports, how many of them answered, and each report by itself.
    fn at(&self, path: &TreePath) -> Value {
        let of_path: Vec<(u32, &Heard)> =
            self.heard().filter(|(_, heard)| TreePath::of_actor(&heard.name) == *path).collect();
        let answers = of_path.iter().filter(|(_, heard)| heard.answered).count();
        let mut pairs = vec![
            (Arc::from("answered"), Value::Bool(answers == of_path.len())),
            (Arc::from("threads_asked"), number(of_path.len())),
            (Arc::from("threads_answered"), number(answers)),
        ];
        let told: Vec<Value> = self.answered.iter().map(|snapshot| snapshot.merged_at(path)).collect();
        match self.with_counted(told, |counted| path.get(counted)) {
            Value::Map(merged) => pairs.extend(merged.0),
            Value::Nil => {}
            other => pairs.push((Arc::from("told"), other)),
        }
        if self.has_threads {
            let by_thread = of_path.iter().map(|(pid, heard)| entry(*pid, heard, false)).collect();
            pairs.push((Arc::from("by_thread"), Value::List(by_thread)));
        }
        Value::Map(Map(pairs))
    }

    /// What all processes know beside their actors.
    fn beside(&self, top: &str) -> Option<Value> {
        let of_all = self.answered.iter().filter_map(|snapshot| Some((snapshot.pid, snapshot.beside.get(top)?)));
        let of_all: Vec<(u32, &Value)> = of_all.collect();
        // A list has an entry for each thread or file that it is about.
        if let [(_, Value::List(_)), ..] = of_all[..] {
            let entries = of_all.iter().flat_map(|(pid, value)| {
                let entries = value.as_list().unwrap_or_default().iter();
                entries.map(|entry| of_process(*pid, entry))
            });
            let mut entries: Vec<Value> = entries.collect();
            if top == RECALLED {
                // Of all processes the newest, newest first.
                let at = |entry: &Value| entry.get("at").and_then(Value::as_f64).unwrap_or_default();
                entries.sort_by(|one, other| at(other).total_cmp(&at(one)));
                entries.truncate(LISTED);
            }
            return Some(Value::List(entries));
        }
        let told: Vec<Value> = of_all.iter().map(|(_, value)| (*value).clone()).collect();
        (!told.is_empty()).then(|| {
            // The name of a number says whether it is added up.
            let named: Vec<Value> = told.iter().map(|value| Value::from_pairs([(top, value.clone())])).collect();
            let sum = self.with_counted(named, |counted| Some(counted).filter(|counted| counted.get(top).is_some()));
            sum.get(top).cloned().unwrap_or_default()
        })
    }

    /// What processes tell as one, with what others had counted of the same.
    fn with_counted(&self, mut told: Vec<Value>, place: impl Fn(&'s Value) -> Option<&'s Value>) -> Value {
        // One alone was merged already, of its threads.
        let now = match told.len() {
            1 => told.remove(0),
            _ => merged(&told.iter().collect::<Vec<_>>()),
        };
        let counted = self.counted.iter().filter_map(|counted| still_there(place(counted)?, &now));
        let counted: Vec<Value> = counted.collect();
        if counted.is_empty() { now } else { merged(&std::iter::once(&now).chain(&counted).collect::<Vec<_>>()) }
    }
}

/// The actor's process, thread and name, then its gauges or its report.
fn entry(pid: u32, heard: &Heard, is_of_actor: bool) -> Value {
    let mut pairs = vec![(Arc::from("process"), Value::Int(pid.into())), (Arc::from("thread"), number(heard.thread))];
    if is_of_actor {
        pairs.push((Arc::from("name"), Value::String(heard.name.clone())));
    }
    pairs.push((Arc::from("answered"), Value::Bool(heard.answered)));
    if let Value::Map(content) = if is_of_actor { &heard.gauges } else { &heard.report } {
        let rest = content.0.iter().filter(|(key, _)| !matches!(&**key, "thread" | "name" | "actor" | "answered"));
        pairs.extend(rest.cloned());
    }
    Value::Map(Map(pairs))
}

fn of_process(pid: u32, entry: &Value) -> Value {
    let rest = entry.as_map().map(|map| map.0.clone()).unwrap_or_default();
    Value::Map(Map(std::iter::once((Arc::from("process"), Value::Int(pid.into()))).chain(rest).collect()))
}

fn number(number: usize) -> Value {
    Value::Int(number.cast_signed() as i64)
}
