//! Where uploaded files are until their handler is done: a folder, and names that tell whose they are.
//!
//! Each file belongs to a value that removes it. What is left over has lost its value: this site's at its end, where a
//! second signal stops the threads as they stand; and at a start that of sites that were killed, once it is a day old.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

/// What the temporary files of all sites are called.
const PREFIX: &str = "skitai-upload-";
/// Of the random part of their names: two files of one folder never share one.
const RANDOM: usize = 16;
/// No request lasts so long: what is older has nobody.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 60 * 60);

/// The folder of uploads cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the folder of uploads, {}: {error}; see `upload_folder`", folder.display())]
pub(crate) struct UploadDirError {
    folder: PathBuf,
    error: io::Error,
}

/// The folder of one site.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
    prefix: String,
}

impl Shelf {
    /// Opens the folder, the system's where none is given, and sweeps it. The error says what is wrong with it: better
    /// known at the start than at the first upload.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Shelf, UploadDirError> {
        let folder = folder.map_or_else(std::env::temp_dir, Path::to_owned);
        let of_this_site = RandomState::new().build_hasher().finish();
        let shelf = Shelf { folder, prefix: format!("{PREFIX}{of_this_site:016x}-") };
        match shelf.remove(PREFIX, LEFT_BEHIND).and_then(|()| shelf.create()) {
            Ok(_) => Ok(shelf),
            Err(error) => Err(UploadDirError { folder: shelf.folder, error }),
        }
    }

    /// A new file that only this user can read.
    pub(super) fn create(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new().prefix(&self.prefix).rand_bytes(RANDOM).tempfile_in(&self.folder)
    }

    /// Removes what this site still has, at its end.
    pub(crate) fn clear(&self) {
        if let Err(error) = self.remove(&self.prefix, Duration::ZERO) {
            tracing::warn!("the folder of uploads, {}: {error}", self.folder.display());
        }
    }

    fn remove(&self, prefix: &str, older_than: Duration) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.folder)?.flatten() {
            let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix));
            let age = || SystemTime::now().duration_since(entry.metadata().ok()?.modified().ok()?).ok();
            if !ours || age().unwrap_or_default() < older_than {
                continue;
            }
            match std::fs::remove_file(entry.path()) {
                Ok(()) => tracing::info!("removed {}, which nobody has any more", entry.path().display()),
                Err(error) => tracing::warn!("{}, which nobody has any more: {error}", entry.path().display()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_clears_its_own_and_sweeps_what_is_old() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = || {
            let entries = std::fs::read_dir(folder.path()).expect("a folder").flatten();
            let mut names: Vec<String> = entries.map(|entry| entry.file_name().display().to_string()).collect();
            names.sort();
            names
        };
        let put = |shelf: &Shelf| shelf.create().expect("made").keep().expect("kept").1;
        let (mine, other) = (Shelf::open(Some(folder.path())).unwrap(), Shelf::open(Some(folder.path())).unwrap());
        assert!(names().is_empty(), "trying leaves nothing");
        put(&mine);
        let kept = put(&other);
        mine.clear();
        assert_eq!(names(), [kept.file_name().expect("a name").display().to_string()]);
        drop(Shelf::open(Some(folder.path())));
        assert_eq!(names().len(), 1, "it is young");
        let old = SystemTime::now() - LEFT_BEHIND - Duration::from_secs(1);
        std::fs::File::options().write(true).open(&kept).expect("there").set_modified(old).expect("set");
        drop(Shelf::open(Some(folder.path())));
        assert!(names().is_empty());
        assert!(
            Shelf::open(Some(&folder.path().join("no")))
                .is_err_and(|error| error.to_string().contains("`upload_folder`"))
        );
    }
}
