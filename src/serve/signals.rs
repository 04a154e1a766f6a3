//! The signals of a process.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use nix::sys::signal::SigSet;
use tokio::signal::unix::{SignalKind, signal};

use super::drain::Drain;
use super::process::Process;

/// Lets signals in again: a program that took the place of a supervisor has inherited that they are blocked.
pub(crate) fn unblock() {
    // Fails for a number that is no signal alone.
    let _ = SigSet::all().thread_unblock();
}

/// Obeys the signals of a process of an instance from now on: TERM, INT and QUIT end it in order, a second one at once.
/// The others are for its supervisor, and are often sent to all processes of a name: they do nothing here.
///
/// # Errors
/// If the system does not let it hear one of them.
pub(crate) fn obey_supervised(drain: Drain) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    // Once it is heard, a signal has no effect of its own any more.
    let _ignored = [SignalKind::hangup(), SignalKind::user_defined1(), SignalKind::user_defined2()].map(signal);
    actix_rt::spawn(async move {
        let mut another = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = quit.recv() => {}
            }
        };
        another().await;
        drain.begin();
        another().await;
        drain.at_once();
    });
    Ok(())
}

/// Obeys the signals of a process without a supervisor from now on: TERM, INT and QUIT end the process in order, a
/// second one at once; USR1 opens the access log anew. HUP and USR2 are for a supervisor; but a HUP that says that the
/// terminal is gone ends it, too.
///
/// # Errors
/// If the system does not let it hear one of them.
pub(crate) fn obey(drain: Drain, process: Arc<Process>) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut logs = signal(SignalKind::user_defined1())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut upgrade = signal(SignalKind::user_defined2())?;
    let refuse = |name, what| {
        tracing::warn!(
            "{name} is refused: this process has no supervisor, which alone can {what}; `supervise = yes` in [server] \
             starts one"
        );
    };
    let had_terminal = io::stderr().is_terminal();
    actix_rt::spawn(async move {
        let mut has_begun = false;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = quit.recv() => {}
                _ = logs.recv() => {
                    process.reopen_logs(Vec::new());
                    continue;
                }
                // Where the terminal is gone, nobody could end it any more who does not know its number.
                _ = hang_up.recv() => if !had_terminal || io::stderr().is_terminal() {
                    refuse("SIGHUP", "reload the configuration");
                    continue;
                },
                _ = upgrade.recv() => {
                    refuse("SIGUSR2", "replace the program");
                    continue;
                }
            }
            if has_begun {
                tracing::info!("stopping at once");
                return drain.at_once();
            }
            has_begun = true;
            tracing::info!("stopping: requests under way may finish; a second signal ends them");
            drain.begin();
        }
    });
    Ok(())
}
