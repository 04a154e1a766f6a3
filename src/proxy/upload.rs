//! The body of a request, from its client to the pipe that the member's exchange reads.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use skitai_actors::http::pipe::{PipeReader, PipeWriter, pipe};

use crate::app::{Error, Request};

/// A body, as far as it is known when its head is.
pub(super) enum Arriving {
    Nothing,
    /// It came along with its head.
    Whole(Bytes),
    /// The announced length, and what is read.
    Coming(Option<u64>, Payload),
}

/// Looks at the body of a request; refuses one that is announced to be too large.
pub(super) async fn begin(request: &Request, mut payload: Payload, most: Option<u64>) -> Result<Arriving, Error> {
    if matches!(payload, Payload::None) {
        return Ok(Arriving::Nothing);
    }
    let length = request.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length > most && most.is_some() {
        return Err(too_large(most));
    }
    // A body that arrived together with its head is delivered whole, in actix's own queue.
    if !matches!(payload, Payload::H1 { .. }) {
        return Ok(Arriving::Coming(length, payload));
    }
    let mut whole = BytesMut::new();
    while let Some(piece) = poll_fn(|context| payload.poll_next_unpin(context)).await {
        whole.extend_from_slice(&piece.map_err(|error| unread(&error))?);
    }
    Ok(Arriving::Whole(whole.freeze()))
}

/// A body that is being passed on.
pub(super) struct ClientBody {
    payload: Payload,
    /// `None` once it has ended, or nobody wants the rest.
    pipe: Option<PipeWriter>,
    most: Option<u64>,
    length: u64,
    error: Option<Error>,
}

impl ClientBody {
    /// The upload, and the end from which it is sent.
    pub(super) fn new(payload: Payload, room: usize, most: Option<u64>) -> (ClientBody, PipeReader) {
        let (writer, reader) = pipe(room);
        (ClientBody { payload, pipe: Some(writer), most, length: 0, error: None }, reader)
    }

    /// Moves what has come, as far as there is room. Registers for what is still to come.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) {
        while let Some(pipe) = &self.pipe {
            match pipe.poll_room(context) {
                Poll::Pending => return,
                Poll::Ready(Some(_)) => {}
                // The member has answered without it: what is left is for the connection to deal with.
                Poll::Ready(None) => {
                    self.pipe = None;
                    return;
                }
            }
            match self.payload.poll_next_unpin(context) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(piece))) => {
                    self.length += piece.len() as u64;
                    if self.most.is_some_and(|most| self.length > most) {
                        return self.fail(too_large(self.most));
                    }
                    pipe.push(piece);
                }
                Poll::Ready(Some(Err(error))) => return self.fail(unread(&error)),
                Poll::Ready(None) => {
                    pipe.finish();
                    self.pipe = None;
                }
            }
        }
    }

    /// The whole body has come, or nobody wants the rest.
    pub(super) fn is_over(&self) -> bool {
        self.pipe.is_none()
    }

    /// Why the body was not read to its end, if it was not.
    pub(super) fn into_error(self) -> Option<Error> {
        self.error
    }

    fn fail(&mut self, error: Error) {
        if let Some(pipe) = self.pipe.take() {
            pipe.break_off(&error.shown(false));
        }
        self.error = Some(error);
    }
}

fn too_large(most: Option<u64>) -> Error {
    let most = most.unwrap_or_default();
    Error::new(413, format!("the body is larger than the {most} bytes that are passed on here"))
}

fn unread(error: &PayloadError) -> Error {
    match error {
        PayloadError::Io(error) if error.kind() == io::ErrorKind::TimedOut => Error::new(408, error.to_string()),
        error => Error::new(400, format!("the body could not be read: {error}")),
    }
}
