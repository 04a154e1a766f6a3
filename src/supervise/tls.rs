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
use crate::tls::files::TlsStamp;
use crate::tls::tickets::{ROTATION, TicketSecrets};

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The keys of tickets, and when the newest was made.
#[derive(Debug)]
pub(super) struct TicketRotation {
    secrets: TicketSecrets,
    made: Instant,
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
        TicketRotation { secrets: TicketSecrets::made(), made: now }
    }

    /// Goes on with the keys of the program before; one that knew of none has left none.
    pub(super) fn adopted(state: TicketState, now: Instant) -> TicketRotation {
        let TicketState { secrets, age_ms } = state;
        match secrets.is_empty() {
            true => TicketRotation::begun(now),
            false => TicketRotation { secrets, made: now.checked_sub(Duration::from_millis(age_ms)).unwrap_or(now) },
        }
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

    /// Makes a new key if it is time. Whether there is one.
    fn look(&mut self, now: Instant) -> bool {
        let is_due = self.due() <= now;
        if is_due {
            self.secrets.rotate();
            self.made = now;
        }
        is_due
    }
}

/// The files of certificates, as they were when they were last handed to the processes.
#[derive(Debug, Default)]
pub(super) struct TlsWatch {
    seen: Option<(Vec<PathBuf>, TlsStamp)>,
    next: Option<Instant>,
}

impl TlsWatch {
    pub(super) fn due(&self) -> Option<Instant> {
        self.next
    }

    /// Whether the files of a plan have changed since the last look.
    fn look(&mut self, paths: &[PathBuf], now: Instant) -> bool {
        if self.next.is_some_and(|next| now < next) {
            return false;
        }
        self.next = (!paths.is_empty()).then_some(now + LOOK);
        if paths.is_empty() {
            return false;
        }
        let stamp = TlsStamp::of(paths);
        // Those of a new plan were opened some time ago.
        let has_changed = self.seen.as_ref().is_some_and(|(known, seen)| known != paths || *seen != stamp);
        self.seen = Some((paths.to_vec(), stamp));
        has_changed
    }
}

impl Plan {
    /// Opens the files of certificates for the processes. What cannot be opened they tell by themselves.
    pub(super) fn open_tls_files(&self) -> (Vec<Descriptor>, Vec<File>) {
        let open = |path: &PathBuf| {
            let opened = match &self.identity {
                Some(identity) => identity.open_safely(path, || File::open(path)),
                None => File::open(path),
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
            tracing::info!("files of certificates have changed");
            let (descriptors, files) = self.plan.open_tls_files();
            let handed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
            for child in self.children.iter_mut().filter(|child| child.state != ChildState::Killed) {
                let message = ToProcess::TlsFiles { descriptors: descriptors.clone() };
                if let Err(error) = child.line.hand_over(&message, &handed) {
                    tracing::error!("process {} keeps its certificates: it could not be told: {error}", child.pid);
                }
            }
        }
    }
}
