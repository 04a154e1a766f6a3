//! What in an answer points to the member's own paths, translated to those of the mount: `Location`,
//! `Content-Location`, and the paths of cookies.

use bytes::Bytes;

/// The value of a header, translated if it is one of those.
pub(super) fn rewritten(name: &str, value: Bytes, mount: &str, folder: &str, authority: &str) -> Bytes {
    let translated = match (name, std::str::from_utf8(&value)) {
        ("location" | "content-location", Ok(text)) => location(text, mount, folder, authority),
        ("set-cookie", Ok(text)) => cookie(text, mount, folder),
        _ => None,
    };
    translated.map_or(value, Bytes::from)
}

/// A reference to a path of the member, with or without its authority. Any other one stays: it leads elsewhere, or is
/// relative to the path that the client sees.
fn location(text: &str, mount: &str, folder: &str, authority: &str) -> Option<String> {
    let rest = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme)?.strip_prefix(authority));
    let path = match rest {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '?', '#']) => rest,
        Some(_) => return None,
        // Two slashes begin an authority.
        None if text.starts_with('/') && !text.starts_with("//") => text,
        None => return None,
    };
    let behind = path.find(['?', '#']).unwrap_or(path.len());
    let (path, behind) = path.split_at(behind);
    let path = if path.is_empty() { "/" } else { path };
    Some(format!("{}{behind}", at_mount(path, mount, folder)?))
}

/// `Path` of a cookie.
fn cookie(text: &str, mount: &str, folder: &str) -> Option<String> {
    let mut is_changed = false;
    let parts = text.split(';').enumerate().map(|(nth, part)| {
        // The first one is the cookie itself, which may be named so.
        let path = part.split_once('=').filter(|(name, _)| nth > 0 && name.trim().eq_ignore_ascii_case("path"));
        match path.and_then(|(name, path)| Some(format!("{name}={}", at_mount(path.trim(), mount, folder)?))) {
            Some(translated) => {
                is_changed = true;
                translated
            }
            None => part.to_owned(),
        }
    });
    let parts: Vec<String> = parts.collect();
    is_changed.then(|| parts.join(";"))
}

/// A path of the member as the client has it; `None` for one that the mount does not lead to, or that is the client's
/// already: the member was told the mount's path (`X-Forwarded-Prefix`).
fn at_mount(path: &str, mount: &str, folder: &str) -> Option<String> {
    let below = |outer: &str| {
        let rest = path.strip_prefix(outer)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    };
    if !mount.is_empty() && below(mount).is_some() {
        return None;
    }
    let rest = match below(folder) {
        Some(rest) => rest,
        // A cookie for the whole member is for the whole mount.
        None if path == "/" => "",
        None => return None,
    };
    let translated = format!("{mount}{rest}");
    Some(if translated.is_empty() { "/".to_owned() } else { translated })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_points_to_the_member_points_to_the_mount() {
        let at = |text: &str, mount: &str, folder: &str| {
            let value = Bytes::copy_from_slice(text.as_bytes());
            String::from_utf8(rewritten("location", value, mount, folder, "10.0.0.1:8080").to_vec()).expect("text")
        };
        for (text, mount, folder, expected) in [
            ("/a", "/articles", "", "/articles/a"),
            ("/v1/a?b=/v1#c", "/articles", "/v1", "/articles/a?b=/v1#c"),
            ("http://10.0.0.1:8080/v1/a", "/articles", "/v1", "/articles/a"),
            ("http://10.0.0.1:8080", "/articles", "", "/articles/"),
            ("http://10.0.0.1:80801/v1/a", "/articles", "/v1", "http://10.0.0.1:80801/v1/a"),
            ("https://elsewhere.example/v1/a", "/articles", "/v1", "https://elsewhere.example/v1/a"),
            ("//elsewhere.example/a", "/articles", "", "//elsewhere.example/a"),
            ("/v10/a", "/articles", "/v1", "/v10/a"),
            ("/articles/a", "/articles", "", "/articles/a"),
            ("a/b", "/articles", "", "a/b"),
            ("/a", "", "", "/a"),
            ("/v1", "", "/v1", "/"),
        ] {
            assert_eq!(at(text, mount, folder), expected, "{text} {mount} {folder}");
        }
    }

    #[test]
    fn a_cookie_has_the_path_of_the_mount() {
        let at = |text: &str, folder: &str| {
            let value = Bytes::copy_from_slice(text.as_bytes());
            String::from_utf8(rewritten("set-cookie", value, "/articles", folder, "a").to_vec()).expect("text")
        };
        assert_eq!(at("a=/; Path=/; HttpOnly", ""), "a=/; Path=/articles/; HttpOnly");
        assert_eq!(at("a=b; path=/v1/x", "/v1"), "a=b; path=/articles/x");
        assert_eq!(at("a=b; Path=/; Secure", "/v1"), "a=b; Path=/articles; Secure");
        assert_eq!(at("a=b", ""), "a=b");
        assert_eq!(at("path=/v1/x; Path=/v1", "/v1"), "path=/v1/x; Path=/articles");
    }
}
