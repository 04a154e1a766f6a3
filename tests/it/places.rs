//! The log names the line of the author's that failed, and none of ours.

use std::time::{Duration, Instant};

use crate::harness::data::root;
use crate::harness::{TestServer, bound, eventually};

const FILE: &str = "tests/site/places.rs";

/// The line that `// at: NAME` marks: its own, or the next one where it stands alone.
fn marked(name: &str) -> usize {
    let text = std::fs::read_to_string(root().join(FILE)).unwrap();
    let mark = format!("// at: {name}");
    let at = text.lines().position(|line| line.ends_with(&mark)).unwrap_or_else(|| panic!("no {mark}"));
    let is_alone = text.lines().nth(at).unwrap().trim() == mark;
    at + 1 + usize::from(is_alone)
}

fn site() -> TestServer {
    TestServer::site()
        .section("[@shards]\ntype = sqlite3\nmembers = one.db, two.db\n")
        .file("one.db", "")
        .file("two.db", "")
        .panics_expected()
        .start()
}

#[test]
fn a_transaction_on_a_cluster_that_is_not_there_fails_at_once() {
    let site = site();
    let began = Instant::now();
    let reply = site.get("/places/of-rows?how=tx").expect_code(502);
    let took = began.elapsed();
    assert!(took < bound(Duration::from_secs(1), Duration::from_secs(15)), "{took:?}: {}", reply.text());
}

#[test]
fn the_log_names_the_authors_line() {
    let site = site();
    let of = |path: &'static str| move |how: &str| format!("/places/{path}?how={how}");
    let fails = ["registered", "session", "toxml", "url_for", "cookie", "render", "std", "unwrap", "index"];
    let results = ["rows", "sorted", "sum", "rows_as", "one", "ok", "fetch"];
    let waited = [("group_by", "rows_group_by"), ("value", "rows_value"), ("tx", "tx")];
    let mut cases: Vec<(String, &str)> = Vec::new();
    cases.extend(fails.iter().chain(&results).map(|name| (of("fails")(name), *name)));
    cases.extend(waited.iter().map(|(how, name)| (of("of-rows")(how), *name)));
    let whole = ["late", "page", "slow-page", "own-error", "in-stream", "hooked/never"];
    let names = ["late", "page", "slow_page", "own_error", "in_stream", "hook"];
    cases.extend(whole.iter().zip(names).map(|(path, name)| (format!("/places/{path}"), name)));
    for (path, name) in cases {
        let reply = site.get(&path);
        assert!(reply.code >= 400, "{path}: {} {}", reply.code, reply.text());
        let id = reply.header("x-error-id").to_owned();
        assert_eq!(id.len(), 12, "{path}: {:?} {}", reply.headers, reply.text());
        let line =
            eventually("the line in the log", || site.log().lines().find(|line| line.contains(&id)).map(str::to_owned));
        let at = line.split(" at=").nth(1).unwrap_or_default();
        let due = format!("{FILE}:{}", marked(name));
        let (place, rest) = at.split_once(&due).unwrap_or_else(|| panic!("{path}: not at {due}: {line}"));
        let is_whole = rest.chars().next().is_none_or(|next| !next.is_ascii_digit());
        assert!(is_whole && !place.contains(' '), "{path}: not at {due}: {line}");
    }
    let log = site.log();
    for line in log.lines().filter(|line| line.contains(" at=")) {
        let at = line.split(" at=").nth(1).unwrap();
        assert!(!at.contains("/rustc/") && !at.trim_matches('"').starts_with("src/"), "{line}");
    }
}
