//! Calls a handler: binds its arguments and runs it, with the hooks around it, within the request's deadline. A panic,
//! a fault or a missed deadline becomes an answer.

use tokio::time::{error::Elapsed, timeout_at};

use super::slow_polls::TimedPolls;
use super::thread::ServingThread;
use super::{hooked, partial};
use crate::app::routing::table::RouteEntry;
use crate::app::{Answer, Bind, Error, Later, Route, Was, Work};
use crate::observe::panics::{Catching, Panicked, catch};

/// Runs a handler and the hooks around it.
pub(crate) async fn run(thread: &ServingThread, was: &Was, entry: &RouteEntry, bind: &mut Bind) -> Answer {
    if was.app().is_devel() {
        was.trail.called_with(bind.shown());
    }
    if entry.levels.is_empty() {
        return handle(thread, was, entry.route, bind).await;
    }
    let answer = Box::pin(hooked::run(thread, was, entry, bind)).await;
    if matches!(answer, Answer::Failed(_)) {
        // Teardowns may have set headers for it.
        return answer;
    }
    // Hooks may have made calls, too.
    freed(was, partial::judged(was, answer))
}

/// The answer; if it is an error, without the headers that were set for a success.
pub(super) fn freed(was: &Was, answer: Answer) -> Answer {
    if matches!(answer, Answer::Failed(_)) {
        was.response.fail();
    }
    answer
}

/// Binds and runs a handler within the request's deadline. A panic, a fault or a missed deadline becomes an answer.
pub(super) async fn handle(thread: &ServingThread, was: &Was, route: &'static Route, bind: &mut Bind) -> Answer {
    freed(was, handled(thread, was, route, bind).await)
}

async fn handled(thread: &ServingThread, was: &Was, route: &'static Route, bind: &mut Bind) -> Answer {
    let bound = match bind.has_faults() {
        true => Ok(Err(bind.faults())),
        // Binding runs the author's code, too: defaults, and the types of `Json`.
        false => catch(|| (route.call)(was.clone(), bind)),
    };
    let work = match bound {
        Ok(Ok(work)) => Catching(TimedPolls::new(work, route, was, &thread.hold)),
        Ok(Err(faults)) => return Answer::Failed(Error::of_faults(faults)),
        Err(panicked) => return Answer::Failed(panic(thread, panicked)),
    };
    let answer = settled(thread, was, in_time(thread, timeout_at(was.deadline().into(), work).await)).await;
    partial::judged(was, answer)
}

/// The answer to work that ended, panicked, or missed the deadline (`Elapsed`).
fn in_time(thread: &ServingThread, ended: Result<Result<Answer, Panicked>, Elapsed>) -> Answer {
    match ended {
        Ok(Ok(answer)) => answer,
        Ok(Err(panicked)) => Answer::Failed(panic(thread, panicked)),
        Err(_) => Answer::Failed(too_late()),
    }
}

/// Waits for an answer that is still being made.
pub(super) async fn settled(thread: &ServingThread, was: &Was, answer: Answer) -> Answer {
    match answer {
        Answer::Later(Later(work)) => Box::pin(waited(thread, was, work)).await,
        answer => answer,
    }
}

async fn waited(thread: &ServingThread, was: &Was, work: Work) -> Answer {
    in_time(thread, timeout_at(was.deadline().into(), Catching(work)).await)
}

pub(super) fn too_late() -> Error {
    Error::new(504, "the request's time is over; whatever it still waited for was stopped")
}

pub(super) fn panic(thread: &ServingThread, panicked: Panicked) -> Error {
    thread.counts.panic();
    Error::internal(panicked)
}
