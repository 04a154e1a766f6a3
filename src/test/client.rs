//! A small client: pages and forms with cookies, XML-RPC and JSON-RPC calls.

use std::fmt::Write as _;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use skitai_wire::{Limits, Value, jsonrpc, xmlrpc};

use super::message::{Message, Unmeasured};

/// Longer than the default deadline of a request: a server that is silent for this long has failed the test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client of one server. It keeps cookies, but ignores their path and lifetime: each is sent with every later
/// request, until the server deletes it.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    cookies: Vec<(String, String)>,
}

/// An answer on the web.
#[derive(Clone, Debug)]
pub struct TestReply {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case, with values.
    pub headers: Vec<(String, String)>,
    /// The body, as received.
    pub body: Vec<u8>,
}

/// A fault of XML-RPC, an error of JSON-RPC.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct TestFault {
    /// The number, as in the crate's table of codes: [`code`](crate::app::code).
    pub code: i64,
    /// The text.
    pub message: String,
}

impl TestReply {
    /// The first header of this name; case-insensitive.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    /// The body as your own type, from JSON.
    ///
    /// # Panics
    /// If it is not JSON of this type.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error}; status {}, body: {}", self.status, String::from_utf8_lossy(&self.body))
        })
    }
}

impl Client {
    /// Creates a client for the server at this address, without cookies.
    pub fn new(address: SocketAddr) -> Client {
        Client { address, cookies: Vec::new() }
    }

    /// Requests a page with GET.
    ///
    /// # Panics
    /// If the server does not answer. So do all other requests.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> TestReply {
        self.ask("GET", path, &[], b"")
    }

    /// Posts a form.
    #[track_caller]
    pub fn post(&mut self, path: &str, form: &[(&str, &str)]) -> TestReply {
        let fields: Vec<String> =
            form.iter().map(|(name, value)| format!("{}={}", coded(name), coded(value))).collect();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.ask("POST", path, &headers, fields.join("&").as_bytes())
    }

    /// Posts a value as JSON.
    #[track_caller]
    pub fn post_json(&mut self, path: &str, value: &impl Serialize) -> TestReply {
        let body = serde_json::to_vec(value).expect("the value is written as JSON");
        self.ask("POST", path, &[("content-type", "application/json")], &body)
    }

    /// Sends any request. The client adds `Host`, `Content-Length` and its cookies.
    #[track_caller]
    pub fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TestReply {
        match self.exchange(method, path, headers, body) {
            Ok(reply) => reply,
            Err(error) => panic!("{method} {path} at {}: {error}", self.address),
        }
    }

    /// Calls a method over XML-RPC. `params` is a tuple with one entry per parameter.
    #[track_caller]
    pub fn xmlrpc(&mut self, method: &str, params: impl Serialize) -> Result<Value, TestFault> {
        let call = xmlrpc::write_call(method, &params).expect("the parameters are written as XML-RPC");
        let reply = self.ask("POST", "/RPC2", &[("content-type", "text/xml")], &call);
        match xmlrpc::parse_response(&reply.body, &Limits::default()) {
            Ok(answer) => answer.map_err(|fault| TestFault { code: fault.code, message: fault.message }),
            Err(error) => {
                panic!("{method}: {error}; status {}: {}", reply.status, String::from_utf8_lossy(&reply.body))
            }
        }
    }

    /// Calls a method over JSON-RPC 2.0. `params` is a tuple, or a structure for named parameters.
    #[track_caller]
    pub fn jsonrpc(&mut self, method: &str, params: impl Serialize) -> Result<Value, TestFault> {
        let call = jsonrpc::write_call(1, method, &params).expect("the parameters are written as JSON");
        let reply = self.ask("POST", "/", &[("content-type", "application/json-rpc")], &call);
        match jsonrpc::parse_response(&reply.body, &Limits::default()).and_then(|response| response.to_call(1)) {
            Ok(answer) => answer.map_err(|error| TestFault { code: error.code, message: error.message }),
            Err(error) => {
                panic!("{method}: {error}; status {}: {}", reply.status, String::from_utf8_lossy(&reply.body))
            }
        }
    }

    fn exchange(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<TestReply> {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let _ = write!(head, "cookie: {}\r\n", cookies.join("; "));
        }
        if !body.is_empty() || method == "POST" {
            let _ = write!(head, "content-length: {}\r\n", body.len());
        }
        head.push_str("\r\n");
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        (&stream).write_all(&request)?;
        let read = Message::read(&mut BufReader::new(&stream), method != "HEAD", Unmeasured::ToTheEnd)?;
        let message =
            read.ok_or_else(|| std::io::Error::other("the server closed the connection without an answer"))?;
        let status = message.first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| std::io::Error::other(format!("{:?} is no status line", message.first)))?;
        let reply = TestReply { status, headers: message.headers, body: message.body };
        self.keep_cookies(&reply);
        Ok(reply)
    }

    fn keep_cookies(&mut self, reply: &TestReply) {
        for (_, cookie) in reply.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let mut parts = cookie.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            let is_taken_back = value.is_empty() || parts.any(|part| part.eq_ignore_ascii_case("max-age=0"));
            self.cookies.retain(|(known, _)| known != name);
            if !is_taken_back {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}

/// Percent-encodes a text for a form.
fn coded(text: &str) -> impl std::fmt::Display + '_ {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
}
