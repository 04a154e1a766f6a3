//! The forms in which the path of a request is compared with those of gates.
//!
//! A router reads a path as it is written, a folder of files reads it as a file system does: `//`, `/./` and an escaped
//! slash mean something else to each. A request that is behind one gate in the first form and behind another one in the
//! second is refused, so that no spelling leads past a gate. The same holds for what members of clusters make of `\`,
//! `;` and the like, to whom a path is passed on as it is written.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Whether all read a path alike.
pub(super) fn is_plain(path: &str) -> bool {
    let mut before = 0;
    let is_plain = path.bytes().all(|octet| {
        let is_special = matches!(octet, b'%' | b'\\' | b';')
            || (before == b'/' && matches!(octet, b'/' | b'.'))
            || (before == b'.' && octet == b'/');
        before = octet;
        !is_special
    });
    is_plain && before != b'.'
}

/// A path as a file system reads it: without escapes, empty segments, `.` and `..`.
pub(super) fn as_files(path: &str) -> Cow<'_, str> {
    if is_plain(path) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(joined(percent_decode_str(path).decode_utf8_lossy().split('/')))
}

/// A path as some members of clusters read it: a backslash is a slash, what stands behind `;` is a parameter, and what
/// ends a text or a name ends it here.
pub(super) fn as_members(path: &str) -> String {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let own = |segment: &'_ str| segment.find([';', '\0', '?', '#']).unwrap_or(segment.len());
    joined(decoded.split(['/', '\\']).map(|segment| {
        let segment = &segment[..own(segment)];
        if matches!(segment, "." | "..") { segment } else { segment.trim_end_matches(['.', ' ']) }
    }))
}

fn joined<'s>(segments: impl Iterator<Item = &'s str>) -> String {
    let mut kept = Vec::new();
    for segment in segments {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    kept.iter().flat_map(|segment| ["/", segment]).collect()
}

/// Whether a path is that of a mount or below it.
pub(super) fn holds(mount: &str, path: &str) -> bool {
    path.strip_prefix(mount).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_read_more_into_a_path() {
        for path in [
            "/a/b",
            "/a\\b",
            "/a/b;x=1",
            "/a;y/b",
            "/a%5Cb",
            "/a/b%3bx",
            "/a/b%00x",
            "/a/b%3fx",
            "/a/b%23x",
            "/a/b.",
            "/a./b",
            "/a/b%20",
            "/x/..;/a/b",
            "/x\\..\\a//b",
        ] {
            assert_eq!(as_members(path), "/a/b", "{path}");
            assert!(path == "/a/b" || !is_plain(path), "{path}");
        }
        assert!(is_plain("/a.b/c-d_e~f/") && is_plain("/"));
    }

    #[test]
    fn a_path_has_one_form_as_files() {
        for path in ["/a/b", "//a//b", "/./a/b", "/a%2Fb", "/a%2fb", "/x/../a/b", "/%61/b/", "/a/%2E/b", "/..//a/b"] {
            assert_eq!(as_files(path), "/a/b", "{path}");
        }
        assert_eq!(as_files("/gr%C3%B6%C3%9Fe"), "/größe");
        assert_eq!(as_files("/"), "/");
    }
}
