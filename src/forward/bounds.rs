//! How long and how much: the bounds of one tunnel or exchange.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::Forward;
use crate::config::ProxySettings;

/// The clock and the meter of one tunnel or exchange.
pub(super) struct TransferBounds {
    idle: Duration,
    /// When it ends at the latest.
    until: Option<Instant>,
    /// Octets that may still move.
    left: Option<u64>,
    moved_at: Instant,
    timer: Pin<Box<Sleep>>,
}

/// Which bound was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Overrun {
    #[error("nothing moved for `idle_timeout`")]
    Idle,
    #[error("it lasted for `lifetime`")]
    Lifetime,
    #[error("it has moved `max_bytes`")]
    Bytes,
}

impl Overrun {
    pub(super) fn count(self, forward: &Forward) {
        match self {
            Overrun::Idle | Overrun::Lifetime => forward.counts.timed_out(),
            Overrun::Bytes => forward.counts.too_large(),
        }
    }
}

impl TransferBounds {
    pub(super) fn new(settings: &ProxySettings) -> TransferBounds {
        let now = Instant::now();
        let until = settings.lifetime.map(|time| now + time);
        let first = until.map_or(now + settings.idle_timeout, |until| until.min(now + settings.idle_timeout));
        TransferBounds {
            idle: settings.idle_timeout,
            until,
            left: settings.max_bytes,
            moved_at: now,
            timer: Box::pin(sleep_until(first)),
        }
    }

    /// A clock of its own for the end of the whole, for who waits for something else.
    pub(super) fn lifetime(&self) -> Option<Pin<Box<Sleep>>> {
        self.until.map(|until| Box::pin(sleep_until(until)))
    }

    /// Octets have moved, or an end has.
    pub(super) fn moved(&mut self, octets: u64) -> Result<(), Overrun> {
        self.moved_at = Instant::now();
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(octets).ok_or(Overrun::Bytes)?;
        }
        Ok(())
    }

    /// Ready when it has taken too long.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Overrun> {
        loop {
            ready!(self.timer.as_mut().poll(context));
            let now = Instant::now();
            let idle_at = self.moved_at + self.idle;
            if self.until.is_some_and(|until| until <= now) {
                return Poll::Ready(Overrun::Lifetime);
            }
            if idle_at <= now {
                return Poll::Ready(Overrun::Idle);
            }
            self.timer.as_mut().reset(self.until.map_or(idle_at, |until| until.min(idle_at)));
        }
    }
}
