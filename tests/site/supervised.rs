//! An app for the tests of the supervisor: says which process answers, ends it in every way, and starts as files in the
//! current folder say.

#![expect(clippy::disallowed_methods, reason = "it holds up, ends and kills its own process on purpose")]
#![expect(clippy::print_stdout, reason = "tests read the order of hooks")]

use std::path::Path;
use std::time::Duration;

use skitai::prelude::*;

#[route("/pid")]
fn pid() -> u32 {
    std::process::id()
}

#[route("/user")]
fn user() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
    format!("{} {} {}", of("Uid:"), of("Gid:"), of("Groups:"))
}

#[route("/waits")]
fn waits(ms: u64) -> u32 {
    std::thread::sleep(Duration::from_millis(ms));
    std::process::id()
}

#[route("/exits")]
fn exits(code: i32) -> u32 {
    std::process::exit(code)
}

#[route("/aborts")]
fn dies() -> u32 {
    std::process::abort()
}

#[route("/asks")]
fn asks(was: Was, what: String) -> Result<&'static str> {
    match &*what {
        "shutdown" => was.shutdown()?,
        _ => was.restart()?,
    }
    Ok("asked")
}

pub(crate) fn app() -> App {
    App::new("supervised")
        .routes(routes![pid, user, waits, exits, dies, asks])
        .startup(|_| {
            if Path::new("startup.hangs").exists() {
                std::thread::sleep(Duration::from_secs(60));
            }
            if let Ok(why) = std::fs::read_to_string("startup.fails") {
                return Err(Error::internal(why));
            }
            println!("started");
            Ok(())
        })
        .onreload(|_| {
            println!("reloaded");
            Ok(())
        })
}
