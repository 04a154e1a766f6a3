//! The state behind an address, and what keeps it alive.
//!
//! actix drops an actor whose `handle` panics and its `Supervisor` does not bring it back. So the panic is caught here,
//! inside `handle`, the state is made anew and the address never changes. A panic in the future that `answer` returned
//! ends that one call only.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::gather::{Ended, Missed, Outlet, Slot, panic_text, race};
use super::report::Gauges;

/// State that answers messages of type `M`.
pub trait Answers<M: Send + 'static>: Sized + 'static {
    /// What one slot of the answer holds.
    type Item: Slot;
    /// The message's name in counters and on the status page.
    const NAME: &'static str;
    /// Takes what it needs of the state now and returns the work, which must not borrow the state. The work fills the
    /// outlet; it is dropped at the deadline or when the asker leaves, so it must be safe to drop at any await.
    fn answer(&mut self, message: M, outlet: Outlet<Self::Item>) -> impl Future<Output = ()> + 'static;
}

/// A message on its way, with everything the kit needs to run it.
pub(crate) struct Letter<M, T: Slot> {
    pub(crate) message: M,
    pub(crate) outlet: Outlet<T>,
    pub(crate) deadline: Instant,
    pub(crate) permit: Permit,
}

impl<M: Send + 'static, T: Slot> actix::Message for Letter<M, T> {
    type Result = ();
}

/// One admitted message; gives its place back when dropped.
pub(crate) struct Permit(pub(crate) Arc<Gauges>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// The actix actor around a state.
pub(crate) struct Kept<S> {
    pub(crate) state: S,
    pub(crate) make: Box<dyn Fn() -> S>,
    pub(crate) gauges: Arc<Gauges>,
}

impl<S: Unpin + 'static> actix::Actor for Kept<S> {
    type Context = actix::Context<Self>;
}

impl<M, S> actix::Handler<Letter<M, S::Item>> for Kept<S>
where
    M: Send + 'static,
    S: Answers<M> + Unpin,
{
    type Result = ();

    fn handle(&mut self, letter: Letter<M, S::Item>, _: &mut actix::Context<Self>) {
        let Letter { message, outlet, deadline, permit } = letter;
        let watch = outlet.watch();
        let state = &mut self.state;
        match catch_unwind(AssertUnwindSafe(|| state.answer(message, outlet))) {
            Ok(work) => {
                // Boxed once: a task is moved several times on its way into the runtime, and some work is kilobytes.
                let mut work = Box::pin(work);
                let gauges = self.gauges.clone();
                // Not spawned on the actix context: its tasks live in a list that is searched linearly, and they end
                // with the actor. A call in flight outlives a rebuilt state.
                actix_rt::spawn(async move {
                    let _permit = permit;
                    let ended = race(work.as_mut(), &watch, deadline).await;
                    // First what it holds, so that a member's socket is closed before anybody is told.
                    drop(work);
                    match ended {
                        Ended::Done => gauges.done(),
                        Ended::Deadline => {
                            watch.close(Missed::Deadline);
                            gauges.expired();
                        }
                        Ended::AskerGone => {
                            watch.close(Missed::Cancelled);
                            gauges.cancelled();
                        }
                        Ended::Panicked(text) => {
                            watch.close(Missed::Abandoned);
                            gauges.panicked(&text);
                            tracing::error!(actor = gauges.name(), message = S::NAME, "a call panicked: {text}");
                        }
                    }
                });
            }
            Err(panic) => {
                let text = panic_text(&*panic);
                tracing::error!(
                    actor = self.gauges.name(),
                    message = S::NAME,
                    "actor panicked and is made anew: {text}"
                );
                self.gauges.restarted(&text);
                self.state = (self.make)();
            }
        }
    }
}
