//! The message, the questions to the actors, the tree.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use skitai_wire::{Map, Value};

use super::merge::merged;
use super::process;
use super::registry::{Registered, Registry};
use super::wanted::{TOP, TreePath, paths};
use crate::kit::report::ActorReport;
use crate::kit::{ActorRef, Answers, Responder};

/// Time that the status actor may take beyond that of the other actors: to merge, and to list those that did not
/// answer.
const MERGE_RESERVE: Duration = Duration::from_millis(250);

/// Asks for the status of the process. The message's own deadline must be later than `within`; [`ask`] sets it so.
#[derive(Clone, Debug)]
pub struct Ask {
    /// A top-level key or an actor's name, for that part alone; also `CLUSTER:name` and `was.cluster[name]`.
    pub filter: Option<String>,
    /// How long an actor may take to answer.
    pub within: Duration,
}

/// The one slot of an [`Ask`], as "not sent".
pub fn slots() -> Vec<ActorReport> {
    let pairs = [("actor", Value::String("status".to_owned())), ("answered", Value::Bool(false))];
    vec![ActorReport(Value::from_pairs(pairs))]
}

/// Asks for the status and waits for it: the whole tree, or the part that the filter selects.
pub async fn ask(actor: &ActorRef<StatusActor>, filter: Option<String>, within: Duration) -> Value {
    let until = Instant::now() + within + MERGE_RESERVE;
    let replies = actor.ask(Ask { filter, within }, slots(), None, until);
    replies.all(until).await.pop().map_or(Value::Nil, |report| report.0)
}

/// The actor that asks all others. One per process.
#[derive(Debug)]
pub struct StatusActor {
    registry: Arc<Registry>,
    about: Value,
}

impl StatusActor {
    /// An actor that asks all registered actors. `about` describes this server: instance, version, configuration.
    pub fn new(registry: Arc<Registry>, about: Value) -> StatusActor {
        StatusActor { registry, about }
    }
}

impl Answers<Ask> for StatusActor {
    type Item = ActorReport;
    const NAME: &'static str = "status.ask";

    fn answer(
        &mut self,
        Ask { filter, within }: Ask,
        responder: Responder<ActorReport>,
    ) -> impl Future<Output = ()> + 'static {
        let (registry, about) = (self.registry.clone(), self.about.clone());
        async move {
            let actors = registry.actors();
            let wanted = match filter.map(|filter| found(&filter, &actors).ok_or(filter)).transpose() {
                Ok(wanted) => wanted,
                Err(filter) => return responder.put(0, ActorReport(unknown(&filter, &actors))),
            };
            let threads = actors.iter().map(|actor| actor.thread).collect::<BTreeSet<_>>().len();
            let asked = actors.into_iter().filter(|actor| {
                let path = TreePath::of_actor(&actor.reporter.name());
                wanted.as_ref().is_none_or(|wanted| wanted.top == "actors" || path.is_within(wanted))
            });
            let until = Instant::now() + within;
            let heard = join_all(asked.map(|actor| hear(actor, until))).await;
            let tree = Map(whole(&registry, &about, threads, &heard));
            responder.put(
                0,
                ActorReport(Value::Map(match wanted {
                    Some(wanted) => Map(tree.0.into_iter().filter(|(key, _)| **key == *wanted.top).collect()),
                    None => tree,
                })),
            );
        }
    }
}

/// The path that a filter means, if there is something at it.
fn found(filter: &str, actors: &[Registered]) -> Option<TreePath> {
    let is_there = |path: &TreePath| {
        let mut of_actors = actors.iter().map(|actor| TreePath::of_actor(&actor.reporter.name()));
        let is_always_there = ["about", "process", "threads", "clusters", "databases", "actors"].contains(&path.top);
        path.name.is_none() && is_always_there || of_actors.any(|actor| actor.is_within(path))
    };
    paths(filter).into_iter().find(is_there)
}

fn unknown(filter: &str, actors: &[Registered]) -> Value {
    let names: BTreeSet<String> = actors.iter().map(|actor| actor.reporter.name()).collect();
    let known = TOP.into_iter().map(str::to_owned).chain(names).map(Value::String).collect();
    let error = format!("the status has no part {filter:?}");
    Value::from_pairs([("error", Value::String(error)), ("known", Value::List(known))])
}

/// The report of one actor on one thread.
struct Heard {
    thread: usize,
    name: String,
    answered: bool,
    report: Value,
    gauges: Value,
}

async fn hear(actor: Registered, until: Instant) -> Heard {
    let report = actor.reporter.report(until).all(until).await.pop().map_or(Value::Nil, |report| report.0);
    let answered = !matches!(&report, Value::Map(map) if map.get("answered") == Some(&Value::Bool(false)));
    let (name, gauges) = (actor.reporter.name(), actor.reporter.gauges().tree());
    Heard { thread: actor.thread, name, answered, report, gauges }
}

impl Heard {
    /// The actor's thread and name, then its report.
    fn entry(&self, with_name: bool, content: &Value) -> Value {
        let mut pairs = vec![(Arc::from("thread"), number(self.thread))];
        if with_name {
            pairs.push((Arc::from("name"), Value::String(self.name.clone())));
        }
        pairs.push((Arc::from("answered"), Value::Bool(self.answered)));
        if let Value::Map(content) = content {
            let rest = content.0.iter().filter(|(key, _)| !matches!(&**key, "thread" | "name" | "actor" | "answered"));
            pairs.extend(rest.cloned());
        }
        Value::Map(Map(pairs))
    }
}

fn number(number: usize) -> Value {
    Value::Int(number.cast_signed() as i64)
}

/// The whole tree, in the order of [`TOP`].
fn whole(registry: &Registry, about: &Value, threads: usize, heard: &[Heard]) -> Vec<(Arc<str>, Value)> {
    let mut paths: Vec<TreePath> = Vec::new();
    for path in heard.iter().map(|heard| TreePath::of_actor(&heard.name)) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let several = |top: &str| {
        let named = paths.iter().filter(|path| path.top == top);
        let pairs = named.filter_map(|path| Some((Arc::from(path.name.as_deref()?), one(path, heard))));
        Value::Map(Map(pairs.collect()))
    };
    let mut tree: Vec<(Arc<str>, Value)> = Vec::new();
    for top in TOP {
        let value = match top {
            "about" => about.clone(),
            "process" => process::facts(registry),
            "threads" => number(threads),
            "clusters" | "databases" => several(top),
            "others" => match several(top) {
                Value::Map(none) if none.0.is_empty() => continue,
                others => others,
            },
            "actors" => Value::List(heard.iter().map(|heard| heard.entry(true, &heard.gauges)).collect()),
            _ => match paths.iter().find(|path| path.top == top) {
                Some(path) => one(path, heard),
                None => continue,
            },
        };
        tree.push((Arc::from(top), value));
    }
    tree
}

/// The actors at one path: their merged reports, how many of them answered, and each report by itself.
fn one(path: &TreePath, heard: &[Heard]) -> Value {
    let of_path: Vec<&Heard> = heard.iter().filter(|heard| TreePath::of_actor(&heard.name) == *path).collect();
    let answers: Vec<&Value> = of_path.iter().filter(|heard| heard.answered).map(|heard| &heard.report).collect();
    let mut pairs = vec![
        (Arc::from("answered"), Value::Bool(answers.len() == of_path.len())),
        (Arc::from("threads_asked"), number(of_path.len())),
        (Arc::from("threads_answered"), number(answers.len())),
    ];
    match merged(&answers) {
        Value::Map(merged) => pairs.extend(merged.0),
        Value::Nil => {}
        other => pairs.push((Arc::from("told"), other)),
    }
    let by_thread = of_path.iter().map(|heard| heard.entry(false, &heard.report)).collect();
    pairs.push((Arc::from("by_thread"), Value::List(by_thread)));
    Value::Map(Map(pairs))
}
