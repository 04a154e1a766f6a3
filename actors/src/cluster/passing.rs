//! A request that is passed on to one member: the reverse proxy's way through a cluster.
//!
//! The choice, the limits, the health and the budgets are those of a call to one. What differs: the head of the answer
//! is handed over as soon as it is here, with whatever status, so that the call is settled then; and the slot gets its
//! outcome when the body has ended, too. The member's timeout bounds its silence, not the whole answer. There is no
//! hedging: a second member would do the work of a body that only one can be sent.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::attempt::{Attempt, AttemptInfo};
use super::candidates::Candidates;
use super::{Cluster, ClusterParts, Lineup, reaper, refuse};
use crate::balance::circuit;
use crate::balance::circuit::Judged;
use crate::balance::health::Extra;
use crate::balance::pick::hash;
use crate::http::passed::{PassedAnswer, PassedBody, PassedRequest};
use crate::kit::{Answers, Responder};
use crate::outcome::course::TryCause;
use crate::outcome::{Outcome, Try};
use crate::spec::{Login, Spread};

/// A request to be passed on to a member.
#[derive(Debug)]
pub struct PassOn {
    /// The members at the moment of the call; its slot was made from them, too.
    pub lineup: Arc<Lineup>,
    /// The request.
    pub request: PassedRequest,
    /// Takes the head of the answer. Where none comes it is dropped, and the slot says why.
    pub answer: oneshot::Sender<PassedAnswer>,
}

impl Answers<PassOn> for Cluster {
    type Item = Outcome;
    const NAME: &'static str = "pass";

    fn answer(&mut self, pass: PassOn, responder: Responder<Outcome>) -> impl Future<Output = ()> + 'static {
        let shared = self.of(&pass.lineup);
        async move {
            let PassOn { mut request, answer, .. } = pass;
            if let Some(Login { user, password }) = &shared.spec().login {
                request.login(user, &password.0);
            }
            let refused = match request.check() {
                Err(why) => Some(why.to_string()),
                Ok(()) if shared.members.is_empty() => Some("the cluster has no members".to_owned()),
                Ok(()) => None,
            };
            if let Some(why) = refused {
                return refuse(&shared.lineup, Spread::One, &responder, &why);
            }
            reaper::watch(&shared);
            let outcome = Box::pin(settled(&shared, &mut request, answer, &responder)).await;
            // Before the caller is woken, who asks for the outcome once nobody can send an answer any more.
            drop(request);
            responder.put(0, outcome);
        }
    }
}

/// Tries members until one answers, and passes its answer on to the end.
async fn settled(
    shared: &ClusterParts,
    request: &mut PassedRequest,
    answer: oneshot::Sender<PassedAnswer>,
    responder: &Responder<Outcome>,
) -> Outcome {
    let spec = shared.spec();
    let key = request.key.as_deref().unwrap_or(&request.target);
    let candidates = Candidates::new(shared, if shared.picker.wants_key() { hash(&[key.as_bytes()]) } else { 0 });
    let candidates = candidates.preferring(request.prefers.as_deref());
    let (begun, mut taker) = (Instant::now(), Some(answer));
    let patience = request.patience;
    let is_here = !matches!(request.body, PassedBody::Coming { .. });
    let may_repeat = request.is_idempotent && is_here && spec.retries > 0;
    if may_repeat {
        shared.health().deposit(shared.health().now());
    }
    let mut left = if may_repeat { spec.retries } else { 0 };
    // A failure that may have run outweighs a later one that certainly did not.
    let (mut may_have_run, mut unreached): (Option<Outcome>, Option<Outcome>) = (None, None);
    let (mut cause, mut tries) = (TryCause::First, Vec::new());
    while let Some(pick) = candidates.next() {
        let info = AttemptInfo {
            attempt: candidates.attempts(),
            is_repeated: may_have_run.is_some(),
            cause,
            passed_over: shared.health().out(),
            span: request.span_of(pick.index, candidates.attempts()),
            ..AttemptInfo::sole(pick.call, pick.by).at(pick.index)
        };
        let attempt = Attempt::begin(&shared.members[pick.index], responder, 0, info, begun);
        let mut outcome = attempt.pass(request, request.silence.unwrap_or(spec.member_timeout), &mut taker).await;
        outcome.tries.clone_from(&tries);
        // Its head has gone to the client: nothing can be asked of another member.
        if taker.is_none() {
            return outcome;
        }
        tries.extend(Try::of(&outcome));
        if outcome.reason.never_ran() {
            cause = TryCause::Failover;
            unreached = Some(outcome);
            continue;
        }
        cause = TryCause::Retry;
        let judged = circuit::judge(outcome.reason, outcome.status, outcome.code, true);
        let is_worth_it = left > 0 && matches!(judged, Judged::Failed(_)) && !candidates.is_exhausted();
        if !is_worth_it || !shared.health().withdraw(Extra::Retry, shared.health().now()) {
            return outcome;
        }
        // The time is that of the request, whoever answers.
        request.patience = patience.saturating_sub(begun.elapsed());
        if request.patience.is_zero() {
            return outcome;
        }
        left -= 1;
        may_have_run = Some(outcome);
    }
    may_have_run.or(unreached).unwrap_or_else(|| candidates.nobody())
}
