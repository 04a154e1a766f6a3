//! The path at the member: the folder of the route, and what is behind the mount's path.

use percent_encoding::percent_decode_str;

use crate::app::Error;

/// The target for a member. `rest` is empty or begins with a slash.
///
/// A segment of dots would lead out of the folder, and members disagree about who removes it: such a path is refused,
/// also where a slash, a backslash or a dot is escaped.
pub(super) fn at_member(rest: &str, query: Option<&str>, folder: &str) -> Result<String, Error> {
    let decoded = percent_decode_str(rest).decode_utf8_lossy();
    // Some servers cut a segment's parameters off before they look at its dots.
    let mut segments = decoded.split(['/', '\\']).map(|segment| segment.split(';').next().unwrap_or_default());
    if segments.any(|segment| matches!(segment, "." | "..")) {
        return Err(Error::new(400, "a path with a segment of dots is not passed on"));
    }
    let mut target = String::with_capacity(folder.len() + rest.len() + query.map_or(0, |query| query.len() + 1) + 1);
    target.push_str(folder);
    target.push_str(rest);
    if target.is_empty() {
        target.push('/');
    }
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_stands_behind_the_folder() {
        let target = |rest, query, folder| at_member(rest, query, folder).expect("a target");
        assert_eq!(target("", None, ""), "/");
        assert_eq!(target("/", Some("a=1"), ""), "/?a=1");
        assert_eq!(target("/a%20b/c", Some(""), "/v1"), "/v1/a%20b/c?");
        assert_eq!(target("", None, "/v1"), "/v1");
        assert_eq!(target("/a..b/...", None, ""), "/a..b/...");
    }

    #[test]
    fn nothing_leads_out_of_the_folder() {
        for rest in [
            "/..",
            "/../x",
            "/a/../../x",
            "/%2e%2e/x",
            "/.%2E/x",
            "/a%2f..%2fx",
            "/..%5cx",
            "/a\\..\\x",
            "/./x",
            "/..;a=1/x",
            "/%2e%2e%3bx/y",
        ] {
            assert_eq!(at_member(rest, None, "/v1").expect_err(rest).status(), 400, "{rest}");
        }
    }
}
