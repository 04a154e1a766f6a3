//! What a configuration refers to outside its own text: variables of the environment and files with secrets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::observe::plain_file;

/// The longest file with a secret, in octets.
const LONGEST: u64 = 1 << 20;

/// The texts of files, by their paths. A process gets those that its supervisor has read, because it may not be allowed
/// to read them itself.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct FileTexts(BTreeMap<PathBuf, String>);

impl FileTexts {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.0.iter().map(|(path, text)| (&**path, &**text))
    }

    /// The longest text of one file, in octets.
    pub(crate) const LONGEST: u64 = LONGEST;
}

impl std::fmt::Debug for FileTexts {
    /// Their paths alone: there are secrets in them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Looks up what a configuration refers to, and remembers the files.
pub(super) struct Outside<'e> {
    pub(super) env: &'e dyn Fn(&str) -> Option<String>,
    files: RefCell<FileTexts>,
}

impl<'e> Outside<'e> {
    /// `files` are not read again.
    pub(super) fn new(env: &'e dyn Fn(&str) -> Option<String>, files: FileTexts) -> Outside<'e> {
        Outside { env, files: RefCell::new(files) }
    }

    pub(super) fn read(&self, path: &Path) -> io::Result<String> {
        if let Some(text) = self.files.borrow().0.get(path) {
            return Ok(text.clone());
        }
        let octets = plain_file::read_all(path, LONGEST)?;
        let text = String::from_utf8(octets).map_err(|_| io::Error::other("it is not UTF-8"))?;
        self.files.borrow_mut().0.insert(path.to_owned(), text.clone());
        Ok(text)
    }

    /// The files that were looked at.
    pub(super) fn into_files(self) -> FileTexts {
        self.files.into_inner()
    }
}
