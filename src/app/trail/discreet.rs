//! What no record has: values that may be secret, and texts without an end.

/// Characters of one argument, message or path.
const LETTERS: usize = 200;
/// In place of what may be secret.
const HIDDEN: &str = "(hidden)";
/// A name that has one of these in it is that of a secret.
const SECRET: [&str; 10] =
    ["password", "passwd", "secret", "token", "apikey", "api_key", "api-key", "authorization", "session", "signature"];

/// The value of an argument.
pub(super) fn value(name: &str, value: &str) -> String {
    if is_secret(name) { HIDDEN.to_owned() } else { cut(value) }
}

fn is_secret(name: &str) -> bool {
    let lower = name.to_lowercase();
    SECRET.iter().any(|word| lower.contains(word))
}

/// The beginning of a text.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A path with its query, or a URL: without a login, and without the values of secrets.
pub(super) fn path(path: &str) -> String {
    let path = match path.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let at = rest[..end].rfind('@').map_or(0, |at| at + 1);
            format!("{scheme}://{}", &rest[at..])
        }
        None => path.to_owned(),
    };
    let Some((path, query)) = path.split_once('?') else { return cut(&path) };
    let pair = |pair: &str| match pair.split_once('=') {
        // A name may be written with escapes.
        Some((name, _)) if is_secret(&percent_encoding::percent_decode_str(name).decode_utf8_lossy()) => {
            format!("{name}={HIDDEN}")
        }
        _ => pair.to_owned(),
    };
    let query: Vec<String> = query.split('&').map(pair).collect();
    cut(&format!("{path}?{}", query.join("&")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_in_no_path() {
        for (given, shown) in [
            ("/a?b=1&c=2", "/a?b=1&c=2"),
            ("/a?token=abc&b=1", "/a?token=(hidden)&b=1"),
            ("/a?X-Api-Key=abc", "/a?X-Api-Key=(hidden)"),
            ("/a?pass%77ord=abc&d", "/a?pass%77ord=(hidden)&d"),
            ("http://u:p@h/x?secret=1", "http://h/x?secret=(hidden)"),
            ("http://h/x@y", "http://h/x@y"),
        ] {
            assert_eq!(path(given), shown);
        }
        assert_eq!(cut(&"ü".repeat(300)).chars().count(), LETTERS + 1);
        assert_eq!(value("User_Password", "abc"), HIDDEN);
    }
}
