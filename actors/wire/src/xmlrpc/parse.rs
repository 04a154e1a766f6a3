//! Documents to calls and responses: one pass over quick-xml's events, a stack of frames, no recursion.

use std::borrow::Cow;
use std::mem;
use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::frame::{Frame, Tag};
use super::source::Source;
use super::{Call, Fault};
use crate::error::shown;
use crate::names::Names;
use crate::value::Map;
use crate::{Error, Limits, Value};

/// A `methodCall` document.
pub fn parse_call(input: &[u8], limits: &Limits) -> Result<Call, Error> {
    let mut parser = Parser::new(Tag::MethodCall, limits);
    parse(input, limits, &mut parser)?;
    let Some(method) = parser.method.take() else { return Err(Error::new("methodCall: no <methodName>")) };
    Ok(Call { method, params: parser.params.take().unwrap_or_default() })
}

/// A `methodResponse` document: the method's answer, or its fault.
pub fn parse_response(input: &[u8], limits: &Limits) -> Result<Result<Value, Fault>, Error> {
    let mut parser = Parser::new(Tag::MethodResponse, limits);
    parse(input, limits, &mut parser)?;
    if let Some(fault) = parser.fault.take() {
        return Ok(Err(fault));
    }
    match parser.params.take() {
        Some(mut params) if params.len() == 1 => Ok(Ok(params.pop().unwrap_or_default())),
        Some(params) => Err(Error::new(format!("methodResponse/params: {} values instead of one", params.len()))),
        None => Err(Error::new("methodResponse: neither <params> nor <fault>")),
    }
}

fn parse(input: &[u8], limits: &Limits, parser: &mut Parser<'_>) -> Result<(), Error> {
    limits.check_bytes(input)?;
    let source = Source::of(input)?;
    // The parser outlives the text only in what it has copied.
    let mut run = Run { parser, text: "", pieces: String::new(), returns: source.text.as_bytes().contains(&b'\r') };
    let mut reader = Reader::from_str(&source.text);
    let (at, error) = match run.read(&mut reader) {
        Ok(()) => return Ok(()),
        Err(failed) => failed,
    };
    Err(error.within(&run.parser.path()).at(source.offset(at)))
}

/// An error costs a pointer on the way that is nearly always taken.
type Step = Result<(), Box<Error>>;

#[cold]
fn fail(message: impl Into<String>) -> Box<Error> {
    Box::new(Error::new(message))
}

/// One reading of one text.
struct Run<'p, 'l, 'i> {
    parser: &'p mut Parser<'l>,
    /// The text of the innermost element that holds text, while it is one piece.
    text: &'i str,
    /// The same once it has more pieces; its memory serves one text after the other.
    pieces: String,
    /// The document has carriage returns, so line ends need to be normalised.
    returns: bool,
}

impl<'i> Run<'_, '_, 'i> {
    /// Reads to the end. An error comes with the place in the text where it is.
    fn read(&mut self, reader: &mut Reader<&'i [u8]>) -> Result<(), (usize, Error)> {
        loop {
            let at = reader.buffer_position() as usize;
            // Matched where it lies: moving the event out of the result first costs more than reading it.
            let step = match reader.read_event() {
                Ok(Event::Start(tag)) => self.open(tag.name().0),
                Ok(Event::End(_)) => self.close(),
                Ok(Event::Text(text)) if self.returns => self.text(text.xml10_content()),
                Ok(Event::Text(text)) => self.text(text.into_inner()),
                Ok(Event::Empty(tag)) => self.open(tag.name().0).and_then(|()| self.close()),
                Ok(Event::GeneralRef(name)) => referenced(&name).and_then(|text| self.text(text)),
                Ok(Event::CData(text)) if self.returns => self.text(text.xml10_content()),
                Ok(Event::CData(text)) => self.text(text.into_inner()),
                Ok(Event::Comment(_) | Event::PI(_)) => Ok(()),
                Ok(Event::Decl(_)) if self.parser.stack.is_empty() && !self.parser.done => Ok(()),
                Ok(Event::Decl(_)) => Err(fail("an XML declaration within the document")),
                Ok(Event::DocType(_)) => Err(fail("a DTD is not accepted")),
                Ok(Event::Eof) => return self.parser.finished().map_err(|error| (at, *error)),
                Err(error) => {
                    return Err((reader.error_position() as usize, Error::new(format!("not well-formed: {error}"))));
                }
            };
            step.map_err(|error| (at, *error))?;
        }
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

    /// True where this text is data, false where it is the white space between elements.
    fn holds_text(&self, piece: &str) -> Result<bool, Box<Error>> {
        match self.parser.stack.last() {
            Some(frame) if frame.holds_text() => Ok(true),
            _ if is_blank(piece) => Ok(false),
            Some(_) => Err(fail(format!("text between elements: {:?}", shown(piece)))),
            None if self.parser.done => Err(fail("text after the document")),
            None => Err(fail("text before the document")),
        }
    }

    fn add(&mut self, piece: &str) {
        if self.pieces.is_empty() {
            self.pieces.push_str(self.text);
        }
        self.pieces.push_str(piece);
    }

    fn open(&mut self, name: &str) -> Step {
        let frame = self.parser.enclosed(Tag::named(name), name)?;
        if let Some(value) = self.parser.stack.last_mut()
            && let Frame::Value { at } = *value
        {
            let text = if self.pieces.is_empty() { self.text } else { &self.pieces };
            if !is_blank(text) {
                return Err(fail(format!("text beside <{}>: {:?}", shown(name), shown(text))));
            }
            *value = Frame::Valued { at };
        }
        self.text = "";
        self.pieces.clear();
        self.parser.stack.push(frame);
        Ok(())
    }

    fn close(&mut self) -> Step {
        let text = if self.pieces.is_empty() { self.text } else { &self.pieces };
        self.parser.close(text)?;
        self.text = "";
        self.pieces.clear();
        Ok(())
    }
}

/// The text of `&name;`.
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
    // from_str_radix alone would take a sign.
    let digits = Some(digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    match digits.and_then(|digits| u32::from_str_radix(digits, radix).ok()).and_then(char::from_u32) {
        Some(character) if character != '\0' => Ok(Cow::Owned(character.to_string())),
        _ => Err(fail(format!("&{}; is no character", shown(name)))),
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_whitespace())
}

/// What is known of the document so far, apart from the text at hand.
struct Parser<'l> {
    root: Tag,
    limits: &'l Limits,
    stack: Vec<Frame>,
    done: bool,
    /// Arrays and structs that are open.
    depth: usize,
    values: usize,
    /// A value whose place is not known yet: that of a parameter or fault, of a member before its name, of an array
    /// before its end. No other value is read in between.
    value: Value,
    /// Items of all open lists and pairs of all open maps: a container takes its own when it closes, in one exact piece.
    items: Vec<Value>,
    pairs: Vec<(Arc<str>, Value)>,
    names: Names,
    method: Option<String>,
    params: Option<Vec<Value>>,
    fault: Option<Fault>,
}

impl<'l> Parser<'l> {
    fn new(root: Tag, limits: &'l Limits) -> Parser<'l> {
        Parser {
            root,
            limits,
            stack: Vec::with_capacity(16),
            done: false,
            depth: 0,
            values: 0,
            value: Value::Nil,
            items: Vec::new(),
            pairs: Vec::new(),
            names: Names::default(),
            method: None,
            params: None,
            fault: None,
        }
    }

    /// Where the parser is, members by their names.
    fn path(&self) -> String {
        let mut path = String::new();
        // The open struct whose pairs start here has its open member's pair just before the next open struct's.
        let mut starts = self.stack.iter().filter_map(|frame| match frame {
            Frame::Struct { from } => Some(*from),
            _ => None,
        });
        starts.next();
        for frame in &self.stack {
            if !path.is_empty() {
                path.push('/');
            }
            if let Frame::Member { named, .. } = frame {
                let end = starts.next().unwrap_or(self.pairs.len());
                if let Some((name, _)) = end.checked_sub(1).and_then(|at| self.pairs.get(at)).filter(|_| *named) {
                    path.push_str(&shown(name));
                    continue;
                }
            }
            match frame.step() {
                (name, 0) => path.push_str(name),
                (name, at) => path.push_str(&format!("{name}[{at}]")),
            }
        }
        path
    }

    fn finished(&self) -> Step {
        match self.stack.is_empty() {
            true if self.done => Ok(()),
            true => Err(fail(format!("no document: <{}> expected", self.root_name()))),
            false => Err(fail("the document ends before its elements are closed")),
        }
    }

    fn root_name(&self) -> &'static str {
        if self.root == Tag::MethodCall { "methodCall" } else { "methodResponse" }
    }

    /// The frame of an element within the innermost open one, if it belongs there.
    fn enclosed(&mut self, tag: Tag, name: &str) -> Result<Frame, Box<Error>> {
        let frame = match (self.stack.last().copied(), tag) {
            (Some(Frame::Value { .. }), Tag::Scalar(scalar)) => Frame::Scalar(scalar),
            (Some(Frame::Member { named: false, .. }), Tag::Name) => Frame::Name,
            (Some(Frame::Member { valued: false, .. }), Tag::Value) => Frame::Value { at: 0 },
            (Some(Frame::Struct { from }), Tag::Member) => {
                Frame::Member { at: self.pairs.len() - from + 1, named: false, valued: false }
            }
            (Some(Frame::Data { from }), Tag::Value) => Frame::Value { at: self.items.len() - from + 1 },
            (Some(Frame::Value { .. }), Tag::Struct) => {
                self.deepen()?;
                Frame::Struct { from: self.pairs.len() }
            }
            (Some(Frame::Value { .. }), Tag::Array) => {
                self.deepen()?;
                Frame::Array { filled: false }
            }
            (Some(Frame::Array { filled: false }), Tag::Data) => Frame::Data { from: self.items.len() },
            (Some(Frame::Param { valued: false, .. } | Frame::Fault { valued: false }), Tag::Value) => {
                Frame::Value { at: 0 }
            }
            (Some(Frame::Params { from }), Tag::Param) => {
                Frame::Param { at: self.items.len() - from + 1, valued: false }
            }
            (None, _) if self.done => return Err(fail(format!("<{}> after the document", shown(name)))),
            (None, Tag::MethodCall) if self.root == tag => Frame::MethodCall,
            (None, Tag::MethodResponse) if self.root == tag => Frame::MethodResponse,
            (None, _) => {
                return Err(fail(format!("<{}> where <{}> was expected", shown(name), self.root_name())));
            }
            (Some(Frame::MethodCall), Tag::MethodName) if self.method.is_none() => Frame::MethodName,
            (Some(Frame::MethodCall), Tag::Params) if self.params.is_none() => Frame::Params { from: 0 },
            (Some(Frame::MethodResponse), Tag::Params) if self.params.is_none() && self.fault.is_none() => {
                Frame::Params { from: 0 }
            }
            (Some(Frame::MethodResponse), Tag::Fault) if self.params.is_none() && self.fault.is_none() => {
                Frame::Fault { valued: false }
            }
            (Some(Frame::Value { .. }), _) => {
                return Err(fail(format!("<{}> is not a type of XML-RPC", shown(name))));
            }
            (Some(_), _) => return Err(fail(format!("<{}> does not belong here, or not twice", shown(name)))),
        };
        Ok(frame)
    }

    fn deepen(&mut self) -> Step {
        if self.depth >= self.limits.depth {
            return Err(fail(format!("nested more than {} deep", self.limits.depth)));
        }
        self.depth += 1;
        Ok(())
    }

    /// Closes the innermost element, whose text this is. A frame with an error stays, for the path.
    fn close(&mut self, text: &str) -> Step {
        let Some(frame) = self.stack.last().copied() else { return Err(fail("an end without a start")) };
        match frame {
            Frame::Scalar(scalar) => {
                let value = scalar.read(text).map_err(fail)?;
                self.stack.pop();
                self.deliver(value);
                return Ok(());
            }
            Frame::Value { .. } => {
                self.count()?;
                self.deliver(Value::String(text.to_owned()));
            }
            Frame::Valued { .. } => self.count()?,
            Frame::Name => return self.close_name(text),
            Frame::Member { named: true, valued: true, .. } => {}
            Frame::Member { named: false, .. } => return Err(fail("a member without <name>")),
            Frame::Member { .. } => return Err(fail("a member without <value>")),
            Frame::Struct { from } => {
                let pairs = Map(self.pairs.drain(from..).collect());
                self.depth -= 1;
                self.stack.pop();
                self.deliver(Value::Map(pairs));
                return Ok(());
            }
            Frame::Data { from } => {
                self.value = Value::List(self.items.drain(from..).collect());
                self.stack.pop();
                if let Some(Frame::Array { filled }) = self.stack.last_mut() {
                    *filled = true;
                }
                return Ok(());
            }
            Frame::Array { filled } => {
                let items = if filled { mem::take(&mut self.value) } else { Value::List(Vec::new()) };
                self.depth -= 1;
                self.stack.pop();
                self.deliver(items);
                return Ok(());
            }
            Frame::Param { valued: false, .. } => return Err(fail("a parameter without <value>")),
            Frame::Param { .. } => self.items.push(mem::take(&mut self.value)),
            Frame::Params { from } => self.params = Some(self.items.drain(from..).collect()),
            Frame::Fault { .. } => self.fault = Some(fault(&mem::take(&mut self.value))?),
            Frame::MethodName => match text.trim_ascii() {
                "" => return Err(fail("the name of the method is empty")),
                name => self.method = Some(name.to_owned()),
            },
            Frame::MethodCall | Frame::MethodResponse => self.done = true,
        }
        self.stack.pop();
        Ok(())
    }

    /// Gives the name of a member its pair, and the value if that came first.
    fn close_name(&mut self, text: &str) -> Step {
        let name = self.names.intern(text.trim_ascii());
        self.stack.pop();
        if let Some(Frame::Member { named, valued, .. }) = self.stack.last_mut() {
            *named = true;
            let value = if *valued { mem::take(&mut self.value) } else { Value::Nil };
            self.pairs.push((name, value));
        }
        Ok(())
    }

    fn count(&mut self) -> Step {
        self.values += 1;
        if self.values > self.limits.values {
            return Err(fail(format!("more than {} values", self.limits.values)));
        }
        Ok(())
    }

    /// Gives what was read to the container around the innermost element, which is its `<value>`.
    fn deliver(&mut self, read: Value) {
        let Some(at) = self.stack.len().checked_sub(2) else { return };
        match &mut self.stack[at] {
            Frame::Data { .. } => self.items.push(read),
            Frame::Member { named, valued, .. } => {
                *valued = true;
                match self.pairs.last_mut() {
                    Some((_, value)) if *named => *value = read,
                    _ => self.value = read,
                }
            }
            Frame::Param { valued, .. } | Frame::Fault { valued } => {
                *valued = true;
                self.value = read;
            }
            // `enclosed` opens a value within these alone.
            _ => {}
        }
    }
}

/// Reads the struct of a fault, whatever the order of its members and the type of its code.
fn fault(value: &Value) -> Result<Fault, Box<Error>> {
    let code = match &value["faultCode"] {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64(),
    };
    let Some(code) = code else { return Err(fail("a fault without a faultCode that is a whole number")) };
    let message = match value["faultString"] {
        Value::Nil => String::new(),
        ref other => other.as_str().map_or_else(|| other.to_string(), str::to_owned),
    };
    Ok(Fault { code, message })
}
