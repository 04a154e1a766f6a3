//! Handlers that hold their thread, in an app of its own.

use std::time::Instant;

use skitai::prelude::*;

pub(crate) fn app() -> App {
    App::new("holding").routes(routes![holds, waits, holds_plainly])
}

/// Blocks its thread, as no handler should.
fn block(ms: u64) {
    let end = Instant::now() + Duration::from_millis(ms);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

#[route("/holds")]
async fn holds(ms: u64) -> &'static str {
    block(ms);
    "held"
}

/// Waits, which holds nobody.
#[route("/waits", deadline = 1.7)]
async fn waits() {
    std::future::pending().await
}

#[route("/holds-plainly")]
fn holds_plainly(ms: u64) -> u8 {
    block(ms);
    0
}
