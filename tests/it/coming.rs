//! `docs/coming-from-skitai.md` against the source: every row of the inventory once, each with an answer, each with a
//! test or the words that it is not there, and no test or function that does not exist.

use std::collections::BTreeMap;
use std::process::Command;

use crate::harness::TestServer;
use crate::harness::data::{root, sources};

/// The numbers of the inventory.
const ROWS: std::ops::RangeInclusive<u32> = 1..=128;

/// What the page says for one that is not built.
const NOT_THERE: &str = "**not there**";

/// The heads of the page's tables; the first one numbers its rows.
const HEADS: [&str; 2] = ["| row | then | here | test |", "| chapter | twin | test |"];

fn page() -> String {
    std::fs::read_to_string(root().join("docs/coming-from-skitai.md")).unwrap()
}

/// A row of a table: its cells. A bar within code is written `\|`.
fn cells(line: &str) -> Option<Vec<String>> {
    let inside = line.trim().strip_prefix('|')?.strip_suffix('|')?.replace("\\|", "\u{1}");
    Some(inside.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect())
}

/// The texts between backticks.
fn codes(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The tests that a cell names: `file::test`.
fn named(cell: &str) -> Vec<(String, String)> {
    codes(cell)
        .filter_map(|code| code.split_once(".rs::").map(|(file, test)| (format!("{file}.rs"), test.to_owned())))
        .collect()
}

/// The functions that a piece of code calls: what stands before a `(`, at its begin or behind a `.` or a `::`.
fn called(code: &str) -> Vec<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, _) in code.match_indices('(') {
        let before = code[..at].rsplit_once("::<").map_or(&code[..at], |(name, kinds)| {
            // `get::<T>(name)`.
            if kinds.ends_with('>') && !kinds.contains('(') { name } else { &code[..at] }
        });
        let name = &before[before.rfind(|c| !is_name(c)).map_or(0, |end| end + 1)..];
        let lead = &before[..before.len() - name.len()];
        if !name.is_empty() && (lead.is_empty() || lead.ends_with('.') || lead.ends_with("::")) {
            found.push(name.to_owned());
        }
    }
    found
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

/// What is wrong with the page.
fn wrongs(page: &str) -> Vec<String> {
    let (mut rows, mut wrong, mut head) = (BTreeMap::<u32, usize>::new(), Vec::new(), None);
    let library: String = sources(&["src", "actors/src"]).into_iter().map(|(_, text)| text).collect();
    for line in page.lines() {
        let Some(cells) = cells(line) else {
            head = None;
            continue;
        };
        let Some(of) = head else {
            head = HEADS.iter().position(|head| *head == line);
            if head.is_none() {
                wrong.push(format!("a table of another form: {line}"));
                head = Some(HEADS.len());
            }
            continue;
        };
        if cells[0].starts_with("---") {
            continue;
        }
        if of == 0 {
            match cells[0].parse() {
                Ok(number) => *rows.entry(number).or_default() += 1,
                Err(_) => wrong.push(format!("{:?} is no number of a row", cells[0])),
            }
            if cells.len() != 4 || cells[1].is_empty() || cells[2].is_empty() {
                wrong.push(format!("what was then and what is here are to be said: {line}"));
            }
            for name in cells.get(2).into_iter().flat_map(|here| codes(here)).flat_map(called) {
                if !library.contains(&format!("fn {name}(")) && !library.contains(&format!("fn {name}<")) {
                    wrong.push(format!("there is no function `{name}`: {line}"));
                }
            }
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
    wrong.extend(ROWS.filter(|number| !rows.contains_key(number)).map(|number| format!("row {number} is missing")));
    for (number, many) in rows {
        if !ROWS.contains(&number) || many > 1 {
            wrong.push(format!("row {number} stands {many} times, of {}", ROWS.end()));
        }
    }
    wrong
}

#[test]
fn every_row_of_the_inventory_stands_once_with_an_answer_and_a_test_that_exists() {
    let wrong = wrongs(&page());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_row_that_is_gone_doubled_or_empty_would_be_seen() {
    let page = page();
    let row = page.lines().find(|line| line.starts_with("| 58 |")).unwrap();
    let answer = cells(row).unwrap()[2].replace('|', "\\|");
    let broken = |to: &str| wrongs(&page.replace(row, to)).join("\n");
    assert!(broken("").contains("row 58 is missing"));
    assert!(broken(&format!("{row}\n{row}")).contains("row 58 stands 2 times"));
    assert!(broken(&row.replace("| 58 |", "| 58–59 |")).contains("is no number of a row"));
    assert!(broken(&row.replace(&answer, " ")).contains("are to be said"));
    assert!(broken(&row.replace(&answer, "`was.nothing_like_it(1)`")).contains("no function `nothing_like_it`"));
    assert!(broken(&row.replace("::placeholders_take", "::nobody_takes")).contains("has no test nobody_takes"));
    assert!(wrongs(&page.replace(HEADS[0], "| # | then | here | test |")).join("\n").contains("of another form"));
}

#[test]
fn what_the_checks_read_is_read_rightly() {
    let text = "    #[test]\n    #[should_panic]\n    fn one() {\n    fn two() {}\n#[test]\nfn three(x in any()) {";
    assert!(has_test(text, "one") && has_test(text, "three"));
    assert!(!has_test(text, "two") && !has_test(text, "on") && !has_test(text, "four"));
    assert_eq!(named("`a/b.rs::c`, `d.rs` and `e/f.rs::g`").len(), 2);
    assert_eq!(cells("| 1 | `\\|x\\|` | c |").unwrap(), ["1", "`|x|`", "c"]);
    assert_eq!(called("was.map(\"a\").call(\"b\", (1,))"), ["map", "call"]);
    assert_eq!(called("get::<T>(name)"), ["get"]);
    assert_eq!(called("#[arg(name = \"x\")]"), Vec::<String>::new());
    assert_eq!(called("Part::file(…)"), ["file"]);
}

#[test]
fn the_switches_of_the_first_server_are_taken() {
    let scenario = TestServer::demo();
    scenario.check(); // writes the conf
    let demo = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skitai-demo"));
        command.args(arguments).current_dir(scenario.dir()).output().unwrap()
    };
    for switch in ["-c", "-v", "--consol", "--console", "--verbose"] {
        let output = demo(&["check", switch, "-f", "test.conf"]);
        assert_eq!(output.status.code(), Some(0), "{switch}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(demo(&["check", "--consul", "-f", "test.conf"]).status.code(), Some(2), "others are not");
    for asked in [&["-h"][..], &["--help"], &["check", "--help"]] {
        let output = demo(asked);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("Usage:") && text.contains("--conf"), "{asked:?}: {text}");
    }
}
