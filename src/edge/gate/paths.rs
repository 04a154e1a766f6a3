//! The forms in which the path of a request is compared with those of gates.
//!
//! A router reads a path as it is written, a folder of files reads it as a file system does: `//`, `/./` and an escaped
//! slash mean something else to each. A request that is behind one gate in the first form and behind another one in the
//! second is refused, so that no spelling leads past a gate.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A path as a file system reads it: without escapes, empty segments, `.` and `..`.
pub(super) fn as_files(path: &str) -> Cow<'_, str> {
    let mut before = 0;
    let is_plain = path.bytes().all(|octet| {
        let is_special = octet == b'%' || (before == b'/' && matches!(octet, b'/' | b'.'));
        before = octet;
        !is_special
    });
    if is_plain {
        return Cow::Borrowed(path);
    }
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let mut segments = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    Cow::Owned(segments.iter().flat_map(|segment| ["/", segment]).collect())
}

/// Whether a path is that of a mount or below it.
pub(super) fn holds(mount: &str, path: &str) -> bool {
    path.strip_prefix(mount).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_form_as_files() {
        for path in ["/a/b", "//a//b", "/./a/b", "/a%2Fb", "/a%2fb", "/x/../a/b", "/%61/b/", "/a/%2E/b", "/..//a/b"] {
            assert_eq!(as_files(path), "/a/b", "{path}");
        }
        assert_eq!(as_files("/gr%C3%B6%C3%9Fe"), "/größe");
        assert_eq!(as_files("/"), "/");
    }
}
