//! A handler with the hooks around it, in the order that [`hooks`](crate::app::hooks) tells.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use skitai_actors::kit::alarm;

use super::pipeline::{handle, panic, settled, too_late};
use crate::app::hooks::{Instead, Level};
use crate::app::table::Placed;
use crate::app::{Answer, Bind, Error, Failure, Result, Was};
use crate::observe::log::one_line;
use crate::observe::panics::{Catching, catch};
use crate::serve::worker::Worker;

/// What a teardown has at least: where the request's time is over, it still has to give back what before took.
const TEARDOWN: Duration = Duration::from_secs(1);

pub(super) async fn run(worker: &Worker, was: &Was, placed: &Placed, bind: &mut Bind) -> Answer {
    let mut entered = 0;
    let mut failed = None;
    for level in &*placed.levels {
        entered += 1;
        match before(worker, was, level).await {
            Ok(None) => {}
            Ok(Some(reply)) => return settled(worker, was, reply).await,
            Err(error) => {
                failed = Some(Answer::Failed(error));
                break;
            }
        }
    }
    let mut answer = match failed {
        Some(failed) => failed,
        None => handle(worker, was, placed.route, bind).await,
    };
    for level in placed.levels[..entered].iter().rev() {
        answer = match answer {
            Answer::Failed(error) => {
                was.response.forget_status();
                match teardown(worker, was, level, &error).await {
                    Some(reply) => Answer::Instead(Box::new(Instead { error, answer: reply })),
                    None => Answer::Failed(error),
                }
            }
            // The nearest teardown has had its say; the others clean up.
            Answer::Instead(instead) => {
                teardown(worker, was, level, &instead.error).await;
                Answer::Instead(instead)
            }
            good => match after(worker, was, level).await {
                Ok(()) => good,
                Err(error) => Answer::Failed(error),
            },
        };
    }
    answer
}

async fn before(worker: &Worker, was: &Was, level: &Level) -> Result<Option<Answer>> {
    for hook in &level.before {
        if let Some(reply) = ends(worker, was.deadline(), || hook(was.clone())).await? {
            return Ok(Some(reply));
        }
    }
    Ok(None)
}

async fn after(worker: &Worker, was: &Was, level: &Level) -> Result<()> {
    for hook in level.after.iter().rev() {
        ends(worker, was.deadline(), || hook(was.clone())).await?;
    }
    Ok(())
}

/// The first reply of this level. What fails in a teardown is told, and the others run.
async fn teardown(worker: &Worker, was: &Was, level: &Level, error: &Error) -> Option<Answer> {
    let mut reply = None;
    for hook in level.teardown.iter().rev() {
        let failure = Failure::of(error, was.app().is_devel());
        let until = was.deadline().max(Instant::now() + TEARDOWN);
        match ends(worker, until, || hook(was.clone(), failure)).await {
            Ok(Some(answer)) if reply.is_none() => reply = Some(settled(worker, was, answer).await),
            Ok(_) => {}
            Err(error) => {
                tracing::error!(uri = was.request.uri(), "teardown_request: {}", one_line(&error.to_string()));
            }
        }
    }
    reply
}

/// A hook to its end, within the time there is and without its panic spreading.
async fn ends<T>(
    worker: &Worker,
    until: Instant,
    hook: impl FnOnce() -> Pin<Box<dyn Future<Output = Result<T>>>>,
) -> Result<T> {
    let under = match catch(hook) {
        Ok(under) => under,
        Err(panicked) => return Err(panic(worker, panicked)),
    };
    match alarm::until(until, Catching(under)).await {
        Some(Ok(ended)) => ended,
        Some(Err(panicked)) => Err(panic(worker, panicked)),
        None => Err(too_late()),
    }
}
