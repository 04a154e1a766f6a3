//! The documents against the tree: README's length, links and headings, examples that are compiled, and `llms.txt`.
//!
//! An example in Rust is compiled in one of two ways. `src/lib.rs` includes a document as doctests; or the example is a
//! part of a file that Cargo compiles, word for word. What such a document must not have is what neither way compiles:
//! `ignore`, and `#[test]` in a doctest, whose body the compiler drops.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::data::{root, sources};

/// The most lines of a page that one reads at a glance.
const README: usize = 150;
const AGENTS: usize = 40;

/// The most columns of prose. Tables and addresses may be longer, and code is its own.
const WIDTH: usize = 120;

/// Where Rust is.
const COMMENTED: &[&str] = &["src", "actors", "apps", "tests", "benches"];

/// Documents whose every example in Rust is compiled, and whether `src/lib.rs` includes them.
const EXAMPLES: [(&str, bool); 5] = [
    ("README.md", true),
    ("docs/GUIDE.md", true),
    ("docs/TEMPLATES.md", true),
    ("docs/TESTING.md", false),
    ("docs/WEBSOCKETS.md", false),
];

/// What Cargo compiles and authors read: the demo, and the project that `new` writes (`newcomer.rs` builds it).
const COMPILED: [&str; 2] = ["apps/demo/src", "templates/new"];

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents, from the root.
fn documents() -> Vec<String> {
    let mut found: Vec<String> =
        ["README.md", "AGENTS.md", "CONTRIBUTING.md", "CHANGELOG.md", "llms.txt", "proof/README.md"]
            .map(str::to_owned)
            .into();
    for folder in ["docs", "docs/decisions"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            if name.ends_with(".md") {
                found.push(format!("{folder}/{name}"));
            }
        }
    }
    found.sort();
    found
}

/// A document's lines with their numbers, those of fenced and of indented code left out.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let (mut is_fenced, mut was_blank, mut is_code) = (false, true, false);
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
            continue;
        }
        is_code = line.starts_with("    ") && (was_blank || is_code);
        was_blank = line.trim().is_empty();
        if !is_fenced && !is_code {
            found.push((number + 1, line));
        }
    }
    found
}

/// A line without what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// Where a line's links lead.
fn links(line: &str) -> Vec<String> {
    let line = without_code(line);
    let ends = line.match_indices("](").map(|(at, _)| &line[at + 2..]);
    ends.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

/// The name by which a heading is linked to, as GitHub makes it.
fn slug(heading: &str) -> String {
    let letters = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    letters.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
}

/// The names of a document's headings. One that stands twice has a number behind it.
fn headings(text: &str) -> Vec<String> {
    let mut known = BTreeMap::<String, usize>::new();
    let lines = prose(text).into_iter().map(|(_, line)| line);
    let heads = lines.filter(|line| line.starts_with('#')).map(|line| slug(line.trim_start_matches('#')));
    heads
        .map(|slug| {
            let times = known.entry(slug.clone()).or_default();
            *times += 1;
            if *times == 1 { slug } else { format!("{slug}-{}", *times - 1) }
        })
        .collect()
}

/// What is wrong with a link of a document at this path, if anything is.
fn wrong_link(document: &str, target: &str) -> Option<String> {
    if target.contains("://") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let here = root().join(document);
    let there = if path.is_empty() { here.clone() } else { here.parent().unwrap().join(path) };
    if !there.exists() {
        return Some(format!("{document}: there is nothing at {target}"));
    }
    let anchor = anchor?;
    let text = std::fs::read_to_string(&there).unwrap_or_default();
    (!headings(&text).iter().any(|heading| heading == anchor))
        .then(|| format!("{document}: {target} leads to no heading"))
}

/// An example: what stands behind the fence's begin, and its text.
fn examples(text: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.trim_start().strip_prefix("```") {
            let inside = lines.by_ref().take_while(|line| !line.trim_start().starts_with("```"));
            found.push((kind, inside.collect::<Vec<_>>().join("\n")));
        }
    }
    found
}

/// What keeps this example of an included document from being compiled, or of another from being found.
fn uncompiled(kind: &str, code: &str, is_included: bool, compiled: &[(PathBuf, String)]) -> Option<&'static str> {
    let mut words = kind.split(',').map(str::trim);
    if is_included && kind.is_empty() {
        return Some("rustdoc takes a fence without a word for Rust: say what it is");
    }
    if words.next() != Some("rust") {
        return None;
    }
    if !is_included {
        let is_there = |text: &str| format!("\n{text}\n").contains(&format!("\n{}\n", code.trim_matches('\n')));
        return (!compiled.iter().any(|(_, text)| is_there(text)))
            .then_some("it is no part of a file that is compiled");
    }
    if words.any(|word| word != "no_run") {
        Some("of a doctest's words `no_run` alone compiles what a reader pastes")
    } else if code.contains("#[test]") || code.contains("#[cfg") {
        Some("the compiler drops a test from a doctest")
    } else {
        None
    }
}

#[test]
fn what_is_read_first_is_short() {
    for (path, most) in [("README.md", README), ("AGENTS.md", AGENTS)] {
        let lines = read(path).lines().count();
        assert!(lines <= most, "{path} has {lines} lines, of {most}: move something to docs");
    }
}

#[test]
fn prose_is_narrow() {
    // Not yet: ARCHITECTURE.md and the decisions, which are older than the rule.
    let is_held = |path: &&String| {
        path.as_str() != "docs/ARCHITECTURE.md" && !path.contains("decisions") && path.ends_with(".md")
    };
    let mut wide = Vec::new();
    for path in
        documents().iter().filter(is_held).filter(|path| !matches!(path.as_str(), "CHANGELOG.md" | "proof/README.md"))
    {
        for (number, line) in prose(&read(path)) {
            if line.chars().count() > WIDTH && !line.starts_with('|') && !line.contains("://") {
                wide.push(format!("{path}:{number}"));
            }
        }
    }
    assert!(wide.is_empty(), "more than {WIDTH} columns:\n{}", wide.join("\n"));
}

/// rustfmt breaks code and leaves comments as they are.
#[test]
fn comments_are_narrow() {
    let mut wide = Vec::new();
    let mut seen = 0;
    for (path, text) in sources(COMMENTED) {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("//")) {
            seen += 1;
            // A table's row and an address cannot be broken.
            if line.chars().count() > WIDTH && !line.contains("/// |") && !line.contains("://") {
                wide.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    assert!(seen > 5_000, "only {seen} lines of comments were found: the search is broken");
    assert!(wide.is_empty(), "more than {WIDTH} columns:\n{}", wide.join("\n"));
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for path in documents() {
        for (_, line) in prose(&read(&path)) {
            let links = links(line);
            count += links.len();
            wrong.extend(links.iter().filter_map(|target| wrong_link(&path, target)));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(count > 100, "{count} links were looked at");
}

#[test]
fn every_example_is_compiled() {
    let library = read("src/lib.rs");
    let compiled = sources(&COMPILED);
    let mut wrong = Vec::new();
    for (path, is_included) in EXAMPLES {
        assert_eq!(library.contains(&format!("include_str!(\"../{path}\")")), is_included, "src/lib.rs and {path}");
        let text = read(path);
        let examples = examples(&text);
        assert!(examples.iter().any(|(kind, _)| kind.starts_with("rust")), "{path} has no example");
        for (kind, code) in examples {
            if let Some(why) = uncompiled(kind, &code, is_included, &compiled) {
                wrong.push(format!("{path}: {why}:\n{code}\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn what_the_checks_read_is_read_rightly() {
    assert_eq!(links("[a](b.md#c), `[d](e)` and [f](g)"), ["b.md#c", "g"]);
    assert_eq!(
        headings("# A `b`: c, d\n```sh\n# no\n```\n\n    # no\n## Same\n## Same"),
        ["a-b-c-d", "same", "same-1"]
    );
    assert_eq!(wrong_link("docs/README.md", "GUIDE.md#the-app"), None);
    assert_eq!(wrong_link("README.md", "https://example.com/x"), None);
    assert!(wrong_link("docs/README.md", "NONE.md").is_some_and(|why| why.contains("nothing at")));
    assert!(wrong_link("docs/README.md", "GUIDE.md#nowhere").is_some_and(|why| why.contains("no heading")));
    assert!(wrong_link("docs/README.md", "#nowhere").is_some());

    let compiled = [(PathBuf::from("x.rs"), "fn a() {\n    b();\n}\n".to_owned())];
    let is_seen = |kind: &str, code: &str, is_included| uncompiled(kind, code, is_included, &compiled).is_some();
    assert!(!is_seen("rust", "    b();\n}", false) && !is_seen("sh", "c", false) && !is_seen("text", "c", true));
    assert!(is_seen("rust", "b();", false) && is_seen("rust", "    c();", false));
    assert!(!is_seen("rust", "c()", true) && !is_seen("rust,no_run", "fn main() {}", true));
    assert!(
        is_seen("rust,ignore", "c()", true) && is_seen("rust", "#[test]\nfn a() {}", true) && is_seen("", "c", true)
    );
    assert_eq!(examples("a\n```sh\nb\n\nc\n```\nd\n```\ne\n```"), [("sh", "b\n\nc".to_owned()), ("", "e".to_owned())]);
}

/// `tests/llms --check` of a copy of the documents.
fn llms(copy: &Path) -> Output {
    Command::new(root().join("tests/llms")).arg("--check").arg(copy).output().unwrap()
}

/// The documents that `llms.txt` is made of, and itself, elsewhere.
fn copied() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for path in documents() {
        let to = copy.path().join(&path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(root().join(&path), to).unwrap();
    }
    copy
}

#[test]
fn llms_txt_is_what_the_documents_make_of_it() {
    let current = Command::new(root().join("tests/llms")).arg("--check").output().unwrap();
    assert!(current.status.success(), "{}", String::from_utf8_lossy(&current.stderr));
    let text = read("llms.txt");
    // The form: a title, a summary, sections of links with a line each.
    let mut lines = text.lines().filter(|line| !line.is_empty());
    assert_eq!(lines.next(), Some("# Skitai"));
    assert!(lines.next().is_some_and(|line| line.starts_with("> ")));
    assert!(lines.next().is_some_and(|line| line.starts_with("## ")));
    for line in lines.filter(|line| !line.starts_with("## ")) {
        let entry = line.strip_prefix("- [").and_then(|rest| rest.split_once("): "));
        assert!(entry.is_some_and(|(_, what)| what.len() > 10), "{line}");
    }
}

#[test]
fn a_stale_llms_txt_and_a_page_that_is_not_listed_are_told() {
    let copy = copied();
    assert!(llms(copy.path()).status.success());
    let refused = |what: &str| {
        let output = llms(copy.path());
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && stderr.contains(what), "{what}: {stderr}");
    };
    let guide = copy.path().join("docs/GUIDE.md");
    let text = std::fs::read_to_string(&guide).unwrap();
    std::fs::write(&guide, text.replacen("From ", "After ", 1)).unwrap();
    refused("run tests/llms to renew it");
    std::fs::write(&guide, &text).unwrap();
    std::fs::write(copy.path().join("docs/NEW.md"), "# New\n\nA page.\n").unwrap();
    refused("does not list NEW.md");
    std::fs::remove_file(copy.path().join("docs/NEW.md")).unwrap();
    std::fs::write(&guide, "# Guide\n\n## No paragraph\n").unwrap();
    refused("begins with a heading and a paragraph");
    std::fs::remove_file(&guide).unwrap();
    refused("there is no GUIDE.md");
}

/// Cargo links no harness for these (`test = false`), so a test in them would never run.
#[test]
fn what_is_built_without_a_harness_has_no_tests() {
    for manifest in ["apps/skitaid/Cargo.toml", "benches/Cargo.toml", "apps/macros/Cargo.toml"] {
        assert!(read(manifest).contains("test = false"), "{manifest} has tests: take it off this list");
    }
    for (path, text) in sources(&["apps/skitaid/src", "benches/src", "apps/macros/src"]) {
        assert!(
            !text.contains("#[test]") && !text.contains("cfg(test)"),
            "{} has tests that never run",
            path.display()
        );
    }
}
