//! From bytes to text: byte order mark, declared encoding, UTF-8.

use std::borrow::Cow;

use crate::Error;
use crate::error::shown;

/// A document as text.
#[derive(Debug)]
pub(super) struct Source<'i> {
    pub(super) text: Cow<'i, str>,
    /// The number of bytes before the text: the byte order mark.
    skipped: usize,
}

impl<'i> Source<'i> {
    pub(super) fn of(input: &'i [u8]) -> Result<Source<'i>, Error> {
        if input.starts_with(&[0xfe, 0xff]) || input.starts_with(&[0xff, 0xfe]) {
            return Err(Error::new("UTF-16 is not read here; send UTF-8").at(0));
        }
        let body = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
        let skipped = input.len() - body.len();
        let text = match declared(body) {
            Some(name) if is(name, &["iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1"]) => latin1(body),
            Some(name) if !is(name, &["utf-8", "utf8", "us-ascii", "ascii"]) => {
                let name = String::from_utf8_lossy(name);
                let message = format!("encoding {:?} is not read here; send UTF-8", shown(&name));
                return Err(Error::new(message).at(skipped));
            }
            // ASCII is a subset of UTF-8, and documents that declare ASCII and contain more are nearly always UTF-8.
            _ => {
                let invalid = |error: std::str::Utf8Error| {
                    Error::new("not valid UTF-8, and no other encoding is declared").at(skipped + error.valid_up_to())
                };
                Cow::Borrowed(std::str::from_utf8(body).map_err(invalid)?)
            }
        };
        Ok(Source { text, skipped })
    }

    /// The offset in the document of the byte `at` of the text.
    pub(super) fn offset(&self, at: usize) -> usize {
        let at = self.text.floor_char_boundary(at.min(self.text.len()));
        match &self.text {
            Cow::Borrowed(_) => self.skipped + at,
            // Each byte of ISO 8859-1 became one character.
            Cow::Owned(text) => self.skipped + text[..at].chars().count(),
        }
    }
}

fn is(name: &[u8], known: &[&str]) -> bool {
    known.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

fn latin1(body: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(body) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(body.iter().map(|&byte| char::from(byte)).collect()),
    }
}

/// The name of the encoding in `<?xml … encoding="NAME"?>`, if the document starts with such a declaration.
fn declared(body: &[u8]) -> Option<&[u8]> {
    /// Many times the length of a declaration; the search stops there.
    const DECLARATION: usize = 1024;
    let body = body.trim_ascii_start();
    let rest = body.strip_prefix(b"<?xml")?;
    let head = &rest[..rest.len().min(DECLARATION)];
    let head = &head[..head.windows(2).position(|pair| pair == b"?>")?];
    let at = head.windows(8).position(|word| word == b"encoding")?;
    let value = head[at + 8..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, value) = value.split_first()?;
    let end = value.iter().position(|byte| byte == quote)?;
    matches!(quote, b'"' | b'\'').then(|| value[..end].trim_ascii())
}
