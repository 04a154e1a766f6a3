//! One request in clear text and its answer. The body of the answer is read as the client takes it; an answer that
//! breaks off is cut at the client, too, and never looks whole.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderValue};
use bytes::Bytes;
use skitai_wire::http1::{ChunkReader, Framing, Head, HeadReader};
use tokio::net::TcpStream;

use super::Forward;
use super::bounds::{Overrun, TransferBounds};
use super::head::{self, Asking};
use super::ledger::Ledger;
use super::origin::{BrokenExchange, OriginSocket};
use super::rejection::Rejection;
use crate::connection::WhileSent;

/// What the host has answered, but for its body.
struct HostAnswer {
    head: Head,
    fields: Vec<(String, Vec<u8>)>,
}

/// Asks a host, and makes its answer the client's.
pub(super) async fn exchange(
    forward: &Forward,
    asking: Asking,
    payload: Payload,
    socket: TcpStream,
    ledger: Arc<Ledger>,
) -> Result<HttpResponse, Rejection> {
    let Asking { head, is_head, is_chunked, expects_continue } = asking;
    let bounds = TransferBounds::new(&forward.settings);
    let mut origin = OriginSocket::new(socket, head, payload, expects_continue, bounds, ledger.clone());
    let HostAnswer { head, fields } =
        answered(&mut origin, is_head, is_chunked).await.map_err(|broken| match broken {
            Unanswered::Broken(BrokenExchange::Bound(Overrun::Bytes)) => {
                Overrun::Bytes.count(forward);
                let why = "this request and its answer are more than this proxy lets pass";
                Rejection::failed(502, why, Overrun::Bytes.to_string())
            }
            Unanswered::Broken(BrokenExchange::Bound(overrun)) => {
                overrun.count(forward);
                Rejection::failed(504, "the host gave no answer in time", overrun.to_string())
            }
            Unanswered::Broken(BrokenExchange::Client(why)) => {
                Rejection::failed(400, "the body of the request did not come whole", why)
            }
            Unanswered::Broken(broken) => Rejection::failed(502, "the host gave no answer", broken.to_string()),
            Unanswered::Nonsense(why) => Rejection::failed(502, "the host gave an answer that makes no sense", why),
        })?;
    if head.code == 407 {
        // Whoever asks for a login here is this proxy alone: the client would show its own to the host.
        return Err(Rejection::failed(502, "the host asks for the login of a proxy", String::new()));
    }
    ledger.status(head.code);
    origin.skip(head.end);
    let of_length = |fields: &[(String, Vec<u8>)]| {
        let length = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
        std::str::from_utf8(&length.1).ok()?.trim().parse().ok()
    };
    let size = match head.framing {
        Framing::Length(length) => BodySize::Sized(length),
        Framing::None if is_head => of_length(&fields).map_or(BodySize::None, BodySize::Sized),
        Framing::None => BodySize::None,
        Framing::Chunked | Framing::ToTheEnd => BodySize::Stream,
    };
    let rest = match head.framing {
        Framing::None => Remainder::Length(0),
        Framing::Length(length) => Remainder::Length(length),
        Framing::Chunked => Remainder::Chunks(ChunkReader::default()),
        Framing::ToTheEnd => Remainder::ToTheEnd,
    };
    // A 304 says how long its page is, and has none.
    let mut reply = head::answer(forward, head.code, &fields, head.code == 304);
    if !origin.has_sent() {
        // The host has its answer, and what is left of the body may be for nobody.
        reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(mut lifetime) = origin.bounds.lifetime() {
        // Also while a client that reads slowly holds the answer up.
        let ledger = ledger.clone();
        reply.extensions_mut().insert(WhileSent(Box::new(move |context| {
            ready!(lifetime.as_mut().poll(context));
            Overrun::Lifetime.count(ledger.forward());
            Poll::Ready(Overrun::Lifetime.to_string())
        })));
    }
    Ok(reply.set_body(BoxBody::new(AnswerBody { origin, is_chunked, size, rest })))
}

/// Why there is no answer.
enum Unanswered {
    Broken(BrokenExchange),
    Nonsense(String),
}

impl From<BrokenExchange> for Unanswered {
    fn from(broken: BrokenExchange) -> Unanswered {
        Unanswered::Broken(broken)
    }
}

/// Sends the request until the head of the answer is there.
async fn answered(origin: &mut OriginSocket, is_head: bool, is_chunked: bool) -> Result<HostAnswer, Unanswered> {
    let mut reader = HeadReader::default();
    let mut fields = Vec::new();
    poll_fn(|context| {
        loop {
            let read = reader.read(&origin.input, is_head, |_, name, value| {
                fields.push((name.to_owned(), value.to_vec()));
            });
            match read {
                Ok(Some(head)) => return Poll::Ready(Ok(HostAnswer { head, fields: std::mem::take(&mut fields) })),
                Ok(None) => {}
                Err(refusal) => return Poll::Ready(Err(Unanswered::Nonsense(refusal.to_string()))),
            }
            if reader.has_interim() {
                origin.go_on();
            }
            if let Poll::Ready(Err(broken)) = origin.poll_request(is_chunked, context) {
                return Poll::Ready(Err(broken.into()));
            }
            if !ready!(origin.poll_answer(context))? {
                let why = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "before its answer");
                return Poll::Ready(Err(BrokenExchange::from(why).into()));
            }
        }
    })
    .await
}

/// What is missing of the body of an answer.
enum Remainder {
    Length(u64),
    Chunks(ChunkReader),
    ToTheEnd,
}

/// The body of an answer, as it comes.
struct AnswerBody {
    origin: OriginSocket,
    is_chunked: bool,
    size: BodySize,
    rest: Remainder,
}

impl AnswerBody {
    /// Content that has come: `Some(None)` at the end, `None` if more has to be read.
    fn arrived(&mut self) -> Result<Option<Option<Bytes>>, String> {
        let input = &mut self.origin.input;
        match &mut self.rest {
            Remainder::Length(0) => Ok(Some(None)),
            Remainder::Length(left) if !input.is_empty() => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= length as u64;
                Ok(Some(Some(input.split_to(length).freeze())))
            }
            Remainder::Chunks(reader) if !input.is_empty() || reader.is_done() => loop {
                if reader.is_done() {
                    return Ok(Some(None));
                }
                if input.is_empty() {
                    return Ok(None);
                }
                let piece = reader.read(input).map_err(|refusal| refusal.to_string())?;
                let used = input.split_to(piece.used).freeze();
                let content = used.slice(piece.content);
                if !content.is_empty() {
                    return Ok(Some(Some(content)));
                }
            },
            Remainder::ToTheEnd if !input.is_empty() => Ok(Some(Some(input.split().freeze()))),
            _ => Ok(None),
        }
    }
}

impl MessageBody for AnswerBody {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Box<dyn Error>>>> {
        let this = self.get_mut();
        loop {
            match this.arrived() {
                Ok(Some(Some(content))) => {
                    this.origin.ledger.moved(true, content.len() as u64);
                    return Poll::Ready(Some(Ok(content)));
                }
                Ok(Some(None)) => return Poll::Ready(None),
                Ok(None) => {}
                Err(why) => return this.broken(why),
            }
            if let Poll::Ready(Err(broken)) = this.origin.poll_request(this.is_chunked, context) {
                if let BrokenExchange::Bound(overrun) = broken {
                    overrun.count(this.origin.ledger.forward());
                }
                return this.broken(broken);
            }
            match ready!(this.origin.poll_answer(context)) {
                Ok(true) => {}
                Ok(false) if matches!(this.rest, Remainder::ToTheEnd) => return Poll::Ready(None),
                Ok(false) => return this.broken("the host hung up before the end of its answer"),
                Err(broken) => {
                    if let BrokenExchange::Bound(overrun) = broken {
                        overrun.count(this.origin.ledger.forward());
                    }
                    return this.broken(broken);
                }
            }
        }
    }
}

impl AnswerBody {
    fn broken(&self, why: impl Into<Box<dyn Error>>) -> Poll<Option<Result<Bytes, Box<dyn Error>>>> {
        Poll::Ready(Some(Err(why.into())))
    }
}
