//! `redirects` and `rewrites` of `[mount /path]`: other paths for what was asked for: `/blog/* /articles/* 301`.

use std::fmt;
use std::ops::Range;

use super::ini::Section;
use super::keys::{self, Key};
use super::reading::{Reading, find, parts};
use super::report::Problem;

/// One line of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveRule {
    /// The path, or what stands before the `/*` at its end.
    pub from: String,
    /// Whether all paths below `from` are meant, too.
    pub takes_rest: bool,
    /// Where it leads, without the `/*` at its end.
    pub to: String,
    /// Whether the rest of the path follows.
    pub keeps_rest: bool,
    /// The status of a redirect; `None` for a rewrite, of which the client learns nothing.
    pub code: Option<u16>,
}

/// The codes of redirects. Without one it is 302: what browsers keep for good cannot be taken back.
const CODES: [u16; 5] = [301, 302, 303, 307, 308];
const TEMPORARY: u16 = 302;

impl MoveRule {
    /// Where a path leads that the rule is for.
    pub fn apply(&self, path: &str) -> Option<String> {
        let rest = if self.takes_rest {
            let rest = path.strip_prefix(&*self.from)?;
            if !rest.is_empty() && !rest.starts_with('/') {
                return None;
            }
            rest
        } else {
            (path == self.from).then_some("")?
        };
        if !self.keeps_rest {
            return Some(self.to.clone());
        }
        // `//host` would be another site, and browsers take `\` for `/`.
        Some(format!("{}/{}", self.to, rest.trim_start_matches(['/', '\\'])))
    }

    fn is_on_site(&self) -> bool {
        self.to.is_empty() || self.to.starts_with('/')
    }
}

impl fmt::Display for MoveRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = |is: bool| if is { "/*" } else { "" };
        write!(f, "{}{} {}{}", self.from, star(self.takes_rest), self.to, star(self.keeps_rest))?;
        self.code.map_or(Ok(()), |code| write!(f, " {code}"))
    }
}

/// Reads both tables of a section. A rule is for paths of its mount.
pub(super) fn moves(reading: &mut Reading<'_>, section: &Section, mount: &str) -> Vec<MoveRule> {
    let mut rules: Vec<(MoveRule, Range<usize>)> = Vec::new();
    for key in [&keys::REDIRECTS, &keys::REWRITES] {
        let Some(value) = find(Some(section), key) else { continue };
        if value.text.is_empty() {
            let problem = Problem::error(value.span(), format!("`{}` has no value", key.name));
            reading.push(problem.label("expected paths such as `/blog/* /articles/*`").help("remove the line"));
        }
        for (text, range) in parts(&value.text) {
            let span = value.span_of(&range);
            match rule(text, key, mount) {
                Ok(rule) => rules.push((rule, span)),
                Err(expected) => reading.push(Problem::error(span, "this leads nowhere").label(expected)),
            }
        }
    }
    for (rule, span) in &rules {
        if goes_round(rule, &rules) {
            let problem = Problem::error(span.clone(), "this redirect leads back to itself");
            reading.push(problem.label("a browser would go round for ever"));
        }
    }
    rules.into_iter().map(|(rule, _)| rule).collect()
}

/// Reads one rule; an error says what was expected.
fn rule(text: &str, key: &Key, mount: &str) -> Result<MoveRule, String> {
    let is_redirect = key.name == keys::REDIRECTS.name;
    let mut words = text.split_whitespace();
    let (Some(from), Some(to)) = (words.next(), words.next()) else {
        return Err("expected a path, and behind a blank where it leads".to_owned());
    };
    let code = match (words.next(), is_redirect) {
        (None, true) => Some(TEMPORARY),
        (None, false) => None,
        (Some(_), false) => return Err("a rewrite has no code".to_owned()),
        (Some(code), true) => {
            let code = code.parse().ok().filter(|code| CODES.contains(code));
            Some(code.ok_or("the codes are 301, 302, 303, 307 and 308")?)
        }
    };
    if words.next().is_some() {
        return Err("there are commas between rules".to_owned());
    }
    let (from, takes_rest) = star(from)?;
    let (to, keeps_rest) = star(to)?;
    if !(from.starts_with('/') || from.is_empty() && takes_rest) || from.contains(['?', '#']) {
        return Err("a path starts with `/`, and has no `?` or `#`".to_owned());
    }
    let is_below = |path: &str| path.strip_prefix(mount).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if !is_below(from) {
        return Err(format!("the path is to be one of this mount, below `{mount}/`"));
    }
    if keeps_rest && !takes_rest {
        return Err("`/*` stands for what a `/*` of the path before it stands for".to_owned());
    }
    let on_site = (to.starts_with('/') && !to.starts_with("//")) || to.is_empty() && keeps_rest;
    let elsewhere = ["https://", "http://"].iter().any(|scheme| to.len() > scheme.len() && to.starts_with(scheme));
    if !(on_site || is_redirect && elsewhere) || to.contains('\\') || !to.bytes().all(|byte| byte.is_ascii_graphic()) {
        let or = if is_redirect { " or `https://`, in the form in which it is sent" } else { "" };
        return Err(format!("it leads to what starts with `/`{or}"));
    }
    // What a longer mount lets nobody see must not come out here; and no rule can tell what a rewritten query was.
    if !is_redirect && (!is_below(to) || to.contains(['?', '#'])) {
        return Err(format!("a rewrite stays in its mount, below `{mount}/`, and keeps the query"));
    }
    Ok(MoveRule { from: from.to_owned(), takes_rest, to: to.to_owned(), keeps_rest, code })
}

/// A path without the `/*` at its end, and whether there was one.
fn star(text: &str) -> Result<(&str, bool), String> {
    let (path, has_star) = text.strip_suffix("/*").map_or((text, false), |path| (path, true));
    if path.contains('*') {
        return Err("a `*` stands at the end alone, as `/*`".to_owned());
    }
    Ok((path, has_star))
}

/// Whether who follows redirects comes back: for a path of the rule, with and without something below it.
fn goes_round(rule: &MoveRule, rules: &[(MoveRule, Range<usize>)]) -> bool {
    let begins = [rule.from.clone(), format!("{}/x", rule.from)];
    begins.into_iter().filter(|path| rule.code.is_some() && rule.apply(path).is_some()).any(|begin| {
        let mut path = begin;
        for _ in 0..=rules.len() {
            let next = rules.iter().filter(|(rule, _)| rule.code.is_some()).find_map(|(rule, _)| {
                let to = rule.apply(&path)?;
                Some(if rule.is_on_site() { to } else { String::new() })
            });
            match next {
                Some(next) if !next.is_empty() => path = next.split(['?', '#']).next().unwrap_or_default().to_owned(),
                _ => return false,
            }
        }
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> MoveRule {
        rule(text, &keys::REDIRECTS, "").unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn a_rule_leads_its_paths_and_no_others() {
        for (text, path, expected) in [
            ("/old /new", "/old", Some("/new")),
            ("/old /new", "/old/", None),
            ("/blog/* /articles/*", "/blog/a/b", Some("/articles/a/b")),
            ("/blog/* /articles/*", "/blog", Some("/articles/")),
            ("/blog/* /articles/*", "/blogs", None),
            ("/blog/* /gone", "/blog/a", Some("/gone")),
            ("/go/* https://example.org/*", "/go/x", Some("https://example.org/x")),
        ] {
            assert_eq!(read(text).apply(path).as_deref(), expected, "{text} {path}");
        }
    }

    #[test]
    fn the_rest_of_a_path_never_names_another_site() {
        let rule = read("/go/* /*");
        for rest in ["/evil.example", "//evil.example", "\\evil.example", "/\\evil.example", "\\/\\/evil.example"] {
            assert_eq!(rule.apply(&format!("/go/{rest}")).as_deref(), Some("/evil.example"), "{rest}");
        }
    }

    #[test]
    fn what_leads_nowhere_says_what_was_expected() {
        for (text, expected) in [
            ("/a", "behind a blank"),
            ("/a /b 200", "the codes are"),
            ("/a /b 301 /c", "commas"),
            ("a /b", "starts with `/`"),
            ("/a //evil.example", "starts with `/`"),
            ("/a/* https://example.org*", "as `/*`"),
            ("/a /b/*", "stands for"),
            ("/a javascript:x", "starts with `/`"),
        ] {
            let why = rule(text, &keys::REDIRECTS, "").expect_err(text);
            assert!(why.contains(expected), "{text}: {why}");
        }
        assert!(rule("/m/a /b", &keys::REWRITES, "/m").expect_err("leaves").contains("stays in its mount"));
        assert!(rule("/b /m/a", &keys::REDIRECTS, "/m").expect_err("of another").contains("one of this mount"));
    }

    #[test]
    fn who_goes_round_is_found() {
        let all = |texts: &[&str]| texts.iter().map(|text| (read(text), 0..0)).collect::<Vec<_>>();
        let rounds =
            |texts: &[&str]| all(texts).iter().map(|(rule, _)| goes_round(rule, &all(texts))).collect::<Vec<_>>();
        assert_eq!(rounds(&["/a /b", "/b /a"]), [true, true]);
        assert_eq!(rounds(&["/a/* /a/b/*"]), [true]);
        assert_eq!(rounds(&["/a /b", "/b /c", "/x https://a.example/x"]), [false, false, false]);
    }
}
