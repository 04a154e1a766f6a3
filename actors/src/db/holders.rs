//! Statements that hold a member's connections: the error of a statement that waited in vain for one names them.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use super::Query;
use crate::wire::Value;

/// How many of the oldest holders are named.
const NAMED: usize = 4;
/// How much of a statement's text is shown, in characters: enough to find it in the program.
const HEAD: usize = 60;

/// The holders of one member's connections on this thread.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// Freed entries are reused.
    held: RefCell<Vec<Option<Holder>>>,
}

#[derive(Debug)]
struct Holder {
    since: Instant,
    asker: &'static str,
    /// `None` while a transaction or session is between two statements.
    query: Option<Arc<Query>>,
}

/// One holder's entry in the list; dropping it removes the entry.
#[derive(Debug)]
pub(super) struct Holding<'h> {
    holders: &'h Holders,
    place: usize,
}

impl Holders {
    /// Adds the holder of a connection that was lent at `since`.
    pub(super) fn hold(&self, asker: &'static str, query: Option<Arc<Query>>, since: Instant) -> Holding<'_> {
        let held = Some(Holder { since, asker, query });
        let mut all = self.held.borrow_mut();
        // The list has at most as many entries as there are connections.
        let place = match all.iter().position(Option::is_none) {
            Some(free) => {
                all[free] = held;
                free
            }
            None => {
                all.push(held);
                all.len() - 1
            }
        };
        Holding { holders: self, place }
    }

    /// `; held by /report for 2.1 s: SELECT …`, the oldest first; empty if no connection is held.
    pub(super) fn text(&self) -> String {
        let all = self.held.borrow();
        let mut held: Vec<&Holder> = all.iter().flatten().collect();
        held.sort_by_key(|one| one.since);
        let mut text = String::new();
        for (place, one) in held.iter().take(NAMED).enumerate() {
            let doing = match &one.query {
                Some(query) => head(&query.sql),
                None => "between two statements of its transaction or session".to_owned(),
            };
            let lead = if place == 0 { "; held by" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(text, "{lead} {} for {:.1?}: {doing}", one.asker, one.since.elapsed());
        }
        if held.len() > NAMED {
            let _ = write!(text, ", and {} more", held.len() - NAMED);
        }
        text
    }
}

impl Holders {
    /// The same for the status, the oldest first.
    pub(super) fn report(&self) -> Value {
        let all = self.held.borrow();
        let mut held: Vec<&Holder> = all.iter().flatten().collect();
        held.sort_by_key(|one| one.since);
        let told = held.iter().take(NAMED).map(|one| {
            let statement = one.query.as_ref().map_or(Value::Nil, |query| Value::String(head(&query.sql)));
            let seconds = (one.since.elapsed().as_secs_f64() * 10.0).round() / 10.0;
            Value::from_pairs([
                ("by", Value::from(one.asker)),
                ("seconds", Value::Double(seconds)),
                ("statement", statement),
            ])
        });
        Value::List(told.collect())
    }
}

impl Holding<'_> {
    /// Sets the statement that the holder runs now.
    pub(super) fn does(&self, query: Option<Arc<Query>>) {
        if let Some(held) = &mut self.holders.held.borrow_mut()[self.place] {
            held.query = query;
        }
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.holders.held.borrow_mut()[self.place] = None;
    }
}

/// The beginning of a statement on one line, without its parameters, which are not part of the text.
pub(super) fn head(sql: &str) -> String {
    let mut words = String::new();
    for word in sql.split_whitespace() {
        if words.len() >= HEAD {
            break;
        }
        if !words.is_empty() {
            words.push(' ');
        }
        words += word;
    }
    match words.char_indices().nth(HEAD) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{Holders, Query};

    #[test]
    fn the_oldest_are_named_with_what_they_do() {
        let holders = Holders::default();
        assert_eq!(holders.text(), "");
        let query = |sql: &'static str| Some(Query::among(sql.into(), [].into(), "/a"));
        let first = holders.hold("/a", query("SELECT\n   1"), Instant::now());
        let others: Vec<_> = (0..5).map(|_| holders.hold("/b", None, Instant::now())).collect();
        let text = holders.text();
        assert!(text.starts_with("; held by /a for ") && text.contains(": SELECT 1, /b for "), "{text}");
        assert!(text.ends_with(", and 2 more"), "{text}");
        let told = holders.report();
        assert_eq!(
            (told.len(), &told[0]["by"], &told[0]["statement"]),
            (4, &"/a".into(), &"SELECT 1".into()),
            "{told}"
        );
        drop(first);
        others[0].does(query("UPDATE t SET a = 1"));
        assert!(holders.text().contains("UPDATE t SET a = 1, /b"), "{}", holders.text());
    }
}
