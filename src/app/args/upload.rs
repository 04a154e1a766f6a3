//! A file that a client sent.
//!
//! The server receives it before the handler runs, piece by piece, into a file that only the server's user can read.
//! The file lives as long as its [`Upload`]: it is deleted when that is dropped, whether the handler returns, fails,
//! panics, misses its deadline or loses its client. [`persist`](Upload::persist) keeps it.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::ser::{Serialize, SerializeStruct, Serializer};
use tempfile::TempPath;

use super::argument::{Argument, BindError, Kind, one, wrong};
use super::bind::{Bind, Given, Values};
use crate::app::error::{Error, Result};

/// A file of a multipart form, as the argument of a route: `file: Upload`; `file: Option<Upload>` if it may be left out
/// (an empty file input of a browser counts as left out); `files: Vec<Upload>` for any number. RPC carries no files.
///
/// ```
/// # use skitai::prelude::*;
/// #[route("/report", methods = ["POST"])]
/// fn report(title: String, file: Upload) -> Result<String> {
///     let kept = file.persist(format!("reports/{}", file.name()))?;
///     Ok(format!("{title} is in {}", kept.display()))
/// }
/// ```
///
/// As a reply it is its description: `{"name": "study.sql", "content_type": "application/sql", "size": 511}`.
#[derive(Debug)]
pub struct Upload {
    name: String,
    content_type: String,
    size: u64,
    temp: TempPath,
}

/// A name of more bytes than this is cut at its front. Most file systems allow 255.
const LONGEST_NAME: usize = 200;

impl Upload {
    pub(crate) fn new(sent_name: &str, content_type: String, size: u64, temp: TempPath) -> Upload {
        Upload { name: plain_name(sent_name), content_type, size, temp }
    }

    /// Makes an upload as if a client had sent it, so that your own tests can call a handler.
    ///
    /// ```
    /// # use skitai::prelude::*;
    /// fn size_of(file: Upload) -> u64 {
    ///     file.size()
    /// }
    /// assert_eq!(size_of(Upload::of("study.sql", "application/sql", b"SELECT 1")?), 8);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn of(name: &str, content_type: &str, content: &[u8]) -> io::Result<Upload> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(content)?;
        Ok(Upload::new(name, content_type.to_owned(), content.len() as u64, file.into_temp_path()))
    }

    /// The file's name on the client's machine: the last part of the path, without control characters, never `.` or
    /// `..`, and `file` if nothing remains. So a path joined with it stays in its folder. But the client chose the
    /// name, and [`persist`](Upload::persist) replaces an existing file of that name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The content type that the client stated, unchecked; `application/octet-stream` if it stated none.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The path of the file, valid as long as this value lives.
    pub fn path(&self) -> &Path {
        &self.temp
    }

    /// Opens the file for reading.
    pub fn open(&self) -> io::Result<File> {
        File::open(&self.temp)
    }

    /// Keeps the file at this path, replaces an existing file, and returns the path. Its mode stays 0600. Within one
    /// file system this is a rename. Across file systems (see `upload_folder` in the conf) the file is first copied
    /// beside the path, which takes time, so call it in a plain `fn`. After an error the file is still deleted with its
    /// upload.
    pub fn persist(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        let path = path.as_ref();
        let moved = match std::fs::rename(&self.temp, path) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => self.copied(path),
            moved => moved,
        };
        moved
            .map_err(|error| Error::internal(format!("{} cannot be kept as {}: {error}", self.name, path.display())))?;
        Ok(path.to_owned())
    }

    /// Copies the file so that the path has the whole file or nothing. The original is deleted like any other upload.
    fn copied(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut copy = tempfile::NamedTempFile::new_in(folder)?;
        io::copy(&mut self.open()?, &mut copy)?;
        copy.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// The last part of a name: some clients send the whole path on their machine.
fn plain_name(sent: &str) -> String {
    let last = sent.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or("");
    let mut name: String = last.chars().filter(|c| !c.is_control()).collect();
    if name.len() > LONGEST_NAME {
        // The front is cut, because the extension at the end says what kind of file it is.
        let from = (name.len() - LONGEST_NAME..).find(|&at| name.is_char_boundary(at)).unwrap_or(name.len());
        name.drain(..from);
    }
    if matches!(name.as_str(), "" | "." | "..") { "file".to_owned() } else { name }
}

impl Serialize for Upload {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Upload", 3)?;
        fields.serialize_field("name", &self.name)?;
        fields.serialize_field("content_type", &self.content_type)?;
        fields.serialize_field("size", &self.size)?;
        fields.end()
    }
}

impl Argument for Upload {
    const KIND: Kind = Kind::File;
    fn take(_: &mut Bind, given: Values) -> std::result::Result<Self, BindError> {
        match one(given)? {
            Given::File(file) => Ok(file),
            other => Err(wrong("a file of a multipart/form-data form", &other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(name: &str, text: &str) -> Upload {
        Upload::of(name, "text/plain", text.as_bytes()).expect("a file")
    }

    #[test]
    fn a_name_stays_in_its_folder() {
        for (sent, name) in [
            ("study.sql", "study.sql"),
            ("C:\\Users\\me\\study.sql", "study.sql"),
            ("/etc/passwd", "passwd"),
            ("../../x", "x"),
            ("a/..", "file"),
            (".", "file"),
            ("", "file"),
            ("dir/", "dir"),
            ("C:\\new\\", "new"),
            ("a/../", "file"),
            ("a\0b\r\n.txt", "ab.txt"),
            ("한글.txt", "한글.txt"),
        ] {
            assert_eq!(plain_name(sent), name, "{sent:?}");
        }
        let long = plain_name(&format!("{}.tar.gz", "한".repeat(200)));
        assert!(long.len() <= LONGEST_NAME && long.ends_with("한.tar.gz"), "{long}");
    }

    #[test]
    fn a_file_goes_with_its_holder_unless_it_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let dropped = upload("a", "one");
        let place = dropped.path().to_owned();
        assert!(place.exists());
        drop(dropped);
        assert!(!place.exists());

        let kept = upload("a", "two");
        let (place, target) = (kept.path().to_owned(), folder.path().join("a"));
        std::fs::write(&target, "before").expect("written");
        assert_eq!(kept.persist(&target).expect("kept"), target);
        drop(kept);
        assert_eq!((place.exists(), std::fs::read_to_string(&target).expect("there")), (false, "two".to_owned()));

        let refused = upload("a", "three");
        let place = refused.path().to_owned();
        assert!(refused.persist(folder.path().join("no/such/folder/a")).is_err());
        drop(refused);
        assert!(!place.exists(), "it could not be kept, so it is gone");
    }

    #[test]
    fn another_file_system_gets_a_copy() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = upload("a", "copied");
        file.copied(&folder.path().join("a")).expect("copied");
        assert_eq!(std::fs::read_to_string(folder.path().join("a")).expect("there"), "copied");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing beside it");
    }
}
