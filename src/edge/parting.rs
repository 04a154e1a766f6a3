//! The body of the last reply of a connection: behind it the connection is cut, whatever else its client has sent.
//!
//! `Connection: close` alone does not do that. Requests that came along with the refused one are queued already, and actix
//! answers those first. So the body waits once, for its bytes to be written, and then fails, which ends the connection.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;

/// A body that is followed by nothing.
pub(super) struct Parting {
    body: BoxBody,
    /// Its bytes are written when it is asked for more for the second time.
    has_waited: bool,
}

impl Parting {
    pub(super) fn new(body: BoxBody) -> Parting {
        Parting { body, has_waited: false }
    }
}

/// Why the connection ended: its handler said so.
struct Aborted;

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its handler aborted the connection")
    }
}

// The server below us prints it in this form.
impl fmt::Debug for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Aborted {}

impl MessageBody for Parting {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match Pin::new(&mut self.body).poll_next(context) {
            Poll::Ready(None) if !self.has_waited => {
                self.has_waited = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(None) => Poll::Ready(Some(Err(Aborted.into()))),
            Poll::Ready(Some(chunk)) => Poll::Ready(Some(chunk)),
            Poll::Pending => Poll::Pending,
        }
    }
}
