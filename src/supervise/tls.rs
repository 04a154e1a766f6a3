//! What the supervisor has to do with TLS: it makes the keys of tickets, so that a client resumes its session at any
//! process, and after an upgrade; and it reads the files of certificates, looks whether they have changed, judges them,
//! and hands them down. It keeps those that it has accepted, so that every process serves the same ones, whatever is in
//! the files when a process takes the place of one that has crashed (decision 0035).

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::child::{Child, ChildState};
use super::instance::Instance;
use super::plan::Plan;
use crate::config::TlsSettings;
use crate::ipc::messages::{Descriptor, ToProcess};
use crate::observe::plain_file;
use crate::tls::certificates::Certificates;
use crate::tls::files::{HandedFiles, TlsFiles, TlsStamp};
use crate::tls::problem::TlsProblem;
use crate::tls::tickets::{ROTATION, TicketSecrets, Tickets};

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

/// The certificates that an instance serves, with their files as they were accepted.
#[derive(Clone, Debug)]
pub(super) struct HeldCertificates {
    certificates: Arc<Certificates>,
    files: Arc<TlsFiles>,
}

impl HeldCertificates {
    /// Those of an instance that begins. One that has expired is better than no site.
    pub(super) fn begun(plan: &Plan) -> Result<Option<HeldCertificates>, TlsProblem> {
        HeldCertificates::read(plan, HandedFiles::new())
    }

    /// Those that are to take the place of these: one that has expired must not come in place of a good one.
    pub(super) fn next(plan: &Plan, before: Option<&HeldCertificates>) -> Result<Option<HeldCertificates>, TlsProblem> {
        let next = HeldCertificates::begun(plan)?;
        if let Some(next) = &next {
            next.certificates.refuse_expired(before.map(|before| &*before.certificates))?;
        }
        Ok(next)
    }

    /// Those of the program before; one that knew of none has left none.
    pub(super) fn adopted(plan: &Plan, handed: HandedFiles) -> Result<Option<HeldCertificates>, TlsProblem> {
        HeldCertificates::read(plan, handed)
    }

    fn read(plan: &Plan, handed: HandedFiles) -> Result<Option<HeldCertificates>, TlsProblem> {
        let Some(settings) = plan.tls() else { return Ok(None) };
        let files = plan.read_tls_files(settings, handed);
        // Nobody shakes hands with the supervisor.
        let certificates = Certificates::open(settings.clone(), &files, Tickets::of(TicketSecrets::default()))?;
        Ok(Some(HeldCertificates { certificates, files: Arc::new(files) }))
    }

    /// Why what is in the files now is not served.
    pub(super) fn refused(&self) -> Option<String> {
        self.certificates.refused()
    }

    /// The files, for another program.
    pub(super) fn handed(&self) -> HandedFiles {
        self.files.handed()
    }

    /// The files for processes, with the name of the descriptor.
    pub(super) fn packed(&self) -> io::Result<(Descriptor, File)> {
        let (lengths, file) = self.files.packed()?;
        Ok((Descriptor::TlsFiles(lengths), file))
    }

    /// What is to be said of their ages.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.certificates.warnings(SystemTime::now())
    }
}

impl Plan {
    /// Reads the files of certificates: where the user of the processes could have put them there, with its rights.
    fn read_tls_files(&self, settings: &TlsSettings, handed: HandedFiles) -> TlsFiles {
        TlsFiles::opened(settings, handed, |path| match &self.identity {
            Some(identity) => identity.open_safely(path, || plain_file::read(path, true)),
            None => plain_file::read(path, true),
        })
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
        if self.tls_watch.look(&self.plan.tls_files, now)
            && let Err(error) = self.take_up_certificates()
        {
            tracing::error!("the certificates stay as they are: {error}");
        }
    }

    /// Takes up what the files have now, if it is fit, and hands it down. What is not new the processes leave alone.
    fn take_up_certificates(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let (Some(settings), Some(held)) = (self.plan.tls(), &mut self.certificates) else { return Ok(()) };
        let files = self.plan.read_tls_files(settings, HandedFiles::new());
        if held.certificates.take_up(&files)? {
            held.files = Arc::new(files);
        }
        let (descriptor, file) = held.packed()?;
        // Those of a roll have what the roll brings.
        let rolled = self.roll.as_ref().map(|_| self.generation);
        let is_meant = |child: &&mut Child| child.state != ChildState::Killed && Some(child.generation) != rolled;
        for child in self.children.iter_mut().filter(is_meant) {
            let message = ToProcess::TlsFiles { descriptors: vec![descriptor.clone()] };
            if let Err(error) = child.line.hand_over(&message, &[file.as_fd()]) {
                // It reads nothing at the moment, or it has ended.
                tracing::debug!("process {} could not be told of files of certificates: {error}", child.pid);
                self.tls_watch.is_new = true;
            }
        }
        Ok(())
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
