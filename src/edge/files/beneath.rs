//! A file in a folder, opened so that no symbolic link leads out of it.
//!
//! What is judged is what is opened: a look at the path before or after it could see another file, if somebody changes
//! a link in between. On Linux the kernel finds the file and refuses a way out in one step (`openat2`). Elsewhere, and
//! for links that it refuses though they stay in the folder (those with an absolute path), the real path is compared,
//! and after that whether it still is the file that was opened.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
#[cfg(target_os = "linux")]
use rustix::{
    fs::{ResolveFlags, openat2},
    io::Errno,
};

/// Nobody waits for who writes into a pipe, and no terminal becomes ours.
const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// A folder from which files are opened.
#[derive(Debug)]
pub(super) struct Beneath<'f> {
    path: &'f Path,
    /// Whether links may lead out of it.
    links: bool,
    /// `None` where links may lead out, or the folder cannot be opened as the kernel wants it.
    #[cfg(target_os = "linux")]
    descriptor: Option<rustix::fd::OwnedFd>,
}

/// Why a file was not opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unopened {
    /// There is none.
    #[error("no such file")]
    Nothing,
    #[error("{}: a symbolic link leads out of the folder, and `links = yes` is not said", .0.display())]
    LedOut(PathBuf),
    #[error("{}: {}", .0.display(), .1)]
    Failed(PathBuf, io::Error),
}

impl<'f> Beneath<'f> {
    /// Opens the folder. Its own path may have links: a new version of a site is often put in place by one.
    pub(super) fn open(path: &'f Path, links: bool) -> Beneath<'f> {
        #[cfg(target_os = "linux")]
        let descriptor = {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            if links { None } else { openat(CWD, path, flags, Mode::empty()).ok() }
        };
        Beneath {
            path,
            links,
            #[cfg(target_os = "linux")]
            descriptor,
        }
    }

    /// Opens a file or folder in it.
    pub(super) fn file(&self, relative: &Path) -> Result<File, Unopened> {
        let path = self.path.join(relative);
        let failed = |error: io::Error| why(path.clone(), error);
        if self.links {
            return openat(CWD, &path, READ, Mode::empty()).map(File::from).map_err(|error| failed(error.into()));
        }
        #[cfg(target_os = "linux")]
        if let Some(folder) = &self.descriptor {
            // An empty path is none.
            let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
            match openat2(folder, relative, READ, Mode::empty(), ResolveFlags::BENEATH) {
                Ok(file) => return Ok(file.into()),
                // A link out; a link with an absolute path; a change of the path in between; an old kernel, or a
                // container that does not know the call.
                Err(Errno::XDEV | Errno::AGAIN | Errno::NOSYS | Errno::PERM) => {}
                Err(error) => return Err(failed(error.into())),
            }
        }
        self.by_real_path(&path)
    }

    fn by_real_path(&self, path: &Path) -> Result<File, Unopened> {
        let failed = |error: io::Error| why(path.to_owned(), error);
        let file: File =
            openat(CWD, path, READ, Mode::empty()).map(File::from).map_err(|error| failed(error.into()))?;
        let opened = file.metadata().map_err(failed)?;
        let real = path.canonicalize().map_err(failed)?;
        let is_within = real.starts_with(self.path.canonicalize().map_err(failed)?);
        let there = real.symlink_metadata().map_err(failed)?;
        if !is_within || (there.dev(), there.ino()) != (opened.dev(), opened.ino()) {
            return Err(Unopened::LedOut(path.to_owned()));
        }
        Ok(file)
    }
}

/// What an error of the system means for who asks for a file by its name.
fn why(path: PathBuf, error: io::Error) -> Unopened {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    match error.kind() {
        NotFound | NotADirectory | InvalidFilename | InvalidInput => Unopened::Nothing,
        // Links that go round; a socket, or a device that is not there.
        _ if [rustix::io::Errno::LOOP, rustix::io::Errno::NXIO]
            .iter()
            .any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) =>
        {
            Unopened::Nothing
        }
        _ => Unopened::Failed(path, error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder with a file, links that stay in it, and links that do not.
    fn folder() -> tempfile::TempDir {
        let all = tempfile::tempdir().expect("a folder");
        let root = all.path().join("root");
        std::fs::create_dir_all(root.join("deep")).expect("made");
        std::fs::create_dir_all(all.path().join("rootless")).expect("made");
        std::fs::write(root.join("a"), "a").expect("written");
        std::fs::write(all.path().join("out"), "out").expect("written");
        std::fs::write(all.path().join("rootless/out"), "out").expect("written");
        let link = |to: &Path, at: &str| symlink(to, root.join(at)).expect("linked");
        link(Path::new("a"), "near");
        link(Path::new("../a"), "deep/up");
        link(&root.join("a"), "absolute");
        link(Path::new("../out"), "leads-out");
        link(&all.path().join("out"), "leads-out-absolute");
        link(Path::new("../rootless"), "sibling");
        link(Path::new("/proc/self/root"), "proc");
        link(Path::new("round"), "round");
        all
    }

    #[test]
    fn links_stay_in_the_folder_both_ways() {
        let all = folder();
        let root = all.path().join("root");
        let opened = Beneath::open(&root, false);
        let by_path = |name: &str| opened.by_real_path(&root.join(name));
        for name in ["a", "near", "deep/up", "absolute"] {
            opened.file(Path::new(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
            by_path(name).unwrap_or_else(|why| panic!("{name}: {why}"));
        }
        for name in ["leads-out", "leads-out-absolute", "sibling/out", "proc/etc/passwd"] {
            for found in [opened.file(Path::new(name)), by_path(name)] {
                assert!(matches!(found, Err(Unopened::LedOut(_))), "{name}: {found:?}");
            }
            assert!(Beneath::open(&root, true).file(Path::new(name)).is_ok(), "{name}");
        }
        for name in ["round", "none", "a/b"] {
            assert!(matches!(opened.file(Path::new(name)), Err(Unopened::Nothing)), "{name}");
        }
    }

    /// While a link is changed to and fro, all that is opened is of the folder.
    #[test]
    fn a_link_that_changes_never_leads_out() {
        let all = folder();
        let root = all.path().join("root");
        let end = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let changes = std::thread::spawn({
            let (root, end) = (root.clone(), end.clone());
            move || {
                for turn in 0.. {
                    let to = if turn % 2 == 0 { root.join("a") } else { root.join("../out") };
                    symlink(to, root.join("next")).expect("linked");
                    std::fs::rename(root.join("next"), root.join("changing")).expect("in place");
                    if end.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                }
            }
        });
        let opened = Beneath::open(&root, false);
        let mut read = 0;
        for _ in 0..20_000 {
            if let Ok(file) = opened.file(Path::new("changing")) {
                assert_eq!(io::read_to_string(file).expect("read"), "a");
                read += 1;
            }
        }
        end.store(true, std::sync::atomic::Ordering::Relaxed);
        changes.join().expect("ended");
        assert!(read > 0);
    }
}
