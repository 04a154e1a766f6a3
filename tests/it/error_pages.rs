//! What a client sees of an error: in production a status, a text and an id that the log has, too; in devel mode
//! everything; by an app's own page where it has one.

use crate::harness::call::{json, xml};
use crate::harness::raw::Reply;
use crate::harness::{Conduct, Member, Scenario, TestServer, eventually};

const BROWSER: (&str, &str) = ("Accept", "text/html,*/*;q=0.8");

/// As a browser asks.
fn browse(site: &TestServer, path: &str) -> Reply {
    site.ask("GET", path, &[BROWSER], b"")
}

fn broken(devel: &str) -> (Scenario, Member, Member) {
    let (fine, closed) = (Member::start(Conduct::Fine("<string>x</string>")), Member::start(Conduct::Closed));
    let scenario = TestServer::site().server("devel", devel).cluster("two", &[&fine, &closed]);
    (scenario, fine, closed)
}

/// The line of the log that has this id.
fn line_of(site: &TestServer, id: &str) -> String {
    assert_eq!(id.len(), 12, "{id:?} is an id");
    let line = || site.log().lines().find(|line| line.contains(id)).map(str::to_owned);
    eventually("the log has the id", line)
}

#[test]
fn in_production_an_id_leads_from_every_face_to_the_log() {
    let (scenario, _fine, _closed) = broken("no");
    let site = scenario.start();
    let path = "/broken?cluster=two&password=hunter2";
    let page = browse(&site, path);
    assert_eq!(page.code, 500);
    let id = page.header("x-error-id").to_owned();
    assert!(page.text().contains(&id), "{}", page.text());
    for secret in ["nonexistent", "No such file", "pages.rs", "hunter2", "127.0.0.1"] {
        assert!(!page.text().contains(secret), "{secret} is not for clients: {}", page.text());
    }
    let line = line_of(&site, &id);
    assert!(
        line.contains("No such file") && line.contains("tests/site/pages.rs:") && line.contains("/broken"),
        "{line}"
    );

    let machine = site.get(path);
    let error = &machine.json()["error"];
    assert_eq!((machine.code, error["message"].as_str()), (500, Some("Internal Server Error")));
    assert_eq!(error["id"], machine.header("x-error-id"));
    assert!(error["at"].is_null(), "{error}");
    assert_ne!(error["id"].as_str(), Some(id.as_str()), "each error has its own");

    let strings = ["<string>two</string>", "<string>p</string>"];
    let fault = site.post("/RPC2", "text/xml", xml("broken", &strings)).text();
    let id = fault.split("(id ").nth(1).and_then(|rest| rest.split(')').next()).expect("an id").to_owned();
    assert!(fault.contains("Internal Server Error") && !fault.contains("nonexistent"), "{fault}");
    line_of(&site, &id);
    let call = json("broken", &serde_json::json!(["two", "p"]));
    let fault = site.post("/", "application/json-rpc", call).json()["error"]["message"].to_string();
    let id = fault.split("(id ").nth(1).and_then(|rest| rest.split(')').next()).expect("an id").to_owned();
    line_of(&site, &id);
}

#[test]
fn devel_mode_tells_source_arguments_and_calls() {
    let (scenario, fine, closed) = broken("yes");
    let site = scenario.start();
    let page = browse(&site, "/broken?cluster=two&password=hunter2").text();
    for answer in
        ["No such file", "tests/site/pages.rs:", "pages::broken", "search of @two", &fine.node(), &closed.node()]
    {
        assert!(page.contains(answer), "{answer}: {page}");
    }
    assert!(page.contains("refused") && page.contains("(hidden)"), "{page}");
    assert!(!page.contains("<code>hunter2</code>"), "{page}");
    let machine = site.get("/broken?cluster=two&password=x").json();
    assert!(machine["error"]["at"].as_str().is_some_and(|at| at.contains("pages.rs:")), "{machine}");
}

#[test]
fn devel_mode_names_what_was_asked_for_in_vain() {
    let site = TestServer::site().server("devel", "yes").start();
    let missing = browse(&site, "/nowhere");
    assert_eq!(missing.code, 404);
    assert!(missing.text().contains("/broken") && missing.text().contains("Routes of"), "{}", missing.text());
    let refused = browse(&site, "/broken?cluster=two");
    assert_eq!(refused.code, 400);
    let text = refused.text();
    assert!(text.contains("argument `password` is missing") && text.contains("required"), "{text}");
    let script = browse(&site, "/broken?cluster=%3Cscript%3Ealert(1)%3C/script%3E&password=x").text();
    assert!(script.contains("alert(1)") && !script.contains("<script>"), "what a client sends stays text: {script}");
    let quiet = TestServer::site().start();
    assert!(!browse(&quiet, "/nowhere").text().contains("/broken"), "in production nobody is shown around");
}

#[test]
fn a_panic_is_shown_where_it_was() {
    let site = TestServer::site().server("devel", "yes").panics_expected().start();
    let page = browse(&site, "/panic").text();
    assert!(page.contains("on purpose, in an async fn") && page.contains("tests/site/main.rs:"), "{page}");
    assert!(browse(&site, "/panic-plain").text().contains("on purpose, in a plain fn"));
}

#[test]
fn a_templates_mistake_has_its_place_and_a_suggestion_in_the_browser() {
    let good = "one\ntwo\n<b>{{ title }}</b>\nfour\n";
    let typo = good.replace("title", "titel");
    let site = TestServer::site().server("devel", "yes").file("templates/page.html", &typo).start();
    let page = browse(&site, "/page");
    let text = page.text();
    assert_eq!(page.code, 500, "{text}");
    assert!(text.contains("templates/page.html:3:"), "{text}");
    assert!(text.contains("did you mean `title`?"), "{text}");
    assert!(text.contains("{{ titel }}") && !text.contains("<b>{{ titel }}"), "its text, as text: {text}");
    std::fs::write(site.dir().join("templates/page.html"), good).unwrap();
    assert_eq!(browse(&site, "/page").text(), "one\ntwo\n<b>a title</b>\nfour\n");

    let site = TestServer::site().file("templates/page.html", &typo).start();
    let page = browse(&site, "/page");
    assert_eq!(page.code, 500);
    assert!(!page.text().contains("titel"), "in production an id alone: {}", page.text());
    let line = line_of(&site, page.header("x-error-id"));
    assert!(line.contains("templates/page.html:3:") && line.contains("did you mean `title`?"), "{line}");
}

#[test]
fn an_app_has_its_own_pages_by_template_and_by_handler() {
    let site = TestServer::site()
        .file("templates/errors/404.html", "not here: {{ message }}")
        .file("templates/errors/error.html", "{{ status }} {{ reason }} {{ id | default(value=\"\") }}")
        .file("templates/found.html", "{{ nothing_of_this_name }}")
        .file("templates/page.html", "{{ title }}")
        .route("/own = own")
        .start();
    let missing = browse(&site, "/nowhere");
    assert_eq!((missing.code, &*missing.text()), (404, "not here: there is nothing at /nowhere"));
    assert_eq!(site.get("/nowhere").json()["error"]["code"], 404, "a template is for browsers");
    let broken = browse(&site, "/broken?cluster=none&password=x");
    let id = broken.header("x-error-id").to_owned();
    assert_eq!((broken.code, broken.text()), (500, format!("500 Internal Server Error {id}")));
    let refused = site.ask("DELETE", "/page", &[BROWSER], b"");
    assert_eq!((refused.code, &*refused.text()), (405, "405 Method Not Allowed "));
    assert!(!refused.header("allow").is_empty());

    let own = browse(&site, "/own/nowhere");
    assert_eq!((own.code, &*own.text()), (404, "own: /own/nowhere there is nothing at /own/nowhere"));
    let full = site.get("/own/fails?status=409");
    assert_eq!((full.code, &*full.text()), (200, "all is well"), "a reply in full is the app's word");
    let panicked = site.get("/own/fails?status=418");
    assert_eq!((panicked.code, panicked.json()["error"]["message"].as_str()), (418, Some("as it was asked to")));
    eventually("the log has it", || site.log().contains("on purpose, in on_error").then_some(()));
    let rpc = site.post("/own", "text/xml", xml("fails", &["<int>409</int>"])).text();
    assert!(rpc.contains("as it was asked to"), "over RPC an error is a fault: {rpc}");
    let left = browse(&site, "/own/fails?status=410");
    assert_eq!((left.code, &*left.text()), (410, "410 Gone "), "what on_error leaves is the templates'");
    drop(site.stop());
}

#[test]
fn a_page_waits_for_its_calls_and_says_what_is_missing() {
    let (fine, closed) = (Member::start(Conduct::Fine("<string>Requiem</string>")), Member::start(Conduct::Closed));
    let hangs = Member::start(Conduct::Hangs);
    let site = TestServer::site()
        .file(
            "templates/found.html",
            "{% for work in works.data %}[{{ work }}]{% endfor %} {{ works.coverage }} {{ works.outcomes | length }}",
        )
        .file("templates/page.html", "")
        .cluster("two", &[&fine, &closed])
        .cluster("none", &[&closed])
        .cluster("hung", &[&hangs])
        .start();
    let page = site.get("/found-page?cluster=two");
    assert_eq!((page.code, &*page.text()), (200, "[Requiem] 1 of 2 ok (1 not sent) 2"));
    assert_eq!(page.header("x-coverage"), "two;ok=1;asked=2;not_sent=1");
    let missing = site.get("/found-page?cluster=none");
    assert_eq!(missing.code, 502, "{}", missing.text());
    let late = site.get("/slow-page?cluster=hung");
    assert_eq!(late.code, 504, "{}", late.text());
}

/// A page without what is another in each run.
fn steady(reply: &Reply, site: &TestServer, members: &[&Member]) -> String {
    let mut text = reply.text();
    for (what, by) in [
        (reply.header("x-error-id").to_owned(), "(the id)"),
        (reply.header("x-request-id").to_owned(), "(the request)"),
        (format!(":{}", site.port()), ":(port)"),
    ] {
        text = if what.is_empty() { text } else { text.replace(&what, by) };
    }
    for (nth, member) in members.iter().enumerate() {
        text = text.replace(&member.node(), &format!("(member {nth})"));
    }
    text.replace(&site.dir().display().to_string(), "(dir)")
}

#[test]
fn the_pages_of_production_are_these() {
    let (scenario, fine, closed) = broken("no");
    let site = scenario.start();
    let answer = |path: &str| {
        let (page, machine) = (browse(&site, path), site.get(path));
        let members = [&fine, &closed];
        format!("{}\n{}", steady(&page, &site, &members), steady(&machine, &site, &members))
    };
    insta::assert_snapshot!("production_404", answer("/nowhere?<b>"));
    insta::assert_snapshot!("production_400", answer("/broken?cluster=two"));
    insta::assert_snapshot!("production_500", answer("/broken?cluster=two&password=x"));
}

/// A page of devel mode without the lines of our sources, their numbers, and times.
fn without_source(page: &str) -> String {
    let mut answer = String::new();
    let mut rest = page;
    while let Some((before, source)) = rest.split_once("<pre>") {
        let (source, after) = source.split_once("</pre>").expect("it ends");
        assert!(source.lines().count() > 2, "lines around the place: {source}");
        answer += &format!("{before}<pre>(the source)</pre>");
        rest = after;
    }
    answer += rest;
    // Which parts a call has that took no time, and how long its bars are.
    while let Some((before, bars)) = answer.split_once("<details>") {
        let (bars, after) = bars.split_once("</details>").expect("it ends");
        assert!(bars.contains("<rect") && bars.contains("begun after"), "{bars}");
        answer = format!("{before}(the bars){after}");
    }
    // Numbers behind a file's name and before a unit.
    let masked = |line: &str| {
        let mut words: Vec<String> = Vec::new();
        for word in line.split(' ') {
            let place = word.split_once(".rs:").map(|(file, place)| {
                let rest = place.trim_start_matches(|one: char| one.is_ascii_digit() || one == ':');
                format!("{file}.rs:(place){rest}")
            });
            words.push(place.unwrap_or_else(|| word.to_owned()));
        }
        for nth in 1..words.len() {
            if words[nth].starts_with("ms") {
                let number = words[nth - 1].trim_end_matches(|one: char| one.is_ascii_digit() || one == '.').to_owned();
                words[nth - 1] = format!("{number}(some)");
            }
        }
        let line = words.join(" ");
        let cell = line.trim().strip_prefix("<td>").and_then(|cell| cell.strip_suffix("</td>"));
        if cell.is_some_and(|cell| cell.parse::<f64>().is_ok()) { "    <td>(some)</td>".to_owned() } else { line }
    };
    answer.lines().map(masked).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_pages_of_devel_mode_are_these() {
    let (scenario, fine, closed) = broken("yes");
    let site = scenario.start();
    let answer = |path: &str| without_source(&steady(&browse(&site, path), &site, &[&fine, &closed]));
    insta::assert_snapshot!("devel_500", answer("/broken?cluster=two&password=hunter2"));
    insta::assert_snapshot!("devel_400", answer("/broken?cluster=two"));
}
