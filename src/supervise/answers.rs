//! What the supervisor answers at once: it reopens log files, and shows the instance.

use std::os::fd::AsFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use skitai_wire::Value;

use super::child::ChildState;
use super::control::ClientId;
use super::instance::Instance;
use super::tls::HeldCertificates;
use crate::ipc::messages::{ControlAnswer, ControlRequest, Descriptor, LogLevels, Question, TREE, ToProcess};
use crate::observe::plain_file::LogKind;
use crate::observe::{log, recent_lines};

/// The longest text of a crash or a refusal that goes into the status, in characters.
const LONGEST_TEXT: usize = 400;

/// A text of several lines as a short one.
fn in_short(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    log::one_line(&words.join(" ")).chars().take(LONGEST_TEXT).collect()
}

impl Instance {
    /// Gives every process and the supervisor new log files.
    pub(super) fn reopen(&mut self) -> Result<String, String> {
        let mut problems = Vec::new();
        let mut descriptors = Vec::new();
        let mut files = Vec::new();
        if self.blueprint.is_detached {
            let path = self.plan.place.log_path();
            match self.plan.open_log(&path, LogKind::Console) {
                Ok(file) => {
                    let taken = rustix::stdio::dup2_stdout(&file).and_then(|()| rustix::stdio::dup2_stderr(&file));
                    problems.extend(taken.err().map(|error| format!("{}: {error}", path.display())));
                    descriptors.push(Descriptor::Console);
                    files.push(file);
                }
                Err(error) => problems.push(format!("{}: {error}; the old one goes on", path.display())),
            }
        }
        for path in &self.plan.logs {
            match self.plan.open_log(path, LogKind::Lines) {
                Ok(file) => {
                    descriptors.push(Descriptor::Log(path.clone()));
                    files.push(file);
                }
                Err(error) => problems.push(format!("{}: {error}; the old one goes on", path.display())),
            }
        }
        self.operators.log.reopen();
        let handed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        for child in self.children.iter_mut().filter(|child| child.state != ChildState::Killed) {
            let message = ToProcess::Reopen { descriptors: descriptors.clone() };
            if let Err(error) = child.line.hand_over(&message, &handed) {
                problems.push(format!("process {} could not be told: {error}", child.pid));
            }
        }
        if problems.is_empty() {
            tracing::info!("log files are reopened");
            Ok("log files are reopened".to_owned())
        } else {
            let text = problems.join("\n");
            tracing::error!("not every log file is reopened: {text}");
            Err(text)
        }
    }

    /// Gives the log of every process and of the supervisor other levels for a time.
    pub(super) fn set_levels(&mut self, wanted: &LogLevels) -> Result<String, String> {
        let Some(levels) = &wanted.levels else {
            self.reset_levels();
            return Ok("the log has the levels of the start".to_owned());
        };
        log::check_levels(levels)?;
        let lasting = Duration::from_secs(wanted.seconds.min(log::LONGEST_LASTING));
        self.levels = Some((wanted.levels.clone(), Instant::now() + lasting));
        self.tell_levels();
        let levels = log::one_line(levels);
        tracing::warn!("the log has the levels {levels} for {lasting:?}");
        Ok(format!("the log has the levels {levels} for {lasting:?}"))
    }

    /// Gives them back those of the start.
    pub(super) fn reset_levels(&mut self) {
        self.levels = None;
        self.tell_levels();
        tracing::info!("the log has the levels of the start again");
    }

    fn tell_levels(&mut self) {
        let levels = self.levels.as_ref().and_then(|(levels, _)| levels.clone());
        log::set_levels(levels.as_deref());
        self.tell_all(|| ToProcess::Levels { levels: levels.clone() });
    }

    /// Passes the question about the whole status on to a process, whose answer goes to the client as it is: what is in
    /// it, and how long it takes, is nothing to the supervisor.
    pub(super) fn ask_tree(&mut self, request: &ControlRequest, client: ClientId) {
        let Some(pid) = request.process.filter(|pid| self.speaking().any(|child| child.pid.as_raw() == *pid)) else {
            return self.control.answer(client, &ControlAnswer::refusal("no such process serves".to_owned()));
        };
        self.control.asks(client, pid);
        let body = request.filter.clone().unwrap_or_default();
        let question = Question { by: 0, number: client.number(), topic: TREE.to_owned(), body };
        self.deliver(vec![(pid, ToProcess::Question(question))]);
    }

    /// What the supervisor says of itself to the processes, for the status that they show.
    pub(super) fn of_itself(&self) -> Value {
        let text = |text: &Option<String>| text.as_ref().map(|text| Value::from(in_short(text)));
        let crashed = self.crashes.age(Instant::now()).and_then(|age| SystemTime::now().checked_sub(age));
        let crashed = crashed.and_then(|at| i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok());
        let told = [
            ("last_crash", text(&self.last_crash)),
            ("crashed_at", crashed.map(Value::from)),
            ("refused", text(&self.last_refusal)),
            ("certificates_refused", text(&self.certificates.as_ref().and_then(HeldCertificates::refused))),
        ];
        let told = told.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let pid = [("pid", Value::from(i64::from(std::process::id()))), ("log", recent_lines::tree())];
        Value::from_pairs(pid.into_iter().chain(told))
    }

    /// What `status` shows.
    pub(super) fn status(&self) -> serde_json::Value {
        let now = Instant::now();
        let processes: Vec<_> = self
            .children
            .iter()
            .map(|child| {
                serde_json::json!({
                    "slot": child.slot,
                    "pid": child.pid.as_raw(),
                    "generation": child.generation,
                    "state": child.word(),
                    "seconds": child.lived(now).as_secs(),
                    "learnt_ms": self.learnt.age(child.slot, now).map(|age| age.as_millis() as u64),
                    "restarts": self.slots.get(child.slot).map_or(0, |slot| slot.restarts),
                })
            })
            .collect();
        let empty = self.slots.iter().enumerate().filter_map(|(number, slot)| {
            let wait = slot.start_at?.saturating_duration_since(now).as_millis() as u64;
            Some(serde_json::json!({ "slot": number, "starts_in_ms": wait, "restarts": slot.restarts }))
        });
        serde_json::json!({
            "name": self.plan.name,
            "pid": std::process::id(),
            "program": self.blueprint.program,
            "version": env!("CARGO_PKG_VERSION"),
            "seconds": self.began.elapsed().unwrap_or_default().as_secs(),
            "generation": self.generation,
            "listening": self.sockets.iter().map(|socket| socket.address.as_str()).collect::<Vec<_>>(),
            "state": match (&self.ending, &self.roll) {
                (Some(_), _) => "ending",
                (None, Some(roll)) => roll.kind.word(),
                (None, None) if self.is_serving() => "serving",
                (None, None) => "starting",
            },
            "start_timeout": self.plan.start_timeout.as_secs_f64(),
            "processes": processes,
            "empty": empty.collect::<Vec<_>>(),
            "last_crash": self.last_crash,
        })
    }
}
