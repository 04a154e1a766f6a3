//! The other processes of the instance: this one asks them, by the supervisor, and answers them.
//!
//! ```text
//!   this process ── Question ──► supervisor ── Question ──► every other
//!                ◄── Asked ────             ◄── Answer ────
//!                ◄── Answer ───
//!                ── Reckon ───►   what had those counted that have ended, and those that are silent?
//!                ◄── Reckoning ─
//! ```
//!
//! So every number is in the sum once: a process that ends between its answer and the reckoning is left out of the
//! first, because it is in the second.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use skitai_actors::kit::ActorRef;
use skitai_actors::status::{self, FromSiblings, Sibling, Siblings, Snapshot, StatusActor};
use skitai_wire::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout_at;

use super::relay::Relay;
use crate::app::services::REPORT_WITHIN;
use crate::ipc::acts::OperatorAct;
use crate::ipc::messages::{FromProcess, ProcessEntry, Question, Reckoning};

/// The topic of a [`Question`] whose answer is a [`Snapshot`].
pub(super) const STATUS: &str = "status";
/// How much longer than for its own actors a process waits for another one, whose actors have the same time: its answer
/// has a way to go.
const WAY: Duration = Duration::from_millis(50);
/// How long the supervisor may take for the reckoning.
const RECKONED_WITHIN: Duration = Duration::from_millis(150);

/// What comes of a question of this process.
#[derive(Debug)]
pub(super) enum Returned {
    Asked(Vec<ProcessEntry>),
    Answer { from: i32, body: String },
    Reckoning(Reckoning),
    Acted(Result<String, String>),
}

/// The question about the status.
#[derive(Debug, Serialize, Deserialize)]
struct StatusQuestion {
    #[serde(default)]
    filter: Option<String>,
    within_ms: u64,
}

/// The questions of this process that are open.
#[derive(Debug, Default)]
pub(super) struct OpenQuestions {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, UnboundedSender<Returned>>>,
}

impl OpenQuestions {
    /// Passes on what came. For a question that nobody waits for any more it is dropped.
    pub(super) fn returned(&self, number: u64, returned: Returned) {
        if let Some(waiting) = self.waiting().get(&number) {
            let _ = waiting.send(returned);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, UnboundedSender<Returned>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that is open until this is dropped.
struct OpenQuestion {
    open: Arc<OpenQuestions>,
    number: u64,
    returned: UnboundedReceiver<Returned>,
}

impl OpenQuestion {
    fn new(open: &Arc<OpenQuestions>) -> OpenQuestion {
        let number = open.next.fetch_add(1, Relaxed);
        let (sender, returned) = unbounded_channel();
        open.waiting().insert(number, sender);
        OpenQuestion { open: open.clone(), number, returned }
    }

    async fn next(&mut self, until: Instant) -> Option<Returned> {
        timeout_at(until.into(), self.returned.recv()).await.ok()?
    }
}

impl Drop for OpenQuestion {
    fn drop(&mut self) {
        self.open.waiting().remove(&self.number);
    }
}

/// The way to the others.
#[derive(Debug)]
pub(crate) struct ThroughSupervisor {
    pub(super) relay: Relay,
    pub(super) open: Arc<OpenQuestions>,
}

impl ThroughSupervisor {
    /// Tells all others something that nobody answers. What the socket's buffer has no room for waits.
    pub(super) fn tell(&self, topic: &str, body: String) {
        let number = self.open.next.fetch_add(1, Relaxed);
        self.relay.say(&FromProcess::Question(Question { by: 0, number, topic: topic.to_owned(), body }));
    }

    /// Asks the supervisor for what an operator wants, and what became of it.
    pub(super) async fn act(&self, act: OperatorAct, until: Instant) -> Result<String, String> {
        let mut question = OpenQuestion::new(&self.open);
        let (relay, number) = (self.relay.clone(), question.number);
        // Waits for room in the socket's buffer.
        let _ = tokio::task::spawn_blocking(move || relay.say(&FromProcess::Act { number, act })).await;
        while let Some(returned) = question.next(until).await {
            if let Returned::Acted(done) = returned {
                return done;
            }
        }
        Err("the supervisor has not said what became of it: look at the log, and at the audit log".to_owned())
    }
}

impl Siblings for ThroughSupervisor {
    fn ask(&self, filter: Option<String>, within: Duration) -> BoxFuture<'static, FromSiblings> {
        let (relay, mut question) = (self.relay.clone(), OpenQuestion::new(&self.open));
        async move {
            let until = Instant::now() + within + WAY;
            let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
            let body = serde_json::to_string(&StatusQuestion { filter, within_ms }).unwrap_or_default();
            let number = question.number;
            relay.say(&FromProcess::Question(Question { by: 0, number, topic: STATUS.to_owned(), body }));
            let (entries, snapshots) = heard(&mut question, until).await;
            let silent = entries.iter().map(|entry| entry.pid).filter(|pid| !snapshots.contains_key(pid)).collect();
            relay.say(&FromProcess::Reckon { number, silent });
            let reckoning = reckoned(&mut question, Instant::now() + RECKONED_WITHIN).await;
            told(entries, snapshots, reckoning)
        }
        .boxed()
    }

    fn note(&self, snapshot: &Snapshot) {
        self.relay.counted(snapshot.number, &snapshot.counters(), false);
    }
}

/// Collects answers until all are there, or it is time.
async fn heard(question: &mut OpenQuestion, until: Instant) -> (Vec<ProcessEntry>, HashMap<i32, Snapshot>) {
    let own = std::process::id().cast_signed();
    let (mut entries, mut snapshots, mut answers) = (None::<Vec<ProcessEntry>>, HashMap::new(), 0);
    while let Some(returned) = question.next(until).await {
        match returned {
            Returned::Asked(processes) => entries = Some(processes),
            Returned::Answer { from, body } => {
                answers += 1;
                match serde_json::from_str(&body) {
                    Ok(snapshot) => drop(snapshots.insert(from, snapshot)),
                    Err(error) => tracing::warn!("the status of process {from} cannot be read: {error}"),
                }
            }
            Returned::Reckoning(_) | Returned::Acted(_) => {}
        }
        let others = entries.as_ref().map(|entries| entries.iter().filter(|entry| entry.pid != own).count());
        if others.is_some_and(|others| answers >= others) {
            break;
        }
    }
    (entries.unwrap_or_default(), snapshots)
}

async fn reckoned(question: &mut OpenQuestion, until: Instant) -> Option<Reckoning> {
    loop {
        // Late answers of processes are passed over: what they had counted is in the reckoning.
        if let Returned::Reckoning(reckoning) = question.next(until).await? {
            return Some(reckoning);
        }
    }
}

fn told(
    entries: Vec<ProcessEntry>,
    mut snapshots: HashMap<i32, Snapshot>,
    reckoning: Option<Reckoning>,
) -> FromSiblings {
    let problem = reckoning.is_none().then(|| "the supervisor did not answer: other processes are missing".to_owned());
    let Reckoning { ended, ended_count, killed_count, running, silent, supervisor } = reckoning.unwrap_or_default();
    let mut silent: HashMap<i32, String> = silent.into_iter().collect();
    let still = entries.into_iter().filter(|entry| problem.is_some() || running.contains(&entry.pid));
    let processes = still.map(|entry| Sibling {
        pid: entry.pid.cast_unsigned(),
        about: Value::from_pairs([
            ("slot", Value::Int(i64::try_from(entry.slot).unwrap_or(i64::MAX))),
            ("generation", Value::Int(entry.generation.cast_signed())),
            ("state", Value::String(entry.state)),
            ("restarts", Value::Int(entry.restarts.cast_signed())),
        ]),
        snapshot: snapshots.remove(&entry.pid),
        counted: silent.remove(&entry.pid).map(|text| counted(entry.pid, &text)).unwrap_or_default(),
    });
    FromSiblings { processes: processes.collect(), ended, ended_count, killed_count, supervisor, problem }
}

/// What a process had counted, in its own words.
fn counted(pid: i32, text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| {
        tracing::warn!("what process {pid} has counted cannot be read: {error}");
        Value::Nil
    })
}

/// Answers the supervisor, for a client of its control socket: the status of all processes.
pub(super) async fn answer_tree(question: Question, status: ActorRef<StatusActor>, relay: Relay) {
    let filter = Some(question.body).filter(|filter| !filter.is_empty());
    let tree = status::ask(&status, filter, REPORT_WITHIN).await;
    let said = tokio::task::spawn_blocking(move || {
        let body = serde_json::to_string(&tree).unwrap_or_default();
        relay.say(&FromProcess::Answer { to: question.by, number: question.number, body });
    });
    let _ = said.await;
}

/// Answers the question of another process. Another topic than those that are known is passed over.
pub(super) async fn answer(question: Question, status: ActorRef<StatusActor>, relay: Relay) {
    if question.topic != STATUS {
        return;
    }
    let Ok(StatusQuestion { filter, within_ms }) = serde_json::from_str(&question.body) else { return };
    let is_whole = filter.is_none();
    let Some(snapshot) = status::snapshot(&status, filter, Duration::from_millis(within_ms)).await else { return };
    // What the socket's buffer has no room for waits for the supervisor.
    let said = tokio::task::spawn_blocking(move || {
        if is_whole {
            relay.counted(snapshot.number, &snapshot.counters(), false);
        }
        let body = serde_json::to_string(&snapshot).unwrap_or_default();
        relay.say(&FromProcess::Answer { to: question.by, number: question.number, body });
    });
    let _ = said.await;
}
