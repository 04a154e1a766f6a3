//! Wrong passwords of `admin`, and of a forward proxy's users, over several processes: they tell each other, so that a
//! guesser who is led to another process meets the wait of the first.
//!
//! What a process has counted goes to the others through the supervisor, as questions that nobody answers
//! ([`siblings`](super::siblings)). The first guess is told at once; what comes in the next moment goes together, so
//! that a flood from many addresses costs the supervisor some messages a second. A guess that another process takes up
//! in that moment is not refused, but it is counted.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use skitai_actors::kit::tasks;
use tokio::sync::mpsc::{Receiver, channel};

use super::siblings::ThroughSupervisor;
use crate::app::request::admin_throttle::GuessNews;
use crate::app::request::basic_login::BasicLogin;
use crate::ipc::messages::Question;

/// The topic of a question that tells guesses at the password of `admin`.
pub(super) const GUESSES: &str = "guesses";
/// The same of the user `viewer`.
pub(super) const VIEWER_GUESSES: &str = "guesses of the viewer";
/// The same of the users of a forward proxy.
pub(super) const PROXY_GUESSES: &str = "guesses of the forward proxy";
/// The time between two messages.
const EVERY: Duration = Duration::from_millis(20);
/// Addresses in a message. What is beyond is told by the next one.
const AT_ONCE: usize = 256;
/// Guesses that wait to be told. Those beyond are known to this process alone.
const WAITING: usize = 4096;

/// What is told.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Told {
    guesses: Vec<(IpAddr, GuessNews)>,
}

/// Begins to tell the others.
pub(super) fn tell(topic: &'static str, login: &BasicLogin, siblings: Arc<ThroughSupervisor>) {
    let (sender, news) = channel(WAITING);
    login.tell_by(sender);
    tasks::spawn("words between processes about logins", pass_on(topic, news, siblings));
}

async fn pass_on(topic: &'static str, mut news: Receiver<(IpAddr, GuessNews)>, siblings: Arc<ThroughSupervisor>) {
    let mut first = Vec::new();
    while news.recv_many(&mut first, AT_ONCE).await > 0 {
        let mut told = HashMap::new();
        for (address, news) in first.drain(..) {
            told.entry(address).and_modify(|before: &mut GuessNews| *before = before.then(news)).or_insert(news);
        }
        let body = serde_json::to_string(&Told { guesses: told.into_iter().collect() }).unwrap_or_default();
        let siblings = siblings.clone();
        // Waits for room in the socket's buffer.
        let _ = tokio::task::spawn_blocking(move || siblings.tell(topic, body)).await;
        tokio::time::sleep(EVERY).await;
    }
}

/// Takes up what another process tells.
pub(super) fn heard(question: &Question, login: &BasicLogin) {
    let Ok(Told { guesses }) = serde_json::from_str(&question.body) else { return };
    let now = Instant::now();
    guesses.into_iter().for_each(|(address, news)| login.heard(address, news, now));
}
