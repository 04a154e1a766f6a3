//! The instance: what it is, how busy it is, and its processes.

use super::minutes::LastMinutes;
use super::{PageSource, items};
use crate::builtin::admin::table::{
    ColumnSpec, PageCell, PageFact, PageRow, PageSection, PageTable, Sparkline, TableSpec,
};
use crate::builtin::admin::{acts, words};
use crate::prelude::*;

pub(super) const PROCESSES: TableSpec = TableSpec {
    id: "processes",
    columns: &[
        ColumnSpec("process", "Process", false),
        ColumnSpec("slot", "Slot", true),
        ColumnSpec("state", "State", false),
        ColumnSpec("generation", "Generation", true),
        ColumnSpec("uptime", "Up", true),
        ColumnSpec("cpu", "CPU time", true),
        ColumnSpec("memory", "Memory", true),
        ColumnSpec("descriptors", "Descriptors", true),
        ColumnSpec("requests", "Requests", true),
        ColumnSpec("restarts", "Crashes before", true),
    ],
};

pub(super) const REFUSED: TableSpec = TableSpec {
    id: "refused",
    columns: &[ColumnSpec("reason", "Reason", false), ColumnSpec("count", "Refused", true)],
};

pub(super) fn section(source: &PageSource<'_>) -> Option<PageSection> {
    let tree = source.tree;
    let about = &tree["about"];
    let listens: Vec<String> = items(&about["listen"]).map(words::text).collect();
    let lead = format!(
        "{} on Skitai {}, {}{}.",
        words::text(&about["name"]),
        words::text(&about["version"]),
        if listens.is_empty() { "on no address of its own".to_owned() } else { format!("at {}", listens.join(", ")) },
        if about["devel"].as_bool() == Some(true) { ", in devel mode" } else { "" },
    );
    let mut tables = vec![PageTable::new(&PROCESSES, "Processes", processes(source), source.view)];
    let refused = refused(&tree["requests"]["refused"]);
    let caption = "Connections and requests that were refused before anything of the site ran";
    tables.push(PageTable::new(&REFUSED, caption, refused, source.view));
    tables.retain(|table| !table.is_empty());
    Some(PageSection { id: "instance", title: "Instance", lead: Some(lead), facts: facts(source), tables })
}

/// Why something was refused, and how often.
pub(super) fn refused(told: &Value) -> Vec<PageRow> {
    let counted = super::pairs(told).filter(|(_, count)| words::number(count) > 0);
    let row = |(why, count): (&str, &Value)| {
        PageRow::new(why, vec![PageCell::code(why), PageCell::count(words::number(count))])
    };
    counted.map(row).collect()
}

/// How busy it is, with the last minutes.
fn facts(source: &PageSource<'_>) -> Vec<PageFact> {
    let tree = source.tree;
    let minutes = LastMinutes::of(&tree["history"]);
    let newest = |figures: &[f64]| figures.last().copied().unwrap_or(0.0);
    let drawn = |what, figures: Vec<f64>, say: fn(f64) -> String| {
        PageCell::of_number(newest(&figures), say(newest(&figures))).spark(Sparkline::of(what, &figures, say))
    };
    let requests = &tree["requests"];
    let step = minutes.step;
    let cpu: Vec<f64> = minutes.figures("cpu_ms").into_iter().map(|ms| ms / step / 10.0).collect();
    let memory = processes_of(tree).map(|process| words::number(&process["rss_bytes"])).sum();
    let memories = minutes.figures("rss_bytes");
    let in_flight: i64 = super::pairs(&tree["routes"]).map(|(_, route)| words::number(&route["in_flight"])).sum();
    let drawn_in_flight =
        Sparkline::of("In flight", &minutes.figures("in_flight"), |figure| words::count(figure as i64));
    let connections = &tree["connections"];
    let (open, limit) = (words::number(&connections["open"]), words::number(&connections["limit"]));
    let of_limit = if limit > 0 { format!("of {}", words::count(limit)) } else { String::new() };
    let failed = words::number(&requests["5xx"]);
    let queue = &tree["queue"];
    let (busy, threads) = (words::number(&queue["in_use"]), words::number(&queue["limit"]));
    let operate = source.may_act.then(|| PageFact::new("For operators", PageCell::default().acts(acts::of_instance())));
    let figures = [
        PageFact::new(
            "Requests a second",
            drawn("Requests a second", minutes.per_second("requests"), words::rate)
                .note(format!("{} in all", words::count(words::number(&requests["requests"])))),
        ),
        PageFact::new(
            "Errors a second",
            drawn("Errors a second", minutes.per_second("errors"), words::rate)
                .note(format!("{} of 5xx in all", words::count(failed))),
        ),
        PageFact::new("In flight", PageCell::count(in_flight).spark(drawn_in_flight)),
        PageFact::new(
            "Connections",
            PageCell::count(open).note(of_limit).bar(open, limit).spark(Sparkline::of(
                "Connections",
                &minutes.figures("connections"),
                |figure| words::count(figure as i64),
            )),
        ),
        PageFact::new("CPU", drawn("CPU", cpu, |share| format!("{share:.0} %")).note("of one core")),
        PageFact::new(
            "Memory",
            PageCell::bytes(memory).spark(Sparkline::of("Memory", &memories, |figure| words::bytes(figure as i64))),
        ),
        PageFact::new(
            "Plain functions",
            PageCell::count(busy)
                .note(format!("of {}; {} wait", words::count(threads), words::count(words::number(&queue["waiting"]))))
                .bar(busy, threads),
        ),
        PageFact::new("Partial answers", PageCell::count(words::number(&requests["partial"]))),
    ];
    figures.into_iter().chain(operate).collect()
}

/// The processes that are there: one alone, or those of the instance.
pub(in crate::builtin::admin) fn processes_of(tree: &Value) -> impl Iterator<Item = &Value> {
    let running = tree["processes"]["running"].as_list().unwrap_or_default();
    let alone = running.is_empty().then_some(&tree["process"]);
    running.iter().chain(alone)
}

fn processes(source: &PageSource<'_>) -> Vec<PageRow> {
    let is_alone = source.tree["processes"].is_nil();
    let one = |process: &Value| {
        let answered = process["answered"].as_bool() != Some(false);
        let state = match (answered, words::text(&process["state"])) {
            (false, _) => PageCell::text("does not answer").mark("bad"),
            (true, state) if state.is_empty() || state == "serving" => PageCell::text("serving").mark("good"),
            (true, state) => PageCell::text(state).mark("idle"),
        };
        let numbered = |name: &str| match is_alone {
            true => PageCell::unknown(),
            false => PageCell::count(words::number(&process[name])),
        };
        let uptime = words::number(&process["uptime_s"]);
        let (open, limit) = (words::number(&process["open_fds"]), words::number(&process["fds_limit"]));
        let requests = if is_alone { &source.tree["requests"] } else { &process["requests"] };
        let restarts = words::number(&process["restarts"]);
        PageRow::new(
            words::text(&process["pid"]),
            vec![
                PageCell::of_number(words::number(&process["pid"]) as f64, words::text(&process["pid"])),
                numbered("slot"),
                state,
                numbered("generation"),
                PageCell::of_number(uptime as f64, words::span(uptime)),
                PageCell::millis(words::measure(&process["cpu_s"]).map(|seconds| seconds * 1_000.0)),
                PageCell::bytes(words::number(&process["rss_bytes"])),
                PageCell::count(open).bar(open, limit),
                PageCell::count(words::number(&requests["requests"])),
                numbered("restarts").mark_if("bad", restarts > 0),
            ],
        )
    };
    processes_of(source.tree).map(one).collect()
}
