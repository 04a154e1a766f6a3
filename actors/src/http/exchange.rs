//! The leg: one exchange on a connection, which writes the request and reads the answer at the same time.
//!
//! A member may answer before it has the whole request. Some refuse an upload (413, 401) and stop reading; some read on
//! while they answer. So sending continues until the answer is complete. If it fails, the reader decides: what the
//! member said before it hung up counts.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite as _;

use super::arrival::{Arrival, Sent, Wanted, Whole};
use super::dial::{Progress, Socket};
use super::failure;
use super::failure::ExchangeFailure;
use super::prepared::PreparedRequest;

/// Writes the request and reads its answer. The connection may be reused only if [`Whole::is_kept`].
pub(super) async fn exchange(
    socket: &mut Socket,
    request: &PreparedRequest,
    host: &[u8],
    wanted: Wanted,
    progress: &Progress,
) -> Result<Whole, ExchangeFailure> {
    let (head, body) = request.octets(host, progress.get().course.span);
    let mut duplex = Duplex { head, body, written: 0, arrival: Arrival::new(wanted) };
    poll_fn(|context| duplex.poll(socket, progress, context)).await
}

/// The state of both directions of an exchange.
struct Duplex {
    head: Vec<u8>,
    /// Empty if it was copied behind the head.
    body: Bytes,
    /// Bytes of head and body that were sent.
    written: usize,
    arrival: Arrival,
}

impl Duplex {
    fn poll(
        &mut self,
        socket: &mut Socket,
        progress: &Progress,
        context: &mut Context<'_>,
    ) -> Poll<Result<Whole, ExchangeFailure>> {
        if let Sent::Partly = self.arrival.sent {
            match self.poll_sent(socket, progress, context) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => {
                    self.arrival.sent = Sent::Wholly;
                    progress.update(|trace| trace.wholly_sent());
                    // Frees the request's buffers while the member works.
                    (self.head, self.body) = (Vec::new(), Bytes::new());
                }
                Poll::Ready(Err(error)) => {
                    let noted = self.arrival.hung_up(error, progress);
                    noted.map_err(|error| failure::lost(&error, progress.get()))?;
                }
            }
        }
        self.arrival.poll(socket, progress, context)
    }

    fn poll_sent(
        &mut self,
        socket: &mut Socket,
        progress: &Progress,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut socket = Pin::new(socket);
        while self.written < self.head.len() + self.body.len() {
            let next = match self.written.checked_sub(self.head.len()) {
                None => &self.head[self.written..],
                Some(behind) => &self.body[behind..],
            };
            let count = ready!(socket.as_mut().poll_write(context, next))?;
            if count == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
            progress.update(|trace| trace.with_written(count));
        }
        socket.poll_flush(context)
    }
}
