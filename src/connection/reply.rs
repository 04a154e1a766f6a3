//! A reply: its head, the framing of its body, and the body, piece by piece as the client reads.

use std::cell::RefCell;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::{ConnectionType, ResponseHead, StatusCode};
use actix_web::http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use skitai_wire::http1::{LAST_CHUNK, write_chunk};

use super::intake::Queues;

/// Small pieces of a body are collected up to this many octets before they are sent.
const GATHERED: usize = 16 * 1024;
/// A body up to this length is copied behind its head; a longer one is sent from its own buffer.
const COPIED: usize = 8 * 1024;
/// Octets of one reply after which other connections of the thread get their turn.
const TURN: u64 = 256 * 1024;

/// The properties of a request that determine the form of its reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplyTo {
    pub(super) is_head: bool,
    pub(super) is_1_0: bool,
    /// The client wants to keep the connection.
    pub(super) is_kept: bool,
}

/// How the body of a reply ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// There is no body, whatever the head says.
    None,
    /// After this many octets.
    Length(u64),
    Chunked,
    /// When the connection is closed.
    ToTheEnd,
    /// The octets of another protocol, which end with the connection.
    Tunnel,
}

impl Frame {
    /// The frame of a reply (RFC 9112, 6.3; 9110, 6.4.1).
    pub(super) fn of(head: &ResponseHead, size: BodySize, reply_to: ReplyTo) -> Frame {
        match (head.status, size) {
            (StatusCode::SWITCHING_PROTOCOLS, _) => Frame::Tunnel,
            (StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED, _) => Frame::None,
            _ if reply_to.is_head => Frame::None,
            (_, BodySize::None) => Frame::Length(0),
            (_, BodySize::Sized(length)) => Frame::Length(length),
            (_, BodySize::Stream) if head.chunked() && !reply_to.is_1_0 => Frame::Chunked,
            // A service that frames the body itself has announced its length; otherwise the end is that of the
            // connection.
            (_, BodySize::Stream) => announced(head).filter(|_| !head.chunked()).map_or(Frame::ToTheEnd, Frame::Length),
        }
    }

    /// Whether another reply may follow on the connection.
    pub(super) fn ends_itself(self) -> bool {
        !matches!(self, Frame::ToTheEnd | Frame::Tunnel)
    }
}

fn announced(head: &ResponseHead) -> Option<u64> {
    head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the service wants to close this connection.
pub(super) fn closes(head: &ResponseHead) -> bool {
    let says_close = |value: &HeaderValue| {
        value.as_bytes().split(|&octet| octet == b',').any(|word| word.trim_ascii().eq_ignore_ascii_case(b"close"))
    };
    head.connection_type() == ConnectionType::Close || head.headers.get_all(CONNECTION).any(says_close)
}

/// Writes the head of a reply.
pub(super) fn write_head(
    out: &mut Vec<u8>,
    head: &ResponseHead,
    size: BodySize,
    frame: Frame,
    reply_to: ReplyTo,
    keeps: bool,
) {
    out.extend_from_slice(if reply_to.is_1_0 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    match head.status {
        StatusCode::OK if head.reason.is_none() => out.extend_from_slice(b"200 OK\r\n"),
        status => {
            out.extend_from_slice(status.as_str().as_bytes());
            out.push(b' ');
            out.extend_from_slice(head.reason.or(status.canonical_reason()).unwrap_or("Unknown").as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
    // A reply to HEAD announces the length of the GET's body.
    let length = match (frame, size) {
        (Frame::Length(length), _) => Some(length),
        (Frame::None, BodySize::Sized(length)) if reply_to.is_head && has_body(head.status) => Some(length),
        _ => None,
    };
    if let Some(length) = length {
        out.extend_from_slice(b"content-length: ");
        write_number(out, length);
        out.extend_from_slice(b"\r\n");
    }
    let would_be_chunked = reply_to.is_head && !reply_to.is_1_0 && head.chunked() && size == BodySize::Stream;
    if frame == Frame::Chunked || (would_be_chunked && has_body(head.status)) {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    let offers_upgrade = frame == Frame::Tunnel || head.headers.contains_key(UPGRADE);
    out.extend_from_slice(connection_line(keeps || frame == Frame::Tunnel, offers_upgrade, reply_to.is_1_0));
    let mut has_date = false;
    for (name, value) in &head.headers {
        match *name {
            CONNECTION | TRANSFER_ENCODING => continue,
            // We wrote this header already, except for a reply without a body, whose service may know the GET's length.
            CONTENT_LENGTH if length.is_some() || frame != Frame::None || head.status == StatusCode::NO_CONTENT => {
                continue;
            }
            DATE => has_date = true,
            _ => {}
        }
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if !has_date {
        write_date(out);
    }
    out.extend_from_slice(b"\r\n");
}

/// The header `connection`, with its line end; empty if the protocol's default says the same.
fn connection_line(keeps: bool, offers_upgrade: bool, is_1_0: bool) -> &'static [u8] {
    match (keeps, offers_upgrade) {
        (true, true) if is_1_0 => b"connection: keep-alive, upgrade\r\n",
        (true, true) => b"connection: upgrade\r\n",
        (true, false) if is_1_0 => b"connection: keep-alive\r\n",
        (true, false) => b"",
        (false, true) => b"connection: close, upgrade\r\n",
        (false, false) => b"connection: close\r\n",
    }
}

fn has_body(status: StatusCode) -> bool {
    !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn write_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut begin = digits.len();
    loop {
        begin -= 1;
        digits[begin] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[begin..]);
}

/// Writes the date (RFC 9110, 6.6.1), which is formatted once per second.
fn write_date(out: &mut Vec<u8>) {
    thread_local! {
        static DATED: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    DATED.with_borrow_mut(|(dated, line)| {
        if *dated != second {
            (*dated, *line) = (second, format!("date: {}\r\n", httpdate::fmt_http_date(now)));
        }
        out.extend_from_slice(line.as_bytes());
    });
}

/// Why a body was not completed. The connection is cut, so that the client notices.
#[derive(Debug)]
pub(super) enum Cut {
    /// The client disconnected or stopped reading.
    Gone,
    /// The body's producer failed, or produced another length than announced.
    Broken(Box<dyn Error>),
}

/// A reply's body being sent.
pub(super) struct Sending {
    /// `None` when everything has been produced.
    body: Option<BoxBody>,
    frame: Frame,
    /// The client has not read the output so far.
    is_stalled: bool,
}

impl Sending {
    /// Begins to send a body; one that is complete is sent without a copy. The queues are not borrowed while a body is
    /// dropped, because it may hold the body of its request.
    pub(super) fn begin(queues: &RefCell<Queues>, body: BoxBody, frame: Frame) -> Sending {
        let ended = Sending { body: None, frame, is_stalled: false };
        if frame == Frame::None || frame == Frame::Length(0) {
            return ended;
        }
        match (body.try_into_bytes(), frame) {
            (Ok(octets), Frame::Length(length)) if octets.len() as u64 == length => {
                let queues = &mut *queues.borrow_mut();
                if octets.len() <= COPIED {
                    queues.output.buffer().extend_from_slice(&octets);
                } else {
                    queues.output.send_behind(octets);
                }
                ended
            }
            (Ok(octets), _) => Sending { body: Some(BoxBody::new(octets)), ..ended },
            (Err(body), _) => Sending { body: Some(body), ..ended },
        }
    }

    /// Sends the available output. Ready when everything is sent.
    pub(super) fn poll(&mut self, queues: &RefCell<Queues>, context: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        let mut sent = 0;
        loop {
            // Nothing more is produced for a client that has not read the output so far and may be gone.
            let is_waiting = match self.is_stalled {
                true => Ok(false),
                // The queues are not borrowed meanwhile: the producer may be reading the body of its request.
                false => self.gather(queues, context),
            };
            sent += queues.borrow().output.waiting() as u64;
            let flushed = queues.borrow_mut().poll_flush(context);
            self.is_stalled = flushed.is_pending();
            // The valid part of a reply is sent before the connection is cut, as far as the client reads.
            let is_waiting = match is_waiting {
                Ok(is_waiting) => is_waiting,
                Err(cut) => return Poll::Ready(Err(cut)),
            };
            match flushed {
                Poll::Ready(Ok(())) if self.body.is_none() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) if is_waiting => return Poll::Pending,
                Poll::Ready(Ok(())) if sent >= TURN => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Cut::Gone)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Polls the producer until there is enough to send. True if it is pending.
    fn gather(&mut self, queues: &RefCell<Queues>, context: &mut Context<'_>) -> Result<bool, Cut> {
        while let Some(body) = &mut self.body {
            if queues.borrow().output.waiting() >= GATHERED {
                return Ok(false);
            }
            match Pin::new(body).poll_next(context) {
                Poll::Pending => return Ok(true),
                Poll::Ready(Some(Ok(piece))) if piece.is_empty() => {}
                Poll::Ready(Some(Ok(piece))) => {
                    let mut queues = queues.borrow_mut();
                    match &mut self.frame {
                        Frame::Chunked => write_chunk(queues.output.buffer(), &piece),
                        Frame::Length(left) if *left < piece.len() as u64 => {
                            return Err(Cut::Broken("it is longer than it had announced".into()));
                        }
                        Frame::Length(left) => {
                            *left -= piece.len() as u64;
                            queues.output.buffer().extend_from_slice(&piece);
                        }
                        Frame::ToTheEnd | Frame::Tunnel => queues.output.buffer().extend_from_slice(&piece),
                        Frame::None => {}
                    }
                }
                Poll::Ready(Some(Err(error))) => return Err(Cut::Broken(error)),
                Poll::Ready(None) => {
                    self.body = None;
                    match self.frame {
                        Frame::Length(1..) => {
                            return Err(Cut::Broken("it is shorter than it had announced".into()));
                        }
                        Frame::Chunked => queues.borrow_mut().output.buffer().extend_from_slice(LAST_CHUNK),
                        _ => {}
                    }
                }
            }
        }
        Ok(false)
    }
}
