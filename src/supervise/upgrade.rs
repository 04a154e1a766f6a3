//! An upgrade of the supervisor: it becomes the new program, with the same process id, by `exec`.
//!
//! The state goes to the new program as a message with descriptors, on a socket that is its standard input: the
//! listening sockets, the locked pid file, the control socket, the lines to processes and to clients. Nothing
//! is closed and opened again, so nothing is lost; signals stay blocked, so they wait for the new program.
//!
//! After the `exec` nobody is there any more who could go on if the new program fails. So it rehearses its part before,
//! as a process of its own with a copy of all that.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant, UNIX_EPOCH};

use nix::unistd::{Pid, execv};

use super::backoff::Backoff;
use super::bank::Bank;
use super::blueprint::Blueprint;
use super::child::{Child, ChildState};
use super::control::Control;
use super::crashes::Crashes;
use super::instance::{Instance, Slot};
use super::learnt::LearntBySlot;
use super::notices::Notices;
use super::operators::Operators;
use super::plan::{OpenSocket, Plan};
use super::roll::{Roll, RollKind, Step, WantedRoll};
use super::signals::Signals;
use super::state::{ChildOf, ClientOf, Handed, STATE, SlotOf, State};
use super::tls::{HeldCertificates, TicketRotation, TlsWatch};
use crate::ipc::Line;
use crate::ipc::recorder::Recording;
use crate::observe::log;
use crate::serve::listen::Listener;

/// The hidden command that takes an instance over.
pub(crate) const ADOPT: &str = "adopt";
/// The hidden command that tries whether `adopt` would succeed, with a copy of the state. It says `ok`.
pub(crate) const REHEARSE: &str = "rehearse";

/// Why a supervisor could not go on as another program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdoptError {
    #[error("this command is for the supervisor of an instance, at an upgrade: {0}")]
    NoState(#[from] crate::ipc::LineError),
    #[error("the state of the instance is of version {0}, and this program knows {STATE}")]
    Version(u32),
    #[error("the state of the instance has a descriptor too few")]
    Descriptors,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{0}")]
    Plan(String),
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Instance {
    /// Becomes the new program, whose first process serves. Returns why it could not.
    pub(super) fn hand_over(&mut self, new: Pid) -> String {
        match self.try_hand_over(new) {
            Ok(never) => match never {},
            Err(error) => format!("{} could not take over: {error}", self.blueprint.program.display()),
        }
    }

    fn try_hand_over(&mut self, new: Pid) -> io::Result<Infallible> {
        let there = self.packed(new)?;
        let word = |word: &std::ffi::OsStr| CString::new(word.as_bytes()).map_err(io::Error::other);
        let program = word(self.blueprint.program.as_os_str())?;
        let mut words = vec![program.clone(), CString::new(ADOPT)?];
        for argument in &self.blueprint.arguments {
            words.push(word(argument)?);
        }
        if self.blueprint.is_detached {
            words.push(CString::new("--detached")?);
        }
        tracing::info!("{} takes over", self.blueprint.program.display());
        rustix::stdio::dup2_stdin(&there)?;
        let failed = execv(&program, &words);
        // Here, nothing was replaced.
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Err(failed.map_or_else(Into::into, |never| match never {}))
    }

    /// A socket from which a new program can read the state.
    pub(super) fn packed(&self, new: Pid) -> io::Result<UnixStream> {
        let (here, there) = UnixStream::pair()?;
        // What does not fit into the socket's buffer would wait for a reader that does not exist yet.
        here.set_nonblocking(true)?;
        let state = self.state(new).write()?;
        let open = match &self.roll {
            Some(roll) => &roll.sockets,
            None => &self.sockets,
        };
        let mut handed = vec![state.as_fd(), self.pid_file.file.as_fd(), self.control.listener.as_fd()];
        handed.extend(open.iter().map(|socket| socket.listener.as_fd()));
        for child in &self.children {
            handed.push(child.line.socket().as_fd());
            handed.extend(child.recording.as_ref().map(Recording::file));
        }
        handed.extend(self.control.clients.iter().map(|client| client.line.socket().as_fd()));
        let mut line = Line::from(here);
        let message = Handed { version: STATE, descriptors: handed.len() };
        line.hand_over_all(&message, &handed).map_err(io::Error::other)?;
        if line.has_output() {
            return Err(io::Error::other("its state is too large for a socket's buffer"));
        }
        Ok(there)
    }

    fn state(&self, new: Pid) -> State {
        let now = Instant::now();
        let (rest, waiting, sockets) = match &self.roll {
            Some(roll) => (roll.rest.iter().copied().collect(), roll.waiting.as_slice(), &roll.sockets),
            None => (Vec::new(), &[][..], &self.sockets),
        };
        let certificates = match &self.roll {
            Some(roll) => roll.certificates.as_ref(),
            None => self.certificates.as_ref(),
        };
        let clients = self.control.clients.iter().map(|client| ClientOf {
            id: client.id,
            has_asked: client.has_asked,
            is_answered: client.is_answered,
            line: client.line.unread(),
        });
        let children = self.children.iter().map(|child| ChildOf {
            pid: child.pid.as_raw(),
            slot: child.slot,
            generation: child.generation,
            lived_ms: millis(child.lived(now)),
            leaves_ms: match child.state {
                ChildState::Leaving { until } => Some(millis(until.saturating_duration_since(now))),
                ChildState::Killed if child.is_asked_to_leave => Some(0),
                // The end of one that was killed for a fault will be seen, and another takes its place.
                ChildState::Killed | ChildState::Starting { .. } | ChildState::Serving => None,
            },
            starts_ms: match child.state {
                ChildState::Starting { until } => Some(millis(until.saturating_duration_since(now))),
                _ => None,
            },
            line: child.line.unread(),
            is_recorded: child.recording.is_some(),
        });
        let slots = self.slots.iter().map(|slot| SlotOf {
            crashes: slot.backoff.crashes,
            restarts: slot.restarts,
            starts_ms: slot.start_at.map(|due| millis(due.saturating_duration_since(now))),
        });
        State {
            generation: self.generation,
            began: self.began.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            sockets: sockets.iter().map(|socket| socket.address.clone()).collect(),
            children: children.collect(),
            slots: slots.collect(),
            new: new.as_raw(),
            rest,
            clients: clients.collect(),
            waiting: waiting.to_vec(),
            wanted: self.wanted.as_ref().map(|wanted| (wanted.kind, wanted.waiting.clone())),
            rolled_ms: self.roll.as_ref().map_or(0, |roll| millis(roll.began.elapsed())),
            last_crash: self.last_crash.clone(),
            is_activated: self.is_activated(),
            is_ready: self.notices.is_ready,
            tickets: self.tickets.state(now),
            levels: self
                .levels
                .as_ref()
                .map(|(levels, until)| (levels.clone(), millis(until.saturating_duration_since(now)))),
            crashed_ms: self.crashes.age(now).map(millis),
            announces: self.crashes.announces,
            learnt: self.learnt.all(now),
            totals: self.totals.clone(),
            conf: self.roll.as_ref().and_then(|roll| roll.plan.conf.clone()),
            tls_files: certificates.map(HeldCertificates::handed).unwrap_or_default(),
            books: self.bank.books(),
            ended_books: self.bank.ended_books(now),
            member_words: self.operators.words.clone(),
            audit: self.operators.log.tail.all(),
        }
    }

    /// Takes over the instance whose state is on the standard input, or rehearses that.
    pub(super) fn adopt(blueprint: Blueprint, is_rehearsal: bool) -> Result<Instance, AdoptError> {
        let signals = Signals::block()?;
        let mut line = Line::on_stdin()?;
        let handed: Handed = line.wait()?;
        if handed.version != STATE {
            return Err(AdoptError::Version(handed.version));
        }
        line.wait_descriptors(handed.descriptors)?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?).map_err(io::Error::from)?;
        let mut next = || line.take_descriptors(1).pop().ok_or(AdoptError::Descriptors);
        let state = State::read(&File::from(next()?))?;
        let (pid_file, listener) = (File::from(next()?), UnixListener::from(next()?));
        let mut control = Control::new(listener);
        let mut sockets = Vec::new();
        for address in state.sockets {
            let listener = Listener::from_fd(next()?)?;
            sockets.push(match (state.is_activated, is_rehearsal) {
                (true, _) => OpenSocket::activated(address, listener),
                (false, true) => OpenSocket::lent(address, listener),
                (false, false) => OpenSocket::own(address, listener),
            });
        }
        let now = Instant::now();
        let mut children = Vec::new();
        for child in state.children {
            let line = UnixStream::from(next()?);
            let recording = child.is_recorded.then(&mut next).transpose()?;
            children.push(child.adopted(line, recording.map(|file| Recording::resumed(file.into())), now));
        }
        for client in state.clients {
            let line = Line::resumed(UnixStream::from(next()?), client.line);
            control.adopt(client.id, line, client.has_asked, client.is_answered);
        }
        let leaving = children.iter().filter(|child| child.is_leaving()).map(|child| child.pid.as_raw()).collect();
        let loaded = (blueprint.load)(state.conf.as_ref()).map_err(AdoptError::Plan)?;
        let plan = Plan::of(&loaded).map_err(|error| AdoptError::Plan(error.to_string()))?;
        let certificates = HeldCertificates::adopted(&plan, state.tls_files);
        let certificates = certificates.map_err(|problem| AdoptError::Plan(problem.to_string()))?;
        let pid_file = plan.place.adopt_lock(pid_file);
        let operators = Operators::adopted(&plan, state.member_words, state.audit);
        let slots = state.slots.iter().map(|slot| Slot {
            backoff: Backoff { crashes: slot.crashes },
            restarts: slot.restarts,
            start_at: slot.starts_ms.map(|wait| now + Duration::from_millis(wait)),
        });
        let roll = Roll {
            kind: RollKind::Upgrade,
            has_taken_over: true,
            is_back: false,
            plan: plan.clone(),
            sockets: plan.sockets(&sockets).map_err(|error| AdoptError::Plan(error.to_string()))?,
            certificates: certificates.clone(),
            step: Step::Starting(Pid::from_raw(state.new)),
            rest: state.rest.into(),
            replaced: 0,
            waiting: state.waiting,
            began: now.checked_sub(Duration::from_millis(state.rolled_ms)).unwrap_or(now),
        };
        Ok(Instance {
            blueprint,
            plan,
            sockets,
            pid_file,
            control,
            signals,
            children,
            slots: slots.collect(),
            generation: state.generation,
            began: UNIX_EPOCH + Duration::from_secs(state.began),
            has_served: true,
            roll: Some(roll),
            wanted: state.wanted.map(|(kind, waiting)| WantedRoll { kind, waiting, is_said: false }),
            ending: None,
            last_crash: state.last_crash,
            last_refusal: None,
            notices: Notices::new(state.is_ready),
            bank: Bank::of_books(state.books, state.ended_books, leaving, now),
            learnt: LearntBySlot::adopted(state.learnt, now),
            totals: state.totals,
            crashes: Crashes::adopted(state.crashed_ms, state.announces, now),
            levels: state.levels.map(|(levels, ms)| (levels, now + Duration::from_millis(ms))),
            tickets: TicketRotation::adopted(state.tickets, now),
            tls_watch: TlsWatch::default(),
            certificates,
            operators,
        })
    }

    /// Goes on with the upgrade that this program is the end of.
    pub(super) fn take_over(&mut self) {
        if let Some((levels, _)) = &self.levels {
            log::set_levels(levels.as_deref());
        }
        tracing::info!("{} has taken over", self.blueprint.program.display());
        let Some(Roll { step: Step::Starting(new), .. }) = &self.roll else { return };
        let new = *new;
        if let Some(slot) = self.children.iter().find(|child| child.pid == new).map(|child| child.slot) {
            self.replaced(new, slot);
        }
    }
}

impl ChildOf {
    fn adopted(self, socket: UnixStream, recording: Option<Recording>, now: Instant) -> Child {
        Child {
            pid: Pid::from_raw(self.pid),
            slot: self.slot,
            generation: self.generation,
            line: Line::resumed(socket, self.line),
            state: match (self.leaves_ms, self.starts_ms) {
                (Some(wait), _) => ChildState::Leaving { until: now + Duration::from_millis(wait) },
                (None, Some(wait)) => ChildState::Starting { until: now + Duration::from_millis(wait) },
                (None, None) => ChildState::Serving,
            },
            is_asked_to_leave: self.leaves_ms.is_some(),
            silent_since: None,
            has_served: self.starts_ms.is_none(),
            closes: self.leaves_ms.is_some(),
            started: now.checked_sub(Duration::from_millis(self.lived_ms)).unwrap_or(now),
            recording,
            failure: None,
        }
    }
}
