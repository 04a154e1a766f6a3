//! From octets to text, whatever charset a peer writes: its byte order mark says so, else its header, else the document
//! itself, else it is UTF-8 (RFC 7303, 3.2; RFC 8259, 8.1).
//!
//! The charsets are those of the Encoding Standard, by its labels, with one exception: ISO-8859-1 is itself here and
//! not windows-1252, as XML readers have it. A charset that is not read is named; nothing is guessed.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::Error;
use crate::error::shown;

/// How the text of a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charset(CharsetKind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CharsetKind {
    Utf8,
    Latin1,
    Other(&'static Encoding),
}

impl Charset {
    /// Without any word of another.
    pub const UTF8: Charset = Charset(CharsetKind::Utf8);

    /// The charset of this label, in any case; `None` for one that is not read here.
    pub fn named(label: &str) -> Option<Charset> {
        let is = |known: &[&str]| known.iter().any(|known| label.trim().eq_ignore_ascii_case(known));
        // ASCII is a subset of UTF-8, and what is declared as ASCII and contains more is nearly always UTF-8.
        if is(&["utf-8", "utf8", "us-ascii", "ascii"]) {
            return Some(Charset::UTF8);
        }
        if is(&["iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1"]) {
            return Some(Charset(CharsetKind::Latin1));
        }
        let found = Encoding::for_label_no_replacement(label.as_bytes())?;
        Some(Charset(if found == UTF_8 { CharsetKind::Utf8 } else { CharsetKind::Other(found) }))
    }

    /// The charset of a document, and how many of its octets are a byte order mark. `declared` is asked for what the
    /// document says of itself.
    pub(crate) fn of<'d>(
        input: &[u8],
        header: Option<&'d str>,
        declared: impl FnOnce() -> Option<Cow<'d, str>>,
    ) -> Result<(Charset, usize), Error> {
        if let Some((marked, length)) = Encoding::for_bom(input) {
            return Ok((Charset(if marked == UTF_8 { CharsetKind::Utf8 } else { CharsetKind::Other(marked) }), length));
        }
        let Some(label) = header.map(Cow::Borrowed).or_else(declared) else { return Ok((Charset::UTF8, 0)) };
        let unread = || Error::new(format!("encoding {:?} is not read here; send UTF-8", shown(&label))).at(0);
        Ok((Charset::named(&label).ok_or_else(unread)?, 0))
    }

    /// The text of these octets, which have no byte order mark.
    pub fn decode(self, octets: &[u8]) -> Result<Cow<'_, str>, Error> {
        match self.0 {
            CharsetKind::Utf8 => std::str::from_utf8(octets).map(Cow::Borrowed).map_err(|error| {
                Error::new("not valid UTF-8, and no other encoding is declared").at(error.valid_up_to())
            }),
            CharsetKind::Latin1 => match std::str::from_utf8(octets) {
                Ok(text) if text.is_ascii() => Ok(Cow::Borrowed(text)),
                _ => Ok(Cow::Owned(octets.iter().map(|&octet| char::from(octet)).collect())),
            },
            CharsetKind::Other(encoding) => encoding
                .decode_without_bom_handling_and_without_replacement(octets)
                .ok_or_else(|| Error::new(format!("not valid {}, which the document is said to be", encoding.name()))),
        }
    }

    /// How many octets this text took.
    pub(crate) fn octets(self, text: &str) -> usize {
        match self.0 {
            CharsetKind::Utf8 => text.len(),
            CharsetKind::Latin1 => text.chars().count(),
            CharsetKind::Other(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => {
                2 * text.encode_utf16().count()
            }
            CharsetKind::Other(encoding) => encoding.encode(text).0.len(),
        }
    }
}

/// The charset that a content type names: `utf-8` of `text/xml; charset="utf-8"`.
pub fn of_type(content_type: &str) -> Option<&str> {
    let mut parameters = content_type.split(';').skip(1).filter_map(|part| part.split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Some(value.trim().trim_matches(['"', '\'']).trim()).filter(|label| !label.is_empty())
}

/// The text of a document without a declaration of its own, whose header names this charset.
pub fn decode<'i>(input: &'i [u8], header: Option<&str>) -> Result<Cow<'i, str>, Error> {
    let (charset, skipped) = Charset::of(input, header, || None)?;
    let moved = |error: Error| Error { offset: error.offset.map(|at| at + skipped), ..error };
    charset.decode(&input[skipped..]).map_err(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_names_its_charset() {
        for (content_type, label) in [
            ("text/xml; charset=utf-8", Some("utf-8")),
            ("text/xml;charset=\"ISO-8859-1\"; a=b", Some("ISO-8859-1")),
            ("text/xml; a=b; Charset = 'euc-kr' ", Some("euc-kr")),
            ("text/xml; charset=", None),
            ("text/xml; charset", None),
            ("text/xml", None),
            ("charset=utf-8", None),
        ] {
            assert_eq!(of_type(content_type), label, "{content_type}");
        }
    }

    #[test]
    fn a_mark_counts_before_a_header_and_nothing_is_guessed() {
        let read = |octets: &'static [u8], label: Option<&str>| decode(octets, label).map(Cow::into_owned);
        for (octets, label, text) in [
            (&b"\xc3\xbc"[..], None, "ü"),
            (b"\xc3\xbc", Some("UTF8"), "ü"),
            (b"\xfc", Some("iso-8859-1"), "ü"),
            (b"\x80", Some("latin1"), "\u{80}"),
            (b"\x80\xfc", Some("windows-1252"), "€ü"),
            (b"\x80", Some("cp1252"), "€"),
            (b"\xa4", Some("iso-8859-15"), "€"),
            (b"\xb8\xf0", Some("EUC-KR"), "모"),
            (b"\xb8\xf0", Some("ks_c_5601-1987"), "모"),
            (b"\x82\xa0", Some("shift_jis"), "あ"),
            (b"\xd6\xd0", Some("gb2312"), "中"),
            (b"\xef\xbb\xbf\xc3\xbc", Some("iso-8859-1"), "ü"),
            (b"\xff\xfe\xfc\x00", None, "ü"),
            (b"\xfe\xff\x00\xfc", Some("utf-8"), "ü"),
            (b"\xfc\x00", Some("utf-16"), "ü"),
        ] {
            assert_eq!(read(octets, label).as_deref(), Ok(text), "{octets:?} {label:?}");
        }
        for (octets, label, message) in [
            (&b"\xfc"[..], None, "not valid UTF-8, and no other encoding is declared (at byte 0)"),
            (b"\xef\xbb\xbfa\xfc", None, "not valid UTF-8, and no other encoding is declared (at byte 4)"),
            (b"a", Some("utf-7"), "encoding \"utf-7\" is not read here; send UTF-8 (at byte 0)"),
            (b"a", Some("iso-2022-kr"), "encoding \"iso-2022-kr\" is not read here; send UTF-8 (at byte 0)"),
            (b"\xb8", Some("euc-kr"), "not valid EUC-KR, which the document is said to be"),
        ] {
            assert_eq!(read(octets, label).unwrap_err().to_string(), message, "{octets:?} {label:?}");
        }
    }

    #[test]
    fn a_text_has_as_many_octets_as_it_came_in() {
        for (label, text, octets) in [
            ("utf-8", "üaü", 5),
            ("latin1", "üaü", 3),
            ("windows-1252", "üaü", 3),
            ("utf-16", "üaü", 6),
            ("utf-16", "𝄞", 4),
            ("euc-kr", "모차a", 5),
        ] {
            assert_eq!(Charset::named(label).expect(label).octets(text), octets, "{label}");
        }
    }
}
