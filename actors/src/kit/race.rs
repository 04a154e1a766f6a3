//! The end of a call's work: done, unwanted, deadline or panic.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::sleep_until;

use super::gather::{InFlightCall, panic_text};
use super::slots::Slot;

/// Races `work` against the caller's departure, the completion rule and the deadline. Returns how it ended.
pub(crate) async fn race<T: Slot>(
    mut work: Pin<&mut impl Future<Output = ()>>,
    call: &mut InFlightCall<T>,
    deadline: Instant,
) -> RaceEnd {
    let mut clock = pin!(sleep_until(deadline.into()));
    poll_fn(|context| {
        if call.is_unwanted(context.waker()) {
            return Poll::Ready(RaceEnd::Unwanted);
        }
        match step(work.as_mut(), context) {
            Err(text) => return Poll::Ready(RaceEnd::Panicked(text)),
            Ok(Some(())) => return Poll::Ready(RaceEnd::Done),
            // This poll brought the answer that satisfied the rule: stop the other members at once.
            Ok(None) if call.is_over() => return Poll::Ready(RaceEnd::Unwanted),
            Ok(None) => {}
        }
        clock.as_mut().poll(context).map(|()| RaceEnd::Deadline)
    })
    .await
}

/// Polls once and catches panics: `Ok(Some)` done, `Ok(None)` pending, `Err` the panic's text. Not a `Poll`, so that a
/// large output is not moved at each call.
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
    /// The caller left, or its rule ended the call.
    Unwanted,
    Panicked(String),
}
