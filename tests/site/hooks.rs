//! An app with hooks at three levels: itself, a package, a package in that. Each notes what ran; a request's arguments
//! say what is to fail where.

use std::sync::Mutex;

use skitai::prelude::*;

/// What ran, since it was asked for last.
static NOTES: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn note(text: String) {
    NOTES.lock().expect("whole").push(text);
}

/// What the query says of a hook: `app.before=stop`.
fn wish(was: &Was, hook: &str) -> Option<String> {
    let pairs = was.request.query().split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == hook).map(|(_, value)| value.to_owned()).next()
}

async fn before(was: Was, level: &'static str) -> Result<Option<String>> {
    note(format!("{level}.before"));
    match wish(&was, &format!("{level}.before")).as_deref() {
        Some("stop") => Ok(Some(format!("stopped by {level}"))),
        Some("error") => Err(Error::new(403, format!("refused by {level}"))),
        Some("panic") => panic!("on purpose, in before_request"),
        _ => Ok(None),
    }
}

async fn after(was: Was, level: &'static str) -> Result<()> {
    note(format!("{level}.after"));
    was.response.set("x-after", level);
    match wish(&was, &format!("{level}.after")).as_deref() {
        Some("error") => Err(Error::internal(format!("after of {level} failed"))),
        _ => Ok(()),
    }
}

async fn teardown(was: Was, failure: Failure, level: &'static str) -> Result<Option<String>> {
    note(format!("{level}.teardown {}", failure.status));
    match wish(&was, &format!("{level}.teardown")).as_deref() {
        Some("reply") => Ok(Some(format!("sorry from {level}"))),
        Some("status") => {
            was.response.reply(418);
            Ok(Some(format!("teapot of {level}")))
        }
        Some("error") => Err(Error::internal(format!("teardown of {level} failed"))),
        _ => Ok(None),
    }
}

pub(crate) fn app() -> App {
    let inner = Package::at("/inner")
        .before_request(|was| before(was, "inner"))
        .after_request(|was| after(was, "inner"))
        .teardown_request(|was, failure| teardown(was, failure, "inner"))
        .routes(routes![act]);
    let outer = Package::at("/outer")
        .before_request(|was| before(was, "outer"))
        .after_request(|was| after(was, "outer"))
        .teardown_request(|was, failure| teardown(was, failure, "outer"))
        .package(inner);
    App::new("hooked")
        .before_request(|was| before(was, "app"))
        .after_request(|was| after(was, "app"))
        .teardown_request(|was, failure| teardown(was, failure, "app"))
        .package(outer)
        // What has no hooks of its own has the app's alone; the notes are another app's.
        .routes(routes![plain])
}

/// Gives the notes and forgets them. It belongs to an app without hooks.
#[route("/hook-notes")]
pub(crate) async fn notes() -> Vec<String> {
    std::mem::take(&mut *NOTES.lock().expect("whole"))
}

#[route("/plain")]
async fn plain() -> &'static str {
    note("plain".to_owned());
    "plain"
}

#[route("/act", deadline = 0.3)]
async fn act(was: Was, #[arg(default = "ok")] how: String) -> Result<String> {
    note("act".to_owned());
    was.response.reply(201);
    match how.as_str() {
        "error" => Err(Error::internal("the handler failed")),
        "panic" => panic!("on purpose, in a handler with hooks"),
        "slow" => std::future::pending().await,
        _ => Ok("done".to_owned()),
    }
}
