//! A call to all members at once.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, Stream as _};
use tokio::time::Sleep;

use super::member::Member;
use super::tally::{Part, Tally};
use crate::http::Prepared;
use crate::kit::Outlet;
use crate::outcome::Outcome;

/// Asks every member; an ejected one is answered for at once. Each outcome goes into its slot when it comes. One timer for all: they begin together and may take
/// equally long.
pub(super) async fn all(members: &[Rc<Member>], timeout: Duration, request: &Prepared, outlet: &Outlet<Outcome>) {
    let begun = Instant::now();
    let begin = |(index, member): (usize, &'_ Rc<Member>)| match member.admit() {
        Ok(call) => Some(Tally::begin(&members[index], outlet, index, Part::sole(call), begun)),
        Err(ejected) => {
            outlet.put(index, *ejected);
            None
        }
    };
    let tallies: Vec<Tally<'_>> = members.iter().enumerate().filter_map(begin).collect();
    // Boxed where they are made: collecting them moves each three times.
    let mut running: FuturesUnordered<_> =
        tallies.iter().map(|tally| Box::pin(async { outlet.put(tally.index(), tally.run(request).await) })).collect();
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
