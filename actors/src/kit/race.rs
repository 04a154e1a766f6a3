//! The end of a call's work, whatever brings it: done, unwanted, out of time, or a panic.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use super::alarm::Alarm;
use super::gather::{Watch, panic_text};
use super::slots::Slot;

/// Races `work` against its asker's departure, its completion rule and its deadline; says how it ended.
pub(crate) async fn race<T: Slot>(
    mut work: Pin<&mut impl Future<Output = ()>>,
    watch: &mut Watch<T>,
    deadline: Instant,
) -> Ended {
    let mut alarm = Alarm::at(deadline);
    poll_fn(|context| {
        if watch.is_unwanted(context.waker()) {
            return Poll::Ready(Ended::Unwanted);
        }
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Err(panic) => return Poll::Ready(Ended::Panicked(panic_text(&*panic))),
            Ok(Poll::Ready(())) => return Poll::Ready(Ended::Done),
            // The answer that met the rule came in this very poll: the others' sockets are closed with it.
            Ok(Poll::Pending) if watch.is_over() => return Poll::Ready(Ended::Unwanted),
            Ok(Poll::Pending) => {}
        }
        Pin::new(&mut alarm).poll(context).map(|()| Ended::Deadline)
    })
    .await
}

/// How the work on one message ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Done,
    Deadline,
    /// The asker left, or its rule ended the call.
    Unwanted,
    Panicked(String),
}
