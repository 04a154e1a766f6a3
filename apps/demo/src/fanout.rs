//! The picture of the fan-out: one call to every member, drawn as it went.
//!
//! The picture is made here and not in the browser, so that it needs no script: `static/fanout.js` only spares loading
//! the whole page for the next one. Every number and word in it is of the call that this very request made.

use serde::Serialize;
use skitai::prelude::*;

use crate::members::Members;
use crate::{page, switches};

/// Of a member's row in the drawing, whose lines end in the middle of each.
const ROW: usize = 100;
/// The most letters of what a member or the system said.
const SAID: usize = 160;

/// Asks every member, as `/search` does, and tells what became of each: a picture here, the outcomes over RPC.
#[route("/fanout")]
pub(crate) async fn fanout(was: Was, #[arg(default = "Mozart")] keyword: String) -> Result<Either<Page, Vec<Outcome>>> {
    let found = was.map("mysearch/RPC2").call("search", (&keyword,)).getswait(secs(2)).await;
    match was.face() {
        Face::Web => Ok(Either::Left(page(&was, "fanout.html", &keyword, &found)?)),
        Face::XmlRpc | Face::JsonRpc => Ok(Either::Right(found.into_iter().collect())),
    }
}

/// What the template draws.
#[derive(Serialize)]
struct Picture<'p> {
    keyword: &'p str,
    rows: Vec<Row<'p>>,
    /// Of the drawing, and where its lines begin.
    height: usize,
    middle: usize,
    is_asked: bool,
    ok: usize,
    works: usize,
    /// Such as `2 of 3 ok (1 not sent)`.
    coverage: String,
    /// `X-Coverage` as this reply has it: a whole answer has none.
    header: Option<String>,
    /// Whether the demo has started the members.
    is_own: bool,
    /// Why they cannot be switched, where they are the demo's own.
    why_not: Option<String>,
}

/// A member, and what came of asking it.
#[derive(Serialize)]
struct Row<'p> {
    /// Counted from 1, for the switch of one of the demo's own.
    number: Option<usize>,
    node: String,
    is_on: bool,
    /// Where its line ends.
    y: usize,
    /// `idle`, `ok` or `failed`.
    look: &'static str,
    /// The word of the outcome.
    word: String,
    /// What it found, or what went wrong.
    said: String,
    #[serde(skip)]
    outcome: Option<&'p Outcome>,
}

/// A page with the picture in it, of this answer; of none before the first.
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
        // Who they are is the configuration's affair, and is known once they were asked.
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
        ok: coverage.ok,
        works: found.iter().filter(|outcome| outcome.is_ok()).map(|outcome| outcome.data.count()).sum(),
        coverage: coverage.to_string(),
        header: was.response.get("x-coverage"),
        is_own: !own.is_empty(),
        why_not,
        rows,
    };
    let page = page::of(was, template).with("picture", picture).with("can_switch", can_switch);
    // A token is for who may use it: nobody else gets a session of it.
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
