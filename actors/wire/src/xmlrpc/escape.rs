//! Escapes text for XML 1.0, and refuses characters that it cannot carry.

use crate::Error;

/// How to treat a byte of UTF-8.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Treat {
    Copy,
    Escape,
    /// A control character that XML 1.0 cannot carry, not even as a reference.
    Refuse,
    /// The first byte of U+FFFE and U+FFFF, which XML 1.0 excludes, and of many valid characters.
    Look,
}

static TREAT: [Treat; 256] = {
    let mut treat = [Treat::Copy; 256];
    let mut byte = 0;
    while byte < 0x20 {
        treat[byte] = Treat::Refuse;
        byte += 1;
    }
    treat[b'\t' as usize] = Treat::Copy;
    treat[b'\n' as usize] = Treat::Copy;
    // Unescaped, it would be read as a line feed.
    treat[b'\r' as usize] = Treat::Escape;
    treat[b'<' as usize] = Treat::Escape;
    treat[b'>' as usize] = Treat::Escape;
    treat[b'&' as usize] = Treat::Escape;
    treat[0xef] = Treat::Look;
    treat
};

/// Appends `text`, escaped.
pub(super) fn text(out: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        match TREAT[usize::from(byte)] {
            Treat::Copy => continue,
            Treat::Escape => {
                out.extend_from_slice(&bytes[copied..at]);
                out.extend_from_slice(match byte {
                    b'<' => b"&lt;",
                    b'>' => b"&gt;",
                    b'&' => b"&amp;",
                    _ => b"&#13;",
                });
                copied = at + 1;
            }
            Treat::Look if !matches!(bytes[at + 1..], [0xbf, 0xbe | 0xbf, ..]) => continue,
            Treat::Look | Treat::Refuse => {
                let character = text[at..].chars().next().unwrap_or_default();
                return Err(Error::new(format!(
                    "the character U+{:04X} at byte {at} of the text cannot be carried by XML; send it as Bytes",
                    u32::from(character)
                )));
            }
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    Ok(())
}

/// The text with U+FFFD for every character that XML cannot carry.
pub(super) fn carriable(text: &str) -> String {
    let bad = |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if bad(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
