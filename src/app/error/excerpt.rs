//! A few lines of a source file around the place of an error.

use std::panic::Location;
use std::path::Path;

use serde::Serialize;

/// Lines shown before and after the line of the error.
const AROUND: usize = 4;
/// Characters shown of a line: a minified file is one line.
const WIDEST: usize = 200;

/// A place in a text, and the text around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Excerpt {
    /// The file, as its compiler names it.
    pub(crate) file: String,
    /// Counted from 1.
    pub(crate) line: usize,
    /// Counted from 1.
    pub(crate) column: usize,
    /// Number and text of each line; empty if the text cannot be read.
    pub(crate) lines: Vec<(usize, String)>,
}

impl Excerpt {
    /// The place in this text.
    pub(crate) fn of(file: &str, text: &str, line: usize, column: usize) -> Excerpt {
        let shown = |line: &str| line.chars().take(WIDEST).collect::<String>();
        let first = line.saturating_sub(AROUND).max(1);
        let numbered = text.lines().enumerate().map(|(index, text)| (index + 1, text));
        let lines = numbered.skip(first - 1).take(line + AROUND + 1 - first);
        let lines = lines.map(|(number, text)| (number, shown(text))).collect();
        Excerpt { file: file.to_owned(), line, column, lines }
    }

    /// The place in a Rust source, if the file can be read: the compiler gives paths relative to Cargo's folder.
    pub(crate) fn of_source(file: &str, line: usize, column: usize) -> Excerpt {
        let path = Path::new(file);
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        let text = if is_source { std::fs::read_to_string(path).unwrap_or_default() } else { String::new() };
        Excerpt::of(file, &text, line, column)
    }

    /// Where an error was made.
    pub(crate) fn at(place: &Location<'_>) -> Excerpt {
        Excerpt::of_source(place.file(), place.line() as usize, place.column() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_around_a_place_are_shown_and_no_others() {
        let text: String = (1..=20).map(|number| format!("line {number}\n")).collect();
        let numbers = |line: usize| {
            let lines = Excerpt::of("x", &text, line, 1).lines;
            (lines.first().map(|line| line.0), lines.last().map(|line| line.0))
        };
        assert_eq!(numbers(10), (Some(6), Some(14)));
        assert_eq!((numbers(1), numbers(20)), ((Some(1), Some(5)), (Some(16), Some(20))));
        assert_eq!(Excerpt::of("x", "", 3, 1).lines, []);
        assert_eq!(Excerpt::of_source("/etc/passwd", 1, 1).lines, [], "sources alone are shown");
    }
}
