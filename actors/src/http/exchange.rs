//! One exchange on a connection: the request is written, the answer read, both sides watched at once.
//!
//! A member may answer before it has the whole request: it refuses an upload (413, 401) and may not read on. So while a
//! write waits the reading side is looked at, and the head of a final answer ends the sending. Where the write breaks, what
//! the member said before is read first.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite as _;

use super::arrival::{Arrival, Wanted, Whole};
use super::dial::{Line, Progress};
use super::failure::{self, Failure};
use super::prepared::Prepared;

/// Writes the request and reads its answer. A connection is to be used again only if the answer says so.
pub(super) async fn exchange(
    line: &mut Line,
    request: &Prepared,
    host: &[u8],
    wanted: Wanted,
    progress: &Progress,
) -> Result<Whole, Failure> {
    let (head, body) = request.octets(host);
    let mut both = Both { head, body, written: 0, is_sent: false, arrival: Arrival::new(wanted) };
    poll_fn(|context| both.poll(line, progress, context)).await
}

/// Both sides of an exchange.
struct Both {
    head: Vec<u8>,
    /// Where it is not behind the head already.
    body: Bytes,
    /// Of both.
    written: usize,
    is_sent: bool,
    arrival: Arrival,
}

impl Both {
    fn poll(
        &mut self,
        line: &mut Line,
        progress: &Progress,
        context: &mut Context<'_>,
    ) -> Poll<Result<Whole, Failure>> {
        let mut broken = None;
        if !self.is_sent && !self.arrival.has_head() {
            match self.poll_sent(line, progress, context) {
                Poll::Ready(sent) => broken = sent.err(),
                Poll::Pending => {}
            }
        }
        if self.is_sent {
            // What is written is not held while the member works.
            (self.head, self.body) = (Vec::new(), Bytes::new());
        }
        let answered = self.arrival.poll(line, progress, context);
        match (answered, broken) {
            (Poll::Ready(Ok(whole)), _) => Poll::Ready(Ok(Whole { is_kept: whole.is_kept && self.is_sent, ..whole })),
            // The reader is about to be told, too, and of what came before.
            (Poll::Pending, Some(error)) if failure::is_hang_up(&error) => Poll::Pending,
            (_, Some(error)) => Poll::Ready(Err(failure::lost(&error, progress.get()))),
            (answered, None) => answered,
        }
    }

    fn poll_sent(
        &mut self,
        line: &mut Line,
        progress: &Progress,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut line = Pin::new(line);
        while self.written < self.head.len() + self.body.len() {
            let next = match self.written.checked_sub(self.head.len()) {
                None => &self.head[self.written..],
                Some(behind) => &self.body[behind..],
            };
            let count = ready!(line.as_mut().poll_write(context, next))?;
            if count == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
            progress.update(|trace| trace.with_written(count));
        }
        ready!(line.poll_flush(context))?;
        self.is_sent = true;
        Poll::Ready(Ok(()))
    }
}
