//! The body of the current request, as its service reads it: at the service's pace, in any task.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_http::error::PayloadError;
use bytes::Bytes;
use futures_core::Stream;

use super::intake::{IncomingBody, PIECE, Queues, Shared, TURN};

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Queues {
    /// The body has no reader now, so the driver must read again. If the reader was the connection's own task, that
    /// task polls the driver anyway.
    fn let_driver_read(&mut self) {
        if let (Some(reader), Some(driver)) = (self.reader.take(), &self.driver)
            && !reader.will_wake(driver)
        {
            driver.wake_by_ref();
        }
    }

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        loop {
            if self.given >= TURN {
                // A client that sends as fast as we read must not occupy the thread.
                self.given = 0;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(piece) = self.next_piece() {
                self.given += piece.as_ref().map_or(0, Bytes::len);
                self.let_driver_read();
                return Poll::Ready(Some(piece));
            }
            match self.body {
                IncomingBody::Done => {
                    self.let_driver_read();
                    return Poll::Ready(None);
                }
                IncomingBody::Offered => return self.wait(context),
                _ => {}
            }
            if std::mem::take(&mut self.owes_continue) {
                self.output.buffer().extend_from_slice(CONTINUE);
                if self.poll_flush(context).is_pending() {
                    self.wake_driver();
                }
            }
            match self.poll_fill(context, PIECE) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) if matches!(self.body, IncomingBody::Tunnel) => {
                    self.body = IncomingBody::Done;
                    self.reader = None;
                    self.wake_driver();
                    return Poll::Ready(None);
                }
                Poll::Ready(_) => {
                    self.body =
                        IncomingBody::Broken(io::ErrorKind::UnexpectedEof, "the client left before its end".to_owned());
                    self.let_driver_read();
                }
                Poll::Pending => return self.wait(context),
            }
        }
    }

    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<T> {
        self.given = 0;
        if !self.reader.as_ref().is_some_and(|reader| reader.will_wake(context.waker())) {
            self.reader = Some(context.waker().clone());
            // The reader is another task: the driver must wake to set its timeout.
            if !self.driver.as_ref().is_some_and(|driver| driver.will_wake(context.waker())) {
                self.wake_driver();
            }
        }
        Poll::Pending
    }

    /// Forgets a reader in the connection's own task: it registers again when it is polled, unless it has given up.
    pub(super) fn ask_anew(&mut self) {
        if let (Some(reader), Some(driver)) = (&self.reader, &self.driver)
            && reader.will_wake(driver)
        {
            self.reader = None;
        }
    }

    fn wake_driver(&self) {
        if let Some(driver) = &self.driver {
            driver.wake_by_ref();
        }
    }
}

/// The body of a request as a stream, for its service.
pub(super) struct BodyStream(pub(super) Shared);

impl Stream for BodyStream {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.borrow_mut().poll_body(context)
    }
}

impl Drop for BodyStream {
    fn drop(&mut self) {
        let queues = &mut *self.0.borrow_mut();
        queues.is_held = false;
        queues.let_driver_read();
    }
}
