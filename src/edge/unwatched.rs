//! Requests that nobody has promised to look at again.
//!
//! actix-http polls a request as soon as its head is read, reads on in what it has already, and polls again. A body that
//! came with its head, as those of most calls do, is therefore there at the second poll, which nobody need be woken for;
//! to wake somebody all the same costs another turn of the whole connection, a tenth of a small call.
//!
//! One kind of request is polled once and then left alone: one that stood in line behind another of its connection, whose
//! client sends nothing more. It would wait without end, where a body has its time. So a request that waits unwoken leaves
//! its waker here. At its second poll it takes it back, and whoever is still here after a second is woken.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How long one may be left alone.
const LONGEST: Duration = Duration::from_secs(1);

/// Those of one worker.
#[derive(Default)]
pub(crate) struct Unwatched(RefCell<Vec<Waker>>);

impl Unwatched {
    /// Starts looking after those of this thread, until the last holder is gone.
    pub(crate) fn start() -> Rc<Unwatched> {
        let unwatched = Rc::<Unwatched>::default();
        let held = Rc::downgrade(&unwatched);
        actix_rt::spawn(async move {
            let mut ticks = tokio::time::interval(LONGEST);
            loop {
                ticks.tick().await;
                let Some(unwatched) = held.upgrade() else { return };
                let woken = unwatched.0.take();
                woken.into_iter().for_each(Waker::wake);
            }
        });
        unwatched
    }

    /// What is done at the second poll at the latest, if it is polled by a connection of HTTP/1.
    pub(super) async fn at_hand<T>(&self, mut work: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        let mut is_first = true;
        poll_fn(|context| {
            if std::mem::take(&mut is_first) {
                let polled = work(&mut Context::from_waker(Waker::noop()));
                if polled.is_pending() {
                    self.0.borrow_mut().push(context.waker().clone());
                }
                return polled.map(Some);
            }
            // Nobody was polled in between, as a rule.
            let mut waiting = self.0.borrow_mut();
            if waiting.last().is_some_and(|last| last.will_wake(context.waker())) {
                waiting.pop();
            }
            drop(waiting);
            match work(context) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending => Poll::Ready(None),
            }
        })
        .await
    }
}
