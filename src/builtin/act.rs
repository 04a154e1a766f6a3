//! `/status/act`: what an operator does by the web: members, processes, the log.
//!
//! One form for all of it. Without `confirm=yes` it answers with a page that says what will happen, and asks; with it,
//! it acts and leads back to the status page, which shows the audit log. Who looks only (the user `viewer`) may not.
//! Every refusal is in the audit log, too.
//!
//! - `wanted`: what the fields of the form mean; `words`: what will happen, for people.

mod wanted;
mod words;

use skitai_wire::Value;

use self::wanted::{Wanted, wanted};
use super::admin::page::framed;
use crate as skitai;
use crate::app::acting::Attempt;
use crate::app::{App, Error, Form, Page, Response, Result, Was};
use crate::prelude::route;

/// The app.
pub(crate) fn app() -> App {
    App::new("act")
        .rpc(false)
        .template("layout.html", include_str!("../../templates/status/layout.html"))
        .template("act.html", include_str!("../../templates/status/act.html"))
        .routes(skitai::routes![ask, act])
}

/// Asks whether it is meant: changes nothing.
#[route("/", methods = ["GET"], name = "act.ask")]
async fn ask(was: Was, form: Form) -> Result<Response> {
    was.require_admin("only the user `admin` acts").await?;
    confirmation(&was, &wanted(&was, &form)?).await
}

/// Does what an operator has confirmed; before that it asks.
#[route("/", methods = ["POST"], name = "act")]
async fn act(was: Was, form: Form) -> Result<Response> {
    let attempt = Attempt { action: text(&form, "action"), on: named(&form), why: text(&form, "why") };
    let judged = async {
        was.require_admin("only the user `admin` acts").await?;
        // An address stands in logs, and a token must not.
        if was.request.uri().contains('?') {
            return Err(Error::new(400, "what is to be done comes in the body of the form, and not in the address"));
        }
        was.check_act(form.get("csrf_token").and_then(Value::as_str))
    };
    if let Err(error) = judged.await {
        was.note_refusal(attempt, &error).await;
        return Err(error);
    }
    let wanted = match wanted(&was, &form) {
        Ok(wanted) => wanted,
        Err(error) => {
            was.note_refusal(attempt, &error).await;
            return Err(error);
        }
    };
    if text(&form, "confirm") != "yes" {
        return confirmation(&was, &wanted).await;
    }
    let id = was.carry_out(wanted.deed).await;
    let back = Response::new(303).header("Location", format!("/status?done={id}"));
    Ok(back.header("Cache-Control", "no-store"))
}

/// The page that says what will happen.
async fn confirmation(was: &Was, wanted: &Wanted) -> Result<Response> {
    let page = Page::new("act.html")
        .with("title", words::title(&wanted.deed))
        .with("what", words::what(&wanted.deed))
        .with("warning", words::warning(wanted))
        .with("fields", &wanted.fields)
        .with("csrf_token", was.act_token()?);
    // Nobody else's page shows this one in a frame, with its button under another picture.
    framed(was, 200, page).await
}

/// What the form names, as it stands there, for the audit log.
fn named(form: &Form) -> String {
    let parts = ["cluster", "member", "level", "target"].map(|name| text(form, name));
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A field of the form; empty if it is not there.
fn text(form: &Form, name: &str) -> String {
    form.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned()
}

/// A field without which the form says nothing.
fn needed(form: &Form, name: &str) -> Result<String> {
    if form.get(name).is_some_and(|value| value.as_list().is_some()) {
        return Err(Error::new(400, format!("the field `{name}` is there more than once")));
    }
    Some(text(form, name)).filter(|text| !text.is_empty()).ok_or_else(|| {
        Error::new(400, format!("the field `{name}` is missing: it is needed for what the field `action` asks for"))
    })
}
