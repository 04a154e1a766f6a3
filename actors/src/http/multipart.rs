//! Forms with files, encoded as browsers encode them (RFC 7578).

use std::hash::{BuildHasher, Hasher, RandomState};

use bytes::Bytes;

use super::request::{Decode, Method, Request};

/// One field or file of a posted form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    name: String,
    file: Option<String>,
    content_type: Option<String>,
    content: Bytes,
}

impl Part {
    /// A field: a name and a text.
    pub fn field(name: impl Into<String>, value: impl Into<String>) -> Part {
        Part { name: name.into(), file: None, content_type: None, content: value.into().into() }
    }

    /// A file: the field's name, the file's, and its bytes. Its type is `application/octet-stream` unless
    /// [`content_type`](Part::content_type) says otherwise.
    pub fn file(name: impl Into<String>, file: impl Into<String>, content: impl Into<Bytes>) -> Part {
        let content_type = Some("application/octet-stream".to_owned());
        Part { name: name.into(), file: Some(file.into()), content_type, content: content.into() }
    }

    /// Sets the content type: `image/png`. Ignored if it contains control characters.
    #[must_use]
    pub fn content_type(mut self, content_type: &str) -> Part {
        if !content_type.chars().any(char::is_control) {
            self.content_type = Some(content_type.to_owned());
        }
        self
    }
}

impl Request {
    /// A POST of a form with these fields and files, in this order.
    pub fn multipart(path: impl Into<std::borrow::Cow<'static, str>>, parts: &[Part]) -> Request {
        let boundary = boundary();
        let size: usize = parts.iter().map(|part| part.content.len() + part.name.len() + 200).sum();
        let mut body = Vec::with_capacity(size);
        for Part { name, file, content_type, content } in parts {
            let mut head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", quoted(name));
            if let Some(file) = file {
                head += &format!("; filename=\"{}\"", quoted(file));
            }
            if let Some(content_type) = content_type {
                head += &format!("\r\nContent-Type: {content_type}");
            }
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(b"\r\n\r\n");
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        Request::new(Method::Post, path, body.into(), Decode::Http)
            .header("content-type", format!("multipart/form-data; boundary={boundary}"))
    }
}

/// The boundary between parts: 128 unpredictable bits, so that content contains it neither by chance nor by intent.
fn boundary() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("skitai-{:016x}{:016x}", half(), half())
}

/// A name in quotes, escaped as the HTML standard requires.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_between_boundaries_and_cannot_break_out() {
        let parts = [
            Part::field("a", "1"),
            Part::file("b\"\r\nX: y", "p.png", vec![0, 255]).content_type("image/png").content_type("x\r\ny"),
        ];
        let request = Request::multipart("/up", &parts);
        let (_, boundary) = request.headers[0].1.split_once("boundary=").expect("it is announced");
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--{boundary}\r\n\
             Content-Disposition: form-data; name=\"b%22%0D%0AX: y\"; filename=\"p.png\"\r\nContent-Type: image/png\
             \r\n\r\n"
        );
        let mut expected = expected.into_bytes();
        expected.extend_from_slice(b"\x00\xff\r\n");
        expected.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        assert_eq!(&request.body[..], &expected[..]);
        assert_ne!(Request::multipart("/up", &parts).body, request.body, "each upload has a boundary of its own");
    }
}
