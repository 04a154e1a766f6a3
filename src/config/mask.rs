//! Decides which bytes of a conf are never shown.
//!
//! A report shows the operator's own lines, and reports end up in logs and tickets. So it hides the values of secret
//! keys, the passwords of database members, and text that may be one of these, misspelt: the value of an unknown key
//! that is not near to a harmless one, a line that is not an entry. In doubt, it hides.

use std::ops::Range;

use super::ini::{Document, IniEntry, Section};
use super::spelling::nearest;
use super::{certification, keys, members, mounts};

const MEMBERS: &str = "members";

/// Words that announce a secret before a `=` or `:`. Members announce one only after other text: the passwords in a
/// proper line of members are known.
const ANNOUNCING: &[&str] = &[
    MEMBERS,
    "securekey",
    "securekeys",
    "admin_password",
    "viewer_password",
    "passphrase",
    "pass_phrase",
    "password",
    "passwd",
    "secret",
    "token",
];

/// Parts of an unknown key's name that make its value a possible secret.
const DOUBTFUL: &[&str] = &["key", "pass", "pwd", "pw", "secret", "token", "cred", "auth", "login"];

/// The secrets of a conf, in any order, each within one line.
pub(super) fn secrets(text: &str, document: &Document) -> Vec<Range<usize>> {
    let mut hidden = Vec::new();
    for section in &document.sections {
        // A `[` before an entry turns the entry into a section name, with its value.
        if section.name.contains('=') {
            hidden.push(section.name_span.clone());
        }
        for entry in &section.entries {
            hide_entry(text, section, entry, &mut hidden);
        }
    }
    for stray in &document.strays {
        hidden.push(stray.start + harmless_start(&text[stray.clone()])..stray.end);
    }
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        hidden.extend(announced(line).into_iter().map(|secret| at + secret.start..at + secret.end));
        at += line.len();
    }
    hidden
}

/// A one-word value in the form a message may quote. A word with `=`, `/` or `@` may be several lines without the
/// breaks between them, one of which may be a secret.
pub(super) fn quotable_word(text: &str) -> Option<String> {
    quotable(text).filter(|_| !is_glued(text))
}

/// A value in the form a message may quote.
pub(super) fn quotable(text: &str) -> Option<String> {
    let short = text.chars().count() <= 60;
    let shown = short && announced(text).is_empty() && !text.chars().any(char::is_control);
    shown.then(|| format!("`{text}`"))
}

/// Whether a text only refers to a secret that is stored elsewhere. If there are several, each must.
pub(super) fn is_reference(text: &str) -> bool {
    text.split(',').all(|part| part.trim_start().starts_with("env:") || part.trim_start().starts_with("file:"))
}

fn hide_entry(text: &str, section: &Section, entry: &IniEntry, hidden: &mut Vec<Range<usize>>) {
    let name = section.name.as_str();
    let known_section = keys::SECTIONS.contains(&name)
        || name.starts_with('@')
        || mounts::path_of(name).is_some()
        || certification::is_named(name);
    if keys::secret_names().any(|name| name == entry.key) {
        if !is_reference(&entry.value.text) || entry.value.is_continued() {
            hide_whole(text, entry, hidden);
        }
    } else if entry.key == keys::MEMBERS.name {
        let kind = section.entries.iter().find(|other| other.key == keys::TYPE.name);
        let parts = members::passwords(&entry.value.text, kind.map(|kind| kind.value.text.as_str()));
        for part in parts {
            hide_part(text, entry, &part, hidden);
        }
    } else if section.name == "routes" && entry.key.starts_with('/') {
        // A path and a name; the scan of each line finds a password in a URL.
    } else if !known_section || !keys::is_known(&entry.key) {
        let meant = meant(&entry.key).is_some_and(|meant| !is_doubtful(meant, &entry.value.text));
        let plain = (meant || is_plain(&entry.value.text)) && !entry.value.is_continued();
        let lower = entry.key.to_lowercase();
        if !plain || DOUBTFUL.iter().any(|part| lower.contains(part)) {
            hide_whole(text, entry, hidden);
        }
        if super::ini::printable(&entry.key) != entry.key {
            hidden.push(entry.key_span.start + harmless_start(&entry.key)..entry.key_span.end);
        }
    } else if is_doubtful(&entry.key, &entry.value.text) {
        hide_whole(text, entry, hidden);
    }
}

/// The key that a mistyped one was meant to be, if its value is nobody's secret.
pub(super) fn meant(key: &str) -> Option<&'static str> {
    let names = keys::TABLES.iter().flat_map(|(_, table)| table.iter().map(|key| key.name));
    let meant = nearest(key, names)?;
    let may_be_secret = meant == MEMBERS || keys::secret_names().any(|secret| secret == meant);
    (!may_be_secret).then_some(meant)
}

/// Hides to the end of each line: the text of an apparent comment may be the rest of a secret.
fn hide_whole(text: &str, entry: &IniEntry, hidden: &mut Vec<Range<usize>>) {
    hidden.extend(entry.value.spans().map(|span| span.start..line_end(text, span.start)));
}

/// Whether a value looks like several lines without the breaks between them, one of which may be a secret.
fn is_doubtful(key: &str, value: &str) -> bool {
    match keys::takes_path(key) {
        // A query may contain `=`, but not with blanks around it.
        true if key == keys::CHECK.name => value.contains(" = "),
        true => value.contains('='),
        false => is_glued(value),
    }
}

fn is_glued(text: &str) -> bool {
    text.contains(['=', '/', '@'])
}

/// Hides a part of a value, which may span several lines.
fn hide_part(text: &str, entry: &IniEntry, part: &Range<usize>, hidden: &mut Vec<Range<usize>>) {
    let mut at = part.start;
    while at < part.end {
        let span = entry.value.span_of(&(at..part.end));
        if span.is_empty() {
            break;
        }
        at += span.len();
        // A ` ;` in a password looks like a comment and cuts it.
        let is_last = at >= entry.value.text.len() || entry.value.is_continued();
        let rest = if is_last { line_end(text, span.start) } else { span.end };
        hidden.push(span.start..if text[span.end..rest].trim_start().starts_with(';') { rest } else { span.end });
    }
}

/// Values that are certainly not secret: a number with few digits, yes or no.
fn is_plain(text: &str) -> bool {
    let number = text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit());
    number || matches!(text, "yes" | "no" | "true" | "false" | "on" | "off")
}

/// The length of an invalid line's beginning that may be shown: a key or path, and the separator.
fn harmless_start(line: &str) -> usize {
    let names = keys::TABLES.iter().flat_map(|(_, table)| table.iter().map(|key| key.name));
    let start = if line.starts_with('/') {
        line.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(line.len())
    } else {
        names.filter(|name| line.starts_with(name)).map(str::len).max().unwrap_or(0)
    };
    let is_separator = |c: char| start > 0 && (c == '=' || c == ':' || c.is_whitespace());
    line.len() - line[start..].trim_start_matches(is_separator).len()
}

/// The text of a line after a word that announces a secret, and the password of a URL.
fn announced(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let end = line.trim_end().len();
    let lower = line.to_ascii_lowercase();
    for word in ANNOUNCING {
        for (at, _) in lower.match_indices(word) {
            let after = at + word.len();
            let Some(separator) = line[after..end].find(|c: char| !c.is_whitespace()).map(|skip| after + skip) else {
                continue;
            };
            let is_key = *word == MEMBERS && line[..at].trim().is_empty();
            if line[separator..].starts_with(['=', ':']) && !is_key {
                let value = separator + 1;
                let start = value + (line[value..end].len() - line[value..end].trim_start().len());
                if start < end && !is_reference(&line[start..end]) {
                    found.push(start..end);
                }
            }
        }
    }
    let mut from = 0;
    // Not `://`, because the colon or one slash may be missing.
    while let Some(at) = line[from..end].find('/').map(|at| from + at + 1) {
        let stop = line[at..end].find(char::is_whitespace).map_or(end, |stop| at + stop);
        if let Some(login) = line[at..stop].rfind('@').map(|login| at + login)
            && let Some(colon) = line[at..login].find(':').map(|colon| at + colon + 1)
            && !line[colon..login].starts_with("env:")
            && !line[colon..login].starts_with("file:")
        {
            found.push(colon..login);
        }
        from = at;
    }
    found
}

fn line_end(text: &str, from: usize) -> usize {
    let end = text[from..].find('\n').map_or(text.len(), |at| from + at);
    from + text[from..end].trim_end().len()
}
