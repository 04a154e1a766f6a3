//! A chunked body (RFC 9112, 7.1).
//!
//! ```text
//! size [padding] [; extension] CRLF  data CRLF  …  0 CRLF  [trailer CRLF …] CRLF
//! ```
//!
//! In an answer a bare line feed is accepted as a line's end, and blanks after a size are skipped, as curl does. In a
//! request neither is accepted: if a proxy in front sees a line end elsewhere, a chunk can hide a request. Extensions
//! and trailers are read and discarded.

use std::ops::Range;

use super::answer::MAX_HEAD;
use super::asking::is_token;
use super::refusal::Refusal;

/// The end of a chunked body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends a chunk with this content to `out`; nothing if it is empty, because an empty chunk ends the body.
pub fn write_chunk(out: &mut Vec<u8>, content: &[u8]) {
    if !content.is_empty() {
        out.extend_from_slice(format!("{:x}\r\n", content.len()).as_bytes());
        out.extend_from_slice(content);
        out.extend_from_slice(b"\r\n");
    }
}

/// The next part of a chunked body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The number of octets consumed.
    pub used: usize,
    /// The range of content among them; empty if more octets are needed, or the body has ended.
    pub content: Range<usize>,
}

/// Finds the content in a chunked body that arrives in pieces.
#[derive(Debug, Default)]
pub struct ChunkReader {
    state: State,
    /// Content left in the current chunk.
    left: u64,
    /// Octets of content so far.
    content: u64,
    /// Octets of extensions and trailers so far.
    extras: u64,
    /// Only CR LF ends a line.
    is_strict: bool,
    /// The previous octet was a carriage return.
    is_behind_return: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the first digit of a size.
    #[default]
    Begin,
    Size,
    Padding,
    Extension,
    /// After the carriage return of a size's line.
    SizeEnd,
    Content,
    /// After a chunk's content.
    ContentEnd,
    /// After the carriage return that follows the content.
    ContentEndLine,
    /// At the start of a trailer line.
    Trailer,
    /// Within a trailer's name; used only in strict mode.
    TrailerName,
    /// Within a trailer line.
    TrailerLine,
    /// After the carriage return of the empty last line.
    LastLine,
    Done,
}

/// The largest chunk that is accepted; no file is larger.
const MAX_CHUNK: u64 = i64::MAX.unsigned_abs();

impl ChunkReader {
    /// A reader for the body of a request, which is strict.
    pub fn of_request() -> ChunkReader {
        ChunkReader { is_strict: true, ..ChunkReader::default() }
    }

    /// True after the last octet of the body.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Consumes octets, up to the end of the first content among them.
    pub fn read(&mut self, octets: &[u8]) -> Result<Piece, Refusal> {
        let mut used = 0;
        while let Some(&octet) = octets.get(used) {
            match self.state {
                State::Content => {
                    let rest = octets.len() - used;
                    let length = usize::try_from(self.left).map_or(rest, |left| left.min(rest));
                    self.left -= length as u64;
                    self.content += length as u64;
                    if self.left == 0 {
                        self.state = State::ContentEnd;
                    }
                    return Ok(Piece { used: used + length, content: used..used + length });
                }
                State::Done => break,
                _ => {
                    if self.is_strict {
                        self.keep_lines(octet)?;
                    }
                    self.state = self.step(octet)?;
                }
            }
            used += 1;
        }
        Ok(Piece { used, content: used..used })
    }

    /// Refuses line ends and control characters that strict mode does not allow.
    fn keep_lines(&mut self, octet: u8) -> Result<(), Refusal> {
        let was_return = std::mem::replace(&mut self.is_behind_return, octet == b'\r');
        match octet {
            b'\n' if !was_return => Err(unexpected("without a carriage return before it", octet)),
            b'\n' => Ok(()),
            _ if was_return => Err(unexpected("behind a carriage return", octet)),
            b'\r' | b'\t' => Ok(()),
            _ if octet.is_ascii_control() => Err(unexpected("in a line of a chunked body", octet)),
            _ => Ok(()),
        }
    }

    /// The next state after one octet outside the content.
    fn step(&mut self, octet: u8) -> Result<State, Refusal> {
        Ok(match (self.state, octet) {
            (State::Begin | State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(octet).to_digit(16).unwrap_or_default();
                self.left = self.left.checked_mul(16).map_or(u64::MAX, |left| left | u64::from(digit));
                if self.left > MAX_CHUNK {
                    return Err(Refusal::TooLarge("a chunk of 2^63 octets or more".to_owned()));
                }
                // Leading zeros of a size count as extra octets, so that they are limited.
                self.extra(u64::from(self.left == 0))?;
                State::Size
            }
            (State::Size | State::Padding | State::Extension, b'\r') => State::SizeEnd,
            (State::Size | State::Padding | State::Extension | State::SizeEnd, b'\n') if self.left > 0 => {
                State::Content
            }
            (State::Size | State::Padding | State::Extension | State::SizeEnd, b'\n') => State::Trailer,
            (State::Size | State::Padding, b' ' | b'\t') => {
                self.extra(1)?;
                State::Padding
            }
            (State::Size | State::Padding, b';') | (State::Extension, _) => {
                self.extra(1)?;
                State::Extension
            }
            (State::ContentEnd, b'\r') => State::ContentEndLine,
            (State::ContentEnd | State::ContentEndLine, b'\n') => State::Begin,
            (State::Trailer, b'\r') => State::LastLine,
            (State::Trailer | State::LastLine, b'\n') => State::Done,
            (State::TrailerLine, b'\n') => State::Trailer,
            (State::TrailerName, b':') => {
                self.extra(1)?;
                State::TrailerLine
            }
            (State::Trailer | State::TrailerName, _) if self.is_strict => {
                if !is_token(octet) {
                    return Err(unexpected("in the name of a trailer", octet));
                }
                self.extra(1)?;
                State::TrailerName
            }
            (State::Trailer | State::TrailerName | State::TrailerLine, _) => {
                self.extra(1)?;
                State::TrailerLine
            }
            (State::Begin | State::Size | State::Padding, _) => return Err(unexpected("in a chunk's size", octet)),
            (State::SizeEnd | State::LastLine, _) => return Err(unexpected("behind a carriage return", octet)),
            (State::ContentEnd | State::ContentEndLine, _) => return Err(unexpected("where a chunk must end", octet)),
            (State::Content | State::Done, _) => self.state,
        })
    }

    /// Counts octets of extensions and trailers. Their limit is the size of a head plus that of the content, because
    /// some servers sign each chunk.
    fn extra(&mut self, octets: u64) -> Result<(), Refusal> {
        self.extras += octets;
        if self.extras > MAX_HEAD as u64 + self.content {
            return Err(Refusal::TooLarge(format!("chunk extensions and trailers of more than {MAX_HEAD} bytes")));
        }
        Ok(())
    }
}

#[cold]
fn unexpected(place: &str, octet: u8) -> Refusal {
    Refusal::Malformed(format!("\"{}\" {place}", octet.escape_ascii()))
}
