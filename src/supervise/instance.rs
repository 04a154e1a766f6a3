//! The supervisor of an instance: one loop that waits for signals, children, commands and the clock, and then does
//! what is due.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::backoff::Backoff;
use super::bank::{Bank, Letters};
use super::blueprint::Blueprint;
use super::child::{Child, ChildState, Image};
use super::control::{ClientId, Control};
use super::crashes::Crashes;
use super::learnt::LearntBySlot;
use super::notices::Notices;
use super::operators::Operators;
use super::place::PidFile;
use super::plan::{OpenSocket, Plan};
use super::processes::leave;
use super::roll::{Roll, RollKind, WantedRoll};
use super::signals::{Signals, SupervisorSignal};
use super::tls::{HeldCertificates, TicketRotation, TlsWatch};
use super::totals::Totals;
use crate::ipc::acts::{Deed, MemberDeed, OperatorAct};
use crate::ipc::messages::{ControlAnswer, ControlRequest, InstanceCommand, ToProcess};
use crate::observe::audit::{AuditOutcome, Operator};

/// So many octets may wait for a process that does not read.
const BACKLOG: usize = 4 << 20;
/// The same where the next message is only to be shown: one that does not read shows less, and the others show it.
const SHOWN_BACKLOG: usize = 64 << 10;

/// The place of one process, whichever process has it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    pub(super) backoff: Backoff,
    /// How often its process was started again after a crash.
    pub(super) restarts: u64,
    /// When a process is to be started; `None` while there is one, or a roll starts it.
    pub(super) start_at: Option<Instant>,
}

/// The end of an instance that has begun.
#[derive(Debug)]
pub(super) struct Ending {
    /// Whether the instance starts anew afterwards.
    pub(super) starts_anew: bool,
    /// A signal asked for it; a second one ends it at once.
    is_signalled: bool,
    waiting: Vec<ClientId>,
    code: u8,
}

/// How an instance ended.
#[derive(Debug)]
pub(super) enum Over {
    Exit(u8),
    /// It is to be started anew, in this process.
    Restart,
}

#[derive(Debug)]
pub(super) struct Instance {
    pub(super) blueprint: Blueprint,
    pub(super) plan: Plan,
    pub(super) sockets: Vec<OpenSocket>,
    pub(super) pid_file: PidFile,
    pub(super) control: Control,
    pub(super) signals: Signals,
    pub(super) children: Vec<Child>,
    pub(super) slots: Vec<Slot>,
    pub(super) generation: u64,
    pub(super) began: std::time::SystemTime,
    /// Whether any process of it has ever served.
    pub(super) has_served: bool,
    pub(super) roll: Option<Roll>,
    pub(super) wanted: Option<WantedRoll>,
    pub(super) ending: Option<Ending>,
    /// How the last process that was not asked to leave ended.
    pub(super) last_crash: Option<String>,
    /// Why the last roll was refused or undone; `None` once one has succeeded.
    pub(super) last_refusal: Option<String>,
    /// What the service manager knows.
    pub(super) notices: Notices,
    pub(super) bank: Bank,
    pub(super) learnt: LearntBySlot,
    pub(super) totals: Totals,
    pub(super) crashes: Crashes,
    /// The levels of the log, until this moment.
    pub(super) levels: Option<(Option<String>, Instant)>,
    pub(super) tickets: TicketRotation,
    pub(super) tls_watch: TlsWatch,
    pub(super) certificates: Option<HeldCertificates>,
    pub(super) operators: Operators,
}

impl Instance {
    /// Runs the instance until it ends.
    pub(super) fn run(&mut self) -> Over {
        loop {
            let now = Instant::now();
            self.notices.beat(now);
            self.watch_clocks(now);
            if self.levels.as_ref().is_some_and(|(_, until)| *until <= now) {
                self.reset_levels();
            }
            if self.crashes.is_quiet(now) {
                self.announce(false);
            }
            self.look_after_tls(now);
            let letters = self.bank.look(now);
            self.deliver(letters);
            if let Some(over) = self.advance(now) {
                return over;
            }
            self.wait();
            while let Some(heard) = self.signals.next() {
                self.obey_signal(heard);
            }
            self.hear_children();
            self.reap();
            for (client, request) in self.control.hear(self.plan.identity.as_ref()) {
                self.obey(&request, request.wait.then_some(client), client);
            }
        }
    }

    /// Sleeps until something has come or is due.
    fn wait(&self) {
        let dues = self.children.iter().filter_map(Child::due);
        let dues = dues.chain(self.slots.iter().filter_map(|slot| slot.start_at)).chain(self.control.due());
        let dues = dues.chain(self.roll.as_ref().and_then(Roll::due)).chain(self.notices.due()).chain(self.bank.due());
        let dues = dues.chain(self.crashes.due()).chain(self.levels.as_ref().map(|(_, until)| *until));
        let dues = dues.chain([self.tickets.due()]).chain(self.tls_watch.due());
        let timeout = dues.min().map(|due| due.saturating_duration_since(Instant::now()) + Duration::from_millis(1));
        let mut events =
            vec![PollFd::new(&self.signals, PollFlags::IN), PollFd::new(&self.control.listener, PollFlags::IN)];
        let lines = self.children.iter().map(|child| &child.line);
        for line in lines.chain(self.control.clients.iter().map(|client| &client.line)) {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, line.reads());
            flags.set(PollFlags::OUT, line.has_output());
            // The end of a line would be told again and again.
            if !flags.is_empty() {
                events.push(PollFd::new(line.socket(), flags));
            }
        }
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        // An interrupted wait is like one that is over.
        let _ = poll(&mut events, timeout.as_ref());
    }

    fn obey_signal(&mut self, heard: SupervisorSignal) {
        match heard {
            SupervisorSignal::End if self.ending.as_ref().is_some_and(|ending| ending.is_signalled) => {
                tracing::info!("a second signal: every process ends at once");
                self.children.iter_mut().for_each(Child::kill);
            }
            SupervisorSignal::End => {
                // One that was to start anew ends all the same.
                self.end(false, None, 0);
                self.ending.iter_mut().for_each(|ending| ending.is_signalled = true);
                self.close_sockets();
            }
            SupervisorSignal::Reload => self.want(RollKind::Reload, None),
            SupervisorSignal::Upgrade => self.want(RollKind::Upgrade, None),
            SupervisorSignal::Reopen => drop(self.reopen()),
            // Whoever ended is reaped in every round.
            SupervisorSignal::ChildEnded => {}
        }
    }

    /// Does what a client of the control socket asks for. `waiting` is the client if it wants to know the end.
    fn obey(&mut self, request: &ControlRequest, waiting: Option<ClientId>, client: ClientId) {
        let operator = self.control.operator(client);
        let begun = match request.command {
            InstanceCommand::Stop => {
                self.note_command((operator, "stop"), AuditOutcome::Begun, "it drains, then it ends");
                self.end(false, waiting, 0);
                "it drains, then it ends".to_owned()
            }
            InstanceCommand::Restart => match self.restartable() {
                Ok(()) => {
                    self.note_command((operator, "restart"), AuditOutcome::Begun, "the restart has begun");
                    self.end(true, waiting, 0);
                    "it drains, then it starts anew".to_owned()
                }
                Err(why) => {
                    let text = format!("it does not start anew, and everything stays as it was:\n{}", why.trim_end());
                    tracing::error!("it does not start anew, and everything stays as it was:\n{}", why.trim_end());
                    self.note_command((operator, "restart"), AuditOutcome::Failed, why.trim_end());
                    return self.control.answer(client, &ControlAnswer::refusal(text));
                }
            },
            InstanceCommand::Reload => {
                self.note_command((operator, "reload"), AuditOutcome::Begun, "the reload has begun");
                self.want(RollKind::Reload, waiting);
                "the reload has begun; with --wait it says how it ends".to_owned()
            }
            InstanceCommand::Upgrade => {
                self.note_command((operator, "upgrade"), AuditOutcome::Begun, "the upgrade has begun");
                self.want(RollKind::Upgrade, waiting);
                "the upgrade has begun; with --wait it says how it ends".to_owned()
            }
            InstanceCommand::Reopen => {
                let reopened = self.reopen();
                let outcome = if reopened.is_ok() { AuditOutcome::Done } else { AuditOutcome::Failed };
                let text = reopened.clone().unwrap_or_else(|text| text);
                self.note_command((operator, "reopen"), outcome, text);
                return self.control.answer(client, &ControlAnswer::of(reopened));
            }
            InstanceCommand::Log => {
                let Some(levels) = request.levels.clone() else {
                    return self.control.answer(client, &ControlAnswer::refusal("no levels were said".to_owned()));
                };
                return self.obey_deed(Deed::Log(levels), operator, client);
            }
            InstanceCommand::Drain | InstanceCommand::Eject | InstanceCommand::Restore => {
                let Some(of) = request.member.clone().map(MemberDeed::harmless) else {
                    return self.control.answer(client, &ControlAnswer::refusal("no member was named".to_owned()));
                };
                let deed = match request.command {
                    InstanceCommand::Drain => Deed::Drain(of),
                    InstanceCommand::Eject => Deed::Eject(of),
                    _ => Deed::Restore(of),
                };
                return self.obey_deed(deed, operator, client);
            }
            InstanceCommand::Tree => return self.ask_tree(request, client),
            InstanceCommand::Status => {
                let status = self.status();
                return self.control.answer(client, &ControlAnswer { is_done: true, text: String::new(), status });
            }
        };
        if waiting.is_none() {
            self.control.answer(client, &ControlAnswer::of(Ok(begun)));
        }
    }

    fn obey_deed(&mut self, deed: Deed, operator: Operator, client: ClientId) {
        let act = OperatorAct { id: self.next_id(), operator, deed };
        let done = self.carry_out(&act);
        self.control.answer(client, &ControlAnswer::of(done));
    }

    /// Begins the end of the instance.
    pub(super) fn end(&mut self, starts_anew: bool, waiting: Option<ClientId>, code: u8) {
        if let Some(ending) = &mut self.ending {
            ending.waiting.extend(waiting);
            ending.starts_anew &= starts_anew;
            return;
        }
        tracing::info!("stopping: requests under way may finish; a second signal ends them");
        if starts_anew && !self.is_activated() {
            // It stays the same process.
            self.notices.reloading("restart: requests under way may finish");
        } else {
            self.notices.stopping("it ends: requests under way may finish", self.plan.leave_timeout);
        }
        let waiting = waiting.into_iter().collect();
        self.ending = Some(Ending { starts_anew, is_signalled: false, waiting, code });
        let why = "the instance ends";
        if let Some(roll) = self.roll.take() {
            self.tell(&roll.waiting, false, why);
            roll.end_check();
        }
        if let Some(wanted) = self.wanted.take() {
            self.tell(&wanted.waiting, false, why);
        }
        self.slots.iter_mut().for_each(|slot| slot.start_at = None);
        let until = Instant::now() + self.plan.leave_timeout;
        self.leave(until, |_| true);
    }

    /// Asks those of the processes to finish and end that are meant and were not asked yet.
    pub(super) fn leave(&mut self, until: Instant, is_meant: impl Fn(&Child) -> bool) {
        // While the instance goes on, others serve in the place of who leaves.
        let is_replaced = self.ending.is_none();
        for child in self.children.iter_mut().filter(|child| !child.is_leaving() && is_meant(child)) {
            leave(child, until, is_replaced);
            self.bank.leaves(child.pid.as_raw());
        }
    }

    /// Sends letters. A line that fails ends with its process, which is reaped. One that does not read gets no more of
    /// what others want to know, because they do not wait for it; of what is for itself nothing can be left out, so at
    /// the same length it is killed.
    pub(super) fn deliver(&mut self, letters: Letters) {
        for (pid, letter) in letters {
            let Some(child) = self.children.iter_mut().find(|child| child.pid.as_raw() == pid) else { continue };
            let most = if matches!(letter, ToProcess::Audited(_)) { SHOWN_BACKLOG } else { BACKLOG };
            if child.line.waiting() < most {
                let _ = child.line.queue(&letter);
                if child.line.flush().is_err() {
                    child.silent_since.get_or_insert_with(Instant::now);
                }
            } else if most == BACKLOG && !letter.is_of_siblings() && child.state != ChildState::Killed {
                child.kill_for(format!("it has not read what it is told: {} octets wait", child.line.waiting()));
            }
        }
    }

    pub(super) fn tell(&mut self, clients: &[ClientId], is_done: bool, text: &str) {
        let answer = ControlAnswer { is_done, text: text.to_owned(), status: serde_json::Value::Null };
        clients.iter().for_each(|client| self.control.answer(*client, &answer));
    }

    /// Kills what takes too long.
    fn watch_clocks(&mut self, now: Instant) {
        let start_timeout = self.plan.start_timeout;
        for child in self.children.iter_mut().filter(|child| child.due().is_some_and(|due| due <= now)) {
            if child.is_leaving() {
                tracing::error!("process {} did not end in time and is killed", child.pid);
                child.kill();
            } else if child.silent_since.is_some() {
                child.kill_for("it has closed its line to the supervisor".to_owned());
            } else {
                child.kill_for(format!("it did not begin to serve within `start_timeout`, {start_timeout:?}"));
            }
        }
    }

    /// Does what is due. Returns how the instance ended, once it has.
    fn advance(&mut self, now: Instant) -> Option<Over> {
        if let Some(ending) = &self.ending {
            if !self.children.is_empty() {
                return None;
            }
            let (waiting, starts_anew, code) = (ending.waiting.clone(), ending.starts_anew, ending.code);
            let text = if starts_anew { "it has ended and starts anew" } else { "it has ended" };
            self.tell(&waiting, true, text);
            return Some(if starts_anew { Over::Restart } else { Over::Exit(code) });
        }
        self.advance_roll(now);
        for slot in 0..self.slots.len() {
            if self.slots[slot].start_at.is_some_and(|due| due <= now) {
                self.slots[slot].start_at = None;
                if let Err(why) = self.start(slot, Image::Same, false) {
                    self.crashed(slot, Duration::ZERO, &why);
                }
            }
        }
        self.tell_ready();
        None
    }

    /// Whether a service manager has opened the sockets.
    pub(super) fn is_activated(&self) -> bool {
        self.sockets.iter().any(|socket| socket.is_activated)
    }

    /// The generations of the processes that leave.
    pub(super) fn leaving_generations(&self) -> BTreeSet<u64> {
        self.children.iter().filter(|child| child.is_leaving()).map(|child| child.generation).collect()
    }

    /// The slots that a plan fills anew. Those above its number are emptied at the end of the roll.
    pub(super) fn slots_to_roll(&self, plan: &Plan) -> VecDeque<usize> {
        (0..plan.processes).collect()
    }
}
