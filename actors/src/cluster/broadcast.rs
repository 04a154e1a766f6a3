//! A call to all members at once.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::attempt::{Attempt, AttemptInfo};
use super::member::HttpMember;
use crate::http::PreparedRequest;
use crate::kit::alarm::Alarm;
use crate::kit::join_all::JoinAll;
use crate::kit::placed::placed;
use crate::kit::{Responder, alarm};
use crate::outcome::Outcome;

/// Calls every member; an ejected one gets its outcome at once. Each outcome goes into its slot as it comes. One alarm
/// serves all exchanges, because they begin together and have the same timeout.
pub(super) async fn all(
    members: &[Rc<HttpMember>],
    timeout: Duration,
    request: &PreparedRequest,
    responder: &Responder<Outcome>,
) {
    let begun = Instant::now();
    let begin = |(index, member): (usize, &'_ Rc<HttpMember>)| match member.admit(begun) {
        Ok(call) => Some(Attempt::begin(&members[index], responder, index, AttemptInfo::sole(call), begun)),
        Err(ejected) => {
            responder.put(index, *ejected);
            None
        }
    };
    let attempts: SmallVec<[Attempt<'_>; 3]> = members.iter().enumerate().filter_map(begin).collect();
    let mut running: JoinAll<_> = attempts.iter().map(|attempt| placed(|| attempt.run(request))).enumerate().collect();
    let mut alarm = Alarm::at(begun + timeout);
    let is_expired = poll_fn(|context| {
        let ended = running.poll(context, |number, outcome| responder.put(attempts[number].index(), outcome));
        if ended.is_ready() {
            return Poll::Ready(false);
        }
        Pin::new(&mut alarm).poll(context).map(|()| true)
    })
    .await;
    if is_expired {
        // Closes the sockets before the caller is woken.
        drop(running);
        for attempt in attempts.iter().filter(|attempt| !attempt.is_done()) {
            responder.put(attempt.index(), attempt.expire(timeout));
        }
    }
}

/// One exchange, bounded by the member's timeout.
pub(super) async fn within(attempt: &Attempt<'_>, request: &PreparedRequest, timeout: Duration) -> Outcome {
    // Pinned in place: passed by value it would be moved at every step down.
    let in_time = alarm::until(attempt.started() + timeout, std::pin::pin!(attempt.run(request))).await;
    in_time.unwrap_or_else(|| attempt.expire(timeout))
}
