//! What a service manager is told: the messages of systemd's `sd_notify`, which others understand, too.
//!
//! Whoever runs the instance tells them: its supervisor, or the process if there is none. Messages are datagrams to the
//! socket that `NOTIFY_SOCKET` names. The crate `sd-notify` knows no abstract sockets, and waits without a limit where
//! the manager does not read.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::{env, process};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Barrier;
use tokio::time::sleep;

use crate::app::closing::{Lifecycle, Phase};

const SOCKET: &str = "NOTIFY_SOCKET";
const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// What a service manager says by the environment.
const VARIABLES: [&str; 7] =
    [SOCKET, WATCHDOG_USEC, WATCHDOG_PID, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"];

/// How long systemd waits for a start or an end unless its unit says otherwise (`DefaultTimeoutStopSec`). What cannot
/// take longer needs no other time, and a shorter one of the unit is meant.
const USUAL: Duration = Duration::from_secs(90);
/// How much more time is asked for than our own clocks allow: they are to end it, not the manager.
const LATER: Duration = Duration::from_secs(5);
/// How long a manager may take to make room for a message.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest status, in octets.
const STATUS: usize = 300;

/// Keeps from a program what the service manager says: it is for this process alone.
pub(crate) fn hide_from(command: &mut Command) {
    for name in VARIABLES {
        command.env_remove(name);
    }
}

/// The line to the service manager.
#[derive(Debug)]
pub(crate) struct Notifier {
    socket: UnixDatagram,
    address: SocketAddr,
    /// How often the manager is to hear that we are alive: twice as often as it asks for.
    pub(crate) beat: Option<Duration>,
}

impl Notifier {
    /// The manager that the environment names.
    pub(crate) fn from_environment() -> Option<Notifier> {
        let name = env::var_os(SOCKET).filter(|name| !name.is_empty())?;
        let opened = || {
            let socket = UnixDatagram::unbound()?;
            socket.set_write_timeout(Some(PATIENCE))?;
            Ok::<_, io::Error>((socket, address(&name)?))
        };
        match opened() {
            Ok((socket, address)) => {
                let beat = beat(env::var(WATCHDOG_USEC).ok().as_deref(), env::var(WATCHDOG_PID).ok().as_deref());
                Some(Notifier { socket, address, beat })
            }
            Err(error) => {
                tracing::warn!("{SOCKET}={}: {error}; no service manager is told anything", name.display());
                None
            }
        }
    }

    /// The start, or a reload, is over.
    pub(crate) fn ready(&self, status: &str) {
        self.say(&["READY=1".to_owned(), format!("MAINPID={}", process::id()), status_line(status)]);
    }

    /// A reload begins. The time has to be in the same message.
    pub(crate) fn reloading(&self, status: &str) {
        let now = clock_gettime(ClockId::Monotonic);
        let usec = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.say(&["RELOADING=1".to_owned(), format!("MONOTONIC_USEC={usec}"), status_line(status)]);
    }

    /// The end begins, and takes this long at most.
    pub(crate) fn stopping(&self, status: &str, within: Duration) {
        let mut lines = vec!["STOPPING=1".to_owned(), status_line(status)];
        lines.extend(extension(within));
        self.say(&lines);
    }

    /// What goes on now takes this long at most.
    pub(crate) fn needs(&self, within: Duration) {
        if let Some(extension) = extension(within) {
            self.say(&[extension]);
        }
    }

    pub(crate) fn status(&self, status: &str) {
        self.say(&[status_line(status)]);
    }

    /// Nothing hangs.
    pub(crate) fn alive(&self) {
        self.say(&["WATCHDOG=1".to_owned()]);
    }

    fn say(&self, lines: &[String]) {
        if let Err(error) = self.socket.send_to_addr(lines.join("\n").as_bytes(), &self.address) {
            tracing::warn!("the service manager could not be told {}: {error}", lines[0]);
        }
    }

    /// Tells of a process without a supervisor, which serves now: that it does, that its threads turn, and that it
    /// ends. Each thread waits at `threads` again and again, so one that hangs holds up the watchdog.
    pub(crate) fn follow(self, status: String, life: Arc<Lifecycle>, threads: Arc<Barrier>, end_within: Duration) {
        actix_rt::spawn(async move {
            self.ready(&status);
            let mut ends = pin!(life.reached(Phase::Unready));
            loop {
                tokio::select! {
                    () = &mut ends => break,
                    () = self.next_beat() => {}
                }
                tokio::select! {
                    () = &mut ends => break,
                    _ = threads.wait() => self.alive(),
                }
            }
            self.stopping("it ends: requests under way may finish", end_within);
            // Threads that have nothing left to do are gone, and the drain has a limit of its own.
            loop {
                self.next_beat().await;
                self.alive();
            }
        });
    }

    async fn next_beat(&self) {
        match self.beat {
            Some(beat) => sleep(beat).await,
            None => std::future::pending().await,
        }
    }
}

/// An absolute path, or `@` and the name of an abstract socket.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(name),
        [b'@', abstract_name @ ..] => SocketAddr::from_abstract_name(abstract_name),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "expected an absolute path, or `@` and a name")),
    }
}

/// Half of the time after which the manager takes this process for hung, if it is this process that it watches.
fn beat(usec: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse() != Ok(process::id())) {
        return None;
    }
    let usec: u64 = usec?.parse().ok().filter(|usec| *usec > 0)?;
    Some(Duration::from_micros(usec / 2).max(Duration::from_millis(1)))
}

fn extension(within: Duration) -> Option<String> {
    let usec = within.saturating_add(LATER).as_micros();
    (within > USUAL).then(|| format!("EXTEND_TIMEOUT_USEC={usec}"))
}

/// A status is one line.
fn status_line(status: &str) -> String {
    let words: Vec<&str> = status.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut line = words.join(" ");
    line.truncate(line.floor_char_boundary(STATUS));
    format!("STATUS={line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_beats_at_half_of_the_time_and_for_its_own_process_alone() {
        let own = process::id().to_string();
        for (usec, pid, expected) in [
            (Some("3000000"), None, Some(1_500)),
            (Some("3000000"), Some(own.as_str()), Some(1_500)),
            (Some("3000000"), Some("1"), None),
            (Some("3000000"), Some("nobody"), None),
            (Some("1"), None, Some(1)),
            (Some("0"), None, None),
            (Some("-3"), None, None),
            (None, Some(own.as_str()), None),
        ] {
            assert_eq!(beat(usec, pid), expected.map(Duration::from_millis), "{usec:?} {pid:?}");
        }
    }

    #[test]
    fn a_socket_is_a_path_or_a_name_behind_an_at() {
        let found = |name: &str| address(OsStr::new(name));
        assert_eq!(found("/run/notify").expect("a path").as_pathname(), Some("/run/notify".as_ref()));
        assert_eq!(found("@notify").expect("a name").as_abstract_name(), Some(&b"notify"[..]));
        assert!(found("notify").is_err() && found("vsock:2:1").is_err());
    }

    #[test]
    fn a_longer_time_is_asked_for_where_it_may_be_needed() {
        assert_eq!(extension(USUAL), None);
        assert_eq!(extension(Duration::from_secs(100)).as_deref(), Some("EXTEND_TIMEOUT_USEC=105000000"));
    }

    #[test]
    fn a_report_becomes_one_line() {
        assert_eq!(status_line("reload failed:\nerror: a\n\n  = b\n"), "STATUS=reload failed: error: a = b");
        let long = status_line(&"ä".repeat(400));
        assert!(long.len() <= STATUS + "STATUS=".len() && long.ends_with('ä'), "{long}");
    }
}
