//! The files of a running instance in its folder `var`: `NAME.pid`, which is locked as long as the instance runs, and
//! `NAME.sock`, on which it takes commands.

use std::fs::{self, DirBuilder, File, FileType, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use socket2::{Domain, SockAddr, Socket, Type};

use super::identity::Identity;
use crate::observe::plain_file;

/// The octets of a pid file that are read.
const LONGEST_PID: u64 = 20;
/// How many commands may wait to be accepted.
const BACKLOG: i32 = 128;

/// Where the files of an instance are.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    var: PathBuf,
    name: String,
}

/// Why an instance cannot have its files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error(
        "{name} runs already, with process id {pid}; `status` shows it, `reload` takes up a change, `stop` ends it"
    )]
    Runs { name: String, pid: String },
    #[error("{}: {error}; {help}", path.display())]
    Io { path: PathBuf, error: io::Error, help: &'static str },
}

/// The locked pid file. Another instance of the name finds it locked as long as this is open anywhere.
#[derive(Debug)]
pub(super) struct PidFile {
    pub(super) file: File,
    path: PathBuf,
    /// Whether another instance had left it, which was killed then.
    pub(super) was_left: bool,
}

impl Place {
    pub(crate) fn new(var: &Path, name: &str) -> Place {
        Place { var: var.to_owned(), name: name.to_owned() }
    }

    /// Whether this is the folder of the instance's files.
    pub(super) fn is_in(&self, folder: &Path) -> bool {
        self.var == folder
    }

    fn pid_path(&self) -> PathBuf {
        self.var.join(format!("{}.pid", self.name))
    }

    pub(crate) fn socket_path(&self) -> PathBuf {
        self.var.join(format!("{}.sock", self.name))
    }

    /// The log of an instance that was started in the background.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.var.join(format!("{}.log", self.name))
    }

    /// Locks the pid file and writes the process id. A file that a killed instance left is taken over.
    pub(super) fn lock(&self, identity: Option<&Identity>) -> Result<PidFile, PlaceError> {
        let path = self.pid_path();
        let failed = |error| PlaceError::Io {
            path: path.clone(),
            error,
            help: "the folder `var` beside the configuration must be writable",
        };
        self.make_var(identity).map_err(failed)?;
        let open = || {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o644)
                .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
                .open(&path)
        };
        let mut file = match locked(&path, || safely(identity, &path, open)) {
            Ok(file) => file,
            Err(NotLocked::Held(file)) => {
                return Err(PlaceError::Runs { name: self.name.clone(), pid: pid_in(&file) });
            }
            Err(NotLocked::OtherKind(is)) => {
                let error = io::Error::other(format!("it is {}", plain_file::word(is)));
                return Err(PlaceError::Io { path, error, help: "remove it: the instance makes a file there" });
            }
            Err(NotLocked::Io(error)) => return Err(failed(error)),
        };
        let was_left = file.metadata().is_ok_and(|metadata| metadata.len() > 0);
        // On a full disk the lock still works, and the number is a courtesy.
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = written {
            tracing::warn!("{}: {error}; the instance runs, but the file does not have its process id", path.display());
        }
        Ok(PidFile { file, path, was_left })
    }

    /// The pid file that an earlier program of this process has locked.
    pub(super) fn adopt_lock(&self, file: File) -> PidFile {
        PidFile { file, path: self.pid_path(), was_left: false }
    }

    /// Opens the control socket. Needs the lock: a socket that is there belongs to nobody then.
    pub(super) fn listen(&self, identity: Option<&Identity>) -> Result<UnixListener, PlaceError> {
        let path = self.socket_path();
        let open = || {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = self.by_short_path(|short| UnixListener::bind(short))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listener = safely(identity, &path, open).and_then(|listener| {
            // Who connects is told who called this last: that must be root, not the user with whose rights the file was
            // made.
            rustix::net::listen(&listener, BACKLOG)?;
            Ok(listener)
        });
        listener.map_err(|error| PlaceError::Io {
            path: path.clone(),
            error,
            help: "commands such as `reload` reach the instance by this socket",
        })
    }

    /// Connects to the control socket, within this time.
    pub(crate) fn connect(&self, patience: Duration) -> io::Result<UnixStream> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Where the queue is full, a connect waits for as long as a write may.
        socket.set_write_timeout(Some(patience))?;
        self.by_short_path(|short| socket.connect(&SockAddr::unix(short)?))?;
        Ok(socket.into())
    }

    /// The user to whom `var` belongs: where the configuration names no `user`, the one that the instance runs as.
    pub(crate) fn owner(&self) -> io::Result<u32> {
        Ok(self.var.symlink_metadata()?.uid())
    }

    /// The process id in the pid file, if an instance runs.
    pub(crate) fn running(&self) -> Option<String> {
        // As the instance opens it: it may be in a folder that others write.
        let file = plain_file::read(&self.pid_path(), false).ok()?;
        let is_locked = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        is_locked.then(|| pid_in(&file))
    }

    /// Removes both files at an orderly end.
    pub(super) fn leave(&self, pid_file: &PidFile) {
        let _ = fs::remove_file(self.socket_path());
        let _ = fs::remove_file(&pid_file.path);
    }

    pub(super) fn make_var(&self, identity: Option<&Identity>) -> io::Result<()> {
        if self.var.is_dir() {
            return Ok(());
        }
        let make = || DirBuilder::new().recursive(true).mode(0o750).create(&self.var);
        safely(identity, &self.var, make)?;
        match identity {
            // The processes keep their keys there.
            Some(identity) => identity.give(&self.var),
            None => Ok(()),
        }
    }

    /// Calls `with` with a path of the socket that fits into an address, which has room for 108 octets.
    fn by_short_path<T>(&self, with: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(&self.var, flags, Mode::empty())?;
        with(&PathBuf::from(format!("/proc/self/fd/{}/{}.sock", folder.as_raw_fd(), self.name)))
    }
}

/// Why a pid file is not ours.
#[derive(Debug)]
enum NotLocked {
    /// Another instance has it.
    Held(File),
    /// It is no file.
    OtherKind(FileType),
    Io(io::Error),
}

impl From<io::Error> for NotLocked {
    fn from(error: io::Error) -> NotLocked {
        NotLocked::Io(error)
    }
}

/// Opens and locks the file at a path. An instance that ends removes its file, which this one may have opened a moment
/// before: a lock on that would keep nobody out. So it is opened again until what is locked is what is there.
fn locked(path: &Path, open: impl Fn() -> io::Result<File>) -> Result<File, NotLocked> {
    loop {
        let file = open()?;
        let opened = file.metadata()?;
        if !opened.is_file() {
            return Err(NotLocked::OtherKind(opened.file_type()));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(NotLocked::Held(file)),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let number = |of: &Metadata| (of.dev(), of.ino());
        if path.symlink_metadata().is_ok_and(|there| number(&there) == number(&opened)) {
            return Ok(file);
        }
    }
}

/// The process id in a pid file: the digits that it begins with.
fn pid_in(file: &File) -> String {
    let mut octets = Vec::new();
    let _ = file.take(LONGEST_PID).read_to_end(&mut octets);
    let digits = octets.iter().take_while(|octet| octet.is_ascii_digit());
    let digits: String = digits.map(|octet| char::from(*octet)).collect();
    if digits.is_empty() { "unknown".to_owned() } else { digits }
}

fn safely<T>(identity: Option<&Identity>, path: &Path, open: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match identity {
        Some(identity) => identity.open_safely(path, open),
        None => open(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// The other instance ends between our opening of its file and our lock.
    #[test]
    fn a_lock_is_on_the_file_that_is_there() {
        let folder = std::env::temp_dir().join(format!("skitai-place-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("site.pid");
        let opened = Cell::new(0);
        let open = || {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
            opened.set(opened.get() + 1);
            if opened.get() == 1 {
                fs::remove_file(&path)?;
            }
            Ok(file)
        };
        let first = locked(&path, open).expect("it is free");
        assert_eq!(opened.get(), 2);
        assert!(matches!(locked(&path, open), Err(NotLocked::Held(_))), "and nobody else has it");
        drop(first);
        fs::remove_dir_all(&folder).expect("it is ours");
    }
}
