//! Runs the parts of one call side by side.
//!
//! Up to [`FEW`] futures are all polled at each wake-up: polling a future that waits costs less than a record of which
//! one was woken. More futures use `FuturesUnordered`, which keeps that record, because polling all of them at each
//! wake-up has quadratic cost.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, Stream};
use smallvec::SmallVec;

/// The largest number of futures that are all polled.
const FEW: usize = 6;

/// Futures, numbered from 0.
pub(crate) enum JoinAll<F: Future + Unpin> {
    /// The futures that have not ended.
    Few(SmallVec<[Option<F>; 3]>),
    Many(FuturesUnordered<Numbered<F>>),
}

impl<F: Future + Unpin> FromIterator<(usize, F)> for JoinAll<F> {
    fn from_iter<I: IntoIterator<Item = (usize, F)>>(futures: I) -> Self {
        let futures = futures.into_iter();
        let mut all: SmallVec<[Option<F>; 3]> = SmallVec::with_capacity(futures.size_hint().0);
        for (number, future) in futures {
            all.resize_with(number, || None);
            all.push(Some(future));
        }
        if all.len() <= FEW {
            return JoinAll::Few(all);
        }
        let numbered = |(number, future): (usize, Option<F>)| future.map(|future| Numbered { number, future });
        JoinAll::Many(all.into_iter().enumerate().filter_map(numbered).collect())
    }
}

impl<F: Future + Unpin> JoinAll<F> {
    /// Passes each finished output with its number to `ended`; ready when all have finished.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>, mut ended: impl FnMut(usize, F::Output)) -> Poll<()> {
        match self {
            JoinAll::Few(all) => {
                let mut waits = false;
                for (number, place) in all.iter_mut().enumerate() {
                    let Some(future) = place else { continue };
                    match Pin::new(future).poll(context) {
                        Poll::Ready(output) => {
                            *place = None;
                            ended(number, output);
                        }
                        Poll::Pending => waits = true,
                    }
                }
                if waits { Poll::Pending } else { Poll::Ready(()) }
            }
            JoinAll::Many(all) => loop {
                match std::task::ready!(Pin::new(&mut *all).poll_next(context)) {
                    Some((number, output)) => ended(number, output),
                    None => return Poll::Ready(()),
                }
            },
        }
    }
}

/// A future whose output carries its number.
pub(crate) struct Numbered<F> {
    number: usize,
    future: F,
}

impl<F: Future + Unpin> Future for Numbered<F> {
    type Output = (usize, F::Output);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let number = self.number;
        Pin::new(&mut self.future).poll(context).map(|output| (number, output))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    /// Higher numbers end earlier; returns the order of completion.
    async fn order(numbers: impl Iterator<Item = usize>) -> Vec<usize> {
        let one = |number| (number, Box::pin(tokio::time::sleep(Duration::from_millis(1_000 - 10 * number as u64))));
        let mut all: JoinAll<_> = numbers.map(one).collect();
        let mut order = Vec::new();
        poll_fn(|context| all.poll(context, |number, ()| order.push(number))).await;
        order
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_given_out_once_as_it_ends() {
        for count in [0, 1, FEW, FEW + 1, 40] {
            assert_eq!(order(0..count).await, (0..count).rev().collect::<Vec<_>>());
        }
        assert_eq!(order([1, 4].into_iter()).await, [4, 1], "numbers may be left out");
        assert_eq!(order((0..40).filter(|number| number % 2 == 1)).await.len(), 20);
    }
}
