//! `Content-Disposition` of the parts of a form, as browsers and libraries write it.
//!
//! Browsers escape `"` as `%22` and line ends as `%0D%0A`, and nothing else: a backslash is a backslash (WHATWG, HTML,
//! multipart/form-data encoding algorithm). Older clients write `\"`, as RFC 2616 has it. So a quotation mark ends a
//! value only where the next parameter or nothing follows it.

use skitai_wire::charset;

/// What the header says of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disposition {
    /// The name of the field; `None` if the part has none.
    pub(super) name: Option<String>,
    /// The name of the file, if the part is one: that of `filename*`, which says its charset, before that of `filename`
    /// (RFC 6266, 4.3).
    pub(super) file: Option<String>,
}

impl Disposition {
    /// Reads the header's value; `None` if the part is no part of a form.
    pub(super) fn of(value: &[u8]) -> Option<Disposition> {
        let value = String::from_utf8_lossy(value);
        let (kind, mut rest) = value.split_once(';').unwrap_or((&value, ""));
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return None;
        }
        let (mut name, mut file, mut extended) = (None, None, None);
        while let Some((parameter, after)) = rest.split_once('=') {
            let (value, behind) = value_of(after.trim_start());
            rest = behind.trim_start().trim_start_matches(';');
            match parameter.trim().to_ascii_lowercase().as_str() {
                "name" => name = name.or(Some(unescaped(value))),
                "filename" => file = file.or(Some(unescaped(value))),
                "filename*" => extended = extended.or(of_charset(value)),
                _ => {}
            }
        }
        Some(Disposition { name, file: extended.or(file) })
    }
}

/// The value of a parameter without its quotation marks, and what is behind it.
fn value_of(text: &str) -> (&str, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim_end(), &text[end..]);
    };
    let ends = |at: &usize| begins_parameter(quoted[at + 1..].trim_start());
    // A header that is cut off, too, has a name.
    let end = quoted.match_indices('"').map(|(at, _)| at).find(ends).unwrap_or(quoted.len());
    (&quoted[..end], quoted.get(end + 1..).unwrap_or_default())
}

/// True if nothing follows a value, or another parameter does: `; filename*=…`.
fn begins_parameter(behind: &str) -> bool {
    let Some(next) = behind.strip_prefix(';') else { return behind.is_empty() };
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '*' | '-' | '_');
    let after_name = next.trim_start().trim_start_matches(is_of_name).trim_start();
    after_name.is_empty() || after_name.starts_with('=')
}

/// Undoes what browsers escape, and the escape of older clients.
fn unescaped(value: &str) -> String {
    if !value.contains(['%', '\\']) {
        return value.to_owned();
    }
    let undone = value.replace("\\\"", "\"").replace("%22", "\"");
    undone.replace("%0D", "\r").replace("%0d", "\r").replace("%0A", "\n").replace("%0a", "\n")
}

/// The text of `utf-8'en'%EB%AA%A8.txt` (RFC 8187); `None` if it is none.
fn of_charset(value: &str) -> Option<String> {
    let (label, rest) = value.split_once('\'')?;
    let (_, escaped) = rest.split_once('\'')?;
    let octets: Vec<u8> = percent_encoding::percent_decode_str(escaped).collect();
    charset::decode(&octets, Some(label).filter(|label| !label.is_empty())).ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_the_names_that_its_client_meant() {
        let mo = "모.txt";
        for (value, name, file) in [
            ("form-data; name=\"a\"", Some("a"), None),
            ("form-data; name=a; filename=b.txt", Some("a"), Some("b.txt")),
            ("Form-Data ;NAME = \"a\" ; FileName=\"b\"", Some("a"), Some("b")),
            ("form-data; name=\"a\"; filename=\"\"", Some("a"), Some("")),
            ("form-data; name=\"a;b=c\"; filename=\"d;e.txt\"", Some("a;b=c"), Some("d;e.txt")),
            (
                "form-data; name=\"a\"; filename=\"=?utf-8?B?66qoLnR4dA==?=\"; filename*=utf-8''%EB%AA%A8.txt",
                Some("a"),
                Some(mo),
            ),
            ("form-data; filename*=UTF-8'ko'%EB%AA%A8.txt; filename=\"x.txt\"; name=\"a\"", Some("a"), Some(mo)),
            ("form-data; name=\"a\"; filename*=iso-8859-1''%FC.txt", Some("a"), Some("ü.txt")),
            ("form-data; name=\"a\"; filename=\"x\"; filename*=utf-8''%FF", Some("a"), Some("x")),
            ("form-data; name=\"a\"; filename=\"모.txt\"", Some("a"), Some(mo)),
            ("form-data; name=\"a\"; filename=\"a%22b.txt\"", Some("a"), Some("a\"b.txt")),
            ("form-data; name=\"a\"; filename=\"a\\\"b.txt\"", Some("a"), Some("a\"b.txt")),
            ("form-data; name=\"a\"; filename=\"a\\\";b.txt\"", Some("a"), Some("a\";b.txt")),
            ("form-data; name=\"a\"; filename=\"C:\\new\\\"", Some("a"), Some("C:\\new\\")),
            ("form-data; filename=\"C:\\new\\\"; name=\"a\"", Some("a"), Some("C:\\new\\")),
            ("form-data; name=\"a\"; filename=\"C:\\new\\b.txt\"", Some("a"), Some("C:\\new\\b.txt")),
            ("form-data; name=\"a%0D%0Ab\"; filename=\"100%.txt\"", Some("a\r\nb"), Some("100%.txt")),
            ("form-data; name=\"a\"; name=\"b\"", Some("a"), None),
            ("form-data; name=\"a", Some("a"), None),
            ("form-data; filename=\"b\"", None, Some("b")),
            ("form-data", None, None),
            ("form-data; name", None, None),
        ] {
            let expected = Disposition { name: name.map(str::to_owned), file: file.map(str::to_owned) };
            assert_eq!(Disposition::of(value.as_bytes()), Some(expected), "{value}");
        }
        for none in ["", "attachment; name=\"a\"", "form-datax; name=\"a\"", "name=\"a\"; form-data"] {
            assert_eq!(Disposition::of(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn a_hostile_header_is_read_in_one_pass() {
        // Each quotation mark looks at the next word alone.
        let hostile = format!("form-data; name=\"{}\"", "\";".repeat(30_000));
        let begun = std::time::Instant::now();
        let read = Disposition::of(hostile.as_bytes()).expect("it is of a form");
        assert_eq!(read.name.map(|name| name.len()), Some(60_000));
        assert!(begun.elapsed() < std::time::Duration::from_secs(1));
    }
}
