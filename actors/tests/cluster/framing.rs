//! Where an answer ends and why it is refused, by both clients: of a cluster's member, and of any URL.
//!
//! Each case is what a member writes. It is asked as a page and, where that makes sense, as an XML-RPC call; it is
//! written in one piece and octet by octet; and a second call must get its own answer, over the connection that is
//! right.

#[path = "framing/duplex.rs"]
mod duplex;
#[path = "framing/early.rs"]
mod early;
#[path = "framing/fields.rs"]
mod fields;
#[path = "framing/heads.rs"]
mod heads;
#[path = "framing/ids.rs"]
mod ids;
#[path = "framing/pieces.rs"]
mod pieces;
#[path = "framing/status.rs"]
mod status;
#[path = "framing/unsendable.rs"]
mod unsendable;

use std::io::Write as _;
use std::net::TcpStream;

use futures_util::future::join_all;
use skitai_actors::http::{Method, Request};
use skitai_actors::wire::Value;
use skitai_actors::{Outcome, Reason, Status};

use crate::member::{After, Member, answer, fine_page, member, on_sockets, xml};
use crate::web::Browser;
use crate::*;

/// The body of a good answer; its length has a letter as a hexadecimal number.
const TEXT: &str = "hello from a member, whole!";

/// A good answer, see [`octets`].
const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Type: $T\r\nContent-Length: $L\r\n\r\n$B";

const CHUNKS: &str = "2\r\n$2\r\n$Y\r\n$R\r\n0\r\n\r\n";

/// The client.
pub(crate) enum Way {
    Cluster(Started),
    /// The actor for any URL, and how the URLs of this member begin.
    Web(Browser, String),
}

impl Way {
    pub(crate) fn both(port: u16) -> [Way; 2] {
        let base = format!("http://127.0.0.1:{port}");
        [Way::Cluster(Started::new(spec(&[port]))), Way::Web(Browser::new(), base)]
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Way::Cluster(_) => "cluster",
            Way::Web(..) => "any URL",
        }
    }

    /// Asks and waits for five seconds at most, which no right answer here takes.
    pub(crate) async fn ask(&self, request: Request) -> Outcome {
        let deadline = after(5_000);
        match self {
            Way::Cluster(cluster) => cluster.ask(Spread::One, request, deadline).all(deadline).await.remove(0),
            Way::Web(browser, base) => browser.fetch_until(deadline, &format!("{base}{}", request.path), request).await,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Page,
    Rpc,
}

impl Kind {
    fn request(self, path: &'static str) -> Request {
        match self {
            Kind::Page => Request::get(path),
            Kind::Rpc => Request { path: path.into(), ..call() },
        }
    }

    fn body(self, text: &str) -> String {
        match self {
            Kind::Page => text.to_owned(),
            Kind::Rpc => xml(text),
        }
    }

    /// The octets of a template: a char is the octet of its number, `$T` the type of the body `$B`, `$L` its length,
    /// `$X` and `$U` its length in hexadecimal, `$2` its first two octets, `$R` the others and `$Y` their number.
    fn octets(self, template: &str, text: &str) -> Vec<u8> {
        let body = self.body(text);
        let kind = if self == Kind::Page { "text/plain" } else { "text/xml" };
        let whole = template
            .replace("$T", kind)
            .replace("$L", &body.len().to_string())
            .replace("$X", &format!("{:x}", body.len()))
            .replace("$U", &format!("{:X}", body.len()))
            .replace("$Y", &format!("{:x}", body.len() - 2))
            .replace("$2", &body[..2])
            .replace("$R", &body[2..])
            .replace("$B", &body);
        whole.chars().map(|octet| u8::try_from(u32::from(octet)).unwrap()).collect()
    }
}

enum Want {
    Text,
    /// An answer of this code without any data.
    Empty(u16),
    /// One of these, with this word (in lower case) in its message.
    Fails(&'static [Reason], &'static str),
}

/// What a member writes, and what is right.
struct Case {
    name: String,
    /// Each after a pause of so many milliseconds.
    pieces: Vec<(u64, String)>,
    /// Is written behind the pieces without end.
    endless: Option<&'static str>,
    closes: bool,
    method: Method,
    is_page_only: bool,
    /// Sent octet by octet, the end of this answer cannot be known.
    is_whole_only: bool,
    want: Want,
    header: Option<(&'static str, &'static str)>,
    /// Whether the next call goes over the same connection; `None` where either is right.
    is_kept: Option<bool>,
}

/// A case that is read, and whose connection is kept.
fn read(name: impl Into<String>, template: impl Into<String>) -> Case {
    Case {
        name: name.into(),
        pieces: vec![(0, template.into())],
        endless: None,
        closes: false,
        method: Method::Get,
        is_page_only: false,
        is_whole_only: false,
        want: Want::Text,
        header: None,
        is_kept: Some(true),
    }
}

/// A case that fails, and whose connection is given up.
fn refused(name: impl Into<String>, template: impl Into<String>, why: &'static [Reason], word: &'static str) -> Case {
    Case { want: Want::Fails(why, word), ..read(name, template).once() }
}

impl Case {
    /// The member closes behind it.
    fn closed(self) -> Case {
        Case { closes: true, ..self.once() }
    }

    /// The connection is not used again, although the member would.
    fn once(self) -> Case {
        Case { is_kept: Some(false), ..self }
    }

    fn either(self) -> Case {
        Case { is_kept: None, ..self }
    }

    fn then(mut self, pause: u64, template: &str) -> Case {
        self.pieces.push((pause, template.to_owned()));
        self
    }

    fn endlessly(self, what: &'static str) -> Case {
        Case { endless: Some(what), ..self }
    }

    /// Asked as a page alone, it has this code and no data.
    fn empty(self, code: u16) -> Case {
        Case { want: Want::Empty(code), is_page_only: true, ..self }
    }

    fn asked_as_head(self) -> Case {
        Case { method: Method::Head, ..self.empty(200) }
    }

    fn shows(self, name: &'static str, value: &'static str) -> Case {
        Case { header: Some((name, value)), ..self }
    }

    /// A member that answers `/next` well and anything else with the case.
    fn member(&self) -> Member {
        let (pieces, endless, closes) = (self.pieces.clone(), self.endless, self.closes);
        member(move |stream, heard| {
            let kind = if heard.head.starts_with("POST") { Kind::Rpc } else { Kind::Page };
            if heard.head.contains(" /next ") {
                drop(stream.write_all(&kind.octets(GOOD, "next")));
                return After::KeepAlive;
            }
            let size = if heard.head.contains(" /octets ") { 1 } else { usize::MAX };
            for (pause, template) in &pieces {
                pause_for(*pause);
                write_in(size, stream, &kind.octets(template, TEXT));
            }
            if let Some(what) = endless {
                let many = what.repeat(65_536 / what.len());
                while stream.write_all(many.as_bytes()).is_ok() {}
            }
            if closes { After::Close } else { After::KeepAlive }
        })
    }

    /// Asks it in every way; returns one line for each thing that went wrong.
    async fn run(&self) -> Vec<String> {
        let there = self.member();
        let mut wrong = Vec::new();
        for kind in if self.is_page_only { &[Kind::Page][..] } else { &[Kind::Page, Kind::Rpc] } {
            for path in if self.is_whole_only { &["/whole"][..] } else { &["/whole", "/octets"] } {
                for way in Way::both(there.port) {
                    let (before, begun) = (there.seen.connections(), Instant::now());
                    let mut request = kind.request(path);
                    if *kind == Kind::Page {
                        request.method = self.method;
                    }
                    let outcome = way.ask(request).await;
                    let took = begun.elapsed();
                    let next = way.ask(kind.request("/next")).await;
                    let used = there.seen.connections() - before;
                    let found = self.judge(*kind, &outcome, took, &next, used);
                    let what = if *kind == Kind::Page { "page" } else { "call" };
                    wrong.extend(found.map(|why| format!("{} ({}, {what}, {path}): {why}", self.name, way.name())));
                }
            }
        }
        wrong
    }

    fn judge(&self, kind: Kind, outcome: &Outcome, took: Duration, next: &Outcome, used: usize) -> Option<String> {
        let is_right = match self.want {
            Want::Text => outcome.is_ok() && outcome.data == Value::String(TEXT.to_owned()),
            Want::Empty(code) => (outcome.status, outcome.code) == (Status::Completed, code) && is_empty(&outcome.data),
            Want::Fails(reasons, word) => {
                reasons.contains(&outcome.reason)
                    && outcome.msg.to_lowercase().contains(word)
                    && *outcome.data == Value::Nil
            }
        };
        // The headers of a good RPC answer are not kept.
        let is_shown = kind == Kind::Rpc
            || self.header.is_none_or(|(name, value)| {
                outcome.headers.iter().any(|header| (header.0.as_str(), header.1.as_str()) == (name, value))
            });
        if !is_right || !is_shown {
            return Some(brief(outcome));
        }
        if took > Duration::from_secs(3) {
            return Some(format!("took {took:?}"));
        }
        if !next.is_ok() || next.data != Value::String("next".to_owned()) {
            return Some(format!("the next call got {}", brief(next)));
        }
        let expected = self.is_kept.map(|is_kept| if is_kept { 1 } else { 2 });
        (expected.unwrap_or(used) != used).then(|| format!("{used} connections for two calls"))
    }
}

/// Runs all cases at the same time and reports all that went wrong.
async fn run_all(cases: Vec<Case>) {
    let wrong = join_all(cases.iter().map(|case| Box::pin(case.run()))).await.concat();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn is_empty(data: &Value) -> bool {
    match data {
        Value::Nil => true,
        Value::String(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        _ => false,
    }
}

/// An outcome in a line.
pub(crate) fn brief(outcome: &Outcome) -> String {
    let Outcome { reason, code, msg, data, .. } = outcome;
    let mut text = format!("{reason:?} {code} {msg:?} {:?}", **data);
    if text.len() > 300 {
        text = text.chars().take(300).collect();
    }
    text
}

pub(crate) fn pause_for(millis: u64) {
    #[expect(clippy::disallowed_methods, reason = "a member takes its time, on a thread of its own")]
    std::thread::sleep(Duration::from_millis(millis));
}

fn write_in(size: usize, stream: &mut TcpStream, bytes: &[u8]) {
    for piece in bytes.chunks(size) {
        if stream.write_all(piece).is_err() {
            return;
        }
    }
}
