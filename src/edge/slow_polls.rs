//! Logs, in devel mode, handlers that block their thread.
//!
//! An `async fn` that computes or blocks between two awaits stops every other request of its thread. Nothing fails, so
//! it stays unnoticed until there is load. Devel mode therefore times each poll. Outside devel mode the clock is not
//! read; in both modes the [watchdog](crate::edge::watchdog) names a handler that holds its thread for seconds, while
//! it does.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::app::{Route, Was, Work};
use crate::edge::watchdog::ThreadHold;
use crate::ipc::recorder::Announcement;

/// A longer poll is logged. At a thousand requests per second each has one millisecond; ten are a visible stall.
const LONGEST: Duration = Duration::from_millis(10);

/// A handler's work, with each poll timed.
pub(crate) struct TimedPolls<'t> {
    work: Work,
    route: &'static Route,
    devel: bool,
    /// Where the watchdog of the threads looks.
    hold: &'t ThreadHold,
    /// What is said before each poll, when processes crash.
    announcement: Option<Announcement>,
}

impl<'t> TimedPolls<'t> {
    pub(crate) fn new(work: Work, route: &'static Route, was: &Was, hold: &'t ThreadHold) -> TimedPolls<'t> {
        TimedPolls { work, route, devel: was.app().is_devel(), hold, announcement: was.announcement() }
    }
}

impl Future for TimedPolls<'_> {
    type Output = crate::app::Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let _announced = this.announcement.as_ref().and_then(Announcement::begin);
        let _polling = this.hold.polls(this.route);
        if !this.devel {
            return this.work.as_mut().poll(context);
        }
        let began = Instant::now();
        let polled = this.work.as_mut().poll(context);
        let took = began.elapsed();
        if took > LONGEST {
            tracing::warn!(
                "the handler {}::{} held its thread for {} ms; every other request of it waited. Compute in a plain \
                 `fn`, which runs on the blocking pool",
                this.route.module,
                this.route.function,
                took.as_millis()
            );
        }
        polled
    }
}
