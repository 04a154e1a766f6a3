//! The signals to the supervisor, as something to be read beside its sockets.
//!
//! They are blocked and read from a descriptor. A signal that arrives while the supervisor replaces itself by another
//! program stays pending, and that program reads it: nothing is lost, and none has its default effect.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SupervisorSignal {
    /// TERM, INT, QUIT.
    End,
    /// HUP.
    Reload,
    /// USR1.
    Reopen,
    /// USR2.
    Upgrade,
    /// CHLD.
    ChildEnded,
}

const SIGNALS: [(Signal, SupervisorSignal); 7] = [
    (Signal::SIGTERM, SupervisorSignal::End),
    (Signal::SIGINT, SupervisorSignal::End),
    (Signal::SIGQUIT, SupervisorSignal::End),
    (Signal::SIGHUP, SupervisorSignal::Reload),
    (Signal::SIGUSR1, SupervisorSignal::Reopen),
    (Signal::SIGUSR2, SupervisorSignal::Upgrade),
    (Signal::SIGCHLD, SupervisorSignal::ChildEnded),
];

#[derive(Debug)]
pub(super) struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals of the supervisor, which has one thread.
    pub(super) fn block() -> io::Result<Signals> {
        let mut set = SigSet::empty();
        for (signal, _) in SIGNALS {
            set.add(signal);
        }
        set.thread_block()?;
        Ok(Signals(SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?))
    }

    /// The next signal that came.
    pub(super) fn next(&mut self) -> Option<SupervisorSignal> {
        let info = self.0.read_signal().ok().flatten()?;
        SIGNALS.iter().find(|(signal, _)| u32::try_from(*signal as i32) == Ok(info.ssi_signo)).map(|(_, heard)| *heard)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
