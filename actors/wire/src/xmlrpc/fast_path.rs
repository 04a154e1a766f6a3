//! The fast path: input in the form that nearly every writer uses is read without events.
//!
//! Most of a document is `<name>id</name><value><int>7</int></value>`: nine events for two words. If the parser's input
//! continues in exactly this form, with text in one piece, it is consumed as a whole, and the bare tags around it one
//! by one. Everything else (attributes, prefixes, entities, CDATA, comments, carriage returns, text that does not fit
//! its type) is left to the events, and so is every error. Both ways give the same result, which `tests/it/shortcut.rs`
//! proves. The fast path saves two thirds of the work for a typical answer.

use super::Call;
use super::frame::Tag;
use super::scalar::Scalar;

/// The rest of the document; it starts between two elements.
#[derive(Clone, Copy)]
pub(super) struct Plain<'i> {
    rest: &'i str,
}

/// A leaf of the document: the kind of its text, and the text.
pub(super) type Leaf<'i> = (Scalar, &'i str);

impl<'i> Plain<'i> {
    pub(super) fn new(rest: &'i str) -> Plain<'i> {
        Plain { rest }
    }

    /// A complete call whose parameters are at most `most` leaves, which is the form of nearly all calls.
    pub(super) fn call(document: &'i str, most: usize) -> Option<Call> {
        let mut plain = Plain::new(document);
        if let Some(inside) = document.strip_prefix("<?xml ") {
            let (declared, rest) = inside.split_once('>')?;
            if !declared.ends_with('?') || declared.contains('<') {
                return None;
            }
            plain = Plain::new(rest);
        }
        plain.element("<methodCall>")?;
        plain.rest = plain.rest.trim_ascii_start();
        let method = plain.method()?.trim_ascii();
        let mut params = Vec::new();
        if plain.element("<params>").is_some() {
            while plain.element("</params>").is_none() {
                let (scalar, text) = plain.param()?;
                params.push(scalar.read(text).ok().filter(|_| params.len() < most)?);
            }
        }
        plain.element("</methodCall>")?;
        let is_whole = plain.rest.trim_ascii_start().is_empty() && !method.is_empty();
        is_whole.then(|| Call { method: method.to_owned(), params })
    }

    /// The number of bytes left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// `<member>` with a name, followed by a leaf.
    #[inline]
    pub(super) fn member(&mut self) -> Option<(&'i str, Leaf<'i>)> {
        self.element("<member>")?;
        let name = self.name()?;
        let leaf = self.value()?;
        self.element("</member>")?;
        Some((name, leaf))
    }

    /// `<param>` with a leaf.
    #[inline]
    pub(super) fn param(&mut self) -> Option<Leaf<'i>> {
        self.element("<param>")?;
        let leaf = self.value()?;
        self.element("</param>")?;
        Some(leaf)
    }

    /// `<methodName>text</methodName>`.
    #[inline]
    pub(super) fn method(&mut self) -> Option<&'i str> {
        self.enclosed("<methodName>", "</methodName>")
    }

    /// `<name>text</name>`.
    #[inline]
    pub(super) fn name(&mut self) -> Option<&'i str> {
        self.enclosed("<name>", "</name>")
    }

    /// The text of an element that contains only text.
    #[inline]
    fn enclosed(&mut self, start: &str, end: &str) -> Option<&'i str> {
        self.element(start)?;
        let text = self.text();
        self.tag(end)?;
        Some(text)
    }

    /// `<value>text</value>`, or with a type element around the text.
    #[inline]
    pub(super) fn value(&mut self) -> Option<Leaf<'i>> {
        self.element("<value>")?;
        let untyped = self.text();
        if self.tag("</value>").is_some() {
            return Some((Scalar::String, untyped));
        }
        if !untyped.is_empty() {
            return None;
        }
        let leaf = self.typed()?;
        self.tag("</value>")?;
        Some(leaf)
    }

    /// A typed element such as `<int>7</int>`.
    #[inline]
    fn typed(&mut self) -> Option<Leaf<'i>> {
        if self.tag("<nil/>").is_some() {
            return Some((Scalar::Nil, ""));
        }
        // Most leaves are strings, and comparing their tag is faster than finding a name and looking it up.
        if self.tag("<string>").is_some() {
            let text = self.text();
            self.tag("</string>")?;
            return Some((Scalar::String, text));
        }
        let (Tag::Scalar(scalar), name) = self.opened()? else { return None };
        let text = self.text();
        self.closed(name)?;
        Some((scalar, text))
    }

    /// The start tag of any XML-RPC element, after white space.
    #[inline]
    pub(super) fn start(&mut self) -> Option<(Tag, &'i str)> {
        self.element("")?;
        self.opened().filter(|(tag, _)| *tag != Tag::Unknown)
    }

    /// The end tag of the element with this name, after white space.
    #[inline]
    pub(super) fn end(&mut self, name: &str) -> Option<()> {
        self.element("")?;
        self.closed(name)
    }

    #[inline]
    fn opened(&mut self) -> Option<(Tag, &'i str)> {
        /// The longest name of an XML-RPC element.
        const LONGEST: usize = "dateTime.iso8601".len();
        let inside = self.rest.strip_prefix('<')?;
        let end = inside.bytes().take(LONGEST + 1).position(|byte| byte == b'>')?;
        let (name, rest) = inside.split_at(end);
        self.rest = &rest[1..];
        Some((Tag::plainly_named(name.as_bytes()), name))
    }

    #[inline]
    fn closed(&mut self, name: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix("</")?.strip_prefix(name)?.strip_prefix('>')?;
        Some(())
    }

    /// Text up to the first byte that needs the events.
    #[inline]
    fn text(&mut self) -> &'i str {
        let bytes = self.rest.as_bytes();
        let end = bytes.iter().position(|byte| matches!(byte, b'<' | b'&' | b'\r')).unwrap_or(bytes.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        text
    }

    /// A tag, after the white space that is allowed between elements.
    #[inline]
    fn element(&mut self, tag: &str) -> Option<()> {
        self.rest = self.rest.trim_ascii_start();
        self.tag(tag)
    }

    #[inline]
    fn tag(&mut self, tag: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(tag)?;
        Some(())
    }
}
