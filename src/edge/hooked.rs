//! A handler with the hooks around it, in the order that [`hooks`](crate::app::hooks) documents.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::invoke::{handle, panic, settled, too_late};
use super::thread::ServingThread;
use crate::app::hooks::{ErrorOverride, Level};
use crate::app::routing::table::RouteEntry;
use crate::app::{Answer, Bind, Error, Failure, Result, Was};
use crate::observe::log::one_line;
use crate::observe::panics::{Catching, catch};

/// The least time for a teardown: after a missed deadline it still has to release what a before-hook acquired.
const TEARDOWN: Duration = Duration::from_secs(1);

pub(super) async fn run(thread: &ServingThread, was: &Was, entry: &RouteEntry, bind: &mut Bind) -> Answer {
    let mut entered = 0;
    let mut failed = None;
    for level in &*entry.levels {
        entered += 1;
        match before(thread, was, level).await {
            Ok(None) => {}
            Ok(Some(reply)) => return settled(thread, was, reply).await,
            Err(error) => {
                was.response.fail();
                failed = Some(Answer::Failed(error));
                break;
            }
        }
    }
    let mut answer = match failed {
        Some(failed) => failed,
        None => handle(thread, was, entry.route, bind).await,
    };
    for level in entry.levels[..entered].iter().rev() {
        answer = match answer {
            Answer::Failed(error) => {
                was.response.forget_status();
                match teardown(thread, was, level, &error).await {
                    Some(reply) => Answer::Instead(Box::new(ErrorOverride { error, answer: reply })),
                    None => Answer::Failed(error),
                }
            }
            // The innermost teardown with a reply has decided it; the others only clean up.
            Answer::Instead(instead) => {
                teardown(thread, was, level, &instead.error).await;
                Answer::Instead(instead)
            }
            good => match after(thread, was, level).await {
                Ok(()) => good,
                Err(error) => {
                    was.response.fail();
                    Answer::Failed(error)
                }
            },
        };
    }
    answer
}

async fn before(thread: &ServingThread, was: &Was, level: &Level) -> Result<Option<Answer>> {
    for hook in &level.before {
        if let Some(reply) = ends(thread, was.deadline(), || hook(was.clone())).await? {
            return Ok(Some(reply));
        }
    }
    Ok(None)
}

async fn after(thread: &ServingThread, was: &Was, level: &Level) -> Result<()> {
    for hook in level.after.iter().rev() {
        ends(thread, was.deadline(), || hook(was.clone())).await?;
    }
    Ok(())
}

/// Runs the teardowns of this level and returns the first reply. A failed teardown is logged, and the others run.
async fn teardown(thread: &ServingThread, was: &Was, level: &Level, error: &Error) -> Option<Answer> {
    let mut reply = None;
    for hook in level.teardown.iter().rev() {
        let failure = Failure::of(error, was.audience());
        let until = was.deadline().max(Instant::now() + TEARDOWN);
        match ends(thread, until, || hook(was.clone(), failure)).await {
            Ok(Some(answer)) if reply.is_none() => reply = Some(settled(thread, was, answer).await),
            Ok(_) => {}
            Err(error) => {
                tracing::error!(uri = was.request.uri(), "teardown_request: {}", one_line(&error.to_string()));
            }
        }
    }
    reply
}

/// Runs a hook within the remaining time and catches its panic.
async fn ends<T>(
    thread: &ServingThread,
    until: Instant,
    hook: impl FnOnce() -> Pin<Box<dyn Future<Output = Result<T>>>>,
) -> Result<T> {
    let under = match catch(hook) {
        Ok(under) => under,
        Err(panicked) => return Err(panic(thread, panicked)),
    };
    match timeout_at(until.into(), Catching(under)).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(panicked)) => Err(panic(thread, panicked)),
        Err(_) => Err(too_late()),
    }
}
