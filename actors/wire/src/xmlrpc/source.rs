//! From bytes to text: byte order mark, the charset of the header, declared encoding, UTF-8.

use std::borrow::Cow;

use crate::{Charset, Error};

/// A document as text.
#[derive(Debug)]
pub(super) struct Source<'i> {
    pub(super) text: Cow<'i, str>,
    charset: Charset,
    /// The number of bytes before the text: the byte order mark.
    skipped: usize,
}

impl<'i> Source<'i> {
    /// `header` is the charset that came with the document.
    pub(super) fn of(input: &'i [u8], header: Option<&str>) -> Result<Source<'i>, Error> {
        let (charset, skipped) = Charset::of(input, header, || declared(input).map(String::from_utf8_lossy))?;
        let moved = |error: Error| Error { offset: error.offset.map(|at| at + skipped), ..error };
        let text = charset.decode(&input[skipped..]).map_err(moved)?;
        let source = Source { text, charset, skipped };
        // As `&#0;` is refused. Other control characters are read: clients send them, and nothing takes them for an
        // end.
        match memchr::memchr(0, source.text.as_bytes()) {
            Some(at) => Err(Error::new("U+0000 is no character of XML").at(source.offset(at))),
            None => Ok(source),
        }
    }

    /// The offset in the document of the byte `at` of the text.
    pub(super) fn offset(&self, at: usize) -> usize {
        let at = self.text.floor_char_boundary(at.min(self.text.len()));
        match &self.text {
            Cow::Borrowed(_) => self.skipped + at,
            Cow::Owned(text) => self.skipped + self.charset.octets(&text[..at]),
        }
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
    let label = matches!(quote, b'"' | b'\'').then(|| value[..end].trim_ascii())?;
    // .NET writes this at the head of texts that leave as UTF-8. It is not true: it was just read octet by octet.
    let is_wide = label.get(..6).is_some_and(|begin| begin.eq_ignore_ascii_case(b"utf-16"));
    (!is_wide).then_some(label)
}
