//! How a call is spread: to all members at once, or to one after the other until one may have seen it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, Stream as _};
use tokio::time::Sleep;

use super::member::Member;
use super::pick::{self, Dice};
use super::tally::Tally;
use crate::http::Prepared;
use crate::kit::Outlet;
use crate::outcome::Outcome;

/// Asks every member; each outcome goes into its slot when it comes. One timer for all: they begin together and may take
/// equally long.
pub(super) async fn all(members: &[Rc<Member>], timeout: Duration, request: &Prepared, outlet: &Outlet<Outcome>) {
    let begun = Instant::now();
    let tallies: Vec<Tally<'_>> =
        members.iter().enumerate().map(|(index, member)| Tally::begin(member, outlet, index, 1, begun)).collect();
    let mut running: FuturesUnordered<_> =
        tallies.iter().map(|tally| async { outlet.put(tally.index(), tally.run(request).await) }).collect();
    let mut timer = std::pin::pin!(tokio::time::sleep(timeout));
    let is_expired = poll_fn(|context| {
        while let Poll::Ready(next) = Pin::new(&mut running).poll_next(context) {
            if next.is_none() {
                return Poll::Ready(false);
            }
        }
        timer.as_mut().poll(context).map(|()| true)
    })
    .await;
    if is_expired {
        // First the sockets, so that the members hear of it before anybody is told.
        drop(running);
        for tally in tallies.iter().filter(|tally| !tally.is_done()) {
            outlet.put(tally.index(), tally.expire(timeout));
        }
    }
}

/// Asks one member, chosen by load; another one only while the call has certainly not run, and each at most once. There
/// is at least one member.
pub(super) async fn one(
    members: &[Rc<Member>],
    timeout: Duration,
    dice: &Dice,
    request: &Prepared,
    outlet: &Outlet<Outcome>,
) {
    let begun = Instant::now();
    // Not allocated before the first failure.
    let mut tried: Vec<usize> = Vec::new();
    let mut last: Option<Outcome> = None;
    let mut timer = std::pin::pin!(tokio::time::sleep(timeout));
    loop {
        let candidate = |index: usize| members[index].candidate(tried.contains(&index));
        let Some(index) = pick::choose(members.len(), candidate, |limit| dice.below(limit)) else { break };
        let attempt = u32::try_from(tried.len() + 1).unwrap_or(u32::MAX);
        let outcome = {
            let tally = Tally::begin(&members[index], outlet, 0, attempt, begun);
            within(&tally, request, timer.as_mut(), timeout).await
        };
        if !outcome.reason.never_ran() {
            return outlet.put(0, outcome);
        }
        tried.push(index);
        last = Some(outcome);
        timer.as_mut().reset(tokio::time::Instant::now() + timeout);
    }
    // All were tried and none was reached: the last one's cause, and how many there were.
    if let Some(outcome) = last {
        outlet.put(0, outcome);
    }
}

/// One exchange, bounded by the member's timeout.
pub(super) async fn within(
    tally: &Tally<'_>,
    request: &Prepared,
    mut timer: Pin<&mut Sleep>,
    timeout: Duration,
) -> Outcome {
    let in_time = {
        let mut running = std::pin::pin!(tally.run(request));
        poll_fn(|context| match running.as_mut().poll(context) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending => timer.as_mut().poll(context).map(|()| None),
        })
        .await
    };
    in_time.unwrap_or_else(|| tally.expire(timeout))
}
