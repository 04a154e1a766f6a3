//! Which file a path led to when this process opened it, and whether it still does.
//!
//! With a write-ahead log SQLite does not notice that another program has moved, removed or replaced the file: commits
//! go to a file that is no longer there. A connection that is opened then does worse: it finds the log of the old file
//! by its name, and takes it for the log of the new one. So every connection of the process, on whatever thread, has to
//! be to the same file.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rusqlite::{Error, ffi};

/// The open files of the process by their absolute paths: each thread and each configuration has pools of its own. An
/// entry ends with the last connection and the last pool that has had one.
static OPEN: Mutex<BTreeMap<PathBuf, Weak<Inode>>> = Mutex::new(BTreeMap::new());

/// A file that is open, as the file system knows it.
#[derive(Debug)]
pub(super) struct Inode {
    path: PathBuf,
    id: Id,
}

/// Device and number.
type Id = (u64, u64);

fn found(path: &Path) -> Option<Id> {
    let file = fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

impl Inode {
    /// Opens the file, unless the process has it open already and the path leads to another one now.
    pub(super) fn opening<C>(path: &Path, open: impl Fn() -> rusqlite::Result<C>) -> rusqlite::Result<(C, Arc<Inode>)> {
        // The empty path has none; SQLite says what is wrong with it.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        // On an overlay file system a file may become another one when it is first opened for writing.
        for _ in 0..2 {
            let before = found(&path);
            let known = OPEN.lock().unwrap_or_else(PoisonError::into_inner).get(&path).and_then(Weak::upgrade);
            if known.is_some_and(|known| Some(known.id) != before) {
                return Err(moved());
            }
            let opened = open()?;
            // What is open is this file only if the path led to it before and after.
            if let Some(id) = before
                && found(&path) == before
            {
                return Ok((opened, Inode::kept(path, id)?));
            }
        }
        Err(moved())
    }

    /// The file that the process has open at this path, which is this one if there is none.
    fn kept(path: PathBuf, id: Id) -> rusqlite::Result<Arc<Inode>> {
        let mut files = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = files.get(&path).and_then(Weak::upgrade) {
            return if known.id == id { Ok(known) } else { Err(moved()) };
        }
        files.retain(|_, inode| inode.strong_count() > 0);
        let inode = Arc::new(Inode { path: path.clone(), id });
        files.insert(path, Arc::downgrade(&inode));
        Ok(inode)
    }

    /// Fails if the path no longer leads to this file, as SQLite does where it notices.
    pub(super) fn check(&self) -> rusqlite::Result<()> {
        if found(&self.path) == Some(self.id) { Ok(()) } else { Err(moved()) }
    }
}

fn moved() -> Error {
    let code = ffi::Error::new(ffi::SQLITE_READONLY_DBMOVED);
    Error::SqliteFailure(code, Some("the path no longer leads to the file that is open".to_owned()))
}
