//! Parses the text of a conf into sections and entries, in order and without loss: keys may repeat, and every name, key
//! and value knows its byte range in the file.
//!
//! The grammar is that of the Python server Skitai. A section is `[name]` or `[name:kind]`, where the kind is `pair`
//! (the default: `key = value`), `line` (one item per line, split once at `=`) or `data` (raw text). In a pair section
//! a line that starts with a blank continues the value above it, joined without a separator. `;` and `#` at the start
//! of a line begin a comment; after a value only a `;` after a blank does, so keys like `a;b#c=d` survive. If every
//! line of a file has the same indent (pasted from a document), the indent is ignored.
//!
//! An invalid line is reported and parsing continues, so that an operator sees all problems at once.

use std::ops::Range;

use super::report::Problem;
use super::{certification, keys, mounts};

/// A parsed conf.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) sections: Vec<Section>,
    /// Lines that are not entries. Their content is unknown, so they may contain a secret.
    pub(super) strays: Vec<Range<usize>>,
}

/// How the lines of a section are parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SectionKind {
    Pair,
    Line,
    Data,
}

#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) name_span: Range<usize>,
    pub(super) kind: SectionKind,
    pub(super) entries: Vec<IniEntry>,
}

impl Section {
    /// An empty section of pairs.
    pub(super) fn of_pairs() -> Section {
        Section { name: String::new(), name_span: 0..0, kind: SectionKind::Pair, entries: Vec::new() }
    }
}

#[derive(Debug)]
pub(super) struct IniEntry {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) value: Value,
}

/// A value, possibly written over several lines.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) text: String,
    /// Never empty: an empty value has one empty piece after its separator.
    pieces: Vec<IniPiece>,
}

#[derive(Debug)]
struct IniPiece {
    /// The offset of the piece in the joined text.
    at: usize,
    span: Range<usize>,
}

impl Value {
    /// The bytes of the first line of the value, which a caret can underline.
    pub(super) fn span(&self) -> Range<usize> {
        self.pieces[0].span.clone()
    }

    /// The bytes of every line of the value.
    pub(super) fn spans(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.pieces.iter().map(|piece| piece.span.clone())
    }

    /// Whether the value spans several lines.
    pub(super) fn is_continued(&self) -> bool {
        self.pieces.len() > 1
    }

    /// Whether a part of the joined text was written on more than one line.
    pub(super) fn is_broken(&self, part: &Range<usize>) -> bool {
        self.pieces.iter().any(|piece| part.start < piece.at && piece.at < part.end)
    }

    /// The bytes of a part of the joined text, cut at the end of the line on which it starts.
    pub(super) fn span_of(&self, part: &Range<usize>) -> Range<usize> {
        let piece = self.pieces.iter().rev().find(|piece| piece.at <= part.start).unwrap_or(&self.pieces[0]);
        let start = (piece.span.start + (part.start - piece.at)).min(piece.span.end);
        let end = (start + part.len()).min(piece.span.end);
        start..end
    }
}

/// Parses a whole conf and adds errors of its form to `problems`.
pub(super) fn read(text: &str, problems: &mut Vec<Problem>) -> Document {
    let mut reader = Reader { text, document: Document::default(), problems };
    let indent = shared_indent(text);
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let body = line.trim_end();
        if !body.is_empty() {
            reader.line(at + indent..at + body.len());
        }
        at += line.len();
    }
    reader.document
}

/// The indent in bytes that all non-blank lines share.
fn shared_indent(text: &str) -> usize {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let blanks = |line: &'_ str| line.len() - line.trim_start().len();
    let Some(first) = lines.next() else { return 0 };
    let mut shared = &first[..blanks(first)];
    for line in lines {
        let same = shared.char_indices().zip(line.chars()).find(|((_, a), b)| a != b).map(|((i, _), _)| i);
        shared = &shared[..same.unwrap_or_else(|| shared.len().min(line.len()))];
    }
    shared.len()
}

struct Reader<'a> {
    text: &'a str,
    document: Document,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// Parses one non-blank line, without its shared indent and its line end.
    fn line(&mut self, line: Range<usize>) {
        let body = &self.text[line.clone()];
        let trimmed = trim(self.text, line.clone());
        let first = self.text[trimmed.clone()].chars().next();
        let indented = trimmed.start > line.start;
        match self.document.sections.last().map(|section| section.kind) {
            Some(SectionKind::Data) if !body.starts_with('[') => {}
            Some(SectionKind::Line) => match first {
                Some(';' | '#') => {}
                Some('[') => self.header(trimmed),
                _ => self.entry(trimmed, SectionKind::Line),
            },
            _ => match first {
                Some(';') => {}
                Some('#') if !indented => {}
                Some('[') if !indented => self.header(trimmed),
                _ if indented => self.continuation(trimmed),
                _ => self.entry(trimmed, SectionKind::Pair),
            },
        }
    }

    fn header(&mut self, line: Range<usize>) {
        let inside = line.start + 1;
        let (end, rest) = match self.text[line.clone()].find(']') {
            Some(close) => (line.start + close, trim(self.text, line.start + close + 1..line.end)),
            None => {
                self.problems.push(
                    Problem::error(line.clone(), "the section's `]` is missing")
                        .label("expected `]` at the end")
                        .help("a section is written `[name]`"),
                );
                (line.end, line.end..line.end)
            }
        };
        if !rest.is_empty() && !self.text[rest.clone()].starts_with([';', '#']) {
            self.problems.push(
                Problem::error(rest, "there is text behind the section's `]`")
                    .label("not read")
                    .help("write it on a line of its own, or as a comment with `;` before it"),
            );
        }
        let written = &self.text[inside..end];
        let (name, kind) = match written.rsplit_once(':') {
            // A colon in the path of a mount is a part of it.
            _ if mounts::path_of(written.trim()).is_some() => (written, None),
            // So is one before the name of a certificate.
            _ if certification::is_named(written) => (written, None),
            Some((name, kind)) => (name, Some((kind, end - kind.len()..end))),
            None => (written, None),
        };
        let name_span = trim(self.text, inside..inside + name.len());
        // Routes are the only section parsed by lines; parsed as such in any case, its lines cause no further problems.
        let is_routes = name.trim() == "routes";
        let own = if is_routes { SectionKind::Line } else { SectionKind::Pair };
        let kind = match kind.as_ref().map(|(kind, span)| (kind.trim(), span)) {
            None if is_routes => {
                let problem = Problem::error(name_span.clone(), "[routes] is a section of lines").label("kind missing");
                self.problems.push(problem.help("write `[routes:line]`"));
                own
            }
            None | Some(("pair", _)) => SectionKind::Pair,
            Some(("line", _)) => SectionKind::Line,
            Some(("data", _)) => SectionKind::Data,
            Some((_, span)) => {
                self.problems.push(
                    Problem::error(span.clone(), "a section's kind is `pair`, `line` or `data`")
                        .label("unknown kind")
                        .help("routes are written in `[routes:line]`; every other section needs no kind"),
                );
                own
            }
        };
        let name = self.text[name_span.clone()].to_owned();
        if name.is_empty() {
            self.problems.push(Problem::error(line, "a section needs a name").label("nothing between `[` and `]`"));
        }
        self.document.sections.push(Section { name, name_span, kind, entries: Vec::new() });
    }

    /// Parses an indented line of a pair section.
    fn continuation(&mut self, line: Range<usize>) {
        let body = &self.text[line.clone()];
        // A continuation that looks like an entry or a section was meant as one.
        if body.starts_with('[') && body.ends_with(']') && is_known_section(&body[1..body.len() - 1]) {
            self.misplaced(line.start, "this section is indented, so it would continue the value above it");
            return self.header(line);
        }
        let key = body.split(['=', ':']).next().unwrap_or_default().trim();
        if body.contains('=') && keys::is_known(key) {
            self.misplaced(line.start, "this line is indented, so it would continue the value above it");
            return self.entry(line, SectionKind::Pair);
        }
        let Some(entry) = self.document.sections.last_mut().and_then(|section| section.entries.last_mut()) else {
            if !body.starts_with('#') {
                self.misplaced(line.start, "an indented line continues the value above it, and there is none");
                self.document.strays.push(line);
            }
            return;
        };
        if body.starts_with('#') {
            self.problems.push(
                Problem::warning(line.start..line.start + 1, "an indented `#` is read as a comment here")
                    .label(format!("not a part of `{}`", printable(&entry.key)))
                    .help("start comments at the start of the line"),
            );
            return;
        }
        let span = before_comment(self.text, line);
        entry.value.pieces.push(IniPiece { at: entry.value.text.len(), span: span.clone() });
        entry.value.text.push_str(&self.text[span]);
    }

    fn misplaced(&mut self, at: usize, message: &str) {
        let problem = Problem::error(at..at, message).label("starts with a blank");
        self.problems.push(problem.help("remove the blanks at the start of the line"));
    }

    fn entry(&mut self, line: Range<usize>, kind: SectionKind) {
        let body = &self.text[line.clone()];
        let separators: &[char] = if kind == SectionKind::Line { &['='] } else { &['=', ':'] };
        let Some(at) = body.find(separators) else {
            let problem = if kind == SectionKind::Line {
                Problem::error(line.clone(), "a line here reads `path = target`").label("no `=` in it")
            } else {
                Problem::error(line.start..line.start, "a line here reads `key = value`").label("no `=` in this line")
            };
            self.problems.push(problem);
            self.document.strays.push(line);
            return;
        };
        let key_span = trim(self.text, line.start..line.start + at);
        let key = self.text[key_span.clone()].to_owned();
        let value = before_comment(self.text, line.start + at + 1..line.end);
        if kind == SectionKind::Pair && !is_key(&key) {
            let help = if key.starts_with('/') {
                "routes are written in `[routes:line]`"
            } else {
                "a key is one word of letters, digits and `_`; a value that goes on is indented"
            };
            let problem = Problem::error(line.start..line.start, "this line does not begin with a key");
            self.problems.push(problem.label("expected `key = value`").help(help));
            self.document.strays.push(line);
            return;
        }
        let text = self.text[value.clone()].to_owned();
        let text = if text == "\"\"" { String::new() } else { text };
        let entry = IniEntry { key, key_span, value: Value { text, pieces: vec![IniPiece { at: 0, span: value }] } };
        match self.document.sections.last_mut() {
            Some(section) => section.entries.push(entry),
            None => {
                self.problems.push(
                    Problem::error(entry.key_span, "this line stands before the first section")
                        .label("belongs to no section")
                        .help("start the file with `[server]`"),
                );
                self.document.strays.push(line);
            }
        }
    }
}

/// A key in the form a message may show: a text that does not look like a key may be part of a secret.
pub(super) fn printable(key: &str) -> String {
    let plain = key.len() <= 24 && key.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
    if plain { key.to_owned() } else { "…".to_owned() }
}

fn is_key(text: &str) -> bool {
    let word = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    // `securekeyA1b2=c3` is a secret whose separator was forgotten, not a key.
    let lower = text.to_ascii_lowercase();
    word && !keys::secret_names().any(|secret| lower.starts_with(secret) && lower.len() > secret.len() + 2)
}

fn is_known_section(inside: &str) -> bool {
    let name = inside.split(':').next().unwrap_or_default().trim();
    name.starts_with('@') || mounts::path_of(name).is_some() || keys::SECTIONS.contains(&name)
}

/// A range without the blanks at its ends.
fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    let part = &text[range.clone()];
    let start = range.start + (part.len() - part.trim_start().len());
    let len = part.trim().len();
    start..start + len
}

/// A value's range without a trailing comment: a `;` after a blank.
fn before_comment(text: &str, range: Range<usize>) -> Range<usize> {
    let part = &text[range.clone()];
    let comment = part.match_indices(';').find(|(at, _)| part[..*at].ends_with(char::is_whitespace));
    trim(text, range.start..range.start + comment.map_or(part.len(), |(at, _)| at))
}

#[cfg(test)]
mod tests;
