//! What no record has: values that may be secret, and texts without an end.

/// Characters of one argument, message or path.
const LETTERS: usize = 200;
/// In place of what may be secret.
const HIDDEN: &str = "(hidden)";
/// A name that has one of these in it, whatever stands between its letters, is that of a secret.
const SECRET: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "apikey",
    "authorization",
    "session",
    "signature",
    "credential",
];
/// So is one that has one of these as a word.
const SECRET_WORDS: [&str; 13] =
    ["pass", "pwd", "pw", "pin", "auth", "key", "sig", "jwt", "bearer", "code", "otp", "csrf", "sid"];
/// A text may be escaped so often before it is read.
const ESCAPED: usize = 3;

/// The value of an argument.
pub(super) fn value(name: &str, value: &str) -> String {
    if is_secret(name) { HIDDEN.to_owned() } else { cut(value) }
}

fn is_secret(name: &str) -> bool {
    let lower = name.to_lowercase();
    let letters: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    SECRET.iter().any(|word| letters.contains(word))
        || lower.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|word| SECRET_WORDS.contains(&word))
}

/// A text of a query as whoever reads it may have it.
fn read(text: &str) -> String {
    let unescaped = |text: String, _| percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned();
    (0..ESCAPED).fold(text.replace('+', " "), unescaped)
}

/// Whether a pair of a query has a secret in it: its own, one of a query within its value, or the login of a URL.
fn has_secret(pair: &str) -> bool {
    let read = read(pair);
    let mut inner = read.split(['&', ';', '?', '#']).filter_map(|pair| pair.split_once('='));
    inner.any(|(name, _)| is_secret(name)) || read.split("://").skip(1).any(|rest| rest.contains('@'))
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
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let path = match path.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find(['/', '#']).unwrap_or(rest.len());
            let at = rest[..end].rfind('@').map_or(0, |at| at + 1);
            format!("{scheme}://{}", &rest[at..])
        }
        None => path.to_owned(),
    };
    let Some(query) = query else { return cut(&path) };
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if has_secret(pair) => format!("{name}={HIDDEN}"),
        _ => pair.to_owned(),
    };
    let query: Vec<String> = query.split(['&', ';']).map(pair).collect();
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
            ("/a?x=1;pwd=s&sort=name", "/a?x=1&pwd=(hidden)&sort=name"),
            ("/a?pass%2Bword=s&t%256Fken=s", "/a?pass%2Bword=(hidden)&t%256Fken=(hidden)"),
            ("/a?next=/l%3Ftoken%3Ds&r=?key=s", "/a?next=(hidden)&r=(hidden)"),
            ("/a?u=https://h/&w=https://b:s@h/", "/a?u=https://h/&w=(hidden)"),
            ("/a?access_key=s&private-key=s&api.key=s", "/a?access_key=(hidden)&private-key=(hidden)&api.key=(hidden)"),
            ("/a?keyword=Mozart&compass=n&author=b&decoder=1", "/a?keyword=Mozart&compass=n&author=b&decoder=1"),
        ] {
            assert_eq!(path(given), shown);
        }
        assert_eq!(cut(&"ü".repeat(300)).chars().count(), LETTERS + 1);
        assert_eq!(value("User_Password", "abc"), HIDDEN);
    }
}
