//! The end of a call's work, whatever brings it: done, unwanted, out of time, or a panic.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use super::alarm::Alarm;
use super::gather::{InFlightCall, panic_text};
use super::slots::Slot;

/// Races `work` against its asker's departure, its completion rule and its deadline; says how it ended.
pub(crate) async fn race<T: Slot>(
    mut work: Pin<&mut impl Future<Output = ()>>,
    watch: &mut InFlightCall<T>,
    deadline: Instant,
) -> RaceEnd {
    let mut alarm = Alarm::at(deadline);
    poll_fn(|context| {
        if watch.is_unwanted(context.waker()) {
            return Poll::Ready(RaceEnd::Unwanted);
        }
        match step(work.as_mut(), context) {
            Err(text) => return Poll::Ready(RaceEnd::Panicked(text)),
            Ok(Some(())) => return Poll::Ready(RaceEnd::Done),
            // The answer that met the rule came in this very poll: the others' sockets are closed with it.
            Ok(None) if watch.is_over() => return Poll::Ready(RaceEnd::Unwanted),
            Ok(None) => {}
        }
        Pin::new(&mut alarm).poll(context).map(|()| RaceEnd::Deadline)
    })
    .await
}

/// One step of work of ours: what came of it, if it has ended, or the text of its panic. Not what a poll gives: where
/// an outcome has many parts each step would move it.
pub(crate) fn step<F: Future + ?Sized>(
    work: Pin<&mut F>,
    context: &mut Context<'_>,
) -> Result<Option<F::Output>, String> {
    let mut ended = None;
    let polled = catch_unwind(AssertUnwindSafe(|| {
        if let Poll::Ready(output) = work.poll(context) {
            ended = Some(output);
        }
    }));
    polled.map(|()| ended).map_err(|panic| panic_text(&*panic))
}

/// How the work on one message ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RaceEnd {
    Done,
    Deadline,
    /// The asker left, or its rule ended the call.
    Unwanted,
    Panicked(String),
}
