//! Patterns for names of files, such as `assets/**` and `*.????????.js`.

use std::fmt;

/// A pattern. `*` stands for any number of characters of one name, `?` for one, `**` for any number of folders, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
    marks: Vec<GlobPart>,
    /// Without a `/` it is for the last name of a path.
    is_of_name: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GlobPart {
    Exactly(char),
    /// `?`
    One,
    /// `*`
    Some,
    /// `**`
    All,
}

impl Glob {
    /// Reads a pattern; an error says what was expected.
    pub(super) fn read(text: &str) -> Result<Glob, String> {
        if text.contains(char::is_whitespace) {
            return Err("a pattern has no blank in it; there are commas between patterns".to_owned());
        }
        if text.split('/').any(|name| name == "..") {
            return Err("a pattern is for names below its mount".to_owned());
        }
        let mut marks = Vec::new();
        let mut rest = text.strip_prefix('/').unwrap_or(text).chars().peekable();
        while let Some(character) = rest.next() {
            marks.push(match character {
                '*' if rest.next_if_eq(&'*').is_some() => GlobPart::All,
                '*' => GlobPart::Some,
                '?' => GlobPart::One,
                exactly => GlobPart::Exactly(exactly),
            });
        }
        if marks.is_empty() {
            return Err("expected a pattern such as `assets/**`".to_owned());
        }
        Ok(Glob { text: text.to_owned(), marks, is_of_name: !text.contains('/') })
    }

    /// Whether it is for a path, which has no slash at its beginning.
    pub fn matches(&self, path: &str) -> bool {
        let name = if self.is_of_name { path.rsplit('/').next().unwrap_or(path) } else { path };
        // Which beginnings of the pattern match what has been read: no way to go back, so that no name takes long.
        let mut matched = vec![false; self.marks.len() + 1];
        matched[0] = true;
        self.skip_empty(&mut matched);
        for character in name.chars() {
            let mut next = vec![false; self.marks.len() + 1];
            for (at, mark) in self.marks.iter().enumerate().filter(|(at, _)| matched[*at]) {
                match mark {
                    GlobPart::Exactly(exactly) => next[at + 1] |= *exactly == character,
                    GlobPart::One => next[at + 1] |= character != '/',
                    GlobPart::Some => next[at] |= character != '/',
                    GlobPart::All => next[at] = true,
                }
            }
            self.skip_empty(&mut next);
            matched = next;
        }
        matched[self.marks.len()]
    }

    /// A `*` may stand for nothing.
    fn skip_empty(&self, matched: &mut [bool]) {
        for (at, mark) in self.marks.iter().enumerate() {
            if matched[at] && matches!(mark, GlobPart::Some | GlobPart::All) {
                matched[at + 1] = true;
            }
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_matched() {
        for (pattern, path, expected) in [
            ("*.js", "app.js", true),
            ("*.js", "deep/app.js", true),
            ("*.js", "app.jsx", false),
            ("/*.js", "deep/app.js", false),
            ("*.????????.js", "app.0a1b2c3d.js", true),
            ("*.????????.js", "app.js", false),
            ("assets/*", "assets/a.css", true),
            ("assets/*", "assets/deep/a.css", false),
            ("assets/**", "assets/deep/a.css", true),
            ("assets/**", "assetsx/a.css", false),
            ("**/v?/*", "a/b/v1/c", true),
            ("a*b*c", "abcabd", false),
            ("größe-?.svg", "größe-ü.svg", true),
        ] {
            assert_eq!(Glob::read(pattern).map(|glob| glob.matches(path)), Ok(expected), "{pattern} {path}");
        }
    }

    #[test]
    fn a_pattern_of_many_marks_takes_no_time() {
        let glob = Glob::read(&"*a".repeat(60)).expect("a pattern");
        assert!(!glob.matches(&"a".repeat(4000).replace("aaaa", "aaab")));
        assert!(Glob::read("../x").is_err() && Glob::read("/").is_err() && Glob::read("a b").is_err());
    }
}
