//! Members that an operator keeps out of service, and what ends their work.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use super::member_health::MemberState;
use super::{Health, MemberHealth, millis};
use crate::balance::operator::{OperatorWord, OperatorWords, SetAside};
use crate::outcome::Reason;

const IN_SERVICE: u8 = 0;
const DRAINED: u8 = 1;
const EJECTED: u8 = 2;

/// What an operator has said of one member. The number mirrors the word, for lock-free choices.
#[derive(Debug, Default)]
pub(crate) struct AsideState {
    code: AtomicU8,
    word: Mutex<Option<OperatorWord>>,
    /// What ends the work of each thread on the member.
    switches: Mutex<Vec<Weak<Notify>>>,
}

/// Ends the work of one thread on a member when an operator ejects it.
#[derive(Debug)]
pub(crate) struct CutSwitch {
    state: Arc<MemberState>,
    wake: Arc<Notify>,
}

impl AsideState {
    pub(crate) fn is_set(&self) -> bool {
        self.code.load(Relaxed) != IN_SERVICE
    }

    /// Takes up a word, or that there is none any more. Returns whether that is a change.
    fn set(&self, word: Option<&OperatorWord>) -> bool {
        let mut said = lock(&self.word);
        if said.as_ref() == word {
            return false;
        }
        let code = word.map_or(IN_SERVICE, |word| match word.word {
            SetAside::Drained => DRAINED,
            SetAside::Ejected => EJECTED,
        });
        *said = word.cloned();
        self.code.store(code, Relaxed);
        drop(said);
        if code == EJECTED {
            lock(&self.switches).iter().filter_map(Weak::upgrade).for_each(|wake| wake.notify_waiters());
        }
        true
    }

    fn word(&self) -> Option<OperatorWord> {
        lock(&self.word).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each holds one value that is replaced as a whole, so a poisoned one is still true.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CutSwitch {
    /// Ends when an operator has ejected the member.
    pub(crate) async fn cut(&self) {
        loop {
            let mut woken = pin!(self.wake.notified());
            // Before the look, so that a word that comes after it is heard.
            woken.as_mut().enable();
            if self.state.aside.code.load(Relaxed) == EJECTED {
                return;
            }
            woken.await;
        }
    }
}

impl MemberHealth {
    /// What ends the work of the current thread on this member.
    pub(crate) fn cut_switch(&self) -> CutSwitch {
        let wake = Arc::new(Notify::new());
        let mut switches = lock(&self.state.aside.switches);
        switches.retain(|known| known.strong_count() > 0);
        switches.push(Arc::downgrade(&wake));
        CutSwitch { state: self.state.clone(), wake }
    }

    /// What an operator has said of it.
    pub fn operator(&self) -> Option<OperatorWord> {
        self.state.aside.word()
    }

    /// Whether it gets no calls now, by its health or by an operator's word.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.is_out() || self.state.aside.is_set()
    }

    /// The reason of an outcome for which this member was not asked, and its text.
    pub fn refusal(&self, now: Duration) -> (Reason, String) {
        match self.operator() {
            Some(said) => {
                let reason = match said.word {
                    SetAside::Drained => Reason::Drained,
                    SetAside::Ejected => Reason::Ejected,
                };
                (reason, format!("not sent: the member was {}", said.told()))
            }
            None => (Reason::Ejected, self.explain(now)),
        }
    }

    /// The reason of an outcome whose work an operator has ended. `was_sent`: the member may have run it.
    pub(crate) fn cut_off(&self, was_sent: bool) -> (Reason, String) {
        let told = self.operator().map_or_else(|| "ejected by an operator".to_owned(), |said| said.told());
        match was_sent {
            true => (Reason::Closed, format!("cut: the member was {told} while it had this call, which may have run")),
            false => (Reason::Ejected, format!("not sent: the member was {told}")),
        }
    }

    /// Takes up what an operator says of this member. `restores`: an ejection by its health ends, too.
    fn obey(&self, word: Option<&OperatorWord>, restores: bool, now: Duration) {
        let (cluster, node) = (&*self.common.name, &*self.state.node);
        let is_new = self.state.aside.set(word);
        match word {
            Some(said) if is_new => {
                tracing::warn!(cluster, node, "the member is {}: it gets no calls", said.told());
            }
            None if is_new || restores => self.restore(is_new, now),
            _ => {}
        }
        if is_new && word.is_none() {
            // A trial that was due meanwhile is to be found.
            self.common.due.fetch_min(millis(now), Relaxed);
        }
    }
}

impl Health {
    /// Takes up all that operators have said of the members, and that this one is to take part again.
    pub fn obey(&self, words: &OperatorWords, restored: Option<&str>) {
        let now = self.now();
        *lock(&self.common.operator) = words.clone();
        // Those of the newest list: an older one that calls still follow shares their states.
        let states = self.common.ejections().members.clone();
        for state in states.iter() {
            let member = MemberHealth { common: self.common.clone(), state: state.clone() };
            let restores = restored.is_some_and(|node| *node == *state.node);
            member.obey(words.get(&*state.node), restores, now);
        }
    }

    /// Keeps out those of a new list of members of which an operator has said so.
    pub(super) fn keep_aside(words: &BTreeMap<String, OperatorWord>, states: &[Arc<MemberState>]) {
        if words.is_empty() {
            return;
        }
        for state in states {
            state.aside.set(words.get(&*state.node));
        }
    }

    /// What every member is kept out for, if none takes calls because of operators.
    pub(crate) fn all_aside(&self) -> Option<(Reason, String)> {
        let mut said = self.members.iter().map(MemberHealth::operator).collect::<Option<Vec<_>>>()?;
        let reason = match said.iter().all(|word| word.word == SetAside::Drained) {
            true => Reason::Drained,
            false => Reason::Ejected,
        };
        let told = said.pop()?.told();
        Some((reason, format!("not sent: operators keep every member of @{} out: the last was {told}", self.name())))
    }
}

#[cfg(test)]
mod tests;
