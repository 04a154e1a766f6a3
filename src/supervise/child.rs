//! One process of the instance, as its supervisor sees it.

use std::io;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::blueprint::Blueprint;
use super::identity::Identity;
use crate::ipc::Line;
use crate::ipc::recorder::Recording;
use crate::serve::notify;
use crate::serve::port_holder::PROCESS;

/// A process that has closed its line is about to end, and has this long for it.
const LAST_STEPS: Duration = Duration::from_secs(2);

/// Which program a process runs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Image<'p> {
    /// The one that runs now, even if its file has been replaced meanwhile.
    Same,
    /// The file at this path.
    New(&'p Path),
}

#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: Pid,
    pub(super) slot: usize,
    pub(super) generation: u64,
    pub(super) line: Line,
    pub(super) state: ChildState,
    /// Nobody wants it to serve: its end is no crash, however it comes.
    pub(super) is_asked_to_leave: bool,
    /// Since when it says nothing more, though it runs.
    pub(super) silent_since: Option<Instant>,
    /// Whether it has ever said that it serves.
    pub(super) has_served: bool,
    /// Whether it accepts nothing more.
    pub(super) closes: bool,
    pub(super) started: Instant,
    /// What it does; `None` if there was no memory for it.
    pub(super) recording: Option<Recording>,
    /// Why it could not serve, in its own words.
    pub(super) failure: Option<StartFailure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChildState {
    /// It has this long to begin to serve.
    Starting {
        until: Instant,
    },
    Serving,
    /// It drains; after this moment it is killed.
    Leaving {
        until: Instant,
    },
    /// It was sent SIGKILL.
    Killed,
}

/// Why a process did not begin to serve.
#[derive(Clone, Debug)]
pub(super) struct StartFailure {
    pub(super) why: String,
    /// Whether the configuration is at fault.
    pub(super) is_conf: bool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Exit {
    Code(i32),
    Signal(i32),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::Signal(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "signal {number} ({signal})"),
                Err(_) => write!(f, "signal {number}"),
            },
        }
    }
}

/// Starts a program as a process of the instance. Returns its id and the line to it.
pub(super) fn spawn(image: Image<'_>, blueprint: &Blueprint, identity: Option<&Identity>) -> io::Result<(Pid, Line)> {
    let (here, there) = UnixStream::pair()?;
    here.set_nonblocking(true)?;
    let path = match image {
        Image::Same => Path::new("/proc/self/exe"),
        Image::New(path) => path,
    };
    let mut command = Command::new(path);
    command
        .arg0(&blueprint.program)
        .arg(PROCESS)
        .args(&blueprint.arguments)
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(there)))
        // A Ctrl-C at the terminal is for the supervisor, which drains its processes.
        .process_group(0);
    notify::hide_from(&mut command);
    if let Some(identity) = identity {
        // Supplementary groups go, too: std clears them where a root sets a user.
        command.uid(identity.uid).gid(identity.gid);
    }
    let id = command.spawn()?.id();
    let pid = i32::try_from(id).map_err(io::Error::other)?;
    Ok((Pid::from_raw(pid), Line::from(here)))
}

/// How this child of ours ended; `None` while it runs.
pub(super) fn exit_of(pid: Pid) -> Option<Exit> {
    match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::Exited(_, code)) => Some(Exit::Code(code)),
        Ok(WaitStatus::Signaled(_, signal, _)) => Some(Exit::Signal(signal as i32)),
        Ok(_) => None,
        // Somebody else has waited for it, so it has ended.
        Err(_) => Some(Exit::Code(-1)),
    }
}

impl Child {
    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.state, ChildState::Leaving { .. } | ChildState::Killed)
    }

    /// Sends it SIGTERM.
    pub(super) fn terminate(&self) {
        let _ = kill(self.pid, Signal::SIGTERM);
    }

    /// Ends it at once.
    pub(super) fn kill(&mut self) {
        // It may have ended already.
        let _ = kill(self.pid, Signal::SIGKILL);
        self.state = ChildState::Killed;
    }

    /// Ends it at once, because of a fault of its own.
    pub(super) fn kill_for(&mut self, why: String) {
        tracing::error!("process {}: {why}; it is killed", self.pid);
        self.failure = Some(StartFailure { why, is_conf: false });
        self.kill();
    }

    /// When something is to be done about it if it does not end or serve by itself.
    pub(super) fn due(&self) -> Option<Instant> {
        let silent = self.silent_since.map(|since| since + LAST_STEPS);
        match self.state {
            ChildState::Starting { until } | ChildState::Leaving { until } => silent.into_iter().chain([until]).min(),
            ChildState::Serving => silent,
            ChildState::Killed => None,
        }
    }

    pub(super) fn word(&self) -> &'static str {
        match self.state {
            ChildState::Starting { .. } => "starting",
            ChildState::Serving => "serving",
            ChildState::Leaving { .. } => "leaving",
            ChildState::Killed => "killed",
        }
    }

    pub(super) fn lived(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }
}
