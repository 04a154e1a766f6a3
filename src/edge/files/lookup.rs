//! The look at the disk: which file a path is, in which coding it is sent, whether the client has it, and its first
//! piece. All of it in one go, on a thread that may wait.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::beneath::{Beneath, Unopened};
use super::ranges::{self, Ranged};
use super::{body, kinds};
use crate::edge::accepts::{Accepted, Coding};
use crate::edge::compress::is_compressible;
use crate::edge::conditional::{Condition, Conditions, Validators};

/// The index files of a folder, in order of precedence.
const INDEX: [&str; 2] = ["index.htm", "index.html"];

/// What is looked for.
#[derive(Debug)]
pub(super) struct Sought {
    pub(super) folders: Arc<[PathBuf]>,
    /// The name below them, made safe.
    pub(super) relative: PathBuf,
    /// Whether the path ends with a slash: then it is no file.
    pub(super) has_slash: bool,
    pub(super) links: bool,
    pub(super) manner: Manner,
}

/// How a file is to be sent.
#[derive(Debug)]
pub(super) struct Manner {
    /// Codings in which it may be sent, if there is a file beside it.
    pub(super) accepted: Accepted,
    pub(super) precompressed: bool,
    pub(super) conditions: Conditions,
    pub(super) is_head: bool,
}

/// What was found.
#[derive(Debug)]
pub(crate) enum Found {
    File(Box<FoundFile>),
    /// A folder without its trailing slash: relative links in its page would break.
    NeedsSlash,
    /// Nothing; of a path of several names also whether the first one is no folder.
    Nothing {
        lacks_first: bool,
    },
}

/// A file, ready to be sent.
#[derive(Debug)]
pub(crate) struct FoundFile {
    pub(super) file: Arc<File>,
    pub(super) name: PathBuf,
    pub(super) kind: &'static str,
    pub(super) etag: String,
    pub(super) modified: Option<SystemTime>,
    pub(super) coding: Option<Coding>,
    /// Whether others may get it in another coding.
    pub(super) varies: bool,
    pub(super) length: u64,
    pub(super) plan: SendPlan,
    /// The first piece of what is sent.
    pub(super) first: Bytes,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SendPlan {
    NotModified,
    Failed,
    Unsatisfiable,
    Whole,
    Part { start: u64, length: u64 },
}

/// Looks in all folders. An error is one of the system's, and no answer to whether there is a file.
pub(super) fn look(sought: &Sought) -> Result<Found, Unopened> {
    let mut lacks_first = true;
    for folder in &*sought.folders {
        let beneath = Beneath::open(folder, sought.links);
        match in_folder(&beneath, sought) {
            Ok(Found::Nothing { .. }) | Err(Unopened::Nothing) => {}
            // Its name is its owner's, as if it were not there; who looks for it finds the reason in the log.
            Err(unread @ Unopened::LedOut(_)) => tracing::warn!("static file: {unread}"),
            Err(unread @ Unopened::Failed(..)) if is_denied(&unread) => tracing::warn!("static file: {unread}"),
            found => return found,
        }
        lacks_first &= lacks(&beneath, &sought.relative);
    }
    Ok(Found::Nothing { lacks_first })
}

fn is_denied(why: &Unopened) -> bool {
    matches!(why, Unopened::Failed(_, error) if error.kind() == std::io::ErrorKind::PermissionDenied)
}

/// Whether the first of several names is not there at all.
fn lacks(beneath: &Beneath<'_>, relative: &Path) -> bool {
    let mut names = relative.iter();
    let (Some(first), Some(_)) = (names.next(), names.next()) else { return false };
    matches!(beneath.file(Path::new(first)), Err(Unopened::Nothing))
}

fn in_folder(beneath: &Beneath<'_>, sought: &Sought) -> Result<Found, Unopened> {
    let file = beneath.file(&sought.relative)?;
    let meta = meta_of(&file, &sought.relative)?;
    if meta.is_file() {
        // `/page.html/` is not the file `/page.html`.
        return if sought.has_slash {
            Err(Unopened::Nothing)
        } else {
            ready(beneath, sought.relative.clone(), file, &meta, &sought.manner)
        };
    }
    if !meta.is_dir() {
        return Err(Unopened::Nothing);
    }
    for name in INDEX {
        let name = sought.relative.join(name);
        let file = match beneath.file(&name) {
            Err(Unopened::Nothing) => continue,
            found => found?,
        };
        let meta = meta_of(&file, &name)?;
        if meta.is_file() {
            return if sought.has_slash || sought.relative.as_os_str().is_empty() {
                ready(beneath, name, file, &meta, &sought.manner)
            } else {
                Ok(Found::NeedsSlash)
            };
        }
    }
    Err(Unopened::Nothing)
}

fn meta_of(file: &File, name: &Path) -> Result<Metadata, Unopened> {
    file.metadata().map_err(|error| Unopened::Failed(name.to_owned(), error))
}

/// The same file in a coding that the client reads, if there is one, else the file.
fn ready(
    beneath: &Beneath<'_>,
    name: PathBuf,
    file: File,
    meta: &Metadata,
    manner: &Manner,
) -> Result<Found, Unopened> {
    let kind = kinds::of(&name);
    if !manner.precompressed || !is_compressible(kind) {
        return prepared(name, file, meta, kind, (None, false), manner);
    }
    let packed = |coding: Coding| {
        let mut name = name.clone().into_os_string();
        name.push(coding.ending());
        let file = beneath.file(Path::new(&name)).ok()?;
        let packed = file.metadata().ok()?;
        // One that is older is of an older file.
        (packed.is_file() && packed.mtime() >= meta.mtime()).then_some((file, packed))
    };
    let mut varies = false;
    for coding in manner.accepted.iter() {
        if let Some((file, packed)) = packed(coding) {
            return prepared(name, file, &packed, kind, (Some(coding), true), manner);
        }
    }
    // Who keeps the answer for others must know that they would get another one.
    varies |= Coding::ALL.into_iter().filter(|coding| !manner.accepted.has(*coding)).any(|c| packed(c).is_some());
    prepared(name, file, meta, kind, (None, varies), manner)
}

/// Judges the conditions, and reads the first piece.
fn prepared(
    name: PathBuf,
    file: File,
    meta: &Metadata,
    kind: &'static str,
    (coding, varies): (Option<Coding>, bool),
    manner: &Manner,
) -> Result<Found, Unopened> {
    let (etag, modified) = validators(meta, coding);
    let of = Validators { etag: &etag, modified };
    let length = meta.len();
    let plan = match manner.conditions.judge(of) {
        Condition::NotModified => SendPlan::NotModified,
        Condition::Fails => SendPlan::Failed,
        Condition::Holds => match manner.conditions.range(of).map(|range| ranges::read(range, length)) {
            None | Some(Ranged::Whole) => SendPlan::Whole,
            Some(Ranged::Part { start, length }) => SendPlan::Part { start, length },
            Some(Ranged::Unsatisfiable) => SendPlan::Unsatisfiable,
        },
    };
    let first = match plan {
        SendPlan::Whole if !manner.is_head => body::piece(&file, 0, length),
        SendPlan::Part { start, length } if !manner.is_head => body::piece(&file, start, length),
        _ => Ok(Bytes::new()),
    };
    let first = first.map_err(|error| Unopened::Failed(name.clone(), error))?;
    let file = Arc::new(file);
    Ok(Found::File(Box::new(FoundFile { file, name, kind, etag, modified, coding, varies, length, plan, first })))
}

/// The tag of a file, and when it was changed. Time and length are the same on all machines of a site. Where times are
/// set to the beginning of the epoch, as some packagers do, they say nothing: then it is the file's place on the disk.
fn validators(meta: &Metadata, coding: Option<Coding>) -> (String, Option<SystemTime>) {
    let suffix = coding.map(|coding| format!("-{}", coding.word())).unwrap_or_default();
    let modified = meta.modified().ok().filter(|at| *at > SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    let since = modified.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let tag = match since {
        Some(since) => format!("\"{:x}-{:x}{suffix}\"", since.as_nanos(), meta.len()),
        None => format!("\"{:x}-{:x}-{:x}-{:x}{suffix}\"", meta.dev(), meta.ino(), meta.ctime(), meta.len()),
    };
    (tag, modified)
}

/// A file by its path, which is the program's own.
pub(super) fn own(path: &Path, manner: &Manner) -> std::io::Result<Box<FoundFile>> {
    let file = File::open(path)?;
    let meta = file.metadata()?;
    // A folder opens like a file but cannot be read.
    if !meta.is_file() {
        return Err(std::io::ErrorKind::NotFound.into());
    }
    match prepared(path.to_owned(), file, &meta, kinds::of(path), (None, false), manner) {
        Ok(Found::File(file)) => Ok(file),
        Err(Unopened::Failed(_, error)) => Err(error),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seek(folder: &Path, relative: &str, has_slash: bool) -> Found {
        let (accepted, conditions) = (Accepted::default(), Conditions::default());
        let manner = Manner { accepted, precompressed: true, conditions, is_head: false };
        let folders = [folder.to_owned()].into();
        look(&Sought { folders, relative: relative.into(), has_slash, links: false, manner }).expect("no error")
    }

    fn name(found: Found) -> Option<PathBuf> {
        if let Found::File(file) = found { Some(file.name) } else { None }
    }

    #[test]
    fn index_htm_stands_before_index_html_and_a_folder_has_its_slash() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        std::fs::write(path.join("index.html"), "html").expect("written");
        assert_eq!(name(seek(path, "", true)), Some("index.html".into()));
        std::fs::write(path.join("index.htm"), "htm").expect("written");
        assert_eq!(name(seek(path, "", true)), Some("index.htm".into()));
        assert_eq!(name(seek(path, "index.htm", true)), None);
        std::fs::create_dir(path.join("sub")).expect("made");
        assert!(matches!(seek(path, "sub", false), Found::Nothing { lacks_first: false }));
        std::fs::write(path.join("sub/index.html"), "x").expect("written");
        assert!(matches!(seek(path, "sub", false), Found::NeedsSlash));
        assert_eq!(name(seek(path, "sub", true)), Some("sub/index.html".into()));
        assert!(matches!(seek(path, "none/x", false), Found::Nothing { lacks_first: true }));
        assert!(matches!(seek(path, "sub/x", false), Found::Nothing { lacks_first: false }));
    }

    #[test]
    fn times_that_say_nothing_make_no_tag() {
        let folder = tempfile::tempdir().expect("a folder");
        let tag = |name: &str, seconds: u64| {
            let path = folder.path().join(name);
            let file = File::create(&path).expect("made");
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).expect("set");
            validators(&file.metadata().expect("known"), None)
        };
        assert_eq!(tag("a", 1_000_000).0, tag("b", 1_000_000).0);
        assert_ne!(tag("c", 1).0, tag("d", 1).0);
        assert_eq!(tag("e", 0).1, None);
    }
}
