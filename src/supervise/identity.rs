//! As whom the processes run, and what that user may write.
//!
//! A supervisor that is root opens, follows and runs nothing that the user of its processes could have put there. What
//! lies where that user may write is opened with that user's rights: the kernel then refuses what the user could not
//! open anyway.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::config::FileTexts;
use crate::observe::plain_file;
use crate::serve::owner::{self, UnknownOwner};

/// The user and the group of the processes of an instance whose supervisor is root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    name: String,
}

/// Why the processes cannot run as configured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error(
        "`user = {0}`: there is no such user on this machine; create it (`useradd --system {0}`) or name another one"
    )]
    NoUser(String),
    #[error(
        "`group = {0}`: there is no such group on this machine; create it (`groupadd --system {0}`) or name another one"
    )]
    NoGroup(String),
    #[error("`{key} = {name}` needs root, and this is user id {euid}: start it as root, or remove the key")]
    NotRoot { key: &'static str, name: String, euid: u32 },
    #[error("`group = {0}` without `user`: the processes would keep root's rights; set `user`, too")]
    GroupAlone(String),
    #[error("`user = {0}` is a number that no user of this machine has, so it has no group: set `group`, too")]
    NoGroupOf(String),
    #[error("`{0}` could not be looked up: {1}")]
    LookUp(String, nix::Error),
    #[error(
        "{what} {path} could be replaced by user {user}, as whom the processes run, and root would then run it or obey \
         it: {writable} must belong to root and be writable by no one else"
    )]
    Writable { what: &'static str, path: PathBuf, user: String, writable: PathBuf },
    #[error(
        "the file {path} could be replaced by user {user}, as whom the processes run, and they would then be told what \
         root reads there, which that user may not read ({why}): move it to a folder that belongs to root, or let {user} \
         read it"
    )]
    Unreadable { path: PathBuf, user: String, why: String },
}

impl From<UnknownOwner> for IdentityError {
    fn from(unknown: UnknownOwner) -> IdentityError {
        match unknown {
            UnknownOwner::User(name) => IdentityError::NoUser(name),
            UnknownOwner::Group(name) => IdentityError::NoGroup(name),
            UnknownOwner::Failed(name, error) => IdentityError::LookUp(name, error),
        }
    }
}

impl Identity {
    /// The identity that `user` and `group` of a configuration name; `None` without `user`. Naming the user that this
    /// process already is needs no root.
    pub(crate) fn of(user: Option<&str>, group: Option<&str>) -> Result<Option<Identity>, IdentityError> {
        let euid = geteuid();
        let found_group = group.map(owner::group).transpose()?;
        let Some(name) = user else {
            return match group {
                Some(group) if euid.is_root() => Err(IdentityError::GroupAlone(group.to_owned())),
                Some(group) => {
                    Err(IdentityError::NotRoot { key: "group", name: group.to_owned(), euid: euid.as_raw() })
                }
                None => Ok(None),
            };
        };
        let found = owner::user(name)?;
        if !euid.is_root() {
            return match found.uid == euid.as_raw() && group.is_none() {
                true => Ok(None),
                false => Err(IdentityError::NotRoot { key: "user", name: name.to_owned(), euid: euid.as_raw() }),
            };
        }
        let gid = found_group.or(found.gid).ok_or_else(|| IdentityError::NoGroupOf(name.to_owned()))?;
        Ok(Some(Identity { uid: found.uid, gid, name: name.to_owned() }).filter(|identity| identity.uid != 0))
    }

    /// Refuses a file that root obeys if the user may write it, or a folder on the way to it.
    pub(crate) fn refuse_writable(&self, what: &'static str, path: &Path) -> Result<(), IdentityError> {
        match self.writable_part(path) {
            None => Ok(()),
            Some(writable) => {
                Err(IdentityError::Writable { what, path: path.to_owned(), user: self.name.clone(), writable })
            }
        }
    }

    /// Refuses a file that root has read for the processes if the user may have put it there, such as by a link to a
    /// file of root's, and may not read it itself.
    pub(crate) fn refuse_unreadable(&self, path: &Path, text: &str) -> Result<(), IdentityError> {
        let read = self.open_safely(path, || plain_file::read_all(path, FileTexts::LONGEST));
        let why = match read {
            Ok(octets) if octets == text.as_bytes() => return Ok(()),
            Ok(_) => "it changes while it is read".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(IdentityError::Unreadable { path: path.to_owned(), user: self.name.clone(), why })
    }

    /// Opens or makes something at a path: with the user's rights if the user may write on the way to it, or may make a
    /// file in its folder, such as a link.
    pub(crate) fn open_safely<T>(&self, path: &Path, open: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let is_for_all = folder.metadata().is_ok_and(|metadata| metadata.mode() & 0o002 != 0);
        match self.writable_part(path) {
            None if !is_for_all => open(),
            _ => self.as_user(open),
        }
    }

    /// Makes a new folder of root's the user's.
    pub(super) fn give(&self, folder: &Path) -> io::Result<()> {
        match folder.symlink_metadata()?.uid() {
            0 => std::os::unix::fs::lchown(folder, Some(self.uid), Some(self.gid)),
            _ => Ok(()),
        }
    }

    /// Runs `work` with the user's rights. The supervisor has one thread, so the rights of a thread are all there are.
    fn as_user<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let root = (rustix::process::Uid::ROOT, rustix::process::Gid::ROOT);
        // Else files that root's other groups may write would still be opened.
        let groups = rustix::process::getgroups()?;
        set_thread_groups(&[])?;
        set_thread_res_gid(None, rustix::process::Gid::from_raw(self.gid), None)?;
        let outcome = match set_thread_res_uid(None, rustix::process::Uid::from_raw(self.uid), None) {
            Ok(()) => {
                let outcome = work();
                set_thread_res_uid(None, root.0, None)?;
                outcome
            }
            Err(error) => Err(error.into()),
        };
        set_thread_res_gid(None, root.1, None)?;
        set_thread_groups(&groups)?;
        outcome
    }

    /// The first part of a path that the user may write: of the path as written, and of the one that its links lead to.
    fn writable_part(&self, path: &Path) -> Option<PathBuf> {
        let path = std::path::absolute(path).ok()?;
        let real = path.canonicalize().ok();
        let parts = |path: &Path| path.ancestors().map(Path::to_owned).collect::<Vec<_>>();
        let mut all = parts(&path);
        all.extend(real.as_deref().map(parts).unwrap_or_default());
        all.into_iter().find(|part| part.symlink_metadata().is_ok_and(|metadata| self.may_replace(&metadata)))
    }

    /// Whether the user may write this file, or replace what is in this folder.
    fn may_replace(&self, metadata: &Metadata) -> bool {
        // The mode of a link says nothing; where it lies and where it leads are looked at.
        if metadata.is_symlink() {
            return metadata.uid() == self.uid;
        }
        let (mode, is_sticky) = (metadata.mode(), metadata.is_dir() && metadata.mode() & 0o1000 != 0);
        metadata.uid() == self.uid
            || (metadata.gid() == self.gid && mode & 0o020 != 0)
            // In a sticky folder, such as /tmp, nobody replaces what belongs to another.
            || (mode & 0o002 != 0 && !is_sticky)
    }
}
