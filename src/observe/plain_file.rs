//! Opens files at paths where somebody else may have put something that is no file: a FIFO, on which an open waits for
//! ever, a socket, a folder.
//!
//! Nothing here waits. What is opened is looked at after it is open, so nobody can change it in between.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// What a log may be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogKind {
    /// Lines of requests: a file, a device such as `/dev/null`, or a FIFO that somebody reads. Where its reader does
    /// not keep up, lines are lost, and nobody waits.
    Lines,
    /// Standard output and standard error: no FIFO, because who writes there does not expect that it cannot.
    Console,
}

/// Opens a log for appending, and makes it if it is not there, with this mode. `follows`: whether the path may be a
/// link.
pub(crate) fn append(path: &Path, kind: LogKind, mode: u32, follows: bool) -> io::Result<File> {
    let flags = if follows { OFlags::empty() } else { OFlags::NOFOLLOW };
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(mode).custom_flags(flags_of(flags));
    let file =
        options.open(path).map_err(|error| match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::NXIO) => io::Error::other(
                "it is a socket, or a FIFO that nobody reads, and no log: remove it, start its reader first, or name \
             another file",
            ),
            Some(rustix::io::Errno::LOOP) if !follows => {
                io::Error::other("it is a link, which is not followed: remove it, or name the file itself")
            }
            _ => error,
        })?;
    let metadata = file.metadata()?;
    check(&metadata, kind)?;
    if !metadata.file_type().is_fifo() {
        waits_again(&file)?;
    }
    Ok(file)
}

/// Whether a log could be opened for appending, as far as can be seen without making it.
///
/// # Errors
/// What is in the way, and what to do about it.
pub(crate) fn check_appendable(path: &Path, kind: LogKind) -> io::Result<()> {
    match path.metadata() {
        Ok(metadata) => check(&metadata, kind),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            match folder.is_dir() {
                true => Ok(()),
                false => Err(io::Error::other(format!("there is no folder {}: make it", folder.display()))),
            }
        }
        Err(error) => Err(error),
    }
}

fn check(metadata: &Metadata, kind: LogKind) -> io::Result<()> {
    let is = metadata.file_type();
    match is.is_file() || is.is_char_device() || (is.is_fifo() && kind == LogKind::Lines) {
        true => Ok(()),
        false => Err(io::Error::other(format!("it is {}, and no log: remove it, or name another file", word(is)))),
    }
}

/// Opens a file to be read: one on a disk, or a device such as `/dev/null`. `follows`: whether the path may be a link.
pub(crate) fn read(path: &Path, follows: bool) -> io::Result<File> {
    let flags = if follows { OFlags::empty() } else { OFlags::NOFOLLOW };
    let file = OpenOptions::new().read(true).custom_flags(flags_of(flags)).open(path)?;
    let is = file.metadata()?.file_type();
    match is.is_file() || is.is_char_device() {
        true => Ok(file),
        false => Err(io::Error::other(format!("it is {}, and a file was expected", word(is)))),
    }
}

/// Reads a file that is no longer than this.
pub(crate) fn read_all(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    read(path, true)?.take(longest + 1).read_to_end(&mut octets)?;
    match octets.len() as u64 > longest {
        true => Err(io::Error::other(format!("it has more than {longest} octets"))),
        false => Ok(octets),
    }
}

/// A terminal that is opened does not become that of this process.
fn flags_of(more: OFlags) -> i32 {
    // Every flag is in the lowest 31 bits.
    i32::try_from((more | OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default()
}

/// For devices, whose writes would fail in place of waiting.
fn waits_again(file: &File) -> io::Result<()> {
    Ok(fcntl_setfl(file, fcntl_getfl(file)? - OFlags::NONBLOCK)?)
}

pub(crate) fn word(is: FileType) -> &'static str {
    if is.is_fifo() {
        "a FIFO"
    } else if is.is_dir() {
        "a folder"
    } else if is.is_socket() {
        "a socket"
    } else if is.is_block_device() {
        "a disk"
    } else if is.is_symlink() {
        "a link"
    } else {
        "no regular file"
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use rustix::fs::Mode;

    use super::*;

    fn fifo(folder: &Path) -> PathBuf {
        let path = folder.join("fifo");
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("a FIFO");
        path
    }

    fn told<T>(result: io::Result<T>) -> String {
        result.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_is_no_file_is_named_and_nothing_waits() {
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = fifo(folder.path());
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        for kind in [LogKind::Lines, LogKind::Console] {
            assert!(told(append(&fifo, kind, 0o640, true)).contains("a FIFO that nobody reads"));
            assert!(told(append(&socket, kind, 0o640, true)).contains("it is a socket"));
            assert!(append(folder.path(), kind, 0o640, true).is_err());
            append(Path::new("/dev/null"), kind, 0o640, true).expect("a device");
        }
        for (path, is) in [(&*fifo, "a FIFO"), (folder.path(), "a folder")] {
            assert!(told(read(path, true)).contains(is));
        }
        read(Path::new("/dev/null"), true).expect("a device");
        assert!(told(read_all(Path::new("/dev/zero"), 1000)).contains("more than 1000 octets"));
    }

    #[test]
    fn a_fifo_that_is_read_takes_lines_and_holds_up_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = fifo(folder.path());
        let flags = flags_of(OFlags::empty());
        let reader = OpenOptions::new().read(true).custom_flags(flags).open(&fifo).expect("opened");
        assert!(told(append(&fifo, LogKind::Console, 0o640, true)).contains("it is a FIFO"));
        let mut lines = append(&fifo, LogKind::Lines, 0o640, true).expect("opened");
        let full = lines.write_all(&vec![b'x'; 1 << 20]);
        assert_eq!(full.expect_err("nobody takes it").kind(), io::ErrorKind::WouldBlock);
        drop(reader);
    }

    #[test]
    fn a_link_is_followed_where_that_is_wanted_and_files_wait_as_usual() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        assert!(told(append(&link, LogKind::Lines, 0o640, false)).contains("it is a link"));
        let mut log = append(&link, LogKind::Lines, 0o640, true).expect("it is made");
        log.write_all(b"one\n").expect("written");
        assert!(!fcntl_getfl(&log).expect("flags").contains(OFlags::NONBLOCK));
        assert_eq!(read_all(&file, 4).expect("it is short"), b"one\n");
        assert!(read(&link, false).is_err());
    }

    #[test]
    fn what_is_in_the_way_of_a_log_is_told_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |path: &str| told(check_appendable(&folder.path().join(path), LogKind::Lines));
        assert_eq!(check("access.log"), "");
        assert!(
            check("none/access.log").contains("there is no folder") && check("none/access.log").contains("make it")
        );
        std::fs::create_dir(folder.path().join("made")).expect("a folder");
        assert!(check("made").contains("it is a folder"));
    }
}
