//! What a handler may return, and how it becomes an answer for the face that asked.
//!
//! A string is a page, a structure is JSON on the web and native data over RPC, `()` is 204 or nil.
//! [`Page`](super::Page) renders a template, [`Response`] is full control. A `Result` always goes the error way: see
//! [`Give`].

pub(crate) mod either;
pub(crate) mod files;
pub(crate) mod more;
pub(crate) mod page;
pub(crate) mod streaming;
pub(crate) mod template_error;
pub(crate) mod templates;

use std::any::Any;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::Serialize;
use skitai_wire::{Value, json, xmlrpc};

use self::files::path_in;
use self::streaming::Streaming;
use super::error::{Error, IntoError};
use super::hooks::ErrorOverride;
use super::routing::route::Work;
use super::was::{Face, Was};

/// What a handler's result has become, ready for its face.
#[derive(Debug)]
pub enum Answer {
    /// A page's text.
    Page(Cow<'static, str>),
    /// Octets.
    Octets(Vec<u8>),
    /// Data in the face's own form: JSON on the web and over JSON-RPC, a whole response document over XML-RPC.
    Data(Bytes),
    /// Nothing: 204 on the web.
    Nothing,
    /// A reply in full.
    Full(Response),
    /// A reply that is made while it is sent.
    Streaming(Box<Streaming>),
    /// An error.
    Failed(Error),
    /// An error, and what stands in place of its page.
    Instead(Box<ErrorOverride>),
    /// What is known only after waiting; the wait is the request's.
    Later(Later),
}

/// An answer that is waited for.
pub struct Later(pub(crate) Work);

impl std::fmt::Debug for Later {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Later")
    }
}

/// A type a handler can return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the reply of a route",
    note = "return a string, anything that is serde::Serialize, (), Page, Response, Streaming, or a Result of these"
)]
pub trait Reply {
    /// The answer for the face that asked.
    fn into_answer(self, was: &Was) -> Answer;
}

/// Data over any face; over RPC also what is a page on the web.
fn data<T: Serialize + ?Sized>(was: &Was, value: &T) -> Answer {
    let written = match was.face() {
        Face::Web | Face::JsonRpc => json::to_vec(value),
        Face::XmlRpc => xmlrpc::write_response(value),
    };
    match written {
        Ok(octets) => Answer::Data(octets.into()),
        Err(error) => Answer::Failed(Error::internal(error)),
    }
}

/// Takes a value out as the type it really is, without a copy.
fn exactly<T: 'static, U: 'static>(value: T) -> Result<U, T> {
    let mut slot = Some(value);
    match (&mut slot as &mut dyn Any).downcast_mut::<Option<U>>().and_then(Option::take) {
        Some(found) => Ok(found),
        None => Err(slot.expect("filled above and taken only when the types are equal")),
    }
}

impl<T: Serialize + 'static> Reply for T {
    fn into_answer(self, was: &Was) -> Answer {
        let value = match exactly::<T, &'static str>(self) {
            Ok(text) if was.face() == Face::Web => return Answer::Page(Cow::Borrowed(text)),
            Ok(text) => return data(was, text),
            Err(value) => value,
        };
        let value = match exactly::<T, String>(value) {
            Ok(text) if was.face() == Face::Web => return Answer::Page(Cow::Owned(text)),
            Ok(text) => return data(was, &text),
            Err(value) => value,
        };
        let value = match exactly::<T, ()>(value) {
            Ok(()) if was.face() == Face::Web => return Answer::Nothing,
            Ok(()) => return data(was, &()),
            Err(value) => value,
        };
        // A Vec<u8> is octets, not a list of small numbers.
        match exactly::<T, Vec<u8>>(value) {
            Ok(octets) if was.face() == Face::Web => Answer::Octets(octets),
            Ok(octets) => data(was, &Value::Bytes(octets)),
            Err(value) => data(was, &value),
        }
    }
}

/// A reply in full: status, headers, body. Over RPC it cannot be carried and is an error that says so.
#[derive(Clone, Debug)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content: Content,
}

/// What a reply in full consists of.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Octets(Bytes),
    /// Opened when it is sent.
    File(PathBuf),
}

impl Response {
    /// A reply with this status and no body.
    pub fn new(status: u16) -> Response {
        Response { status, headers: Vec::new(), content: Content::Octets(Bytes::new()) }
    }

    /// A file: its type by its name, with ETag and Last-Modified, whole or in the ranges that the client asks for, or
    /// 304 where the client has it. 404 if it is not there. The path is the handler's own; one that a client had a word
    /// in goes through [`file_in`](Response::file_in).
    pub fn file(path: impl Into<PathBuf>) -> Response {
        Response { status: 200, headers: Vec::new(), content: Content::File(path.into()) }
    }

    /// A file of a folder by a name that a client chose: what would leave the folder, and hidden files, are a 404.
    pub fn file_in(folder: impl AsRef<Path>, name: &str) -> Result<Response, Error> {
        Ok(Response::file(path_in(folder, name)?))
    }

    /// Sends the client elsewhere: 302 with a Location.
    pub fn redirect(location: impl Into<String>) -> Response {
        Response::new(302).header("location", location)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Response {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body; without a `content-type` it is sent as octets.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Response {
        self.content = Content::Octets(body.into());
        self
    }
}

impl Reply for Response {
    fn into_answer(self, was: &Was) -> Answer {
        match was.face() {
            Face::Web => Answer::Full(self),
            Face::XmlRpc | Face::JsonRpc => Answer::Failed(Error::new(
                501,
                "this method answers with a page in full, which RPC cannot carry; call it on the web",
            )),
        }
    }
}

/// What the code written by `#[route]` wraps a handler's result in. An inherent method beats a trait's, so a `Result`
/// always takes the first impl and never passes for a `Serialize` that answers 200 with `{"Err": …}`:
///
/// ```compile_fail,E0277
/// # use skitai::prelude::*;
/// #[route("/half")]
/// async fn half(n: i64) -> Result<String, String> {
///     Err(format!("{n} is odd")) // a String is no error; Error::new(400, …) is
/// }
/// ```
#[derive(Debug)]
pub struct Give<T>(pub T);

impl<T, E> Give<Result<T, E>> {
    /// A success is its value's answer, an error the error's.
    #[track_caller]
    pub fn answer(self, was: &Was) -> Answer
    where
        T: Reply,
        E: IntoError,
    {
        match self.0 {
            Ok(value) => value.into_answer(was),
            Err(error) => Answer::Failed(error.into_error()),
        }
    }
}

/// The way of everything that is not a `Result`.
pub trait GivePlain<T> {
    /// The value's answer.
    fn answer(self, was: &Was) -> Answer
    where
        T: Reply;
}

impl<T> GivePlain<T> for Give<T> {
    fn answer(self, was: &Was) -> Answer
    where
        T: Reply,
    {
        self.0.into_answer(was)
    }
}
