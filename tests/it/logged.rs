//! The list of the log's lines in docs/LOGGING.md: every line of the levels error and warn that the sources can write
//! is in it, with its level, and nothing is in it that they cannot write.

use std::collections::BTreeSet;

use crate::harness::data::{root, sources};

/// A line as the list has it: its level, its text with `…` for what differs, and, of a line without words of its own,
/// the module that writes it.
type Listed = (String, String, Option<String>);

/// The call of a macro of the log in a source, from behind its parenthesis to the end of its arguments.
fn arguments(code: &str) -> &str {
    let (mut depth, mut is_text, mut is_escaped) = (1, false, false);
    for (at, letter) in code.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_text => is_escaped = true,
            '"' => is_text = !is_text,
            '(' | '[' | '{' if !is_text => depth += 1,
            ')' | ']' | '}' if !is_text => {
                depth -= 1;
                if depth == 0 {
                    return &code[..at];
                }
            }
            _ => {}
        }
    }
    panic!("a call without an end: {}", &code[..80.min(code.len())]);
}

/// The message among these arguments: the first text that is no part of another argument. Fields stand before it.
fn message(arguments: &str) -> Option<String> {
    let (mut depth, mut text, mut letters) = (0, None::<String>, arguments.chars().peekable());
    while let Some(letter) = letters.next() {
        match (&mut text, letter) {
            (Some(text), '\\') => match letters.next()? {
                '\n' => while letters.next_if(|next| next.is_whitespace()).is_some() {},
                'n' => text.push(' '),
                other => text.push(other),
            },
            (Some(_), '"') => {
                let ended = text.take()?;
                if depth == 0 {
                    return Some(ended);
                }
            }
            (Some(text), letter) => text.push(letter),
            (None, '"') => text = Some(String::new()),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

/// A message with `…` for each of its placeholders. A `tail` says how many of the kind were not told, and is left out.
fn with_gaps(message: &str) -> String {
    let message = message.replace("{tail}", "");
    let (mut text, mut depth) = (String::new(), 0);
    let mut letters = message.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '{' if letters.next_if_eq(&'{').is_some() => text.push('{'),
            '}' if depth == 0 && letters.next_if_eq(&'}').is_some() => text.push('}'),
            '{' => depth += 1,
            '}' if depth > 0 => {
                depth -= 1;
                // What stands behind another without a word between is one.
                if !text.ends_with('…') {
                    text.push('…');
                }
            }
            _ if depth == 0 => text.push(letter),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `supervise::control` of `…/src/supervise/control.rs`; of the actors `actors::cluster`.
fn module(path: &str) -> String {
    let (before, below) = path.rsplit_once("src/").expect("a source");
    let below = below.trim_end_matches(".rs").replace('/', "::");
    if before.ends_with("actors/") { format!("actors::{below}") } else { below }
}

fn line(level: &str, text: String, module: String) -> Listed {
    let has_words = text.chars().any(char::is_alphabetic);
    (level.to_owned(), text, (!has_words).then_some(module))
}

/// The lines that the sources can write.
fn written() -> BTreeSet<Listed> {
    let mut lines = BTreeSet::new();
    for (path, code) in sources(&["src", "actors/src"]) {
        let path = path.to_str().unwrap();
        if path.contains("/tests/") || path.ends_with("/tests.rs") {
            continue;
        }
        let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for level in ["error", "warn", "info"] {
            for (at, name) in code.match_indices(&format!("tracing::{level}!(")) {
                let message = message(arguments(&code[at + name.len()..]));
                let message = message.unwrap_or_else(|| panic!("{path}: a line of the log without a text"));
                lines.insert(line(level, with_gaps(&message), module(path)));
            }
        }
    }
    lines
}

/// The rows of the list.
fn listed() -> BTreeSet<Listed> {
    let text = std::fs::read_to_string(root().join("docs/LOGGING.md")).unwrap();
    let (_, list) = text.split_once("\n## The lines\n").expect("docs/LOGGING.md has the list");
    let list = list.split("\n## ").next().unwrap();
    let rows = list.lines().filter(|line| line.starts_with("| `"));
    let row = |row: &str| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [first, level, meaning, ..] = cells[..] else { panic!("a row with too few cells: {row}") };
        assert!(level == "info" || !meaning.is_empty() || first.contains("more"), "it says nothing: {row}");
        let (text, module) = match first.split_once("` of `") {
            Some((text, module)) => (text, Some(module.trim_matches('`').to_owned())),
            None => (first, None),
        };
        let text = text.trim_start_matches('`').trim_end_matches('`').trim().to_owned();
        (level.to_owned(), text, module)
    };
    rows.map(row).collect()
}

#[test]
fn every_line_that_an_operator_should_know_is_listed() {
    let (written, listed) = (written(), listed());
    assert!(written.len() > 100, "{}", written.len());
    let unlisted: Vec<&Listed> = written.difference(&listed).filter(|(level, ..)| level != "info").collect();
    let gone: Vec<&Listed> = listed.difference(&written).collect();
    assert!(unlisted.is_empty(), "not in docs/LOGGING.md: {unlisted:#?}\nlisted and not written: {gone:#?}");
    assert!(gone.is_empty(), "in docs/LOGGING.md, and no source writes it: {gone:#?}");
}

#[test]
fn a_line_would_be_seen() {
    let code = r#"tracing::warn!(cluster = name("a"), at, "the `{}` {what:?}{more} is \
        {{out}}: {}\n{why}{tail}", f(")"), x);"#;
    let found = message(arguments(code.split_once("!(").unwrap().1)).expect("a text");
    assert_eq!(with_gaps(&found), "the `…` … is {out}: … …");
    assert_eq!(module("/x/src/supervise/control.rs"), "supervise::control");
    assert_eq!(module("/x/actors/src/db.rs"), "actors::db");
    assert_eq!(line("warn", "… …".to_owned(), "a::b".to_owned()).2.as_deref(), Some("a::b"));
    assert_eq!(line("warn", "it …".to_owned(), "a::b".to_owned()).2, None);
}
