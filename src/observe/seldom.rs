//! Lines of the log that anybody can cause: so many in some seconds, and then a count.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long lines are counted.
const PERIOD: Duration = Duration::from_secs(5);

/// Of the lines of one kind the first ones of each period are written. The next line that is written says how many were
/// not.
#[derive(Debug)]
pub(crate) struct Seldom {
    most: usize,
    counted: Mutex<LineCount>,
}

#[derive(Debug)]
struct LineCount {
    since: Option<Instant>,
    written: usize,
    left_out: u64,
}

impl Seldom {
    /// `most`: how many are written in five seconds.
    pub(crate) const fn new(most: usize) -> Seldom {
        Seldom { most, counted: Mutex::new(LineCount { since: None, written: 0, left_out: 0 }) }
    }

    /// What is to stand behind the line: mostly nothing. `None` if it is not to be written.
    pub(crate) fn tail(&self, now: Instant) -> Option<String> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.since.is_none_or(|since| now.saturating_duration_since(since) >= PERIOD) {
            counted.since = Some(now);
            counted.written = 0;
        }
        if counted.written == self.most {
            counted.left_out += 1;
            return None;
        }
        counted.written += 1;
        let is_last = if counted.written == self.most { "; more of the kind are counted only" } else { "" };
        let tail = match std::mem::take(&mut counted.left_out) {
            0 => is_last.to_owned(),
            count => format!("; {count} of the kind were not told before it{is_last}"),
        };
        Some(tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_lines_are_written_and_the_others_are_counted() {
        let (seldom, began) = (Seldom::new(2), Instant::now());
        let at = |seconds| seldom.tail(began + Duration::from_secs(seconds));
        assert_eq!(at(0).as_deref(), Some(""));
        assert_eq!(at(0).as_deref(), Some("; more of the kind are counted only"));
        assert_eq!((0..998).filter_map(|nth| at(nth % 5)).count(), 0);
        assert_eq!(at(5).as_deref(), Some("; 998 of the kind were not told before it"));
        assert_eq!(at(6).as_deref(), Some("; more of the kind are counted only"));
        assert_eq!((at(9), at(10).as_deref()), (None, Some("; 1 of the kind were not told before it")));
        assert_eq!(at(60).as_deref(), Some(""));
    }
}
