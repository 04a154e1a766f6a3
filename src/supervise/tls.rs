//! What the supervisor has to do with TLS: it makes the keys of tickets, so that a client resumes its session at any
//! process, and after an upgrade; and where its processes run as another user, it opens the files of certificates for
//! them, which may be root's alone, and looks whether they have changed.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::child::ChildState;
use super::instance::Instance;
use super::plan::Plan;
use crate::ipc::messages::{Descriptor, ToProcess};
use crate::observe::plain_file;
use crate::tls::files::TlsStamp;
use crate::tls::tickets::{ROTATION, TicketSecrets};

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The keys of tickets, and when the newest was made.
#[derive(Debug)]
pub(super) struct TicketRotation {
    secrets: TicketSecrets,
    made: Instant,
    /// Whether every process has these secrets. Those that another program has started may have others, or none.
    is_told: bool,
}

/// The same for the next program.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct TicketState {
    secrets: TicketSecrets,
    age_ms: u64,
}

impl TicketRotation {
    pub(super) fn begun(now: Instant) -> TicketRotation {
        TicketRotation { secrets: TicketSecrets::made(), made: now, is_told: true }
    }

    /// Goes on with the keys of the program before; one that knew of none has left none.
    pub(super) fn adopted(state: TicketState, now: Instant) -> TicketRotation {
        let TicketState { secrets, age_ms } = state;
        let rotation = match secrets.is_empty() {
            true => TicketRotation::begun(now),
            false => {
                let made = now.checked_sub(Duration::from_millis(age_ms)).unwrap_or(now);
                TicketRotation { secrets, made, is_told: true }
            }
        };
        TicketRotation { is_told: false, ..rotation }
    }

    pub(super) fn state(&self, now: Instant) -> TicketState {
        let age = now.saturating_duration_since(self.made).as_millis();
        TicketState { secrets: self.secrets.clone(), age_ms: u64::try_from(age).unwrap_or(u64::MAX) }
    }

    pub(super) fn secrets(&self) -> TicketSecrets {
        self.secrets.clone()
    }

    pub(super) fn due(&self) -> Instant {
        self.made + ROTATION
    }

    /// Makes a new key if it is time. Whether the processes are to be told.
    fn look(&mut self, now: Instant) -> bool {
        if self.due() <= now {
            self.secrets.rotate();
            (self.made, self.is_told) = (now, false);
        }
        !std::mem::replace(&mut self.is_told, true)
    }
}

/// The files of certificates, as they were at the last look.
///
/// What has changed is handed over once it rests: a key and its certificate are rarely written at once. So are the
/// files of the first look, because they may have changed since the processes were started; what is the same as
/// before they leave alone.
#[derive(Debug, Default)]
pub(super) struct TlsWatch {
    seen: Option<(Vec<PathBuf>, TlsStamp)>,
    /// They are other files than those that were last handed over.
    is_new: bool,
    next: Option<Instant>,
}

impl TlsWatch {
    pub(super) fn due(&self) -> Option<Instant> {
        self.next
    }

    /// Whether the files of a plan are to be handed over.
    fn look(&mut self, paths: &[PathBuf], now: Instant) -> bool {
        if self.next.is_some_and(|next| now < next) {
            return false;
        }
        self.next = (!paths.is_empty()).then_some(now + LOOK);
        if paths.is_empty() {
            return false;
        }
        let stamp = TlsStamp::of(paths);
        if self.seen.as_ref().is_some_and(|(known, seen)| known == paths && *seen == stamp) {
            return std::mem::take(&mut self.is_new);
        }
        self.seen = Some((paths.to_vec(), stamp));
        self.is_new = true;
        false
    }
}

impl Plan {
    /// Opens the files of certificates for the processes. What cannot be opened they tell by themselves.
    pub(super) fn open_tls_files(&self) -> (Vec<Descriptor>, Vec<File>) {
        let open = |path: &PathBuf| {
            let opened = match &self.identity {
                Some(identity) => identity.open_safely(path, || plain_file::read(path, true)),
                None => plain_file::read(path, true),
            };
            match opened {
                Ok(file) => Some((Descriptor::TlsFile(path.clone()), file)),
                Err(error) => {
                    tracing::error!("{}: {error}", path.display());
                    None
                }
            }
        };
        self.tls_files.iter().filter_map(open).unzip()
    }
}

impl Instance {
    /// Tells the processes what is new: a key of tickets, and files of certificates.
    pub(super) fn look_after_tls(&mut self, now: Instant) {
        if self.tickets.look(now) {
            let message = ToProcess::TicketSecrets { secrets: self.tickets.secrets() };
            for child in self.children.iter_mut().filter(|child| child.state != ChildState::Killed) {
                // A line that fails ends with its process, which is reaped.
                let _ = child.line.queue(&message);
                let _ = child.line.flush();
            }
        }
        if self.tls_watch.look(&self.plan.tls_files, now) {
            let (descriptors, files) = self.plan.open_tls_files();
            let handed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
            for child in self.children.iter_mut().filter(|child| child.state != ChildState::Killed) {
                let message = ToProcess::TlsFiles { descriptors: descriptors.clone() };
                if let Err(error) = child.line.hand_over(&message, &handed) {
                    // It reads nothing at the moment, or it has ended.
                    tracing::debug!("process {} could not be told of files of certificates: {error}", child.pid);
                    self.tls_watch.is_new = true;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_once_and_after_every_change_of_program() {
        let start = Instant::now();
        let mut rotation = TicketRotation::begun(start);
        let first = rotation.secrets();
        assert!(!rotation.look(start) && !first.is_empty(), "processes get it when they start");
        let due = rotation.due();
        assert!(rotation.look(due) && !rotation.look(due));
        let second = rotation.secrets();
        assert!(second != first);
        let mut next = TicketRotation::adopted(rotation.state(due), due);
        assert_eq!((next.secrets() == second, next.due()), (true, due + ROTATION));
        assert!(next.look(due) && !next.look(due), "the program before may have told others");
        let mut newer = TicketRotation::adopted(TicketState::default(), due);
        assert!(!newer.secrets().is_empty() && newer.look(due), "one that knew of no keys");
    }

    #[test]
    fn files_are_handed_over_once_they_rest() {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = [folder.path().join("a"), folder.path().join("b")];
        let write = |nth: usize, text: &str| std::fs::write(&paths[nth], text).expect("written");
        write(0, "a");
        let mut watch = TlsWatch::default();
        let mut now = Instant::now();
        let mut look = |watch: &mut TlsWatch, paths: &[PathBuf]| {
            now += LOOK;
            (watch.look(paths, now), watch.look(paths, now))
        };
        assert_eq!(look(&mut watch, &[]), (false, false));
        assert_eq!(watch.due(), None);
        assert_eq!([look(&mut watch, &paths), look(&mut watch, &paths)], [(false, false), (true, false)], "at first");
        assert_eq!(look(&mut watch, &paths), (false, false));
        write(0, "another");
        assert_eq!(look(&mut watch, &paths), (false, false));
        write(1, "its key");
        assert_eq!(look(&mut watch, &paths), (false, false), "it does not rest");
        assert_eq!([look(&mut watch, &paths), look(&mut watch, &paths)], [(true, false), (false, false)]);
        assert_eq!(
            [look(&mut watch, &paths[..1]), look(&mut watch, &paths[..1])],
            [(false, false), (true, false)],
            "a plan"
        );
        std::fs::remove_file(&paths[0]).expect("removed");
        assert_eq!([look(&mut watch, &paths[..1]), look(&mut watch, &paths[..1])], [(false, false), (true, false)]);
    }
}
