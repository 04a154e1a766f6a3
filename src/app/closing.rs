//! The end of a process as its requests see it: [`Closing`], which a handler may wait for, and the phases behind it.
//!
//! The phases go forward only. `serve` moves them on; the probes, event streams, handlers and services look at them.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use tokio::sync::watch;

use crate::ipc::messages::Wish;

/// What a process does, in the order of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Its threads are being started.
    Starting,
    Serving,
    /// It serves and accepts as before, but says that it is not ready: load balancers send no more (`drain_delay`).
    Unready,
    /// It accepts nothing; requests under way finish. [`Closing`] is over from here on.
    Closing,
    /// What still runs is cut (`drain_timeout`).
    Cut,
    /// Nothing is waited for.
    AtOnce,
}

/// The phase of a process.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    phase: watch::Sender<Phase>,
    /// Another process serves in the place of this one.
    is_replaced: AtomicBool,
    /// Its supervisor is gone.
    is_orphaned: watch::Sender<bool>,
    /// What a handler asked for last.
    wish: watch::Sender<Option<Wish>>,
}

impl Default for Lifecycle {
    fn default() -> Lifecycle {
        Lifecycle {
            phase: watch::Sender::new(Phase::Starting),
            is_replaced: AtomicBool::new(false),
            is_orphaned: watch::Sender::new(false),
            wish: watch::Sender::new(None),
        }
    }
}

impl Lifecycle {
    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Moves on to a phase. One that has passed already changes nothing.
    pub(crate) fn advance(&self, next: Phase) {
        self.phase.send_if_modified(|phase| {
            let is_later = *phase < next;
            *phase = (*phase).max(next);
            is_later
        });
    }

    /// Says that another process serves in the place of this one, which is about to end.
    pub(crate) fn replace(&self) {
        self.is_replaced.store(true, Relaxed);
    }

    pub(crate) fn is_replaced(&self) -> bool {
        self.is_replaced.load(Relaxed)
    }

    /// Says that the supervisor of this process is gone.
    pub(crate) fn orphan(&self) {
        self.is_orphaned.send_replace(true);
    }

    /// Ready when the supervisor of this process is gone.
    pub(crate) fn orphaned(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut is_orphaned = self.is_orphaned.subscribe();
        async move {
            // An error means that the process is gone, too.
            let _ = is_orphaned.wait_for(|is_orphaned| *is_orphaned).await;
        }
    }

    /// Passes on what a handler asks of the instance. False if nobody would do it: in a server that is a part of
    /// another program.
    pub(crate) fn wish(&self, wish: Wish) -> bool {
        self.wish.send(Some(wish)).is_ok()
    }

    /// Follows what handlers ask for.
    pub(crate) fn wishes(&self) -> watch::Receiver<Option<Wish>> {
        self.wish.subscribe()
    }

    /// Follows the phases.
    pub(crate) fn follow(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Ready when this phase has been reached, or a later one.
    pub(crate) fn reached(&self, phase: Phase) -> impl Future<Output = ()> + Send + 'static {
        reached(self.follow(), phase)
    }

    pub(crate) fn closing(&self) -> Closing {
        Closing { phases: self.follow(), wait: None }
    }
}

async fn reached(mut phases: watch::Receiver<Phase>, phase: Phase) {
    // An error means that the process is gone, which is later than every phase.
    let _ = phases.wait_for(|now| *now >= phase).await;
}

/// Tells that the server is closing: it accepts nothing more, and what is still under way at `drain_timeout` is cut.
///
/// It is a future, for code that waits, and can be [asked](Closing::has_begun) without waiting. A handler gets it from
/// [`Was::closing`](crate::Was::closing). A service of [`App::actix`](crate::App::actix) takes it as an argument, as
/// any extractor of actix-web: `async fn socket(request: HttpRequest, body: Payload, closing: Closing)`.
///
/// ```
/// use skitai::prelude::*;
///
/// /// Counts until the client leaves or the server closes: a stream that has a clean end.
/// #[route("/counter")]
/// async fn counter(was: Was) -> Streaming {
///     let numbers = futures_util::stream::iter(0_u64..).map(|number| format!("{number}\n"));
///     Streaming::new(numbers.take_until(was.closing()))
/// }
/// ```
///
/// An event stream ([`Streaming::events`](crate::app::Streaming::events)) need not look: the server ends it.
#[must_use = "it does nothing unless it is awaited or asked"]
pub struct Closing {
    phases: watch::Receiver<Phase>,
    /// Made when it is first polled.
    wait: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Closing {
    /// Whether the server is closing.
    pub fn has_begun(&self) -> bool {
        *self.phases.borrow() >= Phase::Closing
    }
}

impl Clone for Closing {
    fn clone(&self) -> Closing {
        Closing { phases: self.phases.clone(), wait: None }
    }
}

impl std::fmt::Debug for Closing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Closing").field("has_begun", &self.has_begun()).finish_non_exhaustive()
    }
}

impl Future for Closing {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.has_begun() {
            return Poll::Ready(());
        }
        let Closing { phases, wait } = &mut *self;
        wait.get_or_insert_with(|| Box::pin(reached(phases.clone(), Phase::Closing))).as_mut().poll(context)
    }
}

/// For services of [`App::actix`](crate::App::actix).
impl FromRequest for Closing {
    type Error = actix_web::Error;
    type Future = Ready<Result<Closing, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let found = request.app_data::<Closing>().cloned();
        ready(found.ok_or_else(|| actix_web::error::ErrorInternalServerError("`Closing` is known behind Skitai alone")))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn phases_go_forward_alone_and_closing_is_over_for_good() {
        let life = Lifecycle::default();
        let (mut early, late) = (life.closing(), life.closing());
        life.advance(Phase::Unready);
        life.advance(Phase::Serving);
        assert_eq!(life.phase(), Phase::Unready);
        assert!(!early.has_begun() && (&mut early).now_or_never().is_none());
        life.advance(Phase::Cut);
        assert!(early.has_begun() && (&mut early).now_or_never().is_some() && early.now_or_never().is_some());
        drop(life);
        assert!(late.clone().now_or_never().is_some() && late.has_begun());
    }

    #[test]
    fn who_waits_is_woken_when_it_begins_and_when_the_process_is_gone() {
        actix_rt::System::new().block_on(async {
            for gone in [false, true] {
                let life = Lifecycle::default();
                let waits = actix_rt::spawn(life.closing());
                tokio::task::yield_now().await;
                assert!(!waits.is_finished());
                if gone {
                    drop(life)
                } else {
                    life.advance(Phase::Closing)
                }
                waits.await.expect("it ends");
            }
        });
    }
}
