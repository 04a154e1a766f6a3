//! A route with two typed path arguments and a read of the session, as a Skitai app. Beside it: `session-bare`.

use std::process::ExitCode;

use skitai::prelude::*;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    skitai::main([App::new("orders").use_session(true).routes(routes![enter, order])])
}

/// Begins a session.
#[route("/enter")]
async fn enter(was: Was) -> Result<&'static str> {
    was.session.set("user", "Mozart")?;
    Ok("welcome")
}

#[route("/orders/<int:year>/<int:number>")]
async fn order(was: Was, year: i64, number: i64) -> Result<String> {
    let user: String = was.session.get("user").ok_or_else(|| Error::new(403, "nobody"))?;
    Ok(format!("{user} {year} {number}"))
}
