//! Users and groups by their names or numbers.

use nix::unistd::{Group, User};

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
    let user = owner.user.as_deref().map(user).transpose()?;
    let group = owner.group.as_deref().map(group).transpose()?;
    Ok((user, group))
}

fn user(name: &str) -> Result<u32, UnknownOwner> {
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        // A container may have no table of users.
        Ok(None) => name.parse().map_err(|_| UnknownOwner::User(name.to_owned())),
        Err(error) => Err(UnknownOwner::Failed(name.to_owned(), error)),
    }
}

fn group(name: &str) -> Result<u32, UnknownOwner> {
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
