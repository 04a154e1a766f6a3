//! A conf's text in the form a report may show: secrets replaced by `***`. Also maps a byte of the file to its place in
//! that text.

use std::ops::Range;

/// Has a fixed length, which reveals nothing about the secret's.
const MASK: &str = "***";

/// The masked text of one conf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConfText {
    name: String,
    shown: String,
    /// The masks, in order.
    cuts: Vec<CutText>,
    /// Length of the file, in bytes.
    len: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct CutText {
    /// The hidden bytes of the file.
    hidden: Range<usize>,
    /// The position of the mask in the shown text.
    at: usize,
    /// The number of hidden characters, so that columns after the mask are those of the file.
    chars: usize,
}

/// The position of a caret.
pub(crate) struct Position<'a> {
    pub(crate) line: usize,
    /// In characters of the file, from 1.
    pub(crate) column: usize,
    /// In characters of the excerpt, from 1.
    pub(crate) shown_column: usize,
    pub(crate) excerpt: &'a str,
    /// Bytes of the excerpt.
    pub(crate) caret: Range<usize>,
}

impl ConfText {
    /// Hides `secrets`, which may be in any order; each is within one line.
    pub(crate) fn new(name: &str, text: &str, mut secrets: Vec<Range<usize>>) -> ConfText {
        secrets.retain(|secret| !secret.is_empty());
        secrets.sort_by_key(|secret| secret.start);
        let mut source = ConfText { name: name.to_owned(), len: text.len(), ..ConfText::default() };
        let mut done = 0;
        let mut secrets = secrets.into_iter().peekable();
        while let Some(mut hidden) = secrets.next() {
            while let Some(next) = secrets.next_if(|next| next.start <= hidden.end) {
                hidden.end = hidden.end.max(next.end);
            }
            source.shown.push_str(&text[done..hidden.start]);
            done = hidden.end;
            let chars = text[hidden.clone()].chars().count();
            source.cuts.push(CutText { hidden, at: source.shown.len(), chars });
            source.shown.push_str(MASK);
        }
        source.shown.push_str(&text[done..]);
        source
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The line, the column and the caret of some bytes of the file.
    pub(crate) fn place(&self, span: &Range<usize>) -> Position<'_> {
        let start = self.shown_at(span.start, false);
        let end = self.shown_at(span.end, true).max(start);
        let line_start = self.shown[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.shown[start..].find('\n').map_or(self.shown.len(), |at| start + at);
        let excerpt = self.shown[line_start..line_end].trim_end();
        let before = &self.shown[line_start..start];
        let before_span = self.cuts.iter().filter(|cut| cut.at >= line_start && cut.hidden.end <= span.start);
        let (masks, hidden) = before_span.fold((0, 0), |(masks, chars), cut| (masks + 1, chars + cut.chars));
        Position {
            line: self.shown[..start].matches('\n').count() + 1,
            column: (before.chars().count() + hidden).saturating_sub(masks * MASK.len()) + 1,
            shown_column: before.chars().count() + 1,
            excerpt,
            caret: (start - line_start).min(excerpt.len())..(end - line_start).min(excerpt.len()),
        }
    }

    /// Some bytes of the file, as they are shown.
    pub(crate) fn shown(&self, span: &Range<usize>) -> &str {
        let start = self.shown_at(span.start, false);
        &self.shown[start..self.shown_at(span.end, true).max(start)]
    }

    /// The position of a byte of the file in the shown text; within a mask, the mask's start or end.
    fn shown_at(&self, at: usize, as_end: bool) -> usize {
        let at = at.min(self.len);
        let mut position = at;
        for cut in &self.cuts {
            if cut.hidden.end <= at {
                position = cut.at + MASK.len() + (at - cut.hidden.end);
            } else if cut.hidden.start < at || (cut.hidden.start == at && !as_end) {
                return if as_end { cut.at + MASK.len() } else { cut.at };
            }
        }
        // The shown text is cut at character boundaries; a byte within a character moves to the character's start.
        (0..=position.min(self.shown.len())).rev().find(|at| self.shown.is_char_boundary(*at)).unwrap_or(0)
    }
}
