//! The one error type of this crate: the place in the bytes, the place in the structure, and the fault found there.
//!
//! Its text is written into faults and logs, so it never contains more than a few words of the input.

use std::borrow::Cow;
use std::fmt;

/// Maximum bytes of a message, and of a name within a path: enough to recognise it, too few to leak a document.
const MESSAGE: usize = 240;
const NAME: usize = 60;

/// A failure to read or write, and its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// Byte offset into the document that was read.
    pub offset: Option<usize>,
    /// The place in the structure: `methodCall/params/param[1]/value` while reading XML, `rows[3].name` for values.
    pub path: String,
    /// The fault found there.
    pub message: String,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Error {
        let message = message.into();
        Error { offset: None, path: String::new(), message: clip(&message, MESSAGE).into_owned() }
    }

    pub(crate) fn at(mut self, offset: usize) -> Error {
        self.offset = Some(offset);
        self
    }

    /// Adds the place in a document. Of a deep path, the outermost and the innermost steps are kept.
    pub(crate) fn within(mut self, path: &str) -> Error {
        let head = path.floor_char_boundary(MESSAGE / 2);
        let tail = path.ceil_char_boundary(path.len().saturating_sub(MESSAGE / 2));
        self.path = if head < tail { format!("{}…{}", &path[..head], &path[tail..]) } else { path.to_owned() };
        self
    }

    /// Adds that the error is inside the field `name` of the value being converted.
    #[cold]
    pub(crate) fn in_field(mut self, name: &str) -> Error {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = clip(&format!("{}{dot}{}", clip(name, NAME), self.path), MESSAGE).into_owned();
        self
    }

    /// Adds that the error is inside the item `index`, counted from 0, of the value being converted.
    #[cold]
    pub(crate) fn in_item(mut self, index: usize) -> Error {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = clip(&format!("[{index}]{dot}{}", self.path), MESSAGE).into_owned();
        self
    }

    /// Converts an error of serde_json; its line and column become a byte offset into `input`.
    pub(crate) fn json(error: &serde_json::Error, input: &[u8]) -> Error {
        let plain = Error::new(plain_json_message(error));
        if error.line() == 0 {
            return plain;
        }
        let line = input.split_inclusive(|&byte| byte == b'\n').take(error.line() - 1).map(<[u8]>::len).sum::<usize>();
        plain.at((line + error.column().saturating_sub(1)).min(input.len()))
    }
}

/// serde_json's message without the position, which means nothing if only a fragment was parsed.
pub(crate) fn plain_json_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) if error.line() > 0 => text[..end].to_owned(),
        _ => text,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match self.offset {
            Some(offset) => write!(f, " (at byte {offset})"),
            None => Ok(()),
        }
    }
}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Error {
        Error::new(message.to_string())
    }
}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Error {
        Error::new(message.to_string())
    }
}

/// A piece of the input, shortened for a message.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    clip(text, NAME)
}

/// At most `limit` bytes of `text`, cut between characters, with control characters replaced for logs.
fn clip(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit && !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(limit);
    let mut cut: String = text[..end].chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    // A replacement character is wider than the character it replaces.
    cut.truncate(cut.floor_char_boundary(limit));
    if end < text.len() {
        cut.push('…');
    }
    Cow::Owned(cut)
}
