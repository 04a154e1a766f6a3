//! The structure of a document while it is read: the open elements, which elements may follow, and the values so far.

use std::mem;
use std::sync::Arc;

use super::Fault;
use super::fast_path::{Leaf, Plain};
use super::frame::{Frame, Tag};
use super::parse::{Step, fail};
use crate::error::shown;
use crate::failure;
use crate::names::Names;
use crate::value::Map;
use crate::{Error, Limits, Value};

/// The state of reading a document, without the current text.
pub(super) struct Parser<'l> {
    pub(super) root: Tag,
    pub(super) limits: &'l Limits,
    pub(super) stack: Vec<Frame>,
    pub(super) done: bool,
    /// The number of open arrays and structs.
    pub(super) depth: usize,
    pub(super) values: usize,
    /// A value that is not yet in a container: of a parameter or fault, of a member before its name, of an array before
    /// its end. No other value is read in between.
    pub(super) value: Value,
    /// Items of all open lists, and pairs of all open maps. When a container closes, it takes its own in one allocation
    /// of exact size.
    pub(super) items: Vec<Value>,
    pub(super) pairs: Vec<(Arc<str>, Value)>,
    pub(super) names: Names,
    pub(super) method: Option<String>,
    pub(super) params: Option<Vec<Value>>,
    pub(super) fault: Option<Fault>,
}

impl<'l> Parser<'l> {
    pub(super) fn new(root: Tag, limits: &'l Limits) -> Parser<'l> {
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

    /// The path of the current position, with members by their names.
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        // The pair of an open member precedes the start of the next open struct's pairs.
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

    pub(super) fn finished(&self) -> Step {
        match self.stack.is_empty() {
            true if self.done => Ok(()),
            true => Err(fail(format!("no document: <{}> expected", self.root_name()))),
            false => Err(fail("the document ends before its elements are closed")),
        }
    }

    pub(super) fn root_name(&self) -> &'static str {
        if self.root == Tag::MethodCall { "methodCall" } else { "methodResponse" }
    }

    /// The frame for an element inside the innermost open one, if it is allowed there.
    pub(super) fn enclosed(&mut self, tag: Tag, name: &str) -> Result<Frame, Box<Error>> {
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
            // A server that sends both has failed: `parse_response` takes the fault.
            (Some(Frame::MethodResponse), Tag::Params) if self.params.is_none() => Frame::Params { from: 0 },
            (Some(Frame::MethodResponse), Tag::Fault) if self.fault.is_none() => Frame::Fault { valued: false },
            (Some(Frame::Value { .. }), _) => {
                return Err(fail(format!("<{}> is not a type of XML-RPC", shown(name))));
            }
            (Some(_), _) => return Err(fail(format!("<{}> does not belong here, or not twice", shown(name)))),
        };
        Ok(frame)
    }

    /// Opens an element inside the innermost open one.
    pub(super) fn push(&mut self, frame: Frame) {
        if let Some(value) = self.stack.last_mut()
            && let Frame::Value { at } = *value
        {
            *value = Frame::Valued { at };
        }
        self.stack.push(frame);
    }

    pub(super) fn deepen(&mut self) -> Step {
        if self.depth >= self.limits.depth {
            return Err(fail(format!("nested more than {} deep", self.limits.depth)));
        }
        self.depth += 1;
        Ok(())
    }

    /// Closes the innermost element, which has this text. If there is an error, its frame stays, for the path.
    pub(super) fn close(&mut self, text: &str) -> Step {
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
            Frame::Param { valued: false, .. } if self.root == Tag::MethodCall => {
                return Err(fail("a parameter without <value>"));
            }
            // Of a void method: `value` is nil.
            Frame::Param { valued: false, .. } => {
                self.count()?;
                self.items.push(Value::Nil);
            }
            Frame::Param { .. } => self.items.push(mem::take(&mut self.value)),
            // The outermost list, to which all remaining items belong.
            Frame::Params { .. } => self.params = Some(mem::take(&mut self.items)),
            Frame::Fault { .. } => self.fault = Some(fault(&mem::take(&mut self.value))),
            Frame::MethodName => match text.trim_ascii() {
                "" => return Err(fail("the name of the method is empty")),
                name => self.method = Some(name.to_owned()),
            },
            Frame::MethodCall | Frame::MethodResponse => self.done = true,
        }
        self.stack.pop();
        Ok(())
    }

    /// Consumes one name, value, member or parameter in the common form, if that comes next and is allowed here. Errors
    /// are left to the events, which know their position.
    #[inline]
    pub(super) fn take(&mut self, plain: &mut Plain<'_>) -> bool {
        let mut ahead = *plain;
        let taken = match self.stack.last_mut() {
            Some(Frame::Struct { .. }) => ahead.member().and_then(|(name, leaf)| {
                let value = self.leaf(leaf)?;
                let name = self.names.intern(name);
                self.pairs.push((name, value));
                Some(())
            }),
            Some(Frame::Member { named, valued: false, .. }) if !*named => ahead.name().map(|name| {
                *named = true;
                let name = self.names.intern(name);
                self.pairs.push((name, Value::Nil));
            }),
            Some(Frame::Data { .. }) => {
                ahead.value().and_then(|leaf| self.leaf(leaf)).map(|value| self.items.push(value))
            }
            Some(Frame::Params { .. }) => {
                ahead.param().and_then(|leaf| self.leaf(leaf)).map(|value| self.items.push(value))
            }
            Some(Frame::MethodCall) if self.method.is_none() => {
                let name = ahead.method().map(str::trim_ascii).filter(|name| !name.is_empty());
                name.map(|name| self.method = Some(name.to_owned()))
            }
            Some(Frame::Param { valued: false, .. }) => {
                let value = ahead.value().and_then(|leaf| self.leaf(leaf));
                value.map(|value| {
                    self.value = value;
                    if let Some(Frame::Param { valued, .. }) = self.stack.last_mut() {
                        *valued = true;
                    }
                })
            }
            _ => None,
        };
        if taken.is_some() {
            *plain = ahead;
        }
        taken.is_some()
    }

    /// The value of a leaf, if its text is valid and the limit allows one more value.
    #[inline]
    fn leaf(&mut self, (scalar, text): Leaf<'_>) -> Option<Value> {
        if self.values >= self.limits.values {
            return None;
        }
        let value = scalar.read(text).ok()?;
        self.values += 1;
        Some(value)
    }

    /// Adds the pair for a member's name, with the value if that came first.
    pub(super) fn close_name(&mut self, text: &str) -> Step {
        let name = self.names.intern(text);
        self.stack.pop();
        if let Some(Frame::Member { named, valued, .. }) = self.stack.last_mut() {
            *named = true;
            let value = if *valued { mem::take(&mut self.value) } else { Value::Nil };
            self.pairs.push((name, value));
        }
        Ok(())
    }

    pub(super) fn count(&mut self) -> Step {
        self.values += 1;
        if self.values > self.limits.values {
            return Err(fail(format!("more than {} values", self.limits.values)));
        }
        Ok(())
    }

    /// Hands the value to the container around the innermost element, which is the value's `<value>`.
    pub(super) fn deliver(&mut self, read: Value) {
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
            // `enclosed` allows a value only inside these elements.
            _ => {}
        }
    }
}

/// Reads the value of a fault: by the specification a struct, of which any member may be missing or odd.
fn fault(value: &Value) -> Fault {
    let (code, message) = failure::code_and_words(value, "faultCode", "faultString");
    Fault { code, message }
}
