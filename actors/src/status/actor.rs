//! The messages, and the questions to the actors.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use skitai_wire::{Map, Value};

use super::ledger::Ledger;
use super::process;
use super::registry::{Registered, Registry};
use super::siblings::Siblings;
use super::snapshot::{Heard, Snapshot, SnapshotReply};
use super::tree;
use super::wanted::{BESIDE_BY_NAME, OF_ACTORS, RECALLED, StatusFilter, TOLD, TOP, TreePath, meanings};
use crate::kit::report::ActorReport;
use crate::kit::{ActorRef, Answers, Responder};

/// Time that the status actor may take beyond that of the other actors: for the way to other processes and the
/// reckoning, which have bounds of their own, and to merge, which of thousands of members on a busy machine takes its
/// time. Late is better than nothing.
const MERGE_RESERVE: Duration = Duration::from_secs(2);

/// Asks for the status of the instance. The message's own deadline must be later than `within`; [`ask`] sets it so.
#[derive(Clone, Debug)]
pub struct Ask {
    /// A top-level key, or the name of an actor or an object, for that part alone; also as the original Skitai named
    /// them: `CLUSTER:name`, `was.cluster[name]`, `was.httpserver`.
    pub filter: Option<String>,
    /// How long an actor may take to answer.
    pub within: Duration,
    /// Whether what each thread said is wanted beside the sums: of a thousand members that is most of the work.
    pub has_threads: bool,
}

/// The one slot of an [`Ask`], as "not sent".
pub fn slots() -> Vec<ActorReport> {
    let pairs = [("actor", Value::String("status".to_owned())), ("answered", Value::Bool(false))];
    vec![ActorReport(Value::from_pairs(pairs))]
}

/// Asks for the status and waits for it: the whole tree, or the part that the filter selects.
pub async fn ask(actor: &ActorRef<StatusActor>, filter: Option<String>, within: Duration) -> Value {
    told(actor, Ask { filter, within, has_threads: true }).await
}

/// The same of the whole, without what each thread said.
pub async fn ask_for_sums(actor: &ActorRef<StatusActor>, within: Duration) -> Value {
    told(actor, Ask { filter: None, within, has_threads: false }).await
}

async fn told(actor: &ActorRef<StatusActor>, question: Ask) -> Value {
    let until = Instant::now() + question.within + MERGE_RESERVE;
    let replies = actor.ask(question, slots(), None, until);
    replies.all(until).await.pop().map_or(Value::Nil, |report| report.0)
}

/// Asks for what this process knows of itself, to be sent to another one, or kept.
#[derive(Clone, Debug)]
pub struct AskSnapshot {
    /// As that of [`Ask`]. What it selects may be elsewhere alone: then nothing is selected here.
    pub filter: Option<String>,
    /// How long an actor may take to answer.
    pub within: Duration,
    /// For who keeps counters: without the parts of the status in which nothing is counted.
    pub for_counters: bool,
}

/// Asks for what this process knows of itself. `None` if the status actor does not answer.
pub async fn snapshot(actor: &ActorRef<StatusActor>, filter: Option<String>, within: Duration) -> Option<Snapshot> {
    asked(actor, AskSnapshot { filter, within, for_counters: false }).await
}

/// Asks for what this process has counted, to be kept.
pub async fn counted(actor: &ActorRef<StatusActor>, within: Duration) -> Option<Snapshot> {
    asked(actor, AskSnapshot { filter: None, within, for_counters: true }).await
}

async fn asked(actor: &ActorRef<StatusActor>, question: AskSnapshot) -> Option<Snapshot> {
    let until = Instant::now() + question.within + MERGE_RESERVE;
    let replies = actor.ask(question, vec![SnapshotReply(None)], None, until);
    replies.all(until).await.pop()?.0
}

/// Makes what is known beside the actors, by top-level keys of the tree: of the parts that are wanted.
pub type Beside = Arc<dyn Fn(&dyn Fn(&str) -> bool) -> Map + Send + Sync>;

/// Tells records of requests: the newest in short, or all of the request with this id.
pub type Recall = Arc<dyn Fn(Option<&str>) -> Value + Send + Sync>;

/// The actor that asks all others. One per process.
pub struct StatusActor {
    asking: Asking,
    about: Value,
    siblings: Option<Arc<dyn Siblings>>,
}

/// What a question needs, for as long as it is answered.
#[derive(Clone)]
struct Asking {
    registry: Arc<Registry>,
    beside: Beside,
    recall: Option<Recall>,
    ledger: Arc<Mutex<Ledger>>,
    /// How many snapshots there have been.
    snapshots: Arc<AtomicU64>,
}

impl std::fmt::Debug for StatusActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatusActor").field("registry", &self.asking.registry).finish_non_exhaustive()
    }
}

impl StatusActor {
    /// An actor that asks all registered actors. `about` describes this server: instance, version, configuration.
    pub fn new(registry: Arc<Registry>, about: Value) -> StatusActor {
        let beside: Beside = Arc::new(|_| Map(Vec::new()));
        StatusActor {
            asking: Asking { registry, beside, recall: None, ledger: Arc::default(), snapshots: Arc::default() },
            about,
            siblings: None,
        }
    }

    /// Adds what is known beside the actors: `requests`, `held` and `certificates` of the tree.
    pub fn beside(mut self, beside: Beside) -> StatusActor {
        self.asking.beside = beside;
        self
    }

    /// Adds records of requests: `trail` of the tree, for who asks for it by that name.
    pub fn recalling(mut self, recall: Option<Recall>) -> StatusActor {
        self.asking.recall = recall;
        self
    }

    /// Makes it one of several in an instance.
    pub fn among(mut self, siblings: Option<Arc<dyn Siblings>>) -> StatusActor {
        self.siblings = siblings;
        self
    }
}

impl Answers<Ask> for StatusActor {
    type Item = ActorReport;
    const NAME: &'static str = "status.ask";

    fn answer(
        &mut self,
        Ask { filter, within, has_threads }: Ask,
        responder: Responder<ActorReport>,
    ) -> impl Future<Output = ()> + 'static {
        let (asking, about, siblings) = (self.asking.clone(), self.about.clone(), self.siblings.clone());
        async move {
            let begun = Instant::now();
            let actors = asking.registry.actors();
            let wanted = match filter.as_deref().map(|filter| asking.found(filter, &actors).ok_or(filter)).transpose() {
                Ok(wanted) => wanted,
                Err(filter) => return responder.put(0, ActorReport(asking.unknown(filter, &actors))),
            };
            let others = async {
                match &siblings {
                    Some(siblings) => Some(siblings.ask(filter.clone(), within).await),
                    None => None,
                }
            };
            let own = asking.snapshot(wanted.as_ref(), within, false);
            let (own, others) = futures_util::future::join(own, others).await;
            if let (Some(siblings), None) = (&siblings, &wanted) {
                siblings.note(&own);
            }
            let whole = tree::whole(&about, &own, others.as_ref(), (begun, has_threads));
            responder.put(
                0,
                ActorReport(Value::Map(match wanted {
                    Some(wanted) => wanted.of(whole),
                    None => whole,
                })),
            );
        }
    }
}

impl Answers<AskSnapshot> for StatusActor {
    type Item = SnapshotReply;
    const NAME: &'static str = "status.snapshot";

    fn answer(
        &mut self,
        AskSnapshot { filter, within, for_counters }: AskSnapshot,
        responder: Responder<SnapshotReply>,
    ) -> impl Future<Output = ()> + 'static {
        let asking = self.asking.clone();
        async move {
            let actors = asking.registry.actors();
            let wanted = filter.map(|filter| asking.found(&filter, &actors).unwrap_or(StatusFilter(Vec::new())));
            let snapshot = asking.snapshot(wanted.as_ref(), within, for_counters).await;
            responder.put(0, SnapshotReply(Some(snapshot)));
        }
    }
}

impl Asking {
    /// Asks the actors that are wanted.
    async fn snapshot(&self, wanted: Option<&StatusFilter>, within: Duration, for_counters: bool) -> Snapshot {
        let number = self.snapshots.fetch_add(1, Relaxed);
        let actors = self.registry.actors();
        let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted.has_actor(name));
        let asked = actors.iter().filter(|actor| is_wanted(&actor.reporter.name()));
        let until = Instant::now() + within;
        let heard = join_all(asked.cloned().map(|actor| hear(actor, until))).await;
        let mut ledger = self.ledger();
        // As it is now: another snapshot may have noted who came meanwhile, and parted with who went.
        let actors = self.registry.actors();
        let there: BTreeSet<(usize, String)> =
            actors.iter().map(|actor| (actor.thread, actor.reporter.name())).collect();
        let is_there = |thread: usize, name: &str| there.contains(&(thread, name.to_owned()));
        heard.iter().for_each(|heard| ledger.note(heard, number, is_there(heard.thread, &heard.name)));
        ledger.part(is_there);
        let threads = actors.iter().map(|actor| actor.thread).collect::<BTreeSet<_>>().len();
        let silent = heard.iter().filter(|heard| !heard.answered);
        let silent =
            silent.filter_map(|heard| Some((heard.name.clone(), ledger.last(heard.thread, &heard.name)?.clone())));
        let gone = ledger.gone().filter(|(name, _)| is_wanted(name)).map(|(name, value)| (name.clone(), value.clone()));
        let counted = gone.chain(silent).collect();
        let mut beside = (self.beside)(&|part| {
            wanted.is_none_or(|wanted| wanted.has_part(part)) && !(for_counters && TOLD.contains(&part))
        });
        if let (Some(recall), Some(of)) = (&self.recall, wanted.and_then(StatusFilter::recalled)) {
            beside.0.push((RECALLED.into(), recall(of)));
        }
        Snapshot { facts: process::facts(&self.registry), heard, counted, beside, ..Snapshot::new(number, threads) }
    }

    /// What a filter means, if there is something at it.
    fn found(&self, filter: &str, actors: &[Registered]) -> Option<StatusFilter> {
        let is_there = |path: &TreePath| {
            let mut of_actors = actors.iter().map(|actor| TreePath::of_actor(&actor.reporter.name()));
            match &path.name {
                // Another process may have it.
                Some(_) if path.top == RECALLED => true,
                None if !OF_ACTORS.contains(&path.top) && TOP.contains(&path.top) => true,
                Some(name) if BESIDE_BY_NAME.contains(&path.top) => (self.beside)(&|part| part == path.top)
                    .get(path.top)
                    .is_some_and(|things| things.get(name).is_some()),
                _ => of_actors.any(|actor| actor.is_within(path)),
            }
        };
        meanings(filter).into_iter().find(|meaning| meaning.0.iter().any(is_there))
    }

    fn unknown(&self, filter: &str, actors: &[Registered]) -> Value {
        let names: BTreeSet<String> = actors.iter().map(|actor| actor.reporter.name()).collect();
        let objects = (self.beside)(&|part| part == "objects")
            .get("objects")
            .and_then(Value::as_map)
            .cloned()
            .unwrap_or(Map(Vec::new()));
        let objects = objects.0.into_iter().map(|(name, _)| format!("objects:{name}"));
        // An actor may have the name of the part that it is.
        let names = names.into_iter().filter(|name| !TOP.contains(&name.as_str()));
        let known = TOP.into_iter().map(str::to_owned).chain(names).chain(objects).map(Value::String).collect();
        let error = format!("the status has no part {filter:?}");
        Value::from_pairs([("error", Value::String(error)), ("known", Value::List(known))])
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // It is consistent even if a holder of the lock panicked.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn hear(actor: Registered, until: Instant) -> Heard {
    let report = actor.reporter.report(until).all(until).await.pop().map_or(Value::Nil, |report| report.0);
    let answered = !matches!(&report, Value::Map(map) if map.get("answered") == Some(&Value::Bool(false)));
    let (name, gauges) = (actor.reporter.name(), actor.reporter.gauges().tree());
    Heard { thread: actor.thread, name, answered, report, gauges }
}
