//! What the service manager is told of an instance.

use std::time::{Duration, Instant};

use super::child::ChildState;
use super::instance::Instance;
use crate::serve::notify::Notifier;

/// What the service manager knows.
#[derive(Debug)]
pub(super) struct Notices {
    notifier: Option<Notifier>,
    /// It was told that the start is over.
    pub(super) is_ready: bool,
    /// When it is to hear that the loop turns.
    next_beat: Instant,
}

impl Notices {
    /// Of the manager that the environment names. It outlives an upgrade, and so does what it knows.
    pub(super) fn new(is_ready: bool) -> Notices {
        Notices { notifier: Notifier::from_environment(), is_ready, next_beat: Instant::now() }
    }

    /// The loop turns.
    pub(super) fn beat(&mut self, now: Instant) {
        if let Some(notifier) = &self.notifier
            && let Some(beat) = notifier.beat
            && self.next_beat <= now
        {
            notifier.alive();
            self.next_beat = now + beat;
        }
    }

    /// When the loop has to turn.
    pub(super) fn due(&self) -> Option<Instant> {
        self.notifier.as_ref()?.beat?;
        Some(self.next_beat)
    }

    /// A reload, an upgrade or a restart begins. During the start the manager waits for its end anyway.
    pub(super) fn reloading(&self, status: &str) {
        if let Some(notifier) = self.notifier.as_ref().filter(|_| self.is_ready) {
            notifier.reloading(status);
        }
    }

    /// A reload or an upgrade is over, well or not.
    pub(super) fn rolled(&self, status: &str) {
        if let Some(notifier) = self.notifier.as_ref().filter(|_| self.is_ready) {
            notifier.ready(status);
        }
    }

    /// A process is being started, for which the manager waits.
    pub(super) fn starts(&self, within: Duration) {
        if let Some(notifier) = &self.notifier {
            notifier.needs(within);
        }
    }

    pub(super) fn stopping(&self, status: &str, within: Duration) {
        if let Some(notifier) = &self.notifier {
            notifier.stopping(status, within);
        }
    }

    /// Something to know, while it goes on.
    pub(super) fn status(&self, status: &str) {
        if let Some(notifier) = &self.notifier {
            notifier.status(status);
        }
    }
}

impl Instance {
    /// Whether every process that there is to be serves.
    pub(super) fn is_serving(&self) -> bool {
        let serves =
            |slot: usize| self.children.iter().any(|child| child.slot == slot && child.state == ChildState::Serving);
        (0..self.slots.len()).all(serves)
    }

    /// Tells that the start is over, once it is.
    pub(super) fn tell_ready(&mut self) {
        if !self.notices.is_ready && self.roll.is_none() && self.is_serving() {
            self.notices.is_ready = true;
            self.notices.rolled(&self.serving_line());
        }
    }

    /// Tells that what had crashed serves again.
    pub(super) fn tell_recovered(&self) {
        if self.notices.is_ready && self.roll.is_none() && self.is_serving() {
            self.notices.status(&self.serving_line());
        }
    }

    fn serving_line(&self) -> String {
        match self.slots.len() {
            1 => format!("1 process serves, generation {}", self.generation),
            count => format!("{count} processes serve, generation {}", self.generation),
        }
    }
}
