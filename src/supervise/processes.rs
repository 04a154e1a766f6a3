//! The processes of an instance: they are started, speak, and end.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::backoff::LOOP;
use super::bank::Letters;
use super::child::{Child, ChildState, Exit, Image, StartFailure, exit_of, spawn};
use super::crashes;
use super::instance::Instance;
use super::roll::Step;
use super::tls::HeldCertificates;
use super::totals::CountedSoFar;
use super::words;
use crate::ipc::LineError;
use crate::ipc::acts::{Deed, OperatorAct};
use crate::ipc::messages::{
    Descriptor, FromProcess, Hello, ProcessEntry, Question, Reckoning, ToProcess, VERSION, Wish,
};
use crate::ipc::recorder::{Recorded, Recording};
use crate::observe::audit::Operator;
use crate::observe::plain_file::LogKind;

impl Instance {
    /// Starts a process: of the roll under way, or of the plan that holds, after a crash.
    pub(super) fn start(&mut self, slot: usize, image: Image<'_>, is_rolled: bool) -> Result<Pid, String> {
        let (plan, sockets, certificates) = match &self.roll {
            Some(roll) if is_rolled => (&roll.plan, &roll.sockets, &roll.certificates),
            _ => (&self.plan, &self.sockets, &self.certificates),
        };
        let tls_files = certificates.as_ref().map(HeldCertificates::packed).transpose();
        let tls_files = tls_files.map_err(|error| format!("certificates cannot be handed to a process: {error}"))?;
        let (pid, mut line) = spawn(image, &self.blueprint, plan.identity.as_ref())
            .map_err(|error| format!("a process cannot be started: {error}"))?;
        let mut descriptors: Vec<_> = sockets.iter().map(|socket| Descriptor::Socket(socket.address.clone())).collect();
        // Without it everything goes on, and a crash is told without its requests.
        let recording = Recording::new();
        let recording =
            recording.map_err(|error| tracing::error!("what process {pid} does cannot be recorded: {error}")).ok();
        let mut logs = Vec::new();
        for path in &plan.logs {
            match plan.open_log(path, LogKind::Lines) {
                Ok(file) => {
                    descriptors.push(Descriptor::Log(path.clone()));
                    logs.push(file);
                }
                Err(error) => tracing::error!("log {}: {error}; nothing is written there", path.display()),
            }
        }
        descriptors.extend(tls_files.iter().map(|(what, _)| what.clone()));
        descriptors.extend(recording.as_ref().map(|_| Descriptor::Recorder));
        let hello = Hello {
            version: VERSION,
            slot,
            generation: self.generation,
            is_first: !self.has_served,
            is_reload: is_rolled,
            conf: plan.conf.clone(),
            supervisor: std::process::id(),
            grants_connections: true,
            descriptors,
            is_activated: sockets.iter().any(|socket| socket.is_activated),
            is_detached: self.blueprint.is_detached,
            announces: self.crashes.announces,
            levels: self.levels.as_ref().and_then(|(levels, _)| levels.clone()),
            learnt: self.learnt.for_slot(slot, Instant::now()),
            ticket_secrets: self.tickets.secrets(),
            hands_tls_files: tls_files.is_some(),
            member_words: self.operators.words.clone(),
            audit: self.operators.log.tail.all(),
        };
        let handed = sockets
            .iter()
            .map(|socket| socket.listener.as_fd())
            .chain(logs.iter().chain(tls_files.iter().map(|(_, file)| file)).map(AsFd::as_fd));
        let handed: Vec<_> = handed.chain(recording.as_ref().map(Recording::file)).collect();
        let handed_over = line.hand_over(&hello, &handed);
        let now = Instant::now();
        let state = ChildState::Starting { until: now + plan.start_timeout };
        if is_rolled || !self.notices.is_ready {
            self.notices.starts(plan.start_timeout);
        }
        let generation = self.generation;
        self.children.push(Child {
            pid,
            slot,
            generation,
            line,
            state,
            is_asked_to_leave: false,
            silent_since: None,
            has_served: false,
            closes: false,
            started: now,
            recording,
            failure: None,
        });
        match (handed_over, self.children.last_mut()) {
            // One that has ended already is reaped, and its exit says more.
            (Err(error), Some(child)) if !error.is_of_the_other_side() => {
                child.kill_for(format!("its sockets could not be handed to it: {error}"));
            }
            _ => {}
        }
        Ok(pid)
    }

    /// Reads what the processes say.
    pub(super) fn hear_children(&mut self) {
        let mut said = Vec::new();
        for child in &mut self.children {
            // A line that fails ends with its process, which is reaped.
            if child.line.flush().is_err() || child.line.fill().is_err() {
                child.silent_since.get_or_insert_with(Instant::now);
            }
            child.line.drop_descriptors();
            // After a fault there are no words any more.
            while child.state != ChildState::Killed || child.failure.is_none() {
                match child.line.next::<FromProcess>() {
                    Ok(Some(message)) => said.push((child.pid, words::harmless(message))),
                    Ok(None) => break,
                    Err(LineError::Ended) => {
                        child.silent_since.get_or_insert_with(Instant::now);
                        break;
                    }
                    Err(error) => {
                        child.kill_for(format!("it says what cannot be read: {}", words::line(&error.to_string())));
                        break;
                    }
                }
            }
        }
        for (pid, message) in said {
            self.hear(pid, message);
        }
    }

    fn hear(&mut self, pid: Pid, message: FromProcess) {
        let Some(child) = self.children.iter_mut().find(|child| child.pid == pid) else { return };
        match message {
            FromProcess::Ready => {
                if matches!(child.state, ChildState::Starting { .. }) {
                    child.state = ChildState::Serving;
                    child.has_served = true;
                    let slot = child.slot;
                    self.serves(pid, slot);
                }
            }
            FromProcess::Failed { why, is_conf } => child.failure = Some(StartFailure { why, is_conf }),
            FromProcess::Learnt(learnt) => {
                // One that leaves would take its successor's place again.
                if child.state == ChildState::Serving
                    && let Err(error) = self.learnt.keep(child.slot, learnt, Instant::now())
                {
                    tracing::warn!("process {pid}: {error}");
                }
            }
            FromProcess::Counted { number, counters, is_last } => {
                let kept = self.totals.keep(pid.as_raw(), CountedSoFar { number, counters, is_last });
                if let Err(error) = kept {
                    tracing::error!("process {pid}: {error}");
                }
            }
            FromProcess::Question(question) => self.put(pid, question),
            FromProcess::Answer { to: 0, number, body } => self.control.told(number, pid.as_raw(), body),
            FromProcess::Answer { to, number, body } => {
                self.deliver(vec![(to, ToProcess::Answer { from: pid.as_raw(), number, body })]);
            }
            FromProcess::Reckon { number, silent } => {
                let running = self.speaking().map(|child| child.pid.as_raw()).collect();
                let reckoning = self.totals.reckoning(running, &silent);
                let reckoning = Reckoning { supervisor: self.of_itself(), ..reckoning };
                self.deliver(vec![(pid.as_raw(), ToProcess::Reckoning { number, reckoning })]);
            }
            FromProcess::Closes => {
                child.closes = true;
                self.close_sockets();
            }
            FromProcess::Drained { cut, count } => {
                if count > 0 {
                    tracing::warn!("process {pid} cut {count} at the end of its drain: {}", cut.join("; "));
                }
            }
            FromProcess::Asked { for_what } => {
                tracing::info!("process {pid}: its app asks for {for_what:?}");
                let deed = if for_what == Wish::Restart { Deed::Restart } else { Deed::Shutdown };
                let operator = Operator { by: "app".to_owned(), pid: Some(pid.as_raw()), ..Operator::default() };
                let act = OperatorAct { id: self.next_id(), operator, deed };
                if let Err(why) = self.carry_out(&act) {
                    tracing::error!("it does not start anew, and everything stays as it was:\n{why}");
                }
            }
            FromProcess::Act { number, act } => self.carry_out_for(pid.as_raw(), number, &act),
            FromProcess::Audit(entry) => self.note(entry),
            FromProcess::Needs { connections } => match self.bank.needs(pid.as_raw(), connections) {
                Ok(letters) => self.deliver(letters),
                Err(error) => child.kill_for(error.to_string()),
            },
            FromProcess::Returns { connections } => {
                let letters = self.bank.returns(pid.as_raw(), connections);
                self.deliver(letters);
            }
            FromProcess::Lacks { connections } => {
                let letters = self.bank.lacks(pid.as_raw(), connections);
                self.deliver(letters);
            }
            FromProcess::Unknown => {}
        }
    }

    /// Those that have served and can answer.
    pub(super) fn speaking(&self) -> impl Iterator<Item = &Child> {
        let speaks = |child: &&Child| child.has_served && child.state != ChildState::Killed;
        self.children.iter().filter(speaks)
    }

    /// Puts the question of a process to all others.
    fn put(&mut self, by: Pid, question: Question) {
        let entry = |child: &Child| ProcessEntry {
            pid: child.pid.as_raw(),
            slot: child.slot,
            generation: child.generation,
            state: child.word().to_owned(),
            restarts: self.slots.get(child.slot).map_or(0, |slot| slot.restarts),
        };
        let processes: Vec<_> = self.speaking().map(entry).collect();
        let others = processes.iter().map(|process| process.pid).filter(|pid| *pid != by.as_raw());
        let question = Question { by: by.as_raw(), ..question };
        let mut letters: Letters = others.map(|pid| (pid, ToProcess::Question(question.clone()))).collect();
        // First, so that it knows whom an answer is from.
        letters.insert(0, (by.as_raw(), ToProcess::Asked { number: question.number, processes }));
        self.deliver(letters);
    }

    /// A process has begun to serve.
    fn serves(&mut self, pid: Pid, slot: usize) {
        if !self.has_served {
            self.has_served = true;
            let now = Instant::now();
            // The first one has made what an instance makes once: keys, files of databases.
            self.slots.iter_mut().enumerate().filter(|(index, _)| *index != slot).for_each(|(_, slot)| {
                slot.start_at = Some(now);
            });
        }
        if self.roll.as_ref().is_some_and(|roll| matches!(roll.step, Step::Starting(starting) if starting == pid)) {
            return self.replaced(pid, slot);
        }
        self.tell_recovered();
    }

    /// Looks which processes have ended.
    pub(super) fn reap(&mut self) {
        let ended: Vec<(Pid, Exit)> =
            self.children.iter().filter_map(|child| Some((child.pid, exit_of(child.pid)?))).collect();
        for (pid, exit) in ended {
            // Its last words.
            self.hear_children();
            let Some(index) = self.children.iter().position(|child| child.pid == pid) else { continue };
            let child = self.children.remove(index);
            self.totals.ended(pid.as_raw(), child.has_served);
            let letters = self.bank.ended(pid.as_raw(), Instant::now());
            self.deliver(letters);
            let recorded = child.recording.as_ref().map(Recording::read).unwrap_or_default();
            self.ended(&child, exit, &recorded);
        }
    }

    fn ended(&mut self, child: &Child, exit: Exit, recorded: &Recorded) {
        let (pid, slot) = (child.pid, child.slot);
        let why = child.failure.as_ref().map_or_else(|| format!("{exit}"), |failure| failure.why.clone());
        // Reports begin with a level, and so do lines of the log.
        let why = why.strip_prefix("error: ").unwrap_or(&why);
        match self.roll.as_ref().map(|roll| &roll.step) {
            Some(Step::Starting(new)) if *new == pid => {
                return self.abort_roll(&format!("the new process {pid} did not begin to serve: {why}"));
            }
            Some(Step::Rehearsing(new, _)) if *new == pid => {
                return self.abort_roll(&format!("the new process {pid} ended before the supervisor was new: {why}"));
            }
            _ => {}
        }
        if child.is_asked_to_leave || self.ending.is_some() {
            tracing::info!("process {pid} has ended ({exit})");
            return;
        }
        if !self.has_served {
            match &child.failure {
                Some(_) => tracing::error!("{why}"),
                None => tracing::error!("process {pid} ended before it served: {why}"),
            }
            let is_conf = child.failure.as_ref().is_some_and(|failure| failure.is_conf);
            return self.end(false, None, if is_conf { super::UNFIT } else { 1 });
        }
        if exit == Exit::Code(i32::from(super::RESTART)) {
            tracing::info!("process {pid} asks to be started anew");
            if let Some(slot) = self.slots.get_mut(slot) {
                slot.start_at = Some(Instant::now());
            }
            return;
        }
        let text = format!("process {pid} ended by itself: {why}{}", crashes::told(recorded));
        if self.crashes.crashed(Instant::now()) {
            tracing::warn!("the second crash within a minute: from now on the handler that a process ran is named");
            self.announce(true);
        }
        self.crashed(slot, child.lived(Instant::now()), &text);
    }

    /// Tells every process whether it is to announce handlers.
    pub(super) fn announce(&mut self, is_on: bool) {
        self.tell_all(|| ToProcess::Announce { is_on });
    }

    /// When the instance ends and nobody accepts any more, nobody shall connect: a client that waits in the queue of a
    /// socket would wait in vain, where one that is refused may go elsewhere.
    pub(super) fn close_sockets(&mut self) {
        let is_over = self.ending.as_ref().is_some_and(|ending| !ending.starts_anew) && !self.is_activated();
        if is_over && self.children.iter().all(|child| child.closes || child.state == ChildState::Killed) {
            self.sockets.clear();
        }
    }

    /// Tells every process that can hear.
    pub(super) fn tell_all(&mut self, letter: impl Fn() -> ToProcess) {
        let all = self.children.iter().filter(|child| child.state != ChildState::Killed);
        let letters = all.map(|child| (child.pid.as_raw(), letter())).collect();
        self.deliver(letters);
    }

    /// A process ended that nobody asked to.
    pub(super) fn crashed(&mut self, slot: usize, lived: Duration, what: &str) {
        let now = Instant::now();
        self.last_crash = Some(what.to_owned());
        let Some(place) = self.slots.get_mut(slot) else { return tracing::error!("{what}") };
        let due = place.backoff.crashed(lived, now);
        place.restarts += 1;
        place.start_at = Some(due);
        let (crashes, is_loop) = (place.backoff.crashes, place.backoff.is_loop());
        let serves = self.children.iter().any(|child| child.state == ChildState::Serving);
        if is_loop && !serves {
            tracing::error!("{what}; {LOOP} times in a row, none of which lived a minute: the instance ends");
            return self.end(false, None, 1);
        }
        let wait = due.saturating_duration_since(now);
        let text = format!("{what}; another starts in {wait:?} ({crashes} in a row)");
        tracing::error!("{what}; another starts in {wait:?} ({crashes} in a row)");
        self.notices.status(&text);
    }
}

/// Asks a process to finish and end. `is_replaced`: others serve in its place.
pub(super) fn leave(child: &mut Child, until: Instant, is_replaced: bool) {
    child.is_asked_to_leave = true;
    if matches!(child.state, ChildState::Starting { .. }) {
        // It serves nobody and may hear nobody yet: the signal ends it, or makes it drain.
        child.terminate();
    }
    let said = child.line.queue(&ToProcess::Drain { is_replaced });
    if said.is_ok() && child.line.flush().is_ok() {
        child.state = ChildState::Leaving { until };
    } else {
        // It has ended, or does not read.
        child.kill();
    }
}
