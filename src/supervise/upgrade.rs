//! An upgrade of the supervisor: it becomes the new program, with the same process id, by `exec`.
//!
//! The state goes to the new program as a message with descriptors, on a socket that is its standard input: the
//! listening sockets, the locked pid file, the control socket, the lines to processes and to clients. Nothing
//! is closed and opened again, so nothing is lost; signals stay blocked, so they wait for the new program.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
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
use super::plan::{OpenSocket, Plan};
use super::roll::{Roll, RollKind, Step, WantedRoll};
use super::signals::Signals;
use super::state::{ChildOf, ClientOf, STATE, SlotOf, State, Stow};
use crate::ipc::Line;
use crate::ipc::line::Unread;
use crate::ipc::recorder::Recorders;
use crate::observe::log;
use crate::serve::listen::Listener;

/// The hidden command that takes an instance over.
pub(crate) const ADOPT: &str = "adopt";

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
        let (here, there) = UnixStream::pair()?;
        // What does not fit into the socket's buffer would wait for a reader that does not exist yet.
        here.set_nonblocking(true)?;
        let mut line = Line::from(here);
        {
            let stow = Stow {
                learnt: self.learnt.all(Instant::now()),
                lines: self.children.iter().map(|child| child.line.unread()).collect(),
                lines_of_clients: self.control.clients.iter().map(|client| client.line.unread()).collect(),
                totals: self.totals.clone(),
                conf: self.roll.as_ref().and_then(|roll| roll.plan.conf.clone()),
            };
            let stowed = stow.write();
            if let Err(error) = &stowed {
                tracing::warn!("what does not fit into a socket is not handed over: {error}");
            }
            let (state, handed) = self.state(new, stowed.as_ref().ok());
            line.hand_over(&state, &handed).map_err(io::Error::other)?;
        }
        if line.has_output() {
            return Err(io::Error::other("its state is too large for a socket's buffer"));
        }
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

    fn state<'a>(&'a self, new: Pid, stow: Option<&'a File>) -> (State, Vec<BorrowedFd<'a>>) {
        let now = Instant::now();
        let (rest, waiting, sockets) = match &self.roll {
            Some(roll) => (roll.rest.iter().copied().collect(), roll.waiting.as_slice(), &roll.sockets),
            None => (Vec::new(), &[][..], &self.sockets),
        };
        let mut handed = vec![self.pid_file.file.as_fd(), self.control.listener.as_fd()];
        handed.extend(sockets.iter().map(|socket| socket.listener.as_fd()));
        handed.extend(self.children.iter().map(|child| child.line.socket().as_fd()));
        handed.extend(self.control.clients.iter().map(|client| client.line.socket().as_fd()));
        let clients = self.control.clients.iter().map(|client| ClientOf {
            id: client.id,
            has_asked: client.has_asked,
            is_answered: client.is_answered,
            line: if stow.is_some() { Unread::default() } else { client.line.unread() },
        });
        let children = self.children.iter().map(|child| ChildOf {
            pid: child.pid.as_raw(),
            slot: child.slot,
            generation: child.generation,
            lived_ms: millis(child.lived(now)),
            leaves_ms: match child.state {
                ChildState::Leaving { until } => Some(millis(until.saturating_duration_since(now))),
                ChildState::Killed => Some(0),
                ChildState::Starting { .. } | ChildState::Serving => None,
            },
            line: if stow.is_some() { Unread::default() } else { child.line.unread() },
            region: child.region,
        });
        let slots = self.slots.iter().map(|slot| SlotOf {
            crashes: slot.backoff.crashes,
            restarts: slot.restarts,
            starts_ms: slot.start_at.map(|due| millis(due.saturating_duration_since(now))),
        });
        let state = State {
            version: STATE,
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
            books: self.bank.books(),
            is_stowed: stow.is_some(),
            is_recorded: self.recorders.is_some(),
            crashed_ms: self.crashes.age(now).map(millis),
            announces: self.crashes.announces,
            levels: self
                .levels
                .as_ref()
                .map(|(levels, until)| (levels.clone(), millis(until.saturating_duration_since(now)))),
        };
        handed.extend(stow.map(AsFd::as_fd));
        handed.extend(self.recorders.as_ref().map(Recorders::file));
        (state, handed)
    }

    /// Takes over the instance whose state is on the standard input.
    pub(super) fn adopt(blueprint: Blueprint) -> Result<Instance, AdoptError> {
        let signals = Signals::block()?;
        let mut line = Line::on_stdin()?;
        let state: State = line.wait()?;
        if state.version != STATE {
            return Err(AdoptError::Version(state.version));
        }
        rustix::stdio::dup2_stdin(File::open("/dev/null")?).map_err(io::Error::from)?;
        let mut next = || line.take_descriptors(1).pop().ok_or(AdoptError::Descriptors);
        let (pid_file, listener) = (File::from(next()?), UnixListener::from(next()?));
        let mut control = Control::new(listener);
        let mut sockets = Vec::new();
        for address in state.sockets {
            let make = if state.is_activated { OpenSocket::activated } else { OpenSocket::own };
            sockets.push(make(address, Listener::from_fd(next()?)?));
        }
        let now = Instant::now();
        let (mut children, mut regions) = (Vec::new(), Vec::new());
        for child in state.children {
            regions.extend(child.region);
            children.push(child.adopted(next()?, now));
        }
        for client in state.clients {
            let line = Line::resumed(UnixStream::from(next()?), client.line);
            control.adopt(client.id, line, client.has_asked, client.is_answered);
        }
        let leaving = children.iter().filter(|child| child.is_leaving()).map(|child| child.pid.as_raw()).collect();
        let stow = if state.is_stowed { Stow::read(&File::from(next()?)) } else { Ok(Stow::default()) };
        let Stow { learnt, lines, lines_of_clients, totals, conf } = stow.unwrap_or_else(|error| {
            tracing::error!("what does not fit into a socket did not come over: {error}");
            Stow::default()
        });
        let recorders = if state.is_recorded { Ok(Recorders::resumed(File::from(next()?))) } else { Recorders::new() };
        let mut recorders = super::recorders(recorders);
        if let Some(recorders) = &mut recorders {
            regions.into_iter().for_each(|region| recorders.occupy(region));
        }
        for (child, unread) in children.iter_mut().zip(lines) {
            child.line.resume(unread);
        }
        for (client, unread) in control.clients.iter_mut().zip(lines_of_clients) {
            client.line.resume(unread);
        }
        let loaded = (blueprint.load)(conf.as_ref()).map_err(AdoptError::Plan)?;
        let plan = Plan::of(&loaded).map_err(|error| AdoptError::Plan(error.to_string()))?;
        let pid_file = plan.place.adopt_lock(pid_file);
        let slots = state.slots.iter().map(|slot| Slot {
            backoff: Backoff { crashes: slot.crashes },
            restarts: slot.restarts,
            start_at: slot.starts_ms.map(|wait| now + Duration::from_millis(wait)),
        });
        let roll = Roll {
            kind: RollKind::Upgrade,
            has_taken_over: true,
            plan: plan.clone(),
            sockets: plan.sockets(&sockets).map_err(|error| AdoptError::Plan(error.to_string()))?,
            step: Step::Starting(Pid::from_raw(state.new)),
            rest: state.rest.into(),
            replaced: 0,
            waiting: state.waiting,
            began: now.checked_sub(Duration::from_millis(state.rolled_ms)).unwrap_or(now),
        };
        let mut instance = Instance {
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
            notices: Notices::new(state.is_ready),
            bank: Bank::of_books(state.books, leaving),
            learnt: LearntBySlot::adopted(learnt, now),
            totals,
            crashes: Crashes::adopted(state.crashed_ms, state.announces, now),
            levels: state.levels.map(|(levels, ms)| (levels, now + Duration::from_millis(ms))),
            recorders,
        };
        if let Some((levels, _)) = &instance.levels {
            log::set_levels(levels.as_deref());
        }
        tracing::info!("{} has taken over", instance.blueprint.program.display());
        let new = Pid::from_raw(state.new);
        if let Some(slot) = instance.children.iter().find(|child| child.pid == new).map(|child| child.slot) {
            instance.replaced(new, slot);
        }
        Ok(instance)
    }
}

impl ChildOf {
    fn adopted(self, descriptor: OwnedFd, now: Instant) -> Child {
        Child {
            pid: Pid::from_raw(self.pid),
            slot: self.slot,
            generation: self.generation,
            line: Line::resumed(UnixStream::from(descriptor), self.line),
            state: match self.leaves_ms {
                Some(wait) => ChildState::Leaving { until: now + Duration::from_millis(wait) },
                None => ChildState::Serving,
            },
            has_served: true,
            closes: self.leaves_ms.is_some(),
            started: now.checked_sub(Duration::from_millis(self.lived_ms)).unwrap_or(now),
            region: self.region,
            failure: None,
        }
    }
}
