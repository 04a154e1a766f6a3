//! Documents to calls and responses: one pass over quick-xml's events, a stack of frames, no recursion.

use std::borrow::Cow;
use std::mem;
use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::frame::{Frame, Type};
use super::source::Source;
use super::{Call, Fault};
use crate::error::shown;
use crate::names::Names;
use crate::value::Map;
use crate::{Error, Limits, Value};

/// A `methodCall` document.
pub fn parse_call(input: &[u8], limits: &Limits) -> Result<Call, Error> {
    let mut parser = Parser::new("methodCall", limits);
    parse(input, limits, &mut parser)?;
    let Some(method) = parser.method.take() else { return Err(Error::new("methodCall: no <methodName>")) };
    Ok(Call { method, params: parser.params.take().unwrap_or_default() })
}

/// A `methodResponse` document: the method's answer, or its fault.
pub fn parse_response(input: &[u8], limits: &Limits) -> Result<Result<Value, Fault>, Error> {
    let mut parser = Parser::new("methodResponse", limits);
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
    let mut run = Run { parser, text: Cow::Borrowed(""), returns: source.text.as_bytes().contains(&b'\r') };
    let mut reader = Reader::from_str(&source.text);
    let (at, mut error) = match run.read(&mut reader) {
        Ok(()) => return Ok(()),
        Err(failed) => failed,
    };
    error.path = run.parser.path();
    Err(error.at(source.offset(at)))
}

/// What is known of the document so far, apart from the text at hand.
struct Parser<'l> {
    root: &'static str,
    limits: &'l Limits,
    stack: Vec<Frame>,
    done: bool,
    /// Arrays and structs that are open.
    depth: usize,
    values: usize,
    /// Items of all open lists and pairs of all open maps: a container takes its own when it closes, in one exact piece.
    items: Vec<Value>,
    pairs: Vec<(Arc<str>, Value)>,
    names: Names,
    method: Option<String>,
    params: Option<Vec<Value>>,
    fault: Option<Fault>,
}

/// One reading of one text.
struct Run<'p, 'l, 'i> {
    parser: &'p mut Parser<'l>,
    /// The text of the innermost element that holds text; borrowed while it is one piece.
    text: Cow<'i, str>,
    /// The document has carriage returns, so line ends need to be normalised.
    returns: bool,
}

impl<'i> Run<'_, '_, 'i> {
    /// Reads to the end. An error comes with the place in the text where it is.
    fn read(&mut self, reader: &mut Reader<&'i [u8]>) -> Result<(), (usize, Error)> {
        loop {
            let at = reader.buffer_position() as usize;
            let event = reader.read_event().map_err(|error| {
                let message = format!("not well-formed: {error}");
                (reader.error_position() as usize, Error::new(message))
            })?;
            let step = match event {
                Event::Start(tag) => self.open(tag.name().0),
                Event::Empty(tag) => self.open(tag.name().0).and_then(|()| self.close()),
                Event::End(_) => self.close(),
                Event::Text(text) if self.returns => self.text(text.xml10_content()),
                Event::Text(text) => self.text(text.into_inner()),
                Event::CData(text) if self.returns => self.text(text.xml10_content()),
                Event::CData(text) => self.text(text.into_inner()),
                Event::GeneralRef(name) => referenced(&name).and_then(|text| self.text(text)),
                Event::Comment(_) | Event::PI(_) => Ok(()),
                Event::Decl(_) if self.parser.stack.is_empty() && !self.parser.done => Ok(()),
                Event::Decl(_) => Err(Error::new("an XML declaration within the document")),
                Event::DocType(_) => Err(Error::new("a DTD is not accepted")),
                Event::Eof => return self.parser.finished().map_err(|error| (at, error)),
            };
            step.map_err(|error| (at, error))?;
        }
    }

    fn text(&mut self, piece: Cow<'i, str>) -> Result<(), Error> {
        match self.parser.stack.last() {
            Some(frame) if frame.holds_text() => {
                if self.text.is_empty() {
                    self.text = piece;
                } else {
                    self.text.to_mut().push_str(&piece);
                }
                Ok(())
            }
            _ if is_blank(&piece) => Ok(()),
            Some(_) => Err(Error::new(format!("text between elements: {:?}", shown(&piece)))),
            None if self.parser.done => Err(Error::new("text after the document")),
            None => Err(Error::new("text before the document")),
        }
    }

    fn open(&mut self, name: &str) -> Result<(), Error> {
        let plain = name.rsplit_once(':').map_or(name, |(_, plain)| plain);
        if let Some(Frame::Value { at }) = self.parser.stack.last()
            && let Some(kind) = Type::named(plain)
        {
            let at = *at;
            if !is_blank(&self.text) {
                return Err(Error::new(format!("text beside <{plain}>: {:?}", shown(&self.text))));
            }
            self.text = Cow::Borrowed("");
            return self.parser.open_typed(at, kind);
        }
        let frame = self.parser.enclosed(plain)?;
        if frame.holds_text() {
            self.text = Cow::Borrowed("");
        }
        self.parser.stack.push(frame);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let text = match self.parser.stack.last() {
            Some(frame) if frame.holds_text() => mem::take(&mut self.text),
            _ => Cow::Borrowed(""),
        };
        self.parser.close(text)
    }
}

/// The text of `&name;`.
fn referenced(name: &str) -> Result<Cow<'static, str>, Error> {
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
        return Err(Error::new(format!("entity &{}; is not accepted", shown(name))));
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    // from_str_radix alone would take a sign.
    let digits = Some(digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    match digits.and_then(|digits| u32::from_str_radix(digits, radix).ok()).and_then(char::from_u32) {
        Some(character) if character != '\0' => Ok(Cow::Owned(character.to_string())),
        _ => Err(Error::new(format!("&{}; is no character", shown(name)))),
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_whitespace())
}

impl<'l> Parser<'l> {
    fn new(root: &'static str, limits: &'l Limits) -> Parser<'l> {
        Parser {
            root,
            limits,
            stack: Vec::with_capacity(16),
            done: false,
            depth: 0,
            values: 0,
            items: Vec::new(),
            pairs: Vec::new(),
            names: Names::default(),
            method: None,
            params: None,
            fault: None,
        }
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.stack {
            frame.add_step(&mut path);
        }
        path
    }

    fn finished(&self) -> Result<(), Error> {
        match self.stack.is_empty() {
            true if self.done => Ok(()),
            true => Err(Error::new(format!("no document: <{}> expected", self.root))),
            false => Err(Error::new("the document ends before its elements are closed")),
        }
    }

    /// Opens the typed element of a value, whose own frame has to wait until that closes.
    fn open_typed(&mut self, at: usize, kind: Type) -> Result<(), Error> {
        let frame = match kind {
            Type::Scalar(scalar) => Frame::Scalar(scalar),
            Type::Array => Frame::Array { items: None },
            Type::Struct => Frame::Struct { from: self.pairs.len() },
        };
        if !matches!(frame, Frame::Scalar(_)) {
            if self.depth >= self.limits.depth {
                return Err(Error::new(format!("nested more than {} deep", self.limits.depth)));
            }
            self.depth += 1;
        }
        if let Some(value) = self.stack.last_mut() {
            *value = Frame::Valued { at, value: Value::Nil };
        }
        self.stack.push(frame);
        Ok(())
    }

    /// The frame of an element within the innermost open one, if it belongs there.
    fn enclosed(&self, name: &str) -> Result<Frame, Error> {
        let frame = match (self.stack.last(), name) {
            (None, _) if self.done => return Err(Error::new(format!("<{}> after the document", shown(name)))),
            (None, "methodCall") if self.root == name => Frame::MethodCall,
            (None, "methodResponse") if self.root == name => Frame::MethodResponse,
            (None, _) => {
                return Err(Error::new(format!("<{}> where <{}> was expected", shown(name), self.root)));
            }
            (Some(Frame::MethodCall), "methodName") if self.method.is_none() => Frame::MethodName,
            (Some(Frame::MethodCall), "params") if self.params.is_none() => Frame::Params { from: self.items.len() },
            (Some(Frame::MethodResponse), "params") if self.params.is_none() && self.fault.is_none() => {
                Frame::Params { from: self.items.len() }
            }
            (Some(Frame::MethodResponse), "fault") if self.params.is_none() && self.fault.is_none() => {
                Frame::Fault { value: None }
            }
            (Some(Frame::Params { from }), "param") => Frame::Param { at: self.items.len() - from + 1, value: None },
            (Some(Frame::Data { from }), "value") => Frame::Value { at: self.items.len() - from + 1 },
            (
                Some(
                    Frame::Member { value: None, .. } | Frame::Param { value: None, .. } | Frame::Fault { value: None },
                ),
                "value",
            ) => Frame::Value { at: 0 },
            (Some(Frame::Struct { from }), "member") => {
                Frame::Member { at: self.pairs.len() - from + 1, name: None, value: None }
            }
            (Some(Frame::Member { name: None, .. }), "name") => Frame::Name,
            (Some(Frame::Array { items: None }), "data") => Frame::Data { from: self.items.len() },
            (Some(Frame::Value { .. }), _) => {
                return Err(Error::new(format!("<{}> is not a type of XML-RPC", shown(name))));
            }
            (Some(_), _) => return Err(Error::new(format!("<{}> does not belong here, or not twice", shown(name)))),
        };
        Ok(frame)
    }

    /// Closes the innermost element, whose text this is. The frame stays until it is known to be good, for the path.
    fn close(&mut self, text: Cow<'_, str>) -> Result<(), Error> {
        let Some(frame) = self.stack.last_mut() else { return Err(Error::new("an end without a start")) };
        match frame {
            Frame::Scalar(scalar) => {
                let value = scalar.read(text).map_err(Error::new)?;
                self.close_typed(value);
            }
            Frame::Value { .. } => self.close_value(Value::String(text.into_owned()))?,
            Frame::Valued { value, .. } => {
                let value = mem::take(value);
                self.close_value(value)?;
            }
            Frame::Name => {
                let name = self.names.intern(text.trim_ascii());
                self.stack.pop();
                if let Some(Frame::Member { name: slot, .. }) = self.stack.last_mut() {
                    *slot = Some(name);
                }
            }
            Frame::Member { name, value, .. } => match (name.take(), value.take()) {
                (Some(name), Some(value)) => {
                    self.pairs.push((name, value));
                    self.stack.pop();
                }
                (None, _) => return Err(Error::new("a member without <name>")),
                (name, None) => {
                    *frame = Frame::Member { at: 0, name, value: None };
                    return Err(Error::new("a member without <value>"));
                }
            },
            Frame::Struct { from } => {
                let pairs = self.pairs.drain(*from..).collect();
                self.depth -= 1;
                self.close_typed(Value::Map(Map(pairs)));
            }
            Frame::Data { from } => {
                let list = self.items.drain(*from..).collect();
                self.stack.pop();
                if let Some(Frame::Array { items }) = self.stack.last_mut() {
                    *items = Some(list);
                }
            }
            Frame::Array { items } => {
                let items = items.take().unwrap_or_default();
                self.depth -= 1;
                self.close_typed(Value::List(items));
            }
            Frame::Param { value, .. } => {
                let Some(value) = value.take() else { return Err(Error::new("a parameter without <value>")) };
                self.items.push(value);
                self.stack.pop();
            }
            Frame::Params { from } => {
                self.params = Some(self.items.drain(*from..).collect());
                self.stack.pop();
            }
            Frame::Fault { value } => {
                self.fault = Some(fault(value.take().unwrap_or_default())?);
                self.stack.pop();
            }
            Frame::MethodName => {
                let name = text.trim_ascii();
                if name.is_empty() {
                    return Err(Error::new("the name of the method is empty"));
                }
                self.method = Some(name.to_owned());
                self.stack.pop();
            }
            Frame::MethodCall | Frame::MethodResponse => {
                self.stack.pop();
                self.done = true;
            }
        }
        Ok(())
    }

    /// Gives the value of a typed element to the `<value>` around it.
    fn close_typed(&mut self, read: Value) {
        self.stack.pop();
        if let Some(Frame::Valued { value, .. }) = self.stack.last_mut() {
            *value = read;
        }
    }

    /// Gives a finished value to the container around it.
    fn close_value(&mut self, read: Value) -> Result<(), Error> {
        self.values += 1;
        if self.values > self.limits.values {
            return Err(Error::new(format!("more than {} values", self.limits.values)));
        }
        self.stack.pop();
        match self.stack.last_mut() {
            Some(Frame::Data { .. }) => self.items.push(read),
            Some(Frame::Member { value, .. } | Frame::Param { value, .. } | Frame::Fault { value }) => {
                *value = Some(read);
            }
            // `enclosed` opens a value within these alone.
            _ => return Err(Error::new("a value outside of any container")),
        }
        Ok(())
    }
}

/// Reads the struct of a fault, whatever the order of its members and the type of its code.
fn fault(value: Value) -> Result<Fault, Error> {
    let code = match &value["faultCode"] {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64(),
    };
    let Some(code) = code else { return Err(Error::new("a fault without a faultCode that is a whole number")) };
    let message = match value["faultString"] {
        Value::Nil => String::new(),
        ref other => other.as_str().map_or_else(|| other.to_string(), str::to_owned),
    };
    Ok(Fault { code, message })
}
