//! What operators do: said of members, or done to the instance; and the audit log, which has all of it.
//!
//! What is said of members is kept here, because here alone it outlives every process: each is told all of it at its
//! start and at every change. It ends with the instance.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use skitai_actors::balance::operator::{OperatorWord, SetAside};

use super::instance::Instance;
use super::plan::Plan;
use super::roll::RollKind;
use crate::ipc::acts::{Deed, MemberDeed, MemberWord, OperatorAct};
use crate::ipc::messages::ToProcess;
use crate::observe::audit::{AuditEntry, AuditLog, AuditOutcome, AuditTail, Operator, now};
use crate::observe::plain_file::LogKind;

/// The most members of which something may be said.
const MOST: usize = 4096;

/// What is said of members, and the log of what was done.
#[derive(Debug)]
pub(super) struct Operators {
    pub(super) words: Vec<MemberWord>,
    pub(super) log: AuditLog,
}

impl Operators {
    /// At the start of an instance.
    pub(super) fn begun(plan: &Plan) -> Operators {
        Operators { words: Vec::new(), log: AuditLog::at(&plan.audit_log, |path| plan.read_log(path)) }
    }

    /// Of an earlier program of this supervisor.
    pub(super) fn adopted(plan: &Plan, words: Vec<MemberWord>, audit: Vec<AuditEntry>) -> Operators {
        Operators { words, log: AuditLog::resumed(&plan.audit_log, AuditTail::of(audit)) }
    }

    /// Takes up a word; what is said of a member takes the place of what was said before.
    fn say(&mut self, deed: &MemberDeed, word: SetAside, by: &Operator) -> Result<(), String> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let said = OperatorWord { word, since, who: by.told(), why: deed.why.clone() };
        let (cluster, member) = (deed.cluster.clone(), deed.member.clone());
        self.forget(deed);
        if self.words.len() >= MOST {
            return Err(format!("{MOST} members are kept out already: restore some first"));
        }
        self.words.push(MemberWord { cluster, member, said });
        Ok(())
    }

    fn forget(&mut self, deed: &MemberDeed) -> bool {
        let before = self.words.len();
        self.words.retain(|word| (&word.cluster, &word.member) != (&deed.cluster, &deed.member));
        self.words.len() < before
    }
}

/// Opens the audit log with the rights of the supervisor.
fn opener(plan: &Plan) -> impl FnOnce(&Path) -> io::Result<File> + '_ {
    |path| {
        if path.parent().is_some_and(|folder| plan.place.is_in(folder)) {
            plan.place.make_var(plan.identity.as_ref())?;
        }
        plan.open_log(path, LogKind::Lines)
    }
}

impl Instance {
    /// Does what an operator asks for, and writes it down.
    pub(super) fn carry_out(&mut self, act: &OperatorAct) -> Result<String, String> {
        let done = match &act.deed {
            Deed::Drain(deed) => self.keep_out(deed, SetAside::Drained, &act.operator),
            Deed::Eject(deed) => self.keep_out(deed, SetAside::Ejected, &act.operator),
            Deed::Restore(deed) => Ok(self.restore(deed)),
            Deed::Log(levels) => self.set_levels(levels),
            Deed::Reload => {
                self.want(RollKind::Reload, None);
                Ok("the reload has begun; the log says how it ends".to_owned())
            }
            Deed::Restart => self.restartable().map(|()| {
                self.end(true, None, 0);
                "the restart has begun: requests under way may finish".to_owned()
            }),
            Deed::Shutdown => {
                self.end(false, None, 0);
                Ok("it drains, then it ends".to_owned())
            }
        };
        self.note(act.entry(&self.plan.name, &done));
        done
    }

    /// Does what a process asks for, in an operator's name, and tells it what became of it.
    pub(super) fn carry_out_for(&mut self, pid: i32, number: u64, act: &OperatorAct) {
        let (is_done, text) = match self.carry_out(act) {
            Ok(text) => (true, text),
            Err(text) => (false, text),
        };
        self.deliver(vec![(pid, ToProcess::Acted { number, is_done, text })]);
    }

    fn keep_out(&mut self, deed: &MemberDeed, word: SetAside, by: &Operator) -> Result<String, String> {
        self.operators.say(deed, word, by)?;
        self.tell_words(None);
        Ok(match word {
            SetAside::Drained => format!("{} is drained: it gets no new calls, and those it has may end", deed.on()),
            SetAside::Ejected => format!("{} is ejected: it gets no calls, and those it had are ended", deed.on()),
        })
    }

    fn restore(&mut self, deed: &MemberDeed) -> String {
        let was_said = self.operators.forget(deed);
        self.tell_words(Some(deed));
        match was_said {
            true => format!("{} takes part again, with few calls at first", deed.on()),
            false => {
                format!("{} was not kept out by an operator; if its health had ejected it, that is over", deed.on())
            }
        }
    }

    fn tell_words(&mut self, restored: Option<&MemberDeed>) {
        let words = self.operators.words.clone();
        self.tell_all(|| ToProcess::MemberWords { words: words.clone(), restored: restored.cloned() });
    }

    /// Writes down what a command of the control socket does, which carries itself out.
    pub(super) fn note_command(
        &mut self,
        (operator, action): (Operator, &str),
        outcome: AuditOutcome,
        text: impl Into<String>,
    ) {
        self.note(AuditEntry {
            at: now(),
            id: self.next_id(),
            site: self.plan.name.clone(),
            operator,
            action: action.to_owned(),
            outcome,
            text: text.into(),
            ..AuditEntry::default()
        });
    }

    /// Writes an entry down, and tells the processes, which show it.
    pub(super) fn note(&mut self, entry: AuditEntry) {
        self.tell_all(|| ToProcess::Audited(entry.clone()));
        let Instance { operators, plan, .. } = self;
        operators.log.note(entry, opener(plan));
    }

    /// An id for an act that comes with none: of a command.
    pub(super) fn next_id(&self) -> String {
        let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        format!("{:x}-{nanos:x}", std::process::id())
    }
}
