//! The folder of uploaded files while their handlers run; file names identify the site.
//!
//! Each file belongs to a value that removes it. Files remain if their value is lost: those of this site are removed at
//! its end (a second signal stops the threads without dropping), those of killed sites at a start, once a day old.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

/// The prefix of the temporary files of all sites.
const PREFIX: &str = "skitai-upload-";
/// Length of the random part of their names, so that two files in one folder never share a name.
const RANDOM: usize = 16;
/// No request lasts this long: an older file has no owner.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 60 * 60);

/// The folder of uploads cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the folder of uploads, {}: {error}; see `upload_folder`", folder.display())]
pub(crate) struct UploadDirError {
    folder: PathBuf,
    error: io::Error,
}

/// The upload folder of one site.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
    prefix: String,
}

impl Shelf {
    /// Opens the folder, or the system's if none is given, and removes old files. An error says what is wrong with the
    /// folder, at the start and not at the first upload.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Shelf, UploadDirError> {
        let folder = folder.map_or_else(std::env::temp_dir, Path::to_owned);
        let of_this_site = RandomState::new().build_hasher().finish();
        let shelf = Shelf { folder, prefix: format!("{PREFIX}{of_this_site:016x}-") };
        match shelf.remove(PREFIX, LEFT_BEHIND).and_then(|()| shelf.create()) {
            Ok(_) => Ok(shelf),
            Err(error) => Err(UploadDirError { folder: shelf.folder, error }),
        }
    }

    /// Creates a new file that only this user can read.
    pub(super) fn create(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new().prefix(&self.prefix).rand_bytes(RANDOM).tempfile_in(&self.folder)
    }

    /// Removes this site's remaining files, at its end.
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
