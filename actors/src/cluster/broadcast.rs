//! A call to all members at once.

use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use smallvec::SmallVec;
use tokio::time::timeout_at;

use super::attempt::{Attempt, AttemptInfo};
use super::member::HttpMember;
use crate::balance::circuit::CallKind;
use crate::http::PreparedRequest;
use crate::kit::Responder;
use crate::outcome::Outcome;
use crate::outcome::course::PickedBy;

/// Calls every member; an ejected one gets its outcome at once. Each outcome goes into its slot as it comes. One
/// timer serves all exchanges, because they begin together and have the same timeout.
pub(super) async fn all(
    members: &[Rc<HttpMember>],
    timeout: Duration,
    request: &PreparedRequest,
    responder: &Responder<Outcome>,
) {
    let begun = Instant::now();
    let begin = |(index, member): (usize, &'_ Rc<HttpMember>)| match member.admit(begun) {
        Ok(call) => Some(Attempt::begin(
            &members[index],
            responder,
            index,
            AttemptInfo::sole(call, picked(call)).at(index).traced(request),
            begun,
        )),
        Err(ejected) => {
            responder.put(index, *ejected);
            None
        }
    };
    let attempts: SmallVec<[Attempt<'_>; 3]> = members.iter().enumerate().filter_map(begin).collect();
    let mut running: FuturesUnordered<_> =
        attempts.iter().map(|attempt| attempt.run(request).map(|outcome| (attempt.index(), outcome))).collect();
    let all = async {
        while let Some((index, outcome)) = running.next().await {
            responder.put(index, outcome);
        }
    };
    if timeout_at((begun + timeout).into(), all).await.is_err() {
        // Closes the sockets before the caller is woken.
        drop(running);
        for attempt in attempts.iter().filter(|attempt| !attempt.is_done()) {
            responder.put(attempt.index(), attempt.expire(timeout));
        }
    }
}

/// Why a member is asked that is one of all.
fn picked(call: CallKind) -> PickedBy {
    match call {
        CallKind::Regular => PickedBy::All,
        CallKind::Trial => PickedBy::Trial,
    }
}

/// One exchange, bounded by the member's timeout.
pub(super) async fn within(attempt: &Attempt<'_>, request: &PreparedRequest, timeout: Duration) -> Outcome {
    let in_time = timeout_at((attempt.started() + timeout).into(), attempt.run(request)).await;
    in_time.unwrap_or_else(|_| attempt.expire(timeout))
}
