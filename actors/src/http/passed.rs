//! A request that is passed on to a member as it came, and the head of its answer: for a reverse proxy.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use skitai_wire::http1;
use skitai_wire::http1::UnsendableHead;

use super::pipe::PipeReader;
use super::trace_parent;
use super::trace_parent::TraceParent;

/// Octets of a head besides its target and the lines that are here already: enough for most hosts.
const ROOM: usize = 256;
/// Octets of the lines of most requests.
const LINES: usize = 768;

/// The lines of headers, written as they are sent. One allocation in place of two for each header.
#[derive(Clone, Debug)]
pub struct FieldLines(Vec<u8>);

impl Default for FieldLines {
    /// No lines yet, and room for those of most requests.
    fn default() -> FieldLines {
        FieldLines(Vec::with_capacity(LINES))
    }
}

impl FieldLines {
    /// Adds a line. The name is in lower case.
    ///
    /// # Errors
    /// If a name or value would end the line early.
    pub fn put(&mut self, name: &str, value: &[u8]) -> Result<(), UnsendableHead> {
        http1::write_field(&mut self.0, name, value)
    }

    /// Whether there is a line of this name.
    pub fn has(&self, name: &str) -> bool {
        self.lines().any(|line| is_of(line, name))
    }

    /// Removes all lines of this name, and those that it is to programs which get headers as variables of the
    /// environment: `X_Name` is `X-Name` to them.
    pub fn remove(&mut self, name: &str) {
        if self.lines().any(|line| is_read_as(line, name)) {
            self.0 = self.lines().filter(|line| !is_read_as(line, name)).flatten().copied().collect();
        }
    }

    /// Each line with its end: no value has one within.
    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split_inclusive(|&octet| octet == b'\n')
    }
}

fn is_read_as(line: &[u8], name: &str) -> bool {
    let plain = |octet: u8| if octet == b'_' { b'-' } else { octet };
    let begin =
        line.get(..name.len()).is_some_and(|own| own.iter().zip(name.bytes()).all(|(a, b)| plain(*a) == plain(b)));
    begin && line.get(name.len()) == Some(&b':')
}

fn is_of(line: &[u8], name: &str) -> bool {
    line.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b':'))
}

/// A request to be passed on. Its headers are those of the client that go from end to end, and those of the proxy: the
/// caller has removed what concerns one connection alone.
#[derive(Debug)]
pub struct PassedRequest {
    /// The method, any token.
    pub method: String,
    /// The path with its query, percent-encoded.
    pub target: String,
    /// The value of `host`; `None` for the member's own.
    pub host: Option<Bytes>,
    /// All other headers, but for those that frame the body.
    pub fields: FieldLines,
    /// The body.
    pub body: PassedBody,
    /// The other protocol that the client offers to speak.
    pub upgrade: Option<PassedUpgrade>,
    /// HTTP defines that the request may be repeated.
    pub is_idempotent: bool,
    /// The key for `balance = hash`; `None`: the target.
    pub key: Option<Box<str>>,
    /// The member that it goes to, by its node, as long as that one is in.
    pub prefers: Option<Box<str>>,
    /// How long the head of the answer may take, once the request is sent. The member's timeout is a bound, too.
    pub patience: Duration,
    /// How long the member may be silent; `None`: the cluster's timeout of a member.
    pub silence: Option<Duration>,
    /// Octets of the answer that are read ahead of a client that reads slowly.
    pub buffer: usize,
    /// The trace that it belongs to, of which every exchange has a span.
    pub trace: Option<TraceParent>,
}

/// The body of a request that is passed on.
#[derive(Debug)]
pub enum PassedBody {
    /// There is none; `is_said`: the head says so, as that of a POST does.
    None {
        /// Whether to send a length of 0.
        is_said: bool,
    },
    /// It is here, so that it can be sent again.
    Whole(Bytes),
    /// It comes; without a length it is sent in chunks.
    Coming {
        /// The length that the client announced.
        length: Option<u64>,
        /// Its octets.
        pieces: PipeReader,
    },
}

/// Another protocol, behind a 101 of the member.
#[derive(Debug)]
pub struct PassedUpgrade {
    /// Its name, the only one that the member is offered.
    pub protocol: String,
    /// What `sec-websocket-accept` must be, for a WebSocket.
    pub accept: Option<String>,
    /// What the client sends in it: none of it goes to a member that has not answered 101.
    pub octets: PipeReader,
}

/// The head of a member's answer, with the body behind it.
#[derive(Debug)]
pub struct PassedAnswer {
    /// The status.
    pub code: u16,
    /// Names in lower case, in their order.
    pub fields: Vec<(String, Bytes)>,
    /// The length of the body, if the member announced it.
    pub length: Option<u64>,
    /// The body; `None` where the answer has none, whatever its headers say.
    pub body: Option<PipeReader>,
    /// The member's authority, as a `host` header has it.
    pub authority: String,
    /// The member, as an outcome names it.
    pub node: Arc<str>,
}

impl PassedRequest {
    /// The request may be sent twice: HTTP allows it, and its body is still here.
    pub(super) fn is_replayable(&self) -> bool {
        self.is_idempotent && !matches!(self.body, PassedBody::Coming { .. })
    }

    /// Adds the header of Basic authentication, unless the client sent one of its own.
    pub(crate) fn login(&mut self, user: &str, password: &str) {
        const NAME: &str = "authorization";
        if !self.fields.has(NAME) {
            let encoded = STANDARD.encode(format!("{user}:{password}"));
            self.fields.put(NAME, format!("Basic {encoded}").as_bytes()).expect("Base64 can be sent");
        }
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// The span of an exchange; 0 if it belongs to no trace.
    pub(crate) fn span_of(&self, member: usize, attempt: u32) -> u64 {
        self.trace.as_ref().map_or(0, |trace| trace.span(u32::try_from(member).ok(), attempt))
    }

    /// Its head, for a member whose own `host` header is given as a whole line.
    pub(super) fn head(&self, host: &[u8], span: u64) -> Result<Vec<u8>, UnsendableHead> {
        let mut head = self.begun_head(host)?;
        match &self.body {
            PassedBody::None { is_said: false } => {}
            PassedBody::None { is_said: true } => http1::write_length(&mut head, 0),
            PassedBody::Whole(body) => http1::write_length(&mut head, body.len()),
            PassedBody::Coming { length: Some(length), .. } => {
                http1::write_field(&mut head, "content-length", length.to_string().as_bytes())?;
            }
            PassedBody::Coming { length: None, .. } => {
                http1::write_field(&mut head, "transfer-encoding", b"chunked")?;
            }
        }
        if let Some(PassedUpgrade { protocol, .. }) = &self.upgrade {
            http1::write_field(&mut head, "connection", b"upgrade")?;
            http1::write_field(&mut head, "upgrade", protocol.as_bytes())?;
        }
        head.extend_from_slice(&self.fields.0);
        if let Some(trace) = self.trace.as_ref().filter(|_| span != 0) {
            http1::write_field(&mut head, trace_parent::NAME, &trace.value(span))?;
        }
        head.extend_from_slice(b"\r\n");
        Ok(head)
    }

    fn begun_head(&self, host: &[u8]) -> Result<Vec<u8>, UnsendableHead> {
        let mut head = Vec::with_capacity(self.fields.0.len() + self.target.len() + ROOM);
        http1::write_request_line(&mut head, &self.method, &self.target)?;
        match &self.host {
            Some(host) => http1::write_field(&mut head, "host", host)?,
            None => head.extend_from_slice(host),
        }
        Ok(head)
    }

    /// Checks what no member could be sent; the lines of the headers were when they were made.
    pub(crate) fn check(&self) -> Result<(), UnsendableHead> {
        self.begun_head(b"").map(drop)
    }
}

impl PassedUpgrade {
    /// Whether the headers of a 101 take what was offered, in a few words if not.
    pub(super) fn check(&self, fields: &[(String, Bytes)]) -> Result<(), &'static str> {
        let all = |name: &'static str| fields.iter().filter(move |(key, _)| key == name).map(|(_, value)| value);
        let only = |name| {
            let mut values = all(name);
            values.next().filter(|_| values.next().is_none())
        };
        let mut words = all("connection").flat_map(|line| line.split(|&octet| octet == b','));
        if !words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"upgrade")) {
            return Err("without `connection: upgrade`");
        }
        if !only("upgrade").is_some_and(|name| name.eq_ignore_ascii_case(self.protocol.as_bytes())) {
            return Err("to another protocol than was offered");
        }
        match &self.accept {
            Some(accept) if only("sec-websocket-accept").is_none_or(|value| value != accept.as_bytes()) => {
                Err("without the `sec-websocket-accept` of this request")
            }
            _ => Ok(()),
        }
    }
}
