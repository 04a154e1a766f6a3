//! What a configuration says to the supervisor, and the sockets and log files that follow from it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::identity::{Identity, IdentityError};
use super::place::Place;
use crate::config::{AUDIT_LOG, ConfFile, Loaded, ServerSettings, TlsSettings};
use crate::observe::plain_file::{self, LogKind};
use crate::serve::listen::{self, Listener, SocketFiles};
use crate::serve::listen_error::ListenError;
use crate::tls::files;

/// How much longer than its drain a process may take to end: its databases close, its hooks run.
const LAST: Duration = Duration::from_secs(10);

/// A configuration, as far as the supervisor follows it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) processes: usize,
    pub(super) identity: Option<Identity>,
    /// How long a process may take to begin to serve.
    pub(super) start_timeout: Duration,
    /// How long a process may take to leave.
    pub(super) leave_timeout: Duration,
    /// The file it came from.
    pub(super) conf: Option<ConfFile>,
    /// Log files that are opened with the rights of the supervisor and handed down.
    pub(super) logs: Vec<PathBuf>,
    /// What operators do is written there, by the supervisor alone.
    pub(super) audit_log: PathBuf,
    /// Files of certificates, which are read with these rights and handed down.
    pub(super) tls_files: Vec<PathBuf>,
    server: ServerSettings,
}

/// Why a configuration cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("a listening socket cannot be handed on: {0}")]
    Socket(#[from] io::Error),
}

/// A listening socket of the instance.
#[derive(Debug)]
pub(super) struct OpenSocket {
    pub(super) address: String,
    pub(super) listener: Listener,
    /// Whether a service manager has opened it.
    pub(super) is_activated: bool,
    /// Its file, which goes with the last list that has the socket.
    files: Arc<SocketFiles>,
}

impl OpenSocket {
    /// Of a socket that this program has opened, or that an earlier one has.
    pub(super) fn own(address: String, listener: Listener) -> OpenSocket {
        let files = SocketFiles::of(std::slice::from_ref(&listener));
        OpenSocket { address, listener, is_activated: false, files: Arc::new(files) }
    }

    /// Of a socket that a service manager has opened, whose file is the manager's.
    pub(super) fn activated(address: String, listener: Listener) -> OpenSocket {
        OpenSocket { address, listener, is_activated: true, files: Arc::new(SocketFiles::of(&[])) }
    }

    /// Of a socket of the supervisor, for a process that tries something and leaves its file where it is.
    pub(super) fn lent(address: String, listener: Listener) -> OpenSocket {
        OpenSocket { address, listener, is_activated: false, files: Arc::new(SocketFiles::of(&[])) }
    }

    fn try_clone(&self) -> io::Result<OpenSocket> {
        let (address, listener) = (self.address.clone(), self.listener.try_clone()?);
        Ok(OpenSocket { address, listener, is_activated: self.is_activated, files: self.files.clone() })
    }
}

impl Plan {
    pub(super) fn of(loaded: &Loaded) -> Result<Plan, PlanError> {
        let server = &loaded.settings.server;
        let identity = Identity::of(server.user.as_deref(), server.group.as_deref())?;
        if let (Some(identity), Some(conf)) = (&identity, &loaded.file) {
            identity.refuse_writable("the configuration", conf)?;
        }
        Ok(Plan {
            name: server.name.clone(),
            place: Place::new(&loaded.base.join("var"), &server.name),
            processes: server.processes,
            conf: loaded.conf_file.clone(),
            start_timeout: server.start_timeout,
            leave_timeout: server.drain_delay + server.drain_timeout + LAST,
            // Without a change of user the processes open them as well.
            logs: server.access_log.clone().filter(|_| identity.is_some()).into_iter().collect(),
            audit_log: server.admin.audit_log.clone().unwrap_or_else(|| loaded.base.join("var").join(AUDIT_LOG)),
            tls_files: server.tls.as_ref().map(files::paths).unwrap_or_default(),
            identity,
            server: server.clone(),
        })
    }

    /// Refuses files of secrets by which the user of the processes could learn what root alone may read.
    pub(super) fn refuse_secrets(&self, loaded: &Loaded) -> Result<(), IdentityError> {
        let Some(identity) = &self.identity else { return Ok(()) };
        loaded.files().iter().try_for_each(|(path, text)| identity.refuse_unreadable(path, text))
    }

    /// Refuses a program that root would run and the user of the processes may replace.
    pub(super) fn refuse_program(&self, program: &Path) -> Result<(), IdentityError> {
        match &self.identity {
            Some(identity) => identity.refuse_writable("the program", program),
            None => Ok(()),
        }
    }

    /// The sockets that this plan wants: those of `open` that it keeps, and new ones. Those of a service manager stay,
    /// whatever the plan says.
    pub(super) fn sockets(&self, open: &[OpenSocket]) -> Result<Vec<OpenSocket>, PlanError> {
        if open.iter().any(|socket| socket.is_activated) {
            return Ok(open.iter().map(OpenSocket::try_clone).collect::<io::Result<_>>()?);
        }
        let mut wanted = Vec::new();
        for address in &self.server.listening.addresses {
            let name = address.to_string();
            // A process can end its listening for all: then it is opened anew.
            let same = open.iter().find(|socket| socket.address == name && socket.listener.listens());
            wanted.push(match same.map(OpenSocket::try_clone) {
                Some(Ok(socket)) => socket,
                _ => OpenSocket::own(name, listen::open_at(address, &self.server.listening)?),
            });
        }
        Ok(wanted)
    }

    /// TLS to clients, if the site speaks it.
    pub(super) fn tls(&self) -> Option<&TlsSettings> {
        self.server.tls.as_ref()
    }

    /// Opens a log file for reading, as [`open_log`](Plan::open_log) opens it for appending.
    pub(super) fn read_log(&self, path: &Path) -> io::Result<File> {
        match &self.identity {
            Some(identity) => identity.open_safely(path, || plain_file::read(path, false)),
            None => plain_file::read(path, true),
        }
    }

    /// Opens a log file for appending. Without a change of user a link is the operator's own.
    pub(super) fn open_log(&self, path: &Path, kind: LogKind) -> io::Result<File> {
        let open = |follows| plain_file::append(path, kind, 0o640, follows);
        match &self.identity {
            Some(identity) => identity.open_safely(path, || open(false)),
            None => open(true),
        }
    }
}
