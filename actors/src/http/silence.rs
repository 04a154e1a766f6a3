//! Measures how long a member is silent while it is the member that is waited for.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::{Sleep, sleep_until};

use super::dial::{Progress, Trace};
use super::failure::ExchangeFailure;
use crate::outcome::deadline;

/// The clock of one exchange that is passed on. It begins anew with each octet, and rests while the client is waited
/// for.
pub(super) struct SilenceClock {
    silence: Duration,
    /// From when the request is sent to the head of the answer.
    patience: Option<Duration>,
    until: Option<Instant>,
    last: Instant,
    is_off: bool,
    sleep: Pin<Box<Sleep>>,
}

impl SilenceClock {
    pub(super) fn new(silence: Duration, patience: Duration) -> SilenceClock {
        let last = Instant::now();
        let sleep = Box::pin(sleep_until((last + silence.min(patience)).into()));
        SilenceClock { silence, patience: Some(patience), until: None, last, is_off: false, sleep }
    }

    /// An octet went either way.
    pub(super) fn moved(&mut self) {
        self.last = Instant::now();
    }

    /// The request is sent: the answer is waited for.
    pub(super) fn is_sent(&mut self) {
        self.last = Instant::now();
        self.until = self.patience.map(|patience| self.last + patience);
    }

    /// The head of the answer is here.
    pub(super) fn is_answered(&mut self) {
        self.patience = None;
    }

    /// From now on the member may be silent.
    pub(super) fn stop(&mut self) {
        self.is_off = true;
    }

    /// Ready with the failure once the member was waited for, and silent, for too long.
    pub(super) fn poll(
        &mut self,
        progress: &Progress,
        waits: bool,
        context: &mut Context<'_>,
    ) -> Poll<ExchangeFailure> {
        if self.is_off {
            return Poll::Pending;
        }
        let now = Instant::now();
        if !waits {
            self.last = now;
        }
        let is_late = now >= self.last + self.silence;
        let until = self.until.filter(|_| self.patience.is_some());
        if is_late || until.is_some_and(|until| now >= until) {
            progress.update(|trace| Trace { is_silent: is_late && trace.read == 0, ..trace });
            return Poll::Ready(
                if is_late { deadline::member_timeout(self.silence) } else { deadline::caller_deadline() }.into(),
            );
        }
        let due = (self.last + self.silence).min(until.unwrap_or(self.last + self.silence));
        // Moved only if it is due too late, or too early already: most exchanges never move it.
        if self.sleep.deadline().into_std() > due {
            self.sleep.as_mut().reset(due.into());
        }
        while self.sleep.as_mut().poll(context).is_ready() {
            self.sleep.as_mut().reset(due.into());
        }
        Poll::Pending
    }
}
