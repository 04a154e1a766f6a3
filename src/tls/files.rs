//! The files of a site's certificates. A supervisor reads them for its processes, to which it hands a copy in memory:
//! they may be root's alone, and what is in a file meanwhile may not be fit to be served.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use super::chain::at;
use super::problem::{TlsFault, TlsProblem};
use crate::config::TlsSettings;
use crate::observe::plain_file;

/// The longest file: a chain has some kilobytes, a bundle of every authority of the web 250 KiB.
const LONGEST: usize = 4 << 20;

/// The files that these settings name, each once.
pub(crate) fn paths(settings: &TlsSettings) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = settings.client_ca.iter().cloned().collect();
    for certification in &settings.certifications {
        paths.push(certification.certfile.clone());
        paths.extend(certification.keyfile.iter().chain(&certification.cafile).cloned());
    }
    paths.sort();
    paths.dedup();
    paths
}

/// Paths and contents of files that were read elsewhere.
pub(crate) type HandedFiles = Vec<(PathBuf, Vec<u8>)>;

/// The contents of files as of one moment. There are keys among them, so they are not printed.
pub(crate) struct TlsFiles {
    contents: BTreeMap<PathBuf, io::Result<Vec<u8>>>,
    /// Taken before they were read, so that a change since is noticed.
    pub(super) stamp: TlsStamp,
}

impl std::fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.contents.keys()).finish()
    }
}

impl TlsFiles {
    /// Reads the files of these settings, but for those that were handed down.
    pub(crate) fn read(settings: &TlsSettings, handed: HandedFiles) -> TlsFiles {
        TlsFiles::opened(settings, handed, |path| plain_file::read(path, true))
    }

    /// The same where they are opened in a way of the caller's.
    pub(crate) fn opened(
        settings: &TlsSettings,
        handed: HandedFiles,
        open: impl Fn(&Path) -> io::Result<File>,
    ) -> TlsFiles {
        let paths = paths(settings);
        let stamp = TlsStamp::of(&paths);
        let mut contents: BTreeMap<_, _> = handed.into_iter().map(|(path, content)| (path, Ok(content))).collect();
        for path in paths {
            contents.entry(path).or_insert_with_key(|path| open(path).and_then(|file| read(&file)));
        }
        TlsFiles { contents, stamp }
    }

    /// What could be read.
    pub(crate) fn handed(&self) -> HandedFiles {
        let read = |(path, content): (&PathBuf, &io::Result<Vec<u8>>)| {
            content.as_ref().ok().map(|content| (path.clone(), content.clone()))
        };
        self.contents.iter().filter_map(read).collect()
    }

    /// What could be read as one file in memory that nobody can change, and how many octets of it are whose.
    pub(crate) fn packed(&self) -> io::Result<(Vec<(PathBuf, usize)>, File)> {
        let file = File::from(memfd_create("certificates", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
        let mut lengths = Vec::new();
        for (path, content) in self.handed() {
            (&file).write_all(&content)?;
            lengths.push((path, content.len()));
        }
        fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        Ok((lengths, file))
    }

    /// Of everything that was read. The same digest is the same certificates and keys.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        for (path, content) in &self.contents {
            let content = content.as_deref().unwrap_or_default();
            for part in [path.as_os_str().as_encoded_bytes(), content] {
                context.update(&(part.len() as u64).to_be_bytes());
                context.update(part);
            }
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        digest
    }

    pub(super) fn get(&self, path: &Path) -> Result<&[u8], TlsProblem> {
        match self.contents.get(path) {
            // Editors of Windows write a byte order mark.
            Some(Ok(octets)) => Ok(octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets)),
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                Err(at(path, TlsFault::NotThere(path.parent().unwrap_or(path).to_owned())))
            }
            Some(Err(error)) => Err(at(path, TlsFault::Unread(error.to_string()))),
            None => Err(at(path, TlsFault::Unread("it was not read".to_owned()))),
        }
    }
}

/// What [`TlsFiles::packed`] has packed. What makes no sense is as if it had not been handed down.
pub(crate) fn unpacked(lengths: Vec<(PathBuf, usize)>, descriptor: OwnedFd) -> HandedFiles {
    let (file, mut at) = (File::from(descriptor), 0_u64);
    let mut one = |(path, length): (PathBuf, usize)| {
        let mut content = vec![0; length.min(LONGEST)];
        let read = file.read_exact_at(&mut content, at);
        at += length as u64;
        read.ok().map(|()| (path, content))
    };
    lengths.into_iter().filter_map(&mut one).collect()
}

/// Reads a file from its beginning, wherever the descriptor, which others may have, stands.
fn read(file: &File) -> io::Result<Vec<u8>> {
    let (mut octets, mut room) = (Vec::new(), vec![0; 16 << 10]);
    loop {
        match file.read_at(&mut room, octets.len() as u64)? {
            0 => return Ok(octets),
            count => octets.extend_from_slice(&room[..count]),
        }
        if octets.len() > LONGEST {
            return Err(io::Error::other(format!("it has more than {} MiB", LONGEST >> 20)));
        }
    }
}

/// What files are behind paths: another value when one was written or may be read by others, or when a link in
/// front of it leads elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsStamp(Vec<Option<FileVersion>>);

/// Device, inode, time of the last change of its content, that of its owner and rights, and length.
type FileVersion = (u64, u64, [i64; 4], u64);

impl TlsStamp {
    pub(crate) fn of(paths: &[PathBuf]) -> TlsStamp {
        let one = |path: &PathBuf| {
            let file = fs::metadata(path).ok()?;
            let changed = [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()];
            Some((file.dev(), file.ino(), changed, file.size()))
        };
        TlsStamp(paths.iter().map(one).collect())
    }
}
