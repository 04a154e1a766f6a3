//! Crashes in a row: from the second within a minute on, processes announce each handler before they run it, so that
//! one that ends its process is named.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::words;
use crate::ipc::recorder::Recorded;

/// Crashes that are so close belong together, and after so long without one there is quiet.
const QUIET: Duration = Duration::from_secs(60);
/// The most requests that are named.
const NAMED: usize = 20;

/// When a process crashed last, and whether the others announce.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Crashes {
    last: Option<Instant>,
    pub(super) announces: bool,
}

impl Crashes {
    /// Those of another program of this supervisor: how long ago the last one was, in milliseconds.
    pub(super) fn adopted(last_ms: Option<u64>, announces: bool, now: Instant) -> Crashes {
        let last = last_ms.and_then(|ms| now.checked_sub(Duration::from_millis(ms)));
        Crashes { last, announces: announces && last.is_some() }
    }

    /// How long ago the last one was.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        self.last.map(|last| now.saturating_duration_since(last))
    }

    /// Counts a crash. True if announcements begin now.
    pub(super) fn crashed(&mut self, now: Instant) -> bool {
        let is_close = self.last.is_some_and(|last| now.saturating_duration_since(last) < QUIET);
        self.last = Some(now);
        let begins = is_close && !self.announces;
        self.announces |= is_close;
        begins
    }

    /// True if there has been quiet, so that announcements end now.
    pub(super) fn is_quiet(&mut self, now: Instant) -> bool {
        let is_over = self.due().is_some_and(|due| now >= due);
        if is_over {
            self.announces = false;
        }
        is_over
    }

    /// When announcements end.
    pub(super) fn due(&self) -> Option<Instant> {
        self.last.filter(|_| self.announces).map(|last| last + QUIET)
    }
}

/// What the log says of the requests of a process that crashed: nothing, if there was none to be named.
pub(super) fn told(recorded: &Recorded) -> String {
    let mut told = String::new();
    if !recorded.announced.is_empty() {
        told = format!("; it ran {}", words::line(&recorded.announced.join(", ")));
    }
    if !recorded.under_way.is_empty() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let named: Vec<String> = recorded.under_way.iter().take(NAMED).map(|line| since(line, now)).collect();
        let more = recorded.under_way.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        told = format!("{told}; under way were {}{more}", named.join(", "));
    }
    told
}

/// A line has when a request began, in milliseconds since 1970, a tab, and what it is.
fn since(line: &str, now: Duration) -> String {
    let Some((began, what)) = line.split_once('\t') else { return words::line(line) };
    let began = Duration::from_millis(began.parse().unwrap_or_default());
    format!("{} for {:.1} s", words::line(what), now.saturating_sub(began).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_crashes_within_a_minute_begin_it_and_a_quiet_minute_ends_it() {
        let (mut crashes, began) = (Crashes::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        assert!(!crashes.crashed(at(0)) && !crashes.announces);
        assert!(!crashes.crashed(at(60)) && crashes.due().is_none(), "a minute later is not close");
        assert!(crashes.crashed(at(119)) && crashes.announces);
        assert!(!crashes.crashed(at(130)), "it is on already");
        assert!(!crashes.is_quiet(at(189)) && crashes.is_quiet(at(190)) && !crashes.announces);
        assert!(!crashes.is_quiet(at(300)));
        assert!(!crashes.crashed(at(400)) && crashes.age(at(430)) == Some(Duration::from_secs(30)));
        let mut next = Crashes::adopted(Some(30_000), false, at(430));
        assert!(next.crashed(at(431)) && next.announces, "another program goes on with it");
    }

    #[test]
    fn what_a_process_has_written_is_one_short_line() {
        let long = ["1\tGET /\u{1b}[2J".to_owned(), "x".repeat(4000), format!("1\t{}", "y".repeat(4000))];
        let text = told(&Recorded { announced: vec!["a\nb".to_owned(); 500], under_way: long.to_vec() });
        assert!(!text.contains(char::is_control) && text.len() < 3000, "{} octets: {text}", text.len());
    }

    #[test]
    fn requests_are_named_with_their_times() {
        let recorded = |announced: &[&str], under_way: &[String]| Recorded {
            announced: announced.iter().map(|what| (*what).to_owned()).collect(),
            under_way: under_way.to_vec(),
        };
        assert_eq!(told(&recorded(&[], &[])), "");
        assert_eq!(told(&recorded(&["GET /abort (site::abort)"], &[])), "; it ran GET /abort (site::abort)");
        let lines: Vec<String> = (0..22).map(|n| format!("4102444800000\tGET /{n}, a request")).collect();
        let text = told(&recorded(&[], &lines));
        assert!(text.starts_with("; under way were GET /0, a request for 0.0 s, "), "{text}");
        assert!(text.ends_with(", and 2 more") && text.contains("/19,") && !text.contains("/20,"), "{text}");
    }
}
