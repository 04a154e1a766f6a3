//! Users and groups by their names or numbers.

use nix::unistd::{Group, Uid, User};

use crate::config::SocketOwner;

/// There is no such user or group.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnknownOwner {
    #[error("this machine has no user `{0}` (`getent passwd` lists them)")]
    User(String),
    #[error("this machine has no group `{0}` (`getent group` lists them)")]
    Group(String),
    #[error("`{0}` cannot be looked up: {1}")]
    Failed(String, nix::Error),
}

/// The numbers of a user and a group that are to own a file; `None` leaves that as it is.
pub(super) type Ids = (Option<u32>, Option<u32>);

/// The numbers behind the names.
pub(crate) fn ids(owner: &SocketOwner) -> Result<Ids, UnknownOwner> {
    let user = owner.user.as_deref().map(|name| user(name).map(|user| user.uid)).transpose()?;
    let group = owner.group.as_deref().map(group).transpose()?;
    Ok((user, group))
}

/// A user. One that is named by a number has no group of its own if the machine does not know it.
pub(crate) struct FoundUser {
    pub(crate) uid: u32,
    pub(crate) gid: Option<u32>,
}

/// The user behind a name, or a number: a container may have no table of users.
pub(crate) fn user(name: &str) -> Result<FoundUser, UnknownOwner> {
    let failed = |error| UnknownOwner::Failed(name.to_owned(), error);
    let found = User::from_name(name).map_err(failed)?;
    if let Some(user) = found {
        return Ok(FoundUser { uid: user.uid.as_raw(), gid: Some(user.gid.as_raw()) });
    }
    let uid = name.parse().map_err(|_| UnknownOwner::User(name.to_owned()))?;
    let known = User::from_uid(Uid::from_raw(uid)).map_err(failed)?;
    Ok(FoundUser { uid, gid: known.map(|user| user.gid.as_raw()) })
}

/// The group behind a name or a number.
pub(crate) fn group(name: &str) -> Result<u32, UnknownOwner> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => name.parse().map_err(|_| UnknownOwner::Group(name.to_owned())),
        Err(error) => Err(UnknownOwner::Failed(name.to_owned(), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(user: Option<&str>, group: Option<&str>) -> Result<(Option<u32>, Option<u32>), String> {
        let owned = |name: &str| name.to_owned();
        ids(&SocketOwner { user: user.map(owned), group: group.map(owned) }).map_err(|error| error.to_string())
    }

    #[test]
    fn owners_are_found_by_name_and_by_number() {
        assert_eq!(found(Some("root"), None), Ok((Some(0), None)));
        assert_eq!(found(Some("0"), Some("root")), Ok((Some(0), Some(0))));
        assert_eq!(found(None, Some("4711")), Ok((None, Some(4711))));
        let missing = "no-such-name-here";
        assert!(found(Some(missing), None).is_err_and(|why| why.contains("no user `no-such-name-here`")));
        assert!(found(Some("root"), Some(missing)).is_err_and(|why| why.contains("no group `no-such-name-here`")));
        assert!(found(Some("-1"), None).is_err());
    }
}
