//! The log: lines on standard error, at level `info` unless `RUST_LOG` sets another; in colour only on a terminal.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tracing::Level;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{LevelFilter, Targets, dynamic_filter_fn, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;

use super::recent_lines::KeepLines;

/// The levels in force, to be set while the log runs. Empty in a program that has set up its own log.
static LEVELS: OnceLock<Handle<Targets, Registry>> = OnceLock::new();

/// The longest time for which the log has other levels, in seconds: a day.
pub(crate) const LONGEST_LASTING: u64 = 24 * 60 * 60;
/// The levels where `RUST_LOG` says none. rustls warns of every client that does something wrong.
const DEFAULT: &str = "info,actix_server=warn,rustls=error";
/// The longest text of levels, in octets: each event looks at all of them.
const LONGEST_LEVELS: usize = 1024;

/// Starts the log. A second call in one process has no effect.
pub(crate) fn start() {
    let (chosen, handle) = reload::Layer::new(of_environment());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let discreet = filter_fn(|about| is_discreet(about.target(), *about.level()));
    let once = dynamic_filter_fn(|about, _| !is_accept_error(about.target()) || ACCEPT_ERRORS.is_new(Instant::now()));
    // An embedding program may have set up its own log, which then stays.
    let registry = tracing_subscriber::registry().with(chosen).with(discreet).with(once);
    let begun = registry.with(lines).with(KeepLines).try_init();
    if begun.is_ok() {
        let _ = LEVELS.set(handle);
    }
}

/// Sets the levels, in the words of `RUST_LOG`; `None` for those of the start.
pub(crate) fn set_levels(levels: Option<&str>) {
    let targets = levels.map_or_else(of_environment, chosen);
    if let Some(Err(error)) = LEVELS.get().map(|handle| handle.reload(targets)) {
        tracing::error!("the levels of the log cannot be set: {error}");
    }
}

/// Whether these are levels.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn check_levels(levels: &str) -> Result<(), String> {
    if levels.len() > LONGEST_LEVELS {
        return Err(format!("levels of {} octets, where {LONGEST_LEVELS} are the most", levels.len()));
    }
    levels.trim().parse::<Targets>().map_err(|error| format!("{levels:?} is no level of the log: {error}"))?;
    // A single word that is no level would be read as the name of a target.
    let words = levels.split(',').map(str::trim);
    match words.filter(|word| !word.contains('=')).find(|word| word.is_empty() || word.parse::<LevelFilter>().is_err())
    {
        Some(word) => Err(format!(
            "{word:?} is no level of the log: error, warn, info, debug, trace or off; for one part of it \
             `skitai_actors=debug`"
        )),
        None => Ok(()),
    }
}

/// The levels of the start, but that one part of the log has this level.
pub(crate) fn levels_with(target: &str, level: &str) -> String {
    let start = std::env::var("RUST_LOG").unwrap_or_default();
    let start = Some(start.trim()).filter(|text| !text.is_empty() && text.parse::<Targets>().is_ok());
    format!("{},{target}={level}", start.unwrap_or(DEFAULT))
}

fn of_environment() -> Targets {
    chosen(&std::env::var("RUST_LOG").unwrap_or_default())
}

/// Parses `RUST_LOG`, such as `debug` or `warn,skitai_actors=debug`; the default if it cannot be parsed. It does not
/// parse names of spans: there are none, and the filter that knows them compiles a regular-expression engine.
fn chosen(levels: &str) -> Targets {
    let default = || DEFAULT.parse().unwrap_or_default();
    Some(levels.trim()).filter(|text| !text.is_empty()).and_then(|text| text.parse().ok()).unwrap_or_else(default)
}

/// False for lines that must never be logged, whatever `RUST_LOG` says: below `info` tokio-postgres logs the values
/// bound to statements.
fn is_discreet(target: &str, level: Level) -> bool {
    level <= Level::INFO || target.split("::").next() != Some("tokio_postgres")
}

/// When the acceptor cannot accept, usually for want of descriptors, it pauses and logs that every half second.
fn is_accept_error(target: &str) -> bool {
    target == "actix_server::accept"
}

static ACCEPT_ERRORS: Repeated = Repeated(Mutex::new(None));

/// Suppresses a message that repeats: only the first of a series is logged.
struct Repeated(Mutex<Option<Instant>>);

impl Repeated {
    /// A series has ended after this long without a message.
    const PAUSE: Duration = Duration::from_secs(5);

    fn is_new(&self, now: Instant) -> bool {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        before.is_none_or(|before| now.duration_since(before) > Repeated::PAUSE)
    }
}

/// Escapes a text for one line of the log: an error may quote a client, which could otherwise inject lines.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escaped).collect())
}

/// Escapes a text of several lines, each by itself: for a report that is shown to a person, whose terminal must not be
/// told to do anything by who wrote it.
pub(crate) fn one_lines(text: &str) -> String {
    text.lines().map(one_line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_statements_are_never_told() {
        for target in ["tokio_postgres", "tokio_postgres::query"] {
            assert!(!is_discreet(target, Level::DEBUG) && !is_discreet(target, Level::TRACE));
            assert!(is_discreet(target, Level::INFO) && is_discreet(target, Level::WARN));
        }
        assert!(is_discreet("skitai::edge", Level::TRACE) && is_discreet("tokio_postgres_like", Level::DEBUG));
    }

    #[test]
    fn levels_are_those_of_the_environment() {
        let levels_of = |levels: &str| {
            let chosen = chosen(levels);
            ["skitai::edge", "skitai_actors::db", "actix_server", "rustls::conn"].map(|target| {
                [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR]
                    .into_iter()
                    .find(|level| chosen.would_enable(target, level))
            })
        };
        let default = [Some(Level::INFO), Some(Level::INFO), Some(Level::WARN), Some(Level::ERROR)];
        assert_eq!(["", "  ", "skitai=loud"].map(levels_of), [default; 3]);
        assert_eq!(levels_of("debug"), [Some(Level::DEBUG); 4]);
        let warn = Some(Level::WARN);
        assert_eq!(levels_of("warn,skitai_actors=debug"), [warn, Some(Level::DEBUG), warn, warn]);
        assert_eq!(levels_of("skitai"), [Some(Level::TRACE), Some(Level::TRACE), None, None]);
        assert_eq!(levels_of("OFF"), [None; 4]);
    }

    #[test]
    fn what_is_no_level_is_named() {
        for good in ["debug", " warn,skitai_actors=debug", "off", "skitai=trace,info"] {
            assert_eq!(check_levels(good), Ok(()), "{good}");
        }
        let long = "skitai=debug,".repeat(100);
        assert!(check_levels(&long).is_err_and(|error| error.contains("1300 octets") && error.len() < 100));
        for (bad, word) in [("loud", "loud"), ("warn,laut", "laut"), ("skitai=loud", "skitai=loud"), ("", "\"\"")] {
            assert!(check_levels(bad).is_err_and(|error| error.contains(word)), "{bad}: {:?}", check_levels(bad));
        }
    }

    #[test]
    fn what_lasts_is_told_when_it_begins() {
        let (repeated, begun) = (Repeated(Mutex::new(None)), Instant::now());
        let at = |seconds| repeated.is_new(begun + Duration::from_secs(seconds));
        assert_eq!([0, 1, 4, 9, 20, 21].map(at), [true, false, false, false, true, false]);
    }

    #[test]
    fn a_line_break_in_a_text_does_not_begin_a_line() {
        assert_eq!(one_line("left == right\n  left: 1\u{1b}[2J"), "left == right\\n  left: 1\\u{1b}[2J");
        assert_eq!(one_line("한글"), "한글");
    }
}
