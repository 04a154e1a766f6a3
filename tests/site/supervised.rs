//! An app for the tests of the supervisor: says which process answers, ends it in every way, and starts as files in the
//! current folder say.

#![expect(clippy::disallowed_methods, reason = "it holds up, ends and kills its own process on purpose")]
#![expect(clippy::print_stdout, reason = "tests read the order of hooks")]

use std::path::Path;
use std::time::Duration;

use futures_util::stream::unfold;
use skitai::actix_web::rt::time::sleep;
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

/// As [`waits`], without a thread.
#[route("/rests")]
async fn rests(ms: u64, is_told: Option<u32>) -> u32 {
    if is_told.is_some() {
        println!("under way");
    }
    sleep(Duration::from_millis(ms)).await;
    std::process::id()
}

/// As [`waits`], on the event loop.
#[route("/holds")]
async fn holds(ms: u64) -> u32 {
    println!("under way");
    std::thread::sleep(Duration::from_millis(ms));
    std::process::id()
}

/// Ten lines a second for so long, and a last one by which a client knows that it is whole.
#[route("/lasts", deadline = 600)]
async fn lasts(seconds: u64) -> Streaming {
    let count = seconds * 10;
    Streaming::new(unfold(0, move |nth| async move {
        match nth {
            0 => Some((format!("{}\n", std::process::id()), 1)),
            _ if nth <= count => {
                sleep(Duration::from_millis(100)).await;
                Some((if nth == count { "whole\n".to_owned() } else { format!("{nth}\n") }, nth + 1))
            }
            _ => None,
        }
    }))
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
        .routes(routes![pid, user, waits, rests, holds, lasts, exits, dies, asks])
        .startup(|_| {
            if Path::new("startup.hangs").exists() {
                std::thread::sleep(Duration::from_secs(60));
            }
            while Path::new("startup.waits").exists() {
                std::thread::sleep(Duration::from_millis(10));
            }
            // The first one to start takes its place away.
            let has_place = std::fs::remove_file("startup.place").is_ok();
            if let Ok(why) = std::fs::read_to_string("startup.fails")
                && !has_place
            {
                if why.starts_with("once") {
                    let _ = std::fs::remove_file("startup.fails");
                }
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
