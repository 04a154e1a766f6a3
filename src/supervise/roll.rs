//! A roll: every process is replaced by a new one, one at a time, and none is asked to leave before its successor
//! serves.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::control::ClientId;
use super::plan::{OpenSocket, Plan};
use super::tls::HeldCertificates;

/// How long a new binary may take to say whether it can serve the configuration, and whether it can take over.
pub(super) const CHECK_TIMEOUT: Duration = Duration::from_secs(10);
/// The most generations of processes that leave at a time: with one that serves there are three. After a crash or a
/// roll that failed several generations may serve, for as long as it takes, and they count as one.
pub(super) const LEAVING_GENERATIONS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RollKind {
    /// The same program takes up the configuration anew.
    Reload,
    /// Another program takes over, the supervisor included.
    Upgrade,
}

impl RollKind {
    pub(super) fn word(self) -> &'static str {
        match self {
            RollKind::Reload => "reload",
            RollKind::Upgrade => "upgrade",
        }
    }
}

/// A roll that was asked for and has not begun.
#[derive(Debug)]
pub(super) struct WantedRoll {
    pub(super) kind: RollKind,
    pub(super) waiting: Vec<ClientId>,
    /// It was said that it waits.
    pub(super) is_said: bool,
}

/// A roll under way.
#[derive(Debug)]
pub(super) struct Roll {
    pub(super) kind: RollKind,
    /// Whether an upgrade is past the step at which the supervisor became the new program.
    pub(super) has_taken_over: bool,
    /// Whether it undoes one that failed.
    pub(super) is_back: bool,
    pub(super) plan: Plan,
    pub(super) sockets: Vec<OpenSocket>,
    pub(super) certificates: Option<HeldCertificates>,
    pub(super) step: Step,
    /// The slots whose process is still to be replaced.
    pub(super) rest: VecDeque<usize>,
    /// How many processes have been replaced.
    pub(super) replaced: usize,
    /// Who waits for its end.
    pub(super) waiting: Vec<ClientId>,
    pub(super) began: Instant,
}

impl Roll {
    /// Whether its processes are of another program than the supervisor.
    pub(super) fn is_of_new_program(&self) -> bool {
        self.kind == RollKind::Upgrade && !self.has_taken_over
    }
}

#[derive(Debug)]
pub(super) enum Step {
    /// The new binary says whether it can serve the configuration.
    Checking(ProgramCheck),
    /// The next process is to be started.
    Next,
    /// This process is being started.
    Starting(Pid),
    /// This process of the new binary serves, and the binary rehearses what the supervisor does next.
    Rehearsing(Pid, ProgramCheck),
}

/// A run of a new binary, to know whether it can do something.
#[derive(Debug)]
pub(super) struct ProgramCheck {
    /// Its command.
    pub(super) what: &'static str,
    pub(super) child: std::process::Child,
    pub(super) until: Instant,
    /// Its output, in a file: nobody waits for it.
    pub(super) output: std::fs::File,
}
