//! The types a handler may return, and how each becomes an answer for the client's face.
//!
//! A string is a page; a structure is JSON on the web and native data over RPC; `()` is 204 or nil.
//! [`Page`](super::Page) renders a template, [`Response`] gives full control. A `Result` never counts as data, so that
//! its error always becomes an error: see [`Give`].

pub(crate) mod either;
pub(crate) mod files;
pub(crate) mod more;
pub(crate) mod page;
pub(crate) mod sse;
pub(crate) mod streaming;
pub(crate) mod template_error;
pub(crate) mod templates;

use std::any::Any;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use skitai_wire::{Value, json, xmlrpc};

use self::files::path_in;
use self::streaming::Streaming;
use super::error::{Error, IntoError, code};
use super::hooks::ErrorOverride;
use super::routing::route::Work;
use super::was::{Face, Was};
use crate::config::Unwritable;

/// A handler's result, ready for its face.
#[derive(Debug)]
pub enum Answer {
    /// A page's text.
    Page(Cow<'static, str>),
    /// Octets.
    Octets(Vec<u8>),
    /// Data in the face's own form: JSON on the web and over JSON-RPC, a complete response document over XML-RPC.
    Data(Bytes),
    /// Nothing: 204 on the web.
    Nothing,
    /// A complete reply.
    Full(Response),
    /// A reply that is produced while it is sent.
    Streaming(Box<Streaming>),
    /// An error.
    Failed(Error),
    /// An error, and the reply that replaces its page.
    Instead(Box<ErrorOverride>),
    /// An answer that needs waiting; the request waits for it.
    Later(Later),
}

/// An answer that is still being made.
pub struct Later(pub(crate) Work);

impl std::fmt::Debug for Later {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Later")
    }
}

/// A type that a handler can return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the reply of a route",
    note = "return a string, anything that is serde::Serialize, (), Page, Response, Streaming, or a Result of these"
)]
pub trait Reply {
    /// Converts to the answer for the client's face.
    fn into_answer(self, was: &Was) -> Answer;
}

/// Data for any face; over RPC also types that are a page on the web.
fn data<T: Serialize + ?Sized>(was: &Was, value: &T) -> Answer {
    let written = match was.face() {
        Face::Web | Face::JsonRpc => json::to_vec(value),
        Face::XmlRpc => match xmlrpc::write_response(value) {
            Ok(document) => Ok(document),
            Err(error) => return without_form(was, value, &error),
        },
    };
    match written {
        Ok(octets) => Answer::Data(octets.into()),
        Err(error) => Answer::Failed(Error::internal(error)),
    }
}

/// The answer for a value that XML-RPC has no form for: a control character in a text, NaN. The caller is told where it
/// is, for it may be a member's, which nobody here has seen; or the site has such places replaced.
fn without_form<T: Serialize + ?Sized>(was: &Was, value: &T, error: &skitai_wire::Error) -> Answer {
    if was.unwritable() == Unwritable::Replace
        && let Ok(document) = xmlrpc::write_response_replacing(value)
    {
        tracing::warn!(route = was.route().function, "replaced in an answer over XML-RPC: {error}");
        return Answer::Data(document.into());
    }
    let error = Error::new(500, format!("the answer has no form in XML-RPC: {error}"));
    Answer::Failed(error.with_code(code::INTERNAL))
}

/// Returns the value as its concrete type without a copy, or gives it back.
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

/// A complete reply: status, headers, body. RPC cannot carry it and returns an error that says so.
#[derive(Clone, Debug)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content: Content,
    /// How long a client may keep it.
    pub(crate) cached: Option<Duration>,
}

/// An address as a header may hold it: what no address contains is escaped, and what is escaped already stays. A line
/// end begins no header, and `/\host` leads to no other site, as which browsers would read it.
fn escaped(location: &str) -> String {
    const FOREIGN: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'<')
        .add(b'>')
        .add(b'\\')
        .add(b'^')
        .add(b'`')
        .add(b'{')
        .add(b'|')
        .add(b'}');
    percent_encoding::utf8_percent_encode(location, FOREIGN).to_string()
}

/// The body of a complete reply.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Octets(Bytes),
    /// Opened when the reply is sent.
    File(PathBuf),
}

impl Response {
    /// Creates a reply with this status, from 200 to 599, and no body. Any other status is logged and sent as 500.
    pub fn new(status: u16) -> Response {
        Response { status, headers: Vec::new(), content: Content::Octets(Bytes::new()), cached: None }
    }

    /// Replies with a file: its content type from its name, with ETag and Last-Modified, whole or in the ranges that
    /// the client asks for, 304 if the client has it, 404 if it does not exist. The path must be the handler's own; for
    /// a path that contains a client's input use [`file_in`](Response::file_in).
    pub fn file(path: impl Into<PathBuf>) -> Response {
        Response { status: 200, headers: Vec::new(), content: Content::File(path.into()), cached: None }
    }

    /// Replies with a file of a folder by a name that a client chose. A name that leaves the folder, or of a hidden
    /// file, is a 404.
    pub fn file_in(folder: impl AsRef<Path>, name: &str) -> Result<Response, Error> {
        Ok(Response::file(path_in(folder, name)?))
    }

    /// Redirects the client: 302 with a Location.
    pub fn redirect(location: impl Into<String>) -> Response {
        Response::new(302).header("location", escaped(&location.into()))
    }

    /// Adds a header. The last `content-type` counts. A header that is not valid HTTP is logged and not sent; content
    /// length, transfer coding and connection headers are set by the server alone.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Response {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The client may keep the reply for this time, and afterwards asks whether it is still the same: see
    /// [`ResponseHead::cached`](super::ResponseHead::cached).
    #[must_use]
    pub fn cached(mut self, max_age: Duration) -> Response {
        self.cached = Some(max_age);
        self
    }

    /// Sets the body; without a `content-type` header it is sent as `application/octet-stream`.
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

/// The code that `#[route]` generates wraps a handler's result in this. An inherent method takes precedence over a
/// trait's, so a `Result` always uses the first impl and never counts as a `Serialize` that answers 200 with
/// `{"Err": …}`:
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
    /// A success becomes its value's answer, an error the error's.
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

/// For every type that is not a `Result`.
pub trait GivePlain<T> {
    /// Converts to the value's answer.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_go_to_is_escaped() {
        for (location, sent) in [
            ("/login?next=/a%20b&x=1#top", "/login?next=/a%20b&x=1#top"),
            ("https://example.org:8080/[x]?a=b;c", "https://example.org:8080/[x]?a=b;c"),
            ("/a\r\nSet-Cookie: a=b", "/a%0D%0ASet-Cookie:%20a=b"),
            ("/größe", "/gr%C3%B6%C3%9Fe"),
            ("/\\evil.example", "/%5Cevil.example"),
            ("/<script>\"", "/%3Cscript%3E%22"),
        ] {
            let reply = Response::redirect(location);
            assert_eq!(reply.headers, [("location".to_owned(), sent.to_owned())], "{location}");
        }
    }
}
