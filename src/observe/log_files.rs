//! The files of logs: those that the supervisor has opened, because this process may not, and all others.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::plain_file::{self, LogKind};

/// Opens log files for appending.
#[derive(Debug, Default)]
pub(crate) struct LogFiles(Mutex<HashMap<PathBuf, OwnedFd>>);

impl LogFiles {
    /// Takes a file that was opened elsewhere, in place of the one that the path had before.
    pub(crate) fn take(&self, path: PathBuf, file: OwnedFd) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path, file);
    }

    pub(crate) fn append(&self, path: &Path) -> io::Result<File> {
        if let Some(file) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Ok(file.try_clone()?.into());
        }
        // It is the user's own, so a link is.
        plain_file::append(path, LogKind::Lines, 0o666, true)
    }
}
