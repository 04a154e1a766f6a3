//! The state behind an address, and its supervision.
//!
//! actix drops an actor whose `handle` panics, and its `Supervisor` does not restart it. So the kit catches the panic
//! inside `handle` and rebuilds the state; the address never changes. A panic in the future that `answer` returned ends
//! that one call only. An actor that panics repeatedly is paused: see `restarts`.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::gather::{Responder, panic_text};
use super::placed::placed;
use super::race::{RaceEnd, race};
use super::report::Gauges;
use super::restarts::{RestartDecision, Restarts};
use super::slots::{Missed, Slot};

/// State that answers messages of type `M`.
pub trait Answers<M: Send + 'static>: Sized + 'static {
    /// The content of one slot of the answer.
    type Item: Slot;
    /// The message's name in counters and on the status page.
    const NAME: &'static str;
    /// Takes what it needs from the state at once and returns a future that does not borrow the state. The future fills
    /// the responder. It is dropped at the deadline or when the caller leaves, so it must be safe to drop at any await.
    fn answer(&mut self, message: M, responder: Responder<Self::Item>) -> impl Future<Output = ()> + 'static;
}

/// A message in the mailbox, with everything the kit needs to run it.
pub(crate) struct Envelope<M, T: Slot> {
    pub(crate) message: M,
    pub(crate) responder: Responder<T>,
    pub(crate) deadline: Instant,
    pub(crate) permit: Permit,
}

impl<M: Send + 'static, T: Slot> actix::Message for Envelope<M, T> {
    type Result = ();
}

/// Admission of one message; dropping it frees the place.
pub(crate) struct Permit {
    gauges: Arc<Gauges>,
    delivered: bool,
}

impl Permit {
    pub(crate) fn new(gauges: Arc<Gauges>) -> Permit {
        Permit { gauges, delivered: false }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.delivered {
            self.gauges.dead_letter();
        }
        self.gauges.leave();
    }
}

/// The clock of supervision. It is tokio's, so that tests with paused time control it.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The actix actor around a state.
pub(crate) struct ActorHost<S> {
    /// `None` after a panic failed the actor, until it is tried again.
    state: Option<S>,
    make: Box<dyn Fn() -> S>,
    gauges: Arc<Gauges>,
    restarts: Restarts,
}

impl<S> ActorHost<S> {
    pub(crate) fn new(make: Box<dyn Fn() -> S>, gauges: Arc<Gauges>) -> ActorHost<S> {
        ActorHost { state: Some(make()), make, gauges, restarts: Restarts::default() }
    }

    /// The state, rebuilt if it is missing. `None` while the actor is failed, or if rebuilding panics.
    fn state(&mut self) -> Option<&mut S> {
        if self.gauges.is_failed() {
            return None;
        }
        if self.state.is_none() {
            self.remake();
        }
        self.state.as_mut()
    }

    fn remake(&mut self) {
        match catch_unwind(AssertUnwindSafe(|| (self.make)())) {
            Ok(state) => self.state = Some(state),
            Err(panic) => self.panicked(&panic_text(&*panic), "its state could not be made"),
        }
    }

    /// A panic destroyed the state: rebuilds it, or pauses the actor.
    fn panicked(&mut self, text: &str, what: &str) {
        self.state = None;
        self.gauges.restarted(text);
        match self.restarts.panicked(now()) {
            RestartDecision::Restart => {
                tracing::error!(actor = self.gauges.name(), "{what}; the actor is made anew: {text}");
                self.remake();
            }
            RestartDecision::Fail(until) => {
                let pause = until.saturating_duration_since(now());
                tracing::error!(
                    actor = self.gauges.name(),
                    "{what}; too many panics, the actor is failed and tried again in {pause:?}: {text}"
                );
                self.gauges.failed(until);
            }
        }
    }
}

impl<S: Unpin + 'static> actix::Actor for ActorHost<S> {
    type Context = actix::Context<Self>;
}

impl<M, S> actix::Handler<Envelope<M, S::Item>> for ActorHost<S>
where
    M: Send + 'static,
    S: Answers<M> + Unpin,
{
    type Result = ();

    fn handle(&mut self, envelope: Envelope<M, S::Item>, _: &mut actix::Context<Self>) {
        let Envelope { message, responder, deadline, mut permit } = envelope;
        permit.delivered = true;
        let Some(state) = self.state() else {
            responder.close(Missed::Failed);
            return;
        };
        let mut call = responder.call();
        match catch_unwind(AssertUnwindSafe(|| placed(|| state.answer(message, responder)))) {
            Ok(mut work) => {
                let gauges = self.gauges.clone();
                // Not spawned on the actix context, which keeps its tasks in a list searched linearly and ends them
                // with the actor. A call in flight survives the rebuilding of the state.
                actix_rt::spawn(async move {
                    let _permit = permit;
                    let ended = race(work.as_mut(), &mut call, deadline).await;
                    match ended {
                        RaceEnd::Deadline => call.stop(Missed::Deadline),
                        RaceEnd::Unwanted => call.stop(Missed::Cancelled),
                        RaceEnd::Done | RaceEnd::Panicked(_) => {}
                    }
                    // Dropped before the call is counted as ended, so that a member's socket is closed before the
                    // caller is woken; the responder inside closes the slots.
                    drop(work);
                    match ended {
                        RaceEnd::Done => gauges.done(),
                        RaceEnd::Deadline => gauges.expired(),
                        RaceEnd::Unwanted => gauges.cancelled(),
                        RaceEnd::Panicked(text) => {
                            gauges.panicked(&text);
                            tracing::error!(actor = gauges.name(), message = S::NAME, "a call panicked: {text}");
                        }
                    }
                });
            }
            Err(panic) => self.panicked(&panic_text(&*panic), &format!("the message {} panicked", S::NAME)),
        }
    }
}
