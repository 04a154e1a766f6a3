//! `docs/coming-from-skitai.md` against the source: every test it names is one, and no row is without proof.

use std::collections::BTreeSet;

use crate::harness::data::root;

/// The rows that the page must have: what an app's author touches.
fn wanted() -> BTreeSet<u32> {
    [4, 5, 126, 128].into_iter().chain(53..=89).chain(93..=106).collect()
}

/// What the page says for one that is not built.
const NOT_THERE: &str = "**not there**";

/// A row of a table: its cells. A bar within code is written `\|`.
fn cells(line: &str) -> Option<Vec<String>> {
    let inside = line.trim().strip_prefix('|')?.strip_suffix('|')?.replace("\\|", "\u{1}");
    Some(inside.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect())
}

/// The tests that a cell names: `file::test`.
fn named(cell: &str) -> Vec<(String, String)> {
    let codes = cell.split('`').skip(1).step_by(2);
    codes
        .filter_map(|code| code.split_once(".rs::").map(|(file, test)| (format!("{file}.rs"), test.to_owned())))
        .collect()
}

/// True where the text has a test of this name: a function without arguments, or of a property, below its attribute.
fn has_test(text: &str, name: &str) -> bool {
    let mut lines = text.lines().map(str::trim_start).peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("#[test]") {
            let head = std::iter::from_fn(|| lines.next_if(|line| line.starts_with("#[")));
            head.for_each(drop);
            let function = lines.peek().and_then(|line| line.strip_prefix("fn "));
            if function.and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with('(')) {
                return true;
            }
        }
    }
    false
}

#[test]
fn every_test_that_the_page_names_exists_and_no_row_is_missing() {
    let page = std::fs::read_to_string(root().join("docs/coming-from-skitai.md")).unwrap();
    let (mut rows, mut wrong) = (BTreeSet::new(), Vec::new());
    for line in page.lines() {
        let Some(cells) = cells(line) else { continue };
        if cells[0].starts_with("---") || cells.last().is_some_and(|cell| cell == "test") {
            continue;
        }
        if let Ok(number) = cells[0].parse()
            && !rows.insert(number)
        {
            wrong.push(format!("{number} stands twice"));
        }
        let tests = named(cells.last().expect("a row has cells"));
        if tests.is_empty() && !line.contains(NOT_THERE) {
            wrong.push(format!("no test, and not said to be missing: {line}"));
        }
        for (file, test) in tests {
            let text = std::fs::read_to_string(root().join(&file)).unwrap_or_default();
            if !has_test(&text, &test) {
                wrong.push(format!("{file} has no test {test}"));
            }
        }
    }
    wrong.extend(wanted().difference(&rows).map(|number| format!("row {number} is missing")));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_test_that_is_gone_would_be_seen() {
    let text = "    #[test]\n    #[should_panic]\n    fn one() {\n    fn two() {}\n#[test]\nfn three(x in any()) {";
    assert!(has_test(text, "one") && has_test(text, "three"));
    assert!(!has_test(text, "two") && !has_test(text, "on") && !has_test(text, "four"));
    assert_eq!(named("`a/b.rs::c`, `d.rs` and `e/f.rs::g`").len(), 2);
    assert_eq!(cells("| 1 | `\\|x\\|` | c |").unwrap(), ["1", "`|x|`", "c"]);
}
