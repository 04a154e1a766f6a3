//! The log: lines on standard error, at `info` unless `RUST_LOG` says otherwise; in colour on a terminal alone.

use std::borrow::Cow;
use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts the log. A second call in one process changes nothing.
pub(crate) fn start() {
    // tokio-postgres prints parameter values at debug: never, whatever the filter says.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,actix_server=warn"));
    let filter = match "tokio_postgres=info".parse() {
        Ok(cap) => filter.add_directive(cap),
        Err(_) => filter,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // An embedding program may have its own log; then that one stays.
    let _ = subscriber.try_init();
}

/// A text for one line of the log: an error may quote a client, who could otherwise write lines of its own.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escaped).collect())
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_line_break_in_a_text_does_not_begin_a_line() {
        assert_eq!(one_line("left == right\n  left: 1\u{1b}[2J"), "left == right\\n  left: 1\\u{1b}[2J");
        assert_eq!(one_line("한글"), "한글");
    }
}
