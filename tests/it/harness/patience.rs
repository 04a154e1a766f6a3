//! Waiting with an end, for what crosses a process and cannot be awaited otherwise.

use std::time::{Duration, Instant};

/// How long anything may take before a test calls it broken. Generous: two cores may be shared by several builds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long something may take: loosely, so that a busy machine breaks no test; `proof/times` asks for the tight one.
pub(crate) fn bound(tight: Duration, generous: Duration) -> Duration {
    if std::env::var_os("TIGHT_TIMES").is_some() { tight } else { generous }
}

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks until `what` is there, and fails naming it when patience ends.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {PATIENCE:?} in vain for: {what}");
        std::thread::sleep(PAUSE);
    }
}
