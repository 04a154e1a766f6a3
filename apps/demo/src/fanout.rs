//! The picture of the fan-out: a drawing of one call to every member.
//!
//! The server draws the picture, so that it needs no script in the browser: `static/fanout.js` only saves reloading the
//! whole page for the next one. Every number and word in it comes from the call that this request made.

use serde::Serialize;
use skitai::prelude::*;

use crate::members::Members;
use crate::{page, switches};

/// Height of a member's row in the drawing. Its lines end in the middle of the row.
const ROW: usize = 100;
/// The most characters shown of a text from a member or the system.
const SAID: usize = 160;

/// Asks every member, as `/search` does, and shows each outcome: a picture here, the outcomes over RPC.
#[route("/fanout")]
pub(crate) async fn fanout(was: Was, #[arg(default = "Mozart")] keyword: String) -> Result<Either<Page, Vec<Outcome>>> {
    let found = was.map("mysearch/RPC2").call("search", (&keyword,)).getswait(secs(2)).await;
    match was.face() {
        Face::Web => Ok(Either::Left(page(&was, "fanout.html", &keyword, &found)?)),
        Face::XmlRpc | Face::JsonRpc => Ok(Either::Right(found.into_iter().collect())),
    }
}

/// The data of the template.
#[derive(Serialize)]
struct Picture<'p> {
    keyword: &'p str,
    rows: Vec<Row<'p>>,
    /// Height of the drawing, and where its lines begin.
    height: usize,
    middle: usize,
    is_asked: bool,
    ok: usize,
    works: usize,
    /// Such as `2 of 3 ok (1 not sent)`.
    coverage: String,
    /// `X-Coverage` of this reply, and whether it says that the answer is whole.
    header: String,
    is_whole: bool,
    /// Whether the demo started the members itself.
    is_own: bool,
    /// Why the demo's own members cannot be switched, if they cannot.
    why_not: Option<String>,
}

/// A member and its outcome.
#[derive(Serialize)]
struct Row<'p> {
    /// The number of one of the demo's own members, from 1, for its switch.
    number: Option<usize>,
    node: String,
    is_on: bool,
    /// The end of its line.
    y: usize,
    /// `idle`, `ok` or `failed`.
    look: &'static str,
    /// The word of the outcome.
    word: String,
    /// The works it found, or its error.
    said: String,
    #[serde(skip)]
    outcome: Option<&'p Outcome>,
}

/// A page with the picture of this answer; without an answer at the first visit.
pub(crate) fn page(was: &Was, template: &'static str, keyword: &str, found: &[Outcome]) -> Result<Page> {
    let own = was.registered::<Members>("members")?.seen();
    let mut rows: Vec<Row<'_>> = own
        .iter()
        .enumerate()
        .map(|(index, seen)| Row { number: Some(index + 1), is_on: seen.is_on, ..Row::of(seen.address.to_string()) })
        .collect();
    for outcome in found {
        match rows.iter_mut().find(|row| row.node == *outcome.node && row.outcome.is_none()) {
            Some(row) => row.outcome = Some(outcome),
            None => rows.push(Row { outcome: Some(outcome), ..Row::of(outcome.node.to_string()) }),
        }
    }
    if rows.is_empty() {
        // The configuration names the members, so they are unknown before the first call.
        rows.push(Row::of("@mysearch".to_owned()));
    }
    for (index, row) in rows.iter_mut().enumerate() {
        row.y = index * ROW + ROW / 2;
        row.describe();
    }
    let coverage = Coverage::of(found);
    let why_not = switches::here(&was.request).err().filter(|_| !own.is_empty());
    let can_switch = !own.is_empty() && why_not.is_none();
    let picture = Picture {
        keyword,
        height: rows.len() * ROW,
        middle: rows.len() * ROW / 2,
        is_asked: !found.is_empty(),
        ok: coverage.good(),
        works: found.iter().filter(|outcome| outcome.is_ok()).map(|outcome| outcome.data.count()).sum(),
        coverage: coverage.to_string(),
        header: was.coverage().to_header(),
        is_whole: coverage.is_complete(),
        is_own: !own.is_empty(),
        why_not,
        rows,
    };
    let page = page::of(was, template).with("picture", picture).with("can_switch", can_switch);
    // Only a client that may use the switches gets a token, and with it a session.
    Ok(if can_switch { page.with_csrf() } else { page.with("csrf_token", "") })
}

impl<'p> Row<'p> {
    fn of(node: String) -> Row<'p> {
        Row { number: None, node, is_on: true, y: 0, look: "", word: String::new(), said: String::new(), outcome: None }
    }

    fn describe(&mut self) {
        (self.look, self.word, self.said) = match self.outcome {
            None if self.is_on => ("idle", "not asked yet".to_owned(), String::new()),
            None => ("idle", "off".to_owned(), "nobody listens there".to_owned()),
            Some(outcome) if outcome.is_ok() => {
                let took = outcome.latency.as_secs_f64() * 1e3;
                ("ok", "ok".to_owned(), format!("{} works in {took:.1} ms", outcome.data.count()))
            }
            Some(outcome) => {
                let word = outcome.reason.word().replace('_', " ");
                ("failed", word, outcome.msg.chars().take(SAID).collect())
            }
        };
    }
}
