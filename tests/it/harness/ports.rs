//! Ports for programs that need one as an argument.
//!
//! They lie below the range from which the kernel takes the ports of outgoing connections, so that no connection of
//! another test can sit on one between our look and the program's bind. Each is handed out once.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Above the demo's own ports (5000 to 5003), below Linux' first ephemeral port (32768).
const FIRST: u16 = 10_000;
const SPAN: u16 = 22_000;

static HANDED_OUT: AtomicU16 = AtomicU16::new(0);

/// A port of 127.0.0.1 on which nobody listens.
pub(crate) fn free() -> u16 {
    // Two test runs on one machine begin at different places.
    let start = u16::try_from(std::process::id() % 199 * 110).expect("at most 198 * 110");
    loop {
        let turn = HANDED_OUT.fetch_add(1, Ordering::Relaxed);
        assert!(turn < SPAN, "no free port on 127.0.0.1");
        let port = FIRST + (start + turn) % SPAN;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
