//! Bodies that are compressed while they are sent, by actix-http's encoder.
//!
//! The encoder gives larger pieces to the blocking pool, where they would wait behind handlers that hold it up, a page
//! that calls nothing too. So it is fed with pieces that it compresses at once, and pauses after some of them, so that
//! a long body does not hold up the event loop either. Where a stream pauses, all of it so far is sent.

use std::cell::RefCell;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::encoding::Encoder;
use actix_http::header::ContentEncoding;
use actix_web::HttpResponse;
use bytes::Bytes;
use futures_util::FutureExt as _;

/// Shorter pieces are compressed at once (actix-http's `MAX_CHUNK_SIZE_ENCODE_IN_PLACE`).
const PIECE: usize = 1023;
/// Pieces between two pauses: some 64 KiB, for which gzip takes half a millisecond.
const TURN: usize = 64;

type Cause = Box<dyn Error>;

/// Compresses the body of a reply. One of known length that needs no pause is done with at once, and its length is
/// known again.
pub(crate) fn compressed(reply: HttpResponse, coding: ContentEncoding) -> HttpResponse {
    let is_short = matches!(reply.body().size(), BodySize::Sized(length) if length <= (PIECE * TURN) as u64);
    let reply = reply.map_body(|head, body| {
        let failed = Rc::default();
        let pieces = Pieces { body, piece: Bytes::new(), sent: 0, failed: Rc::clone(&failed) };
        Compressed { encoder: Box::pin(Encoder::response(coding, head, pieces)), failed }
    });
    if is_short { reply.map_body(|_, body| at_once(body)) } else { reply.map_into_boxed_body() }
}

/// Compresses as much as can be at once: mostly all of it, whose length is then known.
fn at_once(mut body: Compressed) -> BoxBody {
    let mut begin = Vec::new();
    let failed = loop {
        match std::future::poll_fn(|context| Pin::new(&mut body).poll_next(context)).now_or_never() {
            Some(Some(Ok(piece))) => begin.extend_from_slice(&piece),
            Some(None) => return BoxBody::new(Bytes::from(begin)),
            // It is told when it is sent, and the connection is cut then.
            Some(Some(Err(error))) => break Some(error),
            // It is not there yet, such as the rest of a file.
            None => break None,
        }
    };
    BoxBody::new(Rest { begin: begin.into(), failed, rest: body })
}

/// A body in pieces that are compressed at once.
struct Pieces {
    body: BoxBody,
    piece: Bytes,
    sent: usize,
    /// What the body failed with; the encoder would only show it, and the connection asks for its kind.
    failed: Rc<RefCell<Option<Cause>>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the body failed")]
struct BodyFailed;

impl MessageBody for Pieces {
    type Error = BodyFailed;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFailed>>> {
        if self.piece.is_empty() {
            match std::task::ready!(Pin::new(&mut self.body).poll_next(context)) {
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(error)) => {
                    *self.failed.borrow_mut() = Some(error);
                    return Poll::Ready(Some(Err(BodyFailed)));
                }
                None => return Poll::Ready(None),
            }
        }
        if self.sent == TURN {
            self.sent = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.sent += 1;
        let length = self.piece.len().min(PIECE);
        Poll::Ready(Some(Ok(self.piece.split_to(length))))
    }
}

/// The body, compressed.
struct Compressed {
    encoder: Pin<Box<Encoder<Pieces>>>,
    failed: Rc<RefCell<Option<Cause>>>,
}

impl MessageBody for Compressed {
    type Error = Cause;

    fn size(&self) -> BodySize {
        self.encoder.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cause>>> {
        self.encoder.as_mut().poll_next(context).map_err(|error| {
            let cause = self.failed.borrow_mut().take();
            cause.unwrap_or_else(|| error.to_string().into())
        })
    }
}

/// What is compressed already, and the rest.
struct Rest {
    begin: Bytes,
    failed: Option<Cause>,
    rest: Compressed,
}

impl MessageBody for Rest {
    type Error = Cause;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cause>>> {
        if !self.begin.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.begin))));
        }
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        Pin::new(&mut self.rest).poll_next(context)
    }
}
