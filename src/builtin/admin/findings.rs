//! What is wrong, in words: each with a link to the part of the page that says more. Members come first, because they
//! are what a site waits for.

use std::collections::BTreeMap;

use serde::Serialize;

use super::sections::{PageSource, certificates, databases, instance, is_silent, items, members, pairs};
use super::words;
use crate::prelude::*;

#[cfg(test)]
mod tests;

/// One thing that is wrong.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Finding {
    /// By which live updates find it again.
    id: String,
    /// `bad`, or `warn` for what is not wrong yet.
    mark: &'static str,
    text: String,
    /// Where more of it is, and the word of that link.
    link: String,
    part: String,
}

/// The most that are told one by one.
const MOST: usize = 40;
/// The most members of a cluster that are named.
const NAMED: usize = 3;
/// A crash is told for a day, in seconds.
const OF_LATE: i64 = 86_400;
/// The share of a bound from which on it is told.
const NEAR: f64 = 0.9;

/// All findings, and how many more there are.
pub(super) fn all(source: &PageSource<'_>) -> (Vec<Finding>, usize) {
    let mut found = Vec::new();
    of_members(source, &mut found);
    of_pools(source, &mut found);
    of_processes(source, &mut found);
    of_actors(source, &mut found);
    of_bounds(source, &mut found);
    of_requests(source, &mut found);
    of_certificates(source, &mut found);
    of_configuration(source, &mut found);
    let more = found.len().saturating_sub(MOST);
    found.truncate(MOST);
    (found, more)
}

impl Finding {
    fn new(mark: &'static str, id: impl Into<String>, text: String, (part, link): (&str, String)) -> Finding {
        Finding { id: id.into(), mark, text, link, part: part.to_owned() }
    }
}

/// Where a section of the whole page is.
fn section(source: &PageSource<'_>, part: &'static str, id: &str) -> (&'static str, String) {
    (part, format!("{}#{id}", source.view.whole_address()))
}

fn of_members(source: &PageSource<'_>, found: &mut Vec<Finding>) {
    for (top, prefix, part) in [("clusters", "cluster", "members"), ("databases", "db", "databases")] {
        for (name, told) in pairs(&source.tree[top]) {
            let link = || (part, source.view.filtered_address(&format!("{prefix}:{name}")));
            let out: Vec<&Value> = items(&told["members"]).filter(|member| !members::takes_part(member)).collect();
            if !out.is_empty() {
                let all = told["members"].len();
                let named: Vec<String> = out.iter().take(NAMED).map(|member| of_member(member, source.now)).collect();
                let more = out.len().saturating_sub(NAMED);
                let more = if more > 0 { format!(", and {more} more") } else { String::new() };
                let text = format!("@{name}: {} of {all}, {}{more}", all - out.len(), named.join("; "));
                // A member that an operator has drained is out on purpose.
                let is_wanted = out.iter().all(|member| !member["operator"].is_nil());
                let mark = if is_wanted { "warn" } else { "bad" };
                found.push(Finding::new(mark, format!("{prefix}:{name}"), text, link()));
            }
            if is_silent(told) {
                let (answered, asked) =
                    (words::number(&told["threads_answered"]), words::number(&told["threads_asked"]));
                let text = format!("@{name}: {answered} of {asked} threads have answered what its members do");
                found.push(Finding::new("bad", format!("silent:{prefix}:{name}"), text, link()));
            }
            for discovery in items(&told["discovery"]) {
                let Some(why) = discovery["failing_for"].as_str() else { continue };
                let since = words::latest(&discovery["failing_since"]).map(|at| words::moment(at, source.now));
                let since = since.map_or(String::new(), |since| format!(" since {since}"));
                let host = words::text(&discovery["name"]);
                let text = format!("@{name}: the name {host} is not found{since}: {why}");
                found.push(Finding::new("bad", format!("name:{name}:{host}"), text, link()));
            }
        }
    }
}

/// `127.0.0.1:5002 refused since 14:03:10, 41 calls missed it`
fn of_member(member: &Value, now: i64) -> String {
    let node = words::text(&member["node"]);
    let operator = &member["operator"];
    let (what, since) = match operator["word"].as_str() {
        Some(word) => (format!("{word} by {}", words::text(&operator["who"])), &operator["since"]),
        None => {
            let (state, why) = (words::text(&member["state"]), words::text(&member["ejected_for"]));
            let what = match (state.contains("ejected"), why.is_empty()) {
                (true, false) => why,
                (false, false) => format!("{state} after {why}"),
                (_, true) => state,
            };
            (what, &member["since"])
        }
    };
    let since = words::latest(since).map(|at| format!(" since {}", words::moment(at, now))).unwrap_or_default();
    let missed = match words::number(&member["missed"]) {
        0 => String::new(),
        missed => format!(", {} missed it", words::of(missed, "call", "calls")),
    };
    format!("{node} {what}{since}{missed}")
}

fn of_pools(source: &PageSource<'_>, found: &mut Vec<Finding>) {
    for (name, told) in pairs(&source.tree["databases"]) {
        for member in items(&told["members"]).filter(|member| databases::is_full(member)) {
            let (node, limit) = (words::text(&member["node"]), words::number(&member["connections"]["limit"]));
            let text = format!("@{name}: all {limit} connections to {node} are in use; statements wait for one");
            let link = ("pool", source.view.filtered_address(&format!("db:{name}")));
            found.push(Finding::new("warn", format!("pool:{name}:{node}"), text, link));
        }
    }
}

fn of_processes(source: &PageSource<'_>, found: &mut Vec<Finding>) {
    let at = || section(source, "processes", "instance");
    let processes = &source.tree["processes"];
    if let Some(problem) = processes["problem"].as_str() {
        found.push(Finding::new("bad", "processes", format!("{problem}: the sums are not whole"), at()));
    }
    let supervisor = &processes["supervisor"];
    let crashed_at = supervisor["crashed_at"].as_i64();
    let is_of_late = crashed_at.is_none_or(|at| source.now - at < OF_LATE);
    for process in items(&processes["running"]) {
        let (pid, slot) = (words::text(&process["pid"]), words::text(&process["slot"]));
        if is_silent(process) {
            let text = format!("process {pid} (slot {slot}) does not answer; its counters are as of when it did");
            found.push(Finding::new("bad", format!("silent:{pid}"), text, at()));
        }
        let restarts = words::number(&process["restarts"]);
        if restarts > 0 && is_of_late {
            let crashes = words::of(restarts, "crash", "crashes");
            let text = format!("slot {slot} has had {crashes}; its process is {pid} now");
            found.push(Finding::new("bad", format!("crash:{slot}"), text, at()));
        }
    }
    if let (true, Some(crash)) = (is_of_late, supervisor["last_crash"].as_str()) {
        let when = crashed_at.map(|at| format!(" at {}", words::moment(at, source.now))).unwrap_or_default();
        found.push(Finding::new("bad", "last-crash", format!("the last crash{when}: {crash}"), at()));
    }
    for hold in items(&source.tree["held"]) {
        let (thread, process) = (words::text(&hold["thread"]), words::text(&hold["process"]));
        let seconds = words::measure(&hold["seconds"]).unwrap_or(0.0);
        let text = format!(
            "thread {thread} of process {process} is held by {} ({}) for {seconds:.1} s: its other requests wait",
            words::text(&hold["handler"]),
            words::text(&hold["rule"]),
        );
        found.push(Finding::new("bad", format!("held:{process}:{thread}"), text, at()));
    }
}

fn of_actors(source: &PageSource<'_>, found: &mut Vec<Finding>) {
    /// Of the actors of one name, on all threads.
    #[derive(Default)]
    struct Trouble {
        silent: usize,
        failed: usize,
        restarts: i64,
        dead_letters: i64,
        fullest: f64,
        panic: String,
    }
    let mut troubles = BTreeMap::<&str, Trouble>::new();
    for actor in items(&source.tree["actors"]) {
        let trouble = troubles.entry(actor["name"].as_str().unwrap_or_default()).or_default();
        trouble.silent += usize::from(is_silent(actor));
        trouble.failed += usize::from(actor["state"].as_str() == Some("failed"));
        trouble.restarts += words::number(&actor["restarts"]);
        trouble.dead_letters += words::number(&actor["dead_letters"]);
        trouble.fullest = trouble.fullest.max(share(&actor["in_flight"], &actor["limit"]));
        if let Some(panic) = actor["last_panic"].as_str() {
            trouble.panic = format!(": {panic}");
        }
    }
    let at = || section(source, "actors", "actors");
    for (name, trouble) in troubles {
        let Trouble { silent, failed, restarts, dead_letters, fullest, panic } = trouble;
        let threads = |count: usize| words::of(count.cast_signed() as i64, "thread", "threads");
        if silent > 0 {
            let text = format!("the actor {name} does not answer on {}", threads(silent));
            found.push(Finding::new("bad", format!("actor:{name}"), text, at()));
        }
        if failed > 0 {
            let text = format!("the actor {name} has failed on {}, calls to it are refused{panic}", threads(failed));
            found.push(Finding::new("bad", format!("failed:{name}"), text, at()));
        } else if restarts > 0 {
            let text = format!("the actor {name} has begun anew {}{panic}", words::of(restarts, "time", "times"));
            found.push(Finding::new("warn", format!("restarts:{name}"), text, at()));
        }
        if dead_letters > 0 {
            let text =
                format!("{} came to the actor {name} when it was gone", words::of(dead_letters, "message", "messages"));
            found.push(Finding::new("warn", format!("dead:{name}"), text, at()));
        }
        if fullest >= NEAR {
            let text = format!("the mailbox of the actor {name} is {:.0} % full on a thread", fullest * 100.0);
            found.push(Finding::new("bad", format!("mailbox:{name}"), text, at()));
        }
    }
}

/// How much of a bound is used; 0 without a bound.
fn share(part: &Value, whole: &Value) -> f64 {
    match (words::measure(part), words::measure(whole)) {
        (Some(part), Some(whole)) if whole > 0.0 => part / whole,
        _ => 0.0,
    }
}

fn of_bounds(source: &PageSource<'_>, found: &mut Vec<Finding>) {
    let at = || section(source, "instance", "instance");
    let queue = &source.tree["queue"];
    let waiting = words::number(&queue["waiting"]);
    if waiting > 0 {
        let mark = if share(&queue["waiting"], &queue["max_waiting"]) >= NEAR { "bad" } else { "warn" };
        let text = format!(
            "all {} threads of plain functions are busy, {} wait and {} may",
            words::number(&queue["limit"]),
            words::count(waiting),
            words::count(words::number(&queue["max_waiting"])),
        );
        found.push(Finding::new(mark, "queue", text, at()));
    }
    for process in instance::processes_of(source.tree) {
        if share(&process["open_fds"], &process["fds_limit"]) >= NEAR {
            let (pid, open) = (words::text(&process["pid"]), words::count(words::number(&process["open_fds"])));
            let limit = words::count(words::number(&process["fds_limit"]));
            let text = format!("process {pid} has {open} of {limit} descriptors open");
            found.push(Finding::new("bad", format!("fds:{pid}"), text, at()));
        }
    }
    let connections = &source.tree["connections"];
    let used = share(&connections["open"], &connections["limit"]);
    if used >= NEAR {
        let (open, limit) = (words::number(&connections["open"]), words::number(&connections["limit"]));
        let text = match open >= limit {
            true => format!("`max_connections` is reached: {} are open, others are refused", words::count(open)),
            false => format!(
                "{} of the {} connections of `max_connections` are open",
                words::count(open),
                words::count(limit)
            ),
        };
        found.push(Finding::new(if open >= limit { "bad" } else { "warn" }, "connections", text, at()));
    }
}

/// Requests that failed within the last minute.
fn of_requests(source: &PageSource<'_>, found: &mut Vec<Finding>) {
    let failing = |route: &Value| words::number(&route["recent"]["errors"]);
    let mut failed: Vec<(&str, i64)> =
        pairs(&source.tree["routes"]).map(|(rule, route)| (rule, failing(route))).collect();
    failed.retain(|(_, errors)| *errors > 0);
    failed.sort_by_key(|(_, errors)| std::cmp::Reverse(*errors));
    let sum: i64 = failed.iter().map(|(_, errors)| errors).sum();
    if let Some((worst, errors)) = failed.first() {
        let most = if failed.len() > 1 { format!(", {} of them", words::count(*errors)) } else { String::new() };
        let requests = words::of(sum, "request", "requests");
        let text = format!("{requests} of the last minute ended with a 5xx{most} at {worst}");
        found.push(Finding::new("bad", "errors", text, section(source, "routes", "routes")));
    }
}

fn of_certificates(source: &PageSource<'_>, found: &mut Vec<Finding>) {
    let at = || section(source, "certificates", "certificates");
    // The supervisor reads the files, or a process that has none.
    let own = items(&source.tree["certificates"]).find_map(|certificate| certificate["refused"].as_str());
    let refused = source.tree["processes"]["supervisor"]["certificates_refused"].as_str().or(own);
    if let Some(why) = refused {
        let text = format!("the files of certificates have changed and were refused: {why}");
        found.push(Finding::new("bad", "certificates-refused", text, at()));
    }
    for certificate in certificates::by_file(&source.tree["certificates"]) {
        let (file, days) = (words::text(&certificate["file"]), words::number(&certificate["days_left"]));
        if days >= certificates::SOON {
            continue;
        }
        let expires = words::text(&certificate["expires"]);
        let text = match words::number(&certificate["expires_at"]) <= source.now {
            true => format!("the certificate {file} has expired ({expires})"),
            false => format!("the certificate {file} expires in {} ({expires})", words::of(days, "day", "days")),
        };
        found.push(Finding::new("bad", format!("certificate:{file}"), text, at()));
    }
}

fn of_configuration(source: &PageSource<'_>, found: &mut Vec<Finding>) {
    let at = || ("configuration", source.view.filtered_address("config"));
    if let Some(why) = source.tree["processes"]["supervisor"]["refused"].as_str() {
        let text = format!("the last reload was refused, the configuration before it is in force: {why}");
        found.push(Finding::new("bad", "reload", text, at()));
    }
    if !source.restart_needed.is_empty() {
        let changed = source.restart_needed.join(", ");
        let text = format!("the configuration has changed in {changed}: that needs a restart");
        found.push(Finding::new("warn", "restart", text, at()));
    }
    let differ = pairs(&source.tree["config"]).flat_map(|(section, keys)| {
        let differ = pairs(keys).filter(|(_, told)| told["value"].as_list().is_some());
        differ.map(move |(key, _)| format!("{section} {key}"))
    });
    let differ: Vec<String> = differ.collect();
    if !differ.is_empty() {
        let text = format!("processes have other configurations than each other: {}", differ.join(", "));
        found.push(Finding::new("warn", "differ", text, at()));
    }
}
