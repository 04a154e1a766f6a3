//! Files by names that clients choose.

use std::path::{Path, PathBuf};

use crate::app::args::bind::shortened;
use crate::app::error::{Error, Result};

/// The path of a file in a folder by a name that a client chose, such as `films/2026/a.mp4`. A name that leaves the
/// folder, or of a hidden file, is a 404. Symbolic links in the folder are followed: its owner made them.
pub fn path_in(folder: impl AsRef<Path>, name: &str) -> Result<PathBuf> {
    let path = relative(name).filter(|path| path.file_name().is_some());
    path.map(|path| folder.as_ref().join(path))
        .ok_or_else(|| Error::new(404, format!("there is no file `{}`", shortened(name))))
}

/// A relative path that is safe to join to a folder, or `None` if it leaves the folder or names a hidden file.
pub(crate) fn relative(name: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for segment in name.split('/') {
        if segment.is_empty() || segment == "." {
            continue;
        }
        // Certificate authorities read their challenge from this folder (RFC 8615); every other name with a dot is
        // hidden.
        if (segment.starts_with('.') && segment != ".well-known") || segment.contains(['\\', '\0']) {
            return None;
        }
        path.push(segment);
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_clients_stay_in_the_folder() {
        let found = |name: &str| path_in("films", name).map_err(|error| error.status());
        assert_eq!(found("a.mp4"), Ok(PathBuf::from("films/a.mp4")));
        assert_eq!(found("/2026//a b.mp4"), Ok(PathBuf::from("films/2026/a b.mp4")));
        for name in ["", "/", "..", "../x", "a/../../x", "..\\x", ".hidden", "a/.git/x", "a\0"] {
            assert_eq!(found(name), Err(404), "{name:?}");
        }
    }
}
