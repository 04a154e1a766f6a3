//! The last lines of the log, for the status page: of warnings and errors so many octets, and of what is told for
//! information fewer, so that these do not push the others out.
//!
//! What is kept is what the log has, at its levels; no line has a secret, because the log has none.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use skitai_wire::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::log::one_line;

/// How many octets of warnings and errors are kept, and of information.
const GRAVE: usize = 48 * 1024;
const PLAIN: usize = 16 * 1024;
/// The longest line.
const LONGEST: usize = 1_000;
/// What a line costs beside its text.
const BESIDE: usize = 64;

static LINES: RecentLines =
    RecentLines(Mutex::new(KeptLines { nth: 0, grave: VecDeque::new(), plain: VecDeque::new() }));

/// The lines that are kept.
#[derive(Debug)]
struct RecentLines(Mutex<KeptLines>);

#[derive(Debug)]
struct KeptLines {
    /// How many there have been.
    nth: u64,
    grave: VecDeque<LogLine>,
    plain: VecDeque<LogLine>,
}

#[derive(Debug)]
struct LogLine {
    nth: u64,
    at_ms: u128,
    level: &'static str,
    text: String,
}

/// Keeps the lines of the log.
pub(crate) struct KeepLines;

impl<S: Subscriber> Layer<S> for KeepLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (level, is_grave) = match *event.metadata().level() {
            Level::ERROR => ("error", true),
            Level::WARN => ("warn", true),
            Level::INFO => ("info", false),
            // What is said for developers is much, and nothing for operators.
            _ => return,
        };
        let mut words = LineWords::default();
        event.record(&mut words);
        LINES.keep(level, is_grave, &(words.message + &words.fields));
    }
}

/// The last lines, the oldest first.
pub(crate) fn tree() -> Value {
    LINES.tree()
}

impl RecentLines {
    fn keep(&self, level: &'static str, is_grave: bool, text: &str) {
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let text = one_line(text);
        let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(end, _)| end);
        let text = text[..end].to_owned();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.nth += 1;
        let nth = kept.nth;
        let (lines, most) = if is_grave { (&mut kept.grave, GRAVE) } else { (&mut kept.plain, PLAIN) };
        lines.push_back(LogLine { nth, at_ms, level, text });
        let size = |line: &LogLine| line.text.len() + BESIDE;
        let mut octets: usize = lines.iter().map(size).sum();
        while octets > most {
            octets -= lines.pop_front().map_or(octets, |line| size(&line));
        }
    }

    fn tree(&self) -> Value {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<&LogLine> = kept.grave.iter().chain(&kept.plain).collect();
        lines.sort_by_key(|line| line.nth);
        let one = |line: &LogLine| {
            Value::from_pairs([
                ("nth", Value::Int(line.nth.cast_signed())),
                ("at_ms", Value::Int(i64::try_from(line.at_ms).unwrap_or(i64::MAX))),
                ("level", Value::from(line.level)),
                ("text", Value::from(line.text.as_str())),
            ])
        };
        Value::List(lines.into_iter().map(one).collect())
    }
}

/// The words of a line: the message, and behind it the fields as the log writes them.
#[derive(Default)]
struct LineWords {
    message: String,
    fields: String,
}

impl Visit for LineWords {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> RecentLines {
        RecentLines(Mutex::new(KeptLines { nth: 0, grave: VecDeque::new(), plain: VecDeque::new() }))
    }

    #[test]
    fn information_does_not_push_a_warning_out() {
        let lines = lines();
        lines.keep("warn", true, "the first");
        (0..1_000).for_each(|nth| lines.keep("info", false, &format!("{nth} {}", "x".repeat(100))));
        let told = lines.tree();
        assert_eq!((&told[0]["text"], &told[0]["level"]), (&"the first".into(), &"warn".into()), "{told}");
        assert!((90..100).contains(&told.len()), "{} lines", told.len());
        assert!(told[told.len() - 1]["text"].as_str().is_some_and(|text| text.starts_with("999 ")));
        (0..1_000).for_each(|_| lines.keep("error", true, &"y".repeat(2_000)));
        let octets: usize = lines.tree().iter_texts().map(|text| text.len()).sum();
        assert!(octets <= GRAVE + PLAIN, "{octets} octets");
    }

    trait Texts {
        fn iter_texts(&self) -> impl Iterator<Item = &str>;
    }

    impl Texts for Value {
        fn iter_texts(&self) -> impl Iterator<Item = &str> {
            self.as_list().unwrap_or_default().iter().filter_map(|line| line["text"].as_str())
        }
    }

    #[test]
    fn a_line_is_one_line_with_its_fields() {
        use tracing_subscriber::layer::SubscriberExt as _;
        let subscriber = tracing_subscriber::registry().with(KeepLines);
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(cluster = "a\nb", node = 7, "this is kept: {}", "two\nlines");
            tracing::debug!("this is not kept");
        });
        let told = tree();
        let texts: Vec<&str> = told.iter_texts().collect();
        assert!(texts.contains(&r#"this is kept: two\nlines cluster="a\nb" node=7"#), "{texts:?}");
        assert!(!texts.iter().any(|text| text.contains("this is not kept")), "{texts:?}");
    }
}
