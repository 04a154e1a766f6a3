//! The log: lines on standard error, at `info` unless `RUST_LOG` says otherwise; in colour on a terminal alone.

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
