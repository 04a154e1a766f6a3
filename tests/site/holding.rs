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
#[route("/waits")]
async fn waits(was: Was, ms: u64) -> u8 {
    was.wget("http://127.0.0.1:9/").get().getwait(secs(1)).await;
    let end = Instant::now() + Duration::from_millis(ms);
    while Instant::now() < end {
        skitai::actix_web::rt::time::sleep(Duration::from_millis(5)).await;
    }
    0
}

#[route("/holds-plainly")]
fn holds_plainly(ms: u64) -> u8 {
    block(ms);
    0
}
