//! The signals to the supervisor, as something to be read beside its sockets.
//!
//! They are blocked and read from a descriptor. A signal that arrives while the supervisor replaces itself by another
//! program stays pending, and that program reads it: nothing is lost, and none has its default effect.

use std::io::{self, IsTerminal};
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
pub(super) struct Signals {
    descriptor: SignalFd,
    /// Whether it runs in a terminal.
    had_terminal: bool,
}

impl Signals {
    /// Blocks the signals of the supervisor, which has one thread.
    pub(super) fn block() -> io::Result<Signals> {
        let mut set = SigSet::empty();
        for (signal, _) in SIGNALS {
            set.add(signal);
        }
        set.thread_block()?;
        let descriptor = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Signals { descriptor, had_terminal: io::stderr().is_terminal() })
    }

    /// The next signal that came. A HUP that says that the terminal is gone ends the instance: nobody could end it any
    /// more who does not know its number.
    pub(super) fn next(&mut self) -> Option<SupervisorSignal> {
        let info = self.descriptor.read_signal().ok().flatten()?;
        let is_it = |signal: Signal| u32::try_from(signal as i32) == Ok(info.ssi_signo);
        match SIGNALS.iter().find(|(signal, _)| is_it(*signal)).map(|(_, heard)| *heard) {
            Some(SupervisorSignal::Reload) if self.had_terminal && !io::stderr().is_terminal() => {
                Some(SupervisorSignal::End)
            }
            heard => heard,
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
