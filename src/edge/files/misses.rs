//! Paths that are known not to be files, so that a page pays for no look at the disk.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long "no such file" is remembered: a new file appears at most this much later.
const MISS_HOLDS: Duration = Duration::from_secs(1);
/// Paths remembered per thread. When the table is full it is cleared, which costs one look for each path.
const MISSES: usize = 4096;
/// Longer paths, in bytes, are not remembered: a client chooses them, and they take our memory.
const REMEMBERED: usize = 256;

/// The paths of one mount that a thread knows not to be files.
#[derive(Debug, Default)]
pub(crate) struct Misses {
    known: RefCell<HashMap<String, Instant>>,
    /// True in devel mode, where nothing is remembered: a new file appears at the next request.
    is_off: bool,
}

impl Misses {
    pub(super) fn new(remembers: bool) -> Misses {
        Misses { is_off: !remembers, ..Misses::default() }
    }

    /// Whether there is no such file, or no such folder as the first one below the mount (see [`first`]).
    pub(super) fn holds(&self, path: &str, first: Option<&str>, now: Instant) -> bool {
        let known = self.known.borrow();
        let holds = |key: &str| known.get(key).is_some_and(|&since| now.duration_since(since) < MISS_HOLDS);
        holds(path) || first.is_some_and(holds)
    }

    pub(super) fn note(&self, key: &str, now: Instant) {
        if self.is_off || key.len() > REMEMBERED {
            return;
        }
        let mut misses = self.known.borrow_mut();
        if misses.len() >= MISSES {
            misses.clear();
        }
        misses.insert(key.to_owned(), now);
    }
}

/// The path of the first folder below the mount, with its slash: nothing is in a folder that does not exist, whatever a
/// client writes behind it, such as the numbers of `/company/1`, `/company/2`, ….
pub(super) fn first<'p>(path: &'p str, rest: &str) -> Option<&'p str> {
    let before = path.len() - rest.len();
    let name = rest.strip_prefix('/')?;
    let end = name.find('/').filter(|end| end + 1 < name.len())?;
    Some(&path[..before + 1 + end + 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_miss_holds_for_a_second_and_for_what_is_in_the_folder() {
        let (misses, now) = (Misses::default(), Instant::now());
        assert_eq!(first("/docs/company/1", "/company/1"), Some("/docs/company/"));
        assert_eq!((first("/a", "/a"), first("/a/", "/a/"), first("", "")), (None, None, None));
        misses.note("/company/", now);
        assert!(misses.holds("/company/2", first("/company/2", "/company/2"), now));
        assert!(!misses.holds("/other", None, now));
        assert!(!misses.holds("/company/2", Some("/company/"), now + MISS_HOLDS));
    }

    #[test]
    fn a_long_path_is_not_remembered() {
        let (misses, now) = (Misses::default(), Instant::now());
        let long = "x".repeat(REMEMBERED + 1);
        misses.note(&long, now);
        assert!(!misses.holds(&long, None, now));
    }
}
