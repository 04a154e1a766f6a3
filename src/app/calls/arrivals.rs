//! The outcomes of a call as they arrive.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;
use futures_util::{StreamExt, stream};
use skitai_actors::Outcome;
use skitai_actors::kit::Replies;

use super::task::{Task, after};
use crate::app::coverage::record::RecordedCall;
use crate::app::trail::Mark;
use crate::app::was::Was;

type Running = Pin<Box<dyn Stream<Item = Outcome> + Send>>;

/// A stream of a call's outcomes in the order of their arrival, made by [`Task::as_completed`]. It ends after the
/// outcome of every member, failures and timeouts included. Dropping it stops the members that are still working.
#[must_use = "a stream that is not read stops its call"]
pub struct AsCompleted {
    waiting: Option<Task>,
    until: Instant,
    running: Option<Running>,
}

impl std::fmt::Debug for AsCompleted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AsCompleted").field("until", &self.until).finish_non_exhaustive()
    }
}

impl AsCompleted {
    pub(crate) fn new(task: Task, until: Instant) -> AsCompleted {
        AsCompleted { waiting: Some(task), until, running: None }
    }

    /// Ends the stream this long after the call was made, if that is earlier than its end by the request's deadline.
    pub fn within(mut self, timeout: Duration) -> AsCompleted {
        if let Some(task) = &self.waiting {
            self.until = self.until.min(after(task.made(), timeout));
        }
        self
    }
}

impl Stream for AsCompleted {
    type Item = Outcome;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Outcome>> {
        let until = self.until;
        if let Some(task) = self.waiting.take() {
            self.running = Some(Box::pin(arrivals(task, until)));
        }
        match &mut self.running {
            Some(running) => running.as_mut().poll_next(context),
            None => Poll::Ready(None),
        }
    }
}

fn arrivals(task: Task, until: Instant) -> impl Stream<Item = Outcome> + Send {
    let made = task.made();
    let (was, mark) = task.origin();
    let replies = stream::once(task.into_replies(until));
    replies.flat_map(move |(replies, recorded)| {
        let arriving = ArrivingCall { replies: Some(replies), recorded, was: was.clone(), mark };
        stream::unfold(arriving, move |mut arriving| async move {
            let (index, mut outcome) = arriving.replies.as_mut()?.next(until).await?;
            if outcome.latency.is_zero() {
                outcome.latency = made.elapsed();
            }
            arriving.recorded.came(index, &mut outcome);
            arriving.was.trail.came(mark, std::slice::from_ref(&outcome));
            Some((outcome, arriving))
        })
    })
}

/// A call whose outcomes are read as they arrive.
struct ArrivingCall {
    /// `None` once they are given up.
    replies: Option<Replies<Outcome>>,
    recorded: RecordedCall,
    was: Was,
    mark: Option<Mark>,
}

impl Drop for ArrivingCall {
    fn drop(&mut self) {
        if let (Some(mark), Some(replies)) = (self.mark, self.replies.take()) {
            self.was.trail.abandoned(mark, replies.abandon());
        }
    }
}
