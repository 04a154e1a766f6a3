//! Documents to calls and responses: one pass over quick-xml's events, with a stack of frames and no recursion.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::errors::IllFormedError;
use quick_xml::events::Event;

use super::fast_path::Plain;
use super::frame::{Frame, Tag};
use super::source::Source;
use super::structure::Parser;
use super::{Call, Fault};
use crate::error::shown;
use crate::{Error, Limits, Value};

/// Reads a `methodCall` document.
pub fn parse_call(input: &[u8], limits: &Limits) -> Result<Call, Error> {
    parse_call_in(None, input, limits)
}

/// The same of a document that came with this charset, which counts before the one that it declares.
pub fn parse_call_in(charset: Option<&str>, input: &[u8], limits: &Limits) -> Result<Call, Error> {
    limits.check_bytes(input)?;
    let source = Source::of(input, charset)?;
    if let Some(call) = Plain::call(&source.text, limits.values) {
        return Ok(call);
    }
    let mut parser = Parser::new(Tag::MethodCall, limits);
    parse(&source, &mut parser)?;
    let Some(method) = parser.method.take() else {
        return Err(Error::new("methodCall: no <methodName>").at(input.len()));
    };
    Ok(Call { method, params: parser.params.take().unwrap_or_default() })
}

/// Reads a `methodResponse` document: the method's answer, or its fault. A method without a value is answered with
/// empty `<params>` by some servers: that is nil.
pub fn parse_response(input: &[u8], limits: &Limits) -> Result<Result<Value, Fault>, Error> {
    parse_response_in(None, input, limits)
}

/// The same of a document that came with this charset, which counts before the one that it declares.
pub fn parse_response_in(charset: Option<&str>, input: &[u8], limits: &Limits) -> Result<Result<Value, Fault>, Error> {
    limits.check_bytes(input)?;
    let source = Source::of(input, charset)?;
    let mut parser = Parser::new(Tag::MethodResponse, limits);
    parse(&source, &mut parser)?;
    if let Some(fault) = parser.fault.take() {
        return Ok(Err(fault));
    }
    match parser.params.take() {
        Some(mut params) if params.len() <= 1 => Ok(Ok(params.pop().unwrap_or_default())),
        Some(params) => Err(Error::new(format!("methodResponse/params: {} values instead of one", params.len()))),
        None => Err(Error::new("methodResponse: neither <params> nor <fault>").at(input.len())),
    }
}

fn parse(source: &Source<'_>, parser: &mut Parser<'_>) -> Result<(), Error> {
    let names = Vec::with_capacity(16);
    // The parser keeps copies, so it may outlive the text.
    let mut run = Run { parser, document: &source.text, taken: 0, names, text: "", pieces: String::new() };
    let mut reader = Reader::from_str(&source.text);
    // The run compares the names itself: the reader has not seen those that the fast path consumed.
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_unmatched_ends = true;
    let (at, error) = match run.read(&mut reader) {
        Ok(()) => return Ok(()),
        Err(failed) => failed,
    };
    Err(error.within(&run.parser.path()).at(source.offset(at)))
}

/// Boxed, so that the usual result without an error is one pointer in size.
pub(super) type Step = Result<(), Box<Error>>;

#[cold]
pub(super) fn fail(message: impl Into<String>) -> Box<Error> {
    Box::new(Error::new(message))
}

/// The state of reading one text.
struct Run<'p, 'l, 'i> {
    parser: &'p mut Parser<'l>,
    document: &'i str,
    /// Bytes consumed by the fast path, which the reader does not count.
    taken: usize,
    /// The open elements as spelled, which their end tags must repeat, and whether the fast path opened them. The fast
    /// path closes only its own: the reader keeps a name until it reads the end tag.
    names: Vec<(&'i str, bool)>,
    /// The text of the innermost element that holds text, as long as it is one piece.
    text: &'i str,
    /// The same text if it has several pieces; the buffer is reused for every text.
    pieces: String,
}

impl<'i> Run<'_, '_, 'i> {
    /// Reads to the end of the document. An error comes with its position in the text.
    fn read(&mut self, reader: &mut Reader<&'i [u8]>) -> Result<(), (usize, Error)> {
        loop {
            let at = self.at(reader);
            self.beginning(reader.get_ref()).map_err(|error| (at, *error))?;
            // Matched in place: moving the event out of the result first costs more than reading it.
            let step = match reader.read_event() {
                Ok(Event::Start(tag)) => self.open(at, tag.name().0.len()).map(|()| self.shortcut(reader)),
                Ok(Event::End(tag)) => {
                    self.ends(tag.name().0).and_then(|()| self.close()).map(|()| self.shortcut(reader))
                }
                Ok(Event::Text(text)) => self.text(text.xml10_content()),
                Ok(Event::Empty(tag)) => self.open(at, tag.name().0.len()).and_then(|()| self.close()),
                Ok(Event::GeneralRef(name)) => referenced(&name).and_then(|text| self.text(text)),
                Ok(Event::CData(text)) => self.text(text.xml10_content()),
                Ok(Event::Comment(_) | Event::PI(_)) => Ok(()),
                Ok(Event::Decl(_)) if self.parser.stack.is_empty() && !self.parser.done => {
                    self.shortcut(reader);
                    Ok(())
                }
                Ok(Event::Decl(_)) => Err(fail("an XML declaration within the document")),
                Ok(Event::DocType(_)) => Err(fail("a DTD is not accepted")),
                Ok(Event::Eof) => return self.parser.finished().map_err(|error| (at, *error)),
                Err(error) => {
                    let at = reader.error_position() as usize + self.taken;
                    return Err((at, Error::new(format!("not well-formed: {error}"))));
                }
            };
            step.map_err(|error| (at, *error))?;
        }
    }

    /// Refuses input by its first bytes, before the reader searches for its end, which may be the end of the document.
    fn beginning(&self, rest: &[u8]) -> Step {
        match rest {
            [b'<', b'!', b'D' | b'd', ..] => Err(fail("a DTD is not accepted")),
            [b'<' | b'&', ..] | [] => Ok(()),
            [byte, ..] if self.parser.stack.is_empty() && !byte.is_ascii_whitespace() => self.outside(),
            _ => Ok(()),
        }
    }

    /// The error for text outside the root element.
    #[cold]
    fn outside(&self) -> Step {
        Err(fail(if self.parser.done { "text after the document" } else { "text before the document" }))
    }

    /// The reader's position in the document.
    fn at(&self, reader: &Reader<&'i [u8]>) -> usize {
        self.document.len() - reader.get_ref().len()
    }

    /// Consumes as much of the following input as the fast path can. The reader has just read a tag, the only state in
    /// which it accepts both text and markup next.
    fn shortcut(&mut self, reader: &mut Reader<&'i [u8]>) {
        if self.parser.stack.last().is_some_and(|frame| !frame.holds_elements()) {
            return;
        }
        let mut plain = Plain::new(&self.document[self.at(reader)..]);
        let before = plain.left();
        while self.parser.take(&mut plain) || self.take_end(&mut plain) || self.take_start(&mut plain) {}
        let taken = before - plain.left();
        *reader.get_mut() = &reader.get_ref()[taken..];
        self.taken += taken;
    }

    /// Opens the element whose simple start tag comes next, if it is allowed here.
    fn take_start(&mut self, plain: &mut Plain<'i>) -> bool {
        let mut ahead = *plain;
        let Some((tag, name)) = ahead.start() else { return false };
        let Ok(frame) = self.parser.enclosed(tag, name) else { return false };
        self.parser.push(frame);
        self.names.push((name, true));
        *plain = ahead;
        true
    }

    /// Closes the innermost element if `take_start` opened it, its end tag comes next, and it needs no text.
    fn take_end(&mut self, plain: &mut Plain<'i>) -> bool {
        let Some((name, true)) = self.names.last() else { return false };
        let mut ahead = *plain;
        let holds_text = self.parser.stack.last().is_some_and(|frame| frame.holds_text());
        if holds_text || ahead.end(name).is_none() || self.parser.close("").is_err() {
            return false;
        }
        self.names.pop();
        *plain = ahead;
        true
    }

    fn text(&mut self, piece: Cow<'i, str>) -> Step {
        match piece {
            Cow::Borrowed(piece) if self.holds_text(piece)? => {
                if self.text.is_empty() && self.pieces.is_empty() {
                    self.text = piece;
                } else {
                    self.add(piece);
                }
            }
            Cow::Owned(piece) if self.holds_text(&piece)? => self.add(&piece),
            _ => {}
        }
        Ok(())
    }

    /// True if this text is data, false if it is white space between elements.
    fn holds_text(&self, piece: &str) -> Result<bool, Box<Error>> {
        match self.parser.stack.last() {
            Some(frame) if frame.holds_text() => Ok(true),
            _ if is_blank(piece) => Ok(false),
            Some(_) => Err(fail(format!("text between elements: {:?}", shown(piece)))),
            None => self.outside().map(|()| false),
        }
    }

    fn add(&mut self, piece: &str) {
        if self.pieces.is_empty() {
            self.pieces.push_str(self.text);
        }
        self.pieces.push_str(piece);
    }

    /// Opens the element whose start tag is at this position and whose name has this length.
    fn open(&mut self, at: usize, length: usize) -> Step {
        let name = &self.document[at + 1..][..length];
        let frame = self.parser.enclosed(Tag::named(name), name)?;
        if let Some(Frame::Value { .. }) = self.parser.stack.last() {
            let text = if self.pieces.is_empty() { self.text } else { &self.pieces };
            if !is_blank(text) {
                return Err(fail(format!("text beside <{}>: {:?}", shown(name), shown(text))));
            }
        }
        self.text = "";
        self.pieces.clear();
        self.parser.push(frame);
        self.names.push((name, false));
        Ok(())
    }

    /// Refuses an end tag that does not match the innermost element, as the reader would.
    fn ends(&self, found: &str) -> Step {
        let error = match self.names.last() {
            Some(&(expected, _)) if expected == found => return Ok(()),
            Some(&(expected, _)) => {
                IllFormedError::MismatchedEndTag { expected: expected.to_owned(), found: found.to_owned() }
            }
            None => IllFormedError::UnmatchedEndTag(found.to_owned()),
        };
        Err(fail(format!("not well-formed: {}", quick_xml::Error::IllFormed(error))))
    }

    fn close(&mut self) -> Step {
        let text = if self.pieces.is_empty() { self.text } else { &self.pieces };
        self.parser.close(text)?;
        self.names.pop();
        self.text = "";
        self.pieces.clear();
        Ok(())
    }
}

/// The text of the reference `&name;`.
fn referenced(name: &str) -> Result<Cow<'static, str>, Box<Error>> {
    let known = match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "apos" => "'",
        "quot" => "\"",
        _ => "",
    };
    if !known.is_empty() {
        return Ok(Cow::Borrowed(known));
    }
    let Some(number) = name.strip_prefix('#') else {
        return Err(fail(format!("entity &{}; is not accepted", shown(name))));
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    // `from_str_radix` alone would accept a sign.
    let digits = Some(digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    match digits.and_then(|digits| u32::from_str_radix(digits, radix).ok()).and_then(char::from_u32) {
        Some(character) if character != '\0' => Ok(Cow::Owned(character.to_string())),
        _ => Err(fail(format!("&{}; is no character", shown(name)))),
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_whitespace())
}
