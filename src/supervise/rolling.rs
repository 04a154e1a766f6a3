//! The steps of a [`Roll`].

use std::io::{Read, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::child::{ChildState, Image};
use super::control::ClientId;
use super::instance::{Instance, Slot};
use super::plan::Plan;
use super::roll::{CHECK_TIMEOUT, LEAVING_GENERATIONS, ProgramCheck, Roll, RollKind, Step, WantedRoll};
use super::state::STATE;
use super::tls::{HeldCertificates, TlsWatch};
use super::upgrade::REHEARSE;
use crate::observe::log::one_lines;
use crate::serve::notify;

/// How much of a report is passed on, in octets.
const LONGEST_REPORT: u64 = 64 * 1024;

impl Roll {
    /// When something is due.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.step {
            // Its end is told by a signal; this is the limit.
            Step::Checking(check) | Step::Rehearsing(_, check) => Some(check.until),
            Step::Next | Step::Starting(_) => None,
        }
    }

    /// Ends a check that still runs.
    pub(super) fn end_check(mut self) {
        if let Step::Checking(check) | Step::Rehearsing(_, check) = &mut self.step {
            // With what it has started, which could hold on to what it was given.
            if let Ok(group) = i32::try_from(check.child.id()) {
                let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            }
            let _ = check.child.wait();
        }
    }
}

impl Instance {
    /// Asks for a roll. One that waits already does for all who ask: it reads the configuration when it begins.
    pub(super) fn want(&mut self, kind: RollKind, waiting: Option<ClientId>) {
        if self.ending.is_some() {
            self.tell(waiting.as_slice(), false, "the instance ends");
            return;
        }
        let wanted = self.wanted.get_or_insert(WantedRoll { kind, waiting: Vec::new(), is_said: false });
        wanted.kind = wanted.kind.max(kind);
        wanted.waiting.extend(waiting);
    }

    /// Does the next step of the roll, if one is due.
    pub(super) fn advance_roll(&mut self, now: Instant) {
        if self.roll.is_none() {
            self.begin_wanted(now);
        }
        if let Some(roll) = &mut self.roll
            && let Step::Checking(check) | Step::Rehearsing(_, check) = &mut roll.step
        {
            match check.outcome(now) {
                None => return,
                Some(Ok(())) => {}
                Some(Err(why)) => return self.abort_roll(&format!("{}: {why}", self.blueprint.program.display())),
            }
            if let Step::Rehearsing(new, _) = std::mem::replace(&mut roll.step, Step::Next) {
                // The rest of the roll is the new supervisor's. It returns only if it fails.
                let why = self.hand_over(new);
                self.retire(new);
                return self.abort_roll(&why);
            }
        }
        self.start_next();
    }

    fn begin_wanted(&mut self, now: Instant) {
        let leaving = self.leaving_generations();
        let is_starting = self.children.iter().any(|child| matches!(child.state, ChildState::Starting { .. }));
        let Some(wanted) = &mut self.wanted else { return };
        if !self.has_served || is_starting {
            return;
        }
        let word = wanted.kind.word();
        if leaving.len() >= LEAVING_GENERATIONS {
            if !wanted.is_said {
                wanted.is_said = true;
                tracing::warn!("{word}: waits until an older generation of processes has ended");
            }
            return;
        }
        let Some(WantedRoll { kind, waiting, .. }) = self.wanted.take() else { return };
        tracing::info!("{word} begins");
        self.notices.reloading(&format!("{word} begins"));
        match self.prepared(kind, waiting.clone(), now) {
            Ok(roll) => {
                self.generation += 1;
                self.roll = Some(roll);
            }
            Err(why) => {
                let text = format!("{word} failed, and everything stays as it was:\n{}", why.trim_end());
                tracing::error!("{word} failed, and everything stays as it was:\n{}", why.trim_end());
                self.notices.rolled(&text);
                self.tell(&waiting, false, &text);
                self.last_refusal = Some(text);
            }
        }
    }

    /// Whether the instance could start anew: what it reads then is fit, and its program is nobody else's.
    pub(super) fn restartable(&self) -> Result<(), String> {
        let loaded = (self.blueprint.load)(None)?;
        let plan = Plan::of(&loaded).map_err(|error| error.to_string())?;
        plan.refuse_program(&self.blueprint.program).map_err(|error| error.to_string())?;
        self.next_certificates(&plan).map(drop)
    }

    fn next_certificates(&self, plan: &Plan) -> Result<Option<HeldCertificates>, String> {
        HeldCertificates::next(plan, self.certificates.as_ref()).map_err(|problem| problem.to_string())
    }

    /// Reads the configuration and opens what it needs.
    fn prepared(&self, kind: RollKind, waiting: Vec<ClientId>, now: Instant) -> Result<Roll, String> {
        let loaded = (self.blueprint.load)(None)?;
        let plan = Plan::of(&loaded).map_err(|error| error.to_string())?;
        plan.refuse_secrets(&loaded).map_err(|error| error.to_string())?;
        if plan.name != self.plan.name {
            return Err(format!(
                "`name` was {} and is now {}: the files of the instance have its name; use `restart`",
                self.plan.name, plan.name
            ));
        }
        let certificates = self.next_certificates(&plan)?;
        let sockets = plan.sockets(&self.sockets).map_err(|error| error.to_string())?;
        let step = match kind {
            RollKind::Reload => Step::Next,
            RollKind::Upgrade => Step::Checking(self.check(&plan, now)?),
        };
        let rest = self.slots_to_roll(&plan);
        let (has_taken_over, is_back, replaced) = (false, false, 0);
        Ok(Roll {
            kind,
            has_taken_over,
            is_back,
            plan,
            sockets,
            certificates,
            step,
            rest,
            replaced,
            waiting,
            began: now,
        })
    }

    /// Runs the new program's `check`.
    fn check(&self, plan: &Plan, now: Instant) -> Result<ProgramCheck, String> {
        let version = STATE.to_string();
        self.run_new("check", &["--takes-over", &version], Stdio::null(), plan, now)
    }

    /// Lets the new program do with a copy of the state what it will have to do with the state. When the supervisor is
    /// the new program, nobody is there any more who could go on after an error.
    fn rehearse(&self, new: Pid, now: Instant) -> Result<ProgramCheck, String> {
        let program = self.blueprint.program.display();
        let state = self.packed(new).map_err(|error| format!("{program} could not take over: {error}"))?;
        let plan = self.roll.as_ref().map_or(&self.plan, |roll| &roll.plan);
        self.run_new(REHEARSE, &[], OwnedFd::from(state).into(), plan, now)
    }

    fn run_new(
        &self,
        what: &'static str,
        arguments: &[&str],
        stdin: Stdio,
        plan: &Plan,
        now: Instant,
    ) -> Result<ProgramCheck, String> {
        let program = &self.blueprint.program;
        plan.refuse_program(program).map_err(|error| error.to_string())?;
        let failed = |error| format!("{}: its `{what}` cannot be run: {error}", program.display());
        let output = tempfile::tempfile().map_err(failed)?;
        let both = (output.try_clone().map_err(failed)?, output.try_clone().map_err(failed)?);
        let mut command = Command::new(program);
        notify::hide_from(&mut command);
        let child = command
            .arg(what)
            .args(arguments)
            .args(&self.blueprint.arguments)
            .stdin(stdin)
            .stdout(both.0)
            .stderr(both.1)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        Ok(ProgramCheck { what, child, until: now + CHECK_TIMEOUT, output })
    }

    /// Starts the next new process, or ends the roll.
    fn start_next(&mut self) {
        let Some(roll) = &mut self.roll else { return };
        if !matches!(roll.step, Step::Next) {
            return;
        }
        let Some(slot) = roll.rest.pop_front() else { return self.end_roll() };
        if slot >= self.slots.len() {
            self.slots.resize_with(slot + 1, Slot::default);
        }
        let program = self.blueprint.program.clone();
        let image = if roll.is_of_new_program() { Image::New(&program) } else { Image::Same };
        match self.start(slot, image, true) {
            Ok(pid) => {
                if let Some(roll) = &mut self.roll {
                    roll.step = Step::Starting(pid);
                }
            }
            Err(why) => self.abort_roll(&why),
        }
    }

    /// The new process of a slot serves: the others of the slot may leave.
    pub(super) fn replaced(&mut self, pid: Pid, slot: usize) {
        let Some(roll) = &mut self.roll else { return };
        roll.step = Step::Next;
        if roll.is_of_new_program() {
            return match self.rehearse(pid, Instant::now()) {
                Ok(check) => {
                    if let Some(roll) = &mut self.roll {
                        roll.step = Step::Rehearsing(pid, check);
                    }
                }
                Err(why) => {
                    self.retire(pid);
                    self.abort_roll(&why);
                }
            };
        }
        roll.replaced += 1;
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.start_at = None;
        }
        let until = Instant::now() + self.plan.leave_timeout;
        self.leave(until, |child| child.slot == slot && child.pid != pid);
    }

    /// A process of a roll that failed leaves again.
    fn retire(&mut self, pid: Pid) {
        let until = Instant::now() + self.plan.leave_timeout;
        self.leave(until, |child| child.pid == pid);
    }

    /// Every process is new: the plan holds, sockets that it does not want are closed, and slots that are too many.
    fn end_roll(&mut self) {
        let Some(roll) = self.roll.take() else { return };
        if !roll.is_back {
            self.last_refusal = None;
        }
        (self.plan, self.sockets, self.certificates) = (roll.plan, roll.sockets, roll.certificates);
        self.operators.log.move_to(&self.plan.audit_log);
        // What has changed in their files since the roll began was not for its processes.
        self.tls_watch = TlsWatch::default();
        self.keep_slots();
        let took = roll.began.elapsed().as_secs_f64();
        let text = format!("{} done in {took:.2} s: {} new", roll.kind.word(), roll.replaced);
        tracing::info!("{text}");
        self.notices.rolled(&text);
        // The log has them from the processes.
        let warnings = self.certificates.as_ref().map(HeldCertificates::warnings).unwrap_or_default();
        let lines = warnings.into_iter().map(|warning| format!("warning: {warning}"));
        let told = std::iter::once(text).chain(lines).collect::<Vec<_>>().join("\n");
        self.tell(&roll.waiting, true, &told);
    }

    /// The roll failed: what serves goes on.
    pub(super) fn abort_roll(&mut self, why: &str) {
        let Some(mut roll) = self.roll.take() else { return };
        let back = self.way_back(&roll);
        let done = match (roll.replaced, &back) {
            (0, _) => "everything stays as it was".to_owned(),
            (some, Some(_)) => {
                format!("{some} of {} processes had been replaced, which is undone now", roll.plan.processes)
            }
            (some, None) => {
                format!("{some} of {} processes had been replaced, and the others stay", roll.plan.processes)
            }
        };
        let (word, why) = (roll.kind.word(), why.trim_end());
        let text = format!("{word} failed, and {done}:\n{why}");
        tracing::error!("{word} failed, and {done}:\n{why}");
        self.notices.rolled(&text);
        let waiting = std::mem::take(&mut roll.waiting);
        if let Step::Rehearsing(new, _) = roll.step {
            self.retire(new);
        }
        if roll.replaced > 0 && back.is_none() {
            // They serve with them, so a further roll must know them.
            let known: Vec<_> = self.sockets.iter().map(|socket| socket.address.clone()).collect();
            self.sockets
                .extend(std::mem::take(&mut roll.sockets).into_iter().filter(|new| !known.contains(&new.address)));
        }
        roll.end_check();
        self.keep_slots();
        self.roll = back;
        self.tell(&waiting, false, &text);
        self.last_refusal = Some(text);
    }

    /// The roll that undoes a failed one: those that were replaced are replaced again, by what the plan says that
    /// holds. `None` if there is nothing to undo, or undoing is what failed. After a take-over the new plan holds.
    fn way_back(&mut self, failed: &Roll) -> Option<Roll> {
        if failed.replaced == 0 || failed.is_back || failed.has_taken_over {
            return None;
        }
        let plan = self.plan.clone();
        let sockets = plan.sockets(&self.sockets).ok()?;
        self.generation += 1;
        let rest = (0..failed.replaced.min(plan.processes)).collect();
        let (kind, began) = (RollKind::Reload, Instant::now());
        Some(Roll {
            kind,
            has_taken_over: false,
            is_back: true,
            plan,
            sockets,
            certificates: self.certificates.clone(),
            step: Step::Next,
            rest,
            replaced: 0,
            waiting: Vec::new(),
            began,
        })
    }

    /// There are as many slots as the plan has processes: what is above them leaves, and none stays empty.
    fn keep_slots(&mut self) {
        let count = self.plan.processes;
        let until = Instant::now() + self.plan.leave_timeout;
        self.leave(until, |child| child.slot >= count);
        self.slots.resize_with(count, Slot::default);
        self.learnt.truncate(count);
        let now = Instant::now();
        for (number, slot) in self.slots.iter_mut().enumerate() {
            let is_there = self.children.iter().any(|child| child.slot == number && !child.is_asked_to_leave);
            if !is_there && slot.start_at.is_none() {
                slot.start_at = Some(slot.backoff.crashed(Duration::ZERO, now));
            }
        }
    }
}

impl ProgramCheck {
    /// How it ended; `None` while it may run on. An error has what it printed.
    fn outcome(&mut self, now: Instant) -> Option<Result<(), String>> {
        let what = self.what;
        let why = match self.child.try_wait() {
            Ok(None) if now < self.until => return None,
            Ok(Some(status)) if status.success() && self.has_said_ok() => return Some(Ok(())),
            Ok(Some(status)) if status.success() => {
                format!("its `{what}` did not say `ok`: is it the program of a site?")
            }
            Ok(Some(status)) if what == REHEARSE => format!("it cannot take over ({status})"),
            Ok(Some(status)) => format!("it cannot serve this configuration ({status})"),
            Ok(None) => format!("its `{what}` did not end within {CHECK_TIMEOUT:?}"),
            Err(error) => format!("its `{what}` could not be run: {error}"),
        };
        Some(Err(format!("{why}\n{}", one_lines(&self.report()))))
    }

    /// The last word of a `check` that found nothing wrong. Other programs may end with 0, too.
    fn has_said_ok(&mut self) -> bool {
        self.report().lines().last().is_some_and(|line| line == "ok")
    }

    /// What it printed.
    fn report(&mut self) -> String {
        let mut text = Vec::new();
        let read = self.output.rewind().and_then(|()| (&self.output).take(LONGEST_REPORT).read_to_end(&mut text));
        read.map_or_else(|error| error.to_string(), |_| String::from_utf8_lossy(&text).into_owned())
    }
}
