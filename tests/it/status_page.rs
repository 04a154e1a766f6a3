//! The status page: in HTML for a browser, with what is wrong first; its filter, its order, its live updates.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::raw::request;
use crate::harness::server::ADMIN_PASSWORD;
use crate::harness::{Conduct, Conn, Member, Reply, Scenario, TestServer, bound, eventually};
use crate::processes::serving;
use crate::status::basic;

const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";
const FINE: Conduct = Conduct::Fine("<array><data></data></array>");

/// As a browser asks that has logged in.
pub(crate) fn browse(site: &TestServer, path: &str) -> Reply {
    let login = basic("admin", ADMIN_PASSWORD);
    site.ask("GET", path, &[("Accept", BROWSER), ("Authorization", &login)], b"")
}

pub(crate) fn page(site: &TestServer, path: &str) -> String {
    browse(site, path).expect_code(200).text()
}

fn tree(site: &TestServer) -> Value {
    let login = basic("admin", ADMIN_PASSWORD);
    site.ask("GET", "/status", &[("Authorization", &login)], b"").expect_code(200).json()
}

/// The texts of what is wrong, in their order.
fn wrong(page: &str) -> Vec<String> {
    let section = page.split("<section id=\"wrong\"").nth(1).and_then(|rest| rest.split("</section>").next());
    let list = section.unwrap_or_else(|| panic!("no section of what is wrong in {page}"));
    let items = list.split("<li ").skip(1).map(|item| item.split("</span></span>").nth(1).unwrap_or_default());
    items.map(|item| item.split(" <a").next().unwrap_or_default().to_owned()).collect()
}

/// The row headers of a table, in their order.
pub(crate) fn rows(page: &str, table: &str) -> Vec<String> {
    let rest = page.split(&format!("id=\"t-{table}\"")).nth(1).unwrap_or_else(|| panic!("no table {table} in {page}"));
    let body = rest.split("</table>").next().unwrap_or_default();
    let keys = body.split("<tr role=\"row\" data-key=\"").skip(1);
    keys.map(|row| row.split('"').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_browser_gets_a_page_and_a_program_json() {
    let site = TestServer::demo().start();
    let reply = browse(&site, "/status").expect_code(200);
    assert!(reply.header("content-type").starts_with("text/html"), "{:?}", reply.headers);
    assert_eq!((reply.header("cache-control"), reply.header("vary")), ("no-store", "Accept"), "{:?}", reply.headers);
    let policy = reply.header("content-security-policy");
    for rule in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.split("; ").any(|known| known == rule), "{rule} is not in {policy}");
    }
    let page = reply.text();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"), "{page}");
    for forbidden in ["<style", " style=\"", "<script>", " onclick=", "http://", "https://"] {
        assert!(!page.contains(forbidden), "{forbidden} in {page}");
    }
    assert!(tree(&site).is_object());
    let login = basic("admin", ADMIN_PASSWORD);
    let ask = |method: &str, path: &str, accept: &str| {
        site.ask(method, path, &[("Accept", accept), ("Authorization", &login)], b"").expect_code(200)
    };
    for (path, accept) in [("/status", "*/*"), ("/status", "application/json"), ("/status.json", BROWSER)] {
        assert_eq!(ask("GET", path, accept).header("content-type"), "application/json", "{path} {accept}");
    }
    let indented = ask("GET", "/status?format=json", BROWSER);
    assert_eq!(indented.header("content-type"), "application/json");
    assert!(indented.text().starts_with("{\n  \"about\": {\n"), "{}", indented.text());
    let head = ask("HEAD", "/status", BROWSER);
    assert!(head.header("content-type").starts_with("text/html") && head.body.is_empty(), "{:?}", head.headers);
}

#[test]
fn strangers_get_nothing_of_it() {
    let site = TestServer::demo().start();
    for path in ["/status", "/status?filter=log", "/status?format=json", "/status/events"] {
        let refused = site.ask("GET", path, &[("Accept", BROWSER)], b"").expect_code(401);
        assert!(refused.header("www-authenticate").starts_with("Basic realm="), "{:?}", refused.headers);
        assert!(!refused.text().contains("Clusters"), "{}", refused.text());
    }
}

#[test]
fn the_style_and_the_script_may_be_kept_for_good() {
    let site = TestServer::demo().start();
    let text = page(&site, "/status");
    for (attribute, kind) in [("rel=\"stylesheet\" href=\"", "text/css"), ("<script src=\"", "text/javascript")] {
        let address = text.split(attribute).nth(1).and_then(|rest| rest.split('"').next()).expect("an address");
        let file = site.get(address).expect_code(200);
        assert!(file.header("content-type").starts_with(kind), "{:?}", file.headers);
        assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable");
        let others = address.replace('-', "-0");
        site.get(&others).expect_code(404);
    }
}

/// A site of two processes with one member of three that is refused, which all processes have ejected.
pub(crate) fn one_of_three_is_out() -> (TestServer, [Member; 2], String) {
    let members = [(); 2].map(|()| Member::start(FINE));
    let gone = Member::start(Conduct::Closed).node();
    let nodes = [members[0].node(), gone.clone(), members[1].node()].join(", ");
    let section = format!("[@mysearch]\nmembers = {nodes}\neject_after = 2\neject_time = 600");
    let site = serving(TestServer::demo().section(&section), 2);
    eventually("all processes have ejected it", || {
        (0..8).for_each(|_| drop(site.get("/search?keyword=Mozart")));
        let member = &tree(&site)["clusters"]["mysearch"]["members"][1];
        (member["state"] == "ejected" && member["missed"].as_i64() > Some(2)).then_some(())
    });
    (site, members, gone)
}

#[test]
fn a_member_that_is_out_is_told_first_with_the_words_of_the_json() {
    let (site, _members, gone) = one_of_three_is_out();
    let told = wrong(&page(&site, "/status"));
    let member = tree(&site)["clusters"]["mysearch"]["members"][1].clone();
    let since = member["since"].as_array().cloned().unwrap_or_else(|| vec![member["since"].clone()]);
    let since = since.iter().filter_map(Value::as_i64).max().unwrap();
    let (hours, minutes, seconds) = (since / 3_600 % 24, since / 60 % 60, since % 60);
    let (reason, missed) = (member["ejected_for"].as_str().unwrap(), &member["missed"]);
    let clock = format!("{hours:02}:{minutes:02}:{seconds:02}");
    let expected = format!("@mysearch: 2 of 3, {gone} {reason} since {clock}, {missed} calls missed it");
    // Over midnight the day stands before the time.
    assert_eq!(told[0].replace("since 20", "since"), expected.replace("since 20", "since"), "{told:?}");
    let whole = page(&site, "/status");
    assert!(whole.contains("href=\"/status?filter=cluster%3Amysearch\""), "it leads to the part: {whole}");
    // What was wrong is over: once a member is there, and was tried.
    let fine = TestServer::demo().cluster("mysearch", &[&Member::start(FINE)]).start();
    assert!(page(&fine, "/status").contains("Nothing is wrong."), "{}", page(&fine, "/status"));
}

#[test]
fn what_a_member_or_a_client_sends_stays_text() {
    let hostile = Member::start(Conduct::Fault(1, "&lt;script&gt;alert(1)&lt;/script&gt; &amp; \"quoted\""));
    let site = TestServer::demo().cluster("mysearch", &[&hostile]).start();
    (0..8).for_each(|_| drop(site.get("/search?keyword=%3Cimg%20src=x%3E")));
    let text = eventually("the error is on the page", || {
        Some(page(&site, "/status")).filter(|page| page.contains("alert(1)"))
    });
    assert!(!text.contains("<script>alert") && text.contains("&lt;script&gt;alert(1)"), "{text}");
    assert!(!text.contains("<img src=x"), "{text}");
    let found = page(&site, "/status?q=%3Cb%3E%22x");
    assert!(!found.contains("<b>\"x") && found.contains("&lt;b&gt;&quot;x"), "{found}");
    let refused = browse(&site, "/status?filter=%3Cscript%3Ealert(2)%3C/script%3E").expect_code(400).text();
    assert!(refused.contains("alert(2)") && !refused.contains("<script>alert"), "{refused}");
}

#[test]
fn filter_order_and_search_are_in_the_address() {
    let members = [Member::start(FINE), Member::start(Conduct::Hangs)];
    let site = TestServer::demo()
        .cluster("mysearch", &[&members[0]])
        .cluster("stations", &[&members[1]])
        .server("threads", "1")
        .start();
    (0..9).for_each(|_| drop(site.get("/hello").expect_code(200)));
    for path in ["/add?a=1&b=2", "/search?keyword=a"] {
        site.get(path).expect_code(200);
    }
    let part = page(&site, "/status?filter=cluster:mysearch");
    assert_eq!(rows(&part, "cluster-mysearch"), [members[0].node()]);
    assert!(!part.contains("id=\"routes\"") && !part.contains("stations"), "{part}");
    // The names of the first Skitai, too.
    assert!(page(&site, "/status?filter=was.rcache").contains("id=\"stores\""));
    let sorted = |sort: &str| rows(&page(&site, &format!("/status?sort={sort}")), "routes");
    let by_requests = sorted("routes:requests");
    assert_eq!(by_requests.first().map(String::as_str), Some("/hello"), "what is most comes first: {by_requests:?}");
    let mut by_name = sorted("routes:route");
    assert!(by_name.is_sorted() && by_name.len() > 3, "{by_name:?}");
    by_name.reverse();
    assert_eq!(sorted("routes:route:descending"), by_name);
    assert!(page(&site, "/status?sort=routes:p95").contains("aria-sort=\"descending\""));
    let found = page(&site, "/status?q=HELLO&sort=routes:route");
    assert_eq!(rows(&found, "routes"), ["/hello"]);
    assert!(found.contains("name=\"sort\" value=\"routes:route\""), "a search keeps the order: {found}");
}

#[test]
fn what_an_address_says_wrongly_is_a_400_in_words() {
    let site = TestServer::demo().cluster("mysearch", &[&Member::start(FINE)]).start();
    let long = format!("/status?q={}", "x".repeat(201));
    for (path, said) in [
        ("/status?filter=nosuch", "there are about, process"),
        ("/status?filter=cluster:nosuch", "cluster:mysearch"),
        ("/status?sort=doors:p95", "there is no table"),
        ("/status?sort=routes:weight", "has no column"),
        ("/status?sort=routes:p95:upward", ":descending"),
        ("/status?refresh=0", "from 1 to 3600"),
        ("/status?format=xml", "or `json`"),
        ("/status/events?filter=nosuch", "there are about, process"),
        (&long, "more than 200"),
    ] {
        let page = browse(&site, path).expect_code(400).text();
        let text = page.replace("&#x60;", "`").replace("&#96;", "`");
        assert!(text.contains("<html") && text.contains(said), "{path}: {said} is not in {text}");
    }
    let login = basic("admin", ADMIN_PASSWORD);
    let unknown = site.ask("GET", "/status?filter=nosuch", &[("Authorization", &login)], b"").expect_code(400).json();
    assert!(unknown["known"].as_array().is_some_and(|known| known.contains(&"cluster:mysearch".into())), "{unknown}");
}

#[test]
fn without_a_script_the_page_is_whole() {
    let section = "[@mydb]\ntype = sqlite3\nmembers = a.sqlite";
    let member = Member::start(FINE);
    let scenario = TestServer::demo().cluster("mysearch", &[&member]).section(section);
    let site = scenario.file("a.sqlite", "").start();
    site.get("/search?keyword=a").expect_code(200);
    let text = page(&site, "/status");
    for id in ["wrong", "instance", "routes", "clusters", "databases", "stores", "actors", "apps", "config", "log"] {
        assert!(text.contains(&format!("<section id=\"{id}\"")), "no section {id} in {text}");
        assert!(text.contains(&format!("<h2 id=\"{id}-title\">")), "no heading of {id} in {text}");
    }
    assert_eq!(text.matches("<h1>").count(), 1, "{text}");
    assert!(!text.contains("http-equiv"), "it is loaded anew only where that is asked for: {text}");
    let again = page(&site, "/status?refresh=5");
    assert!(again.contains("<meta http-equiv=\"refresh\" content=\"5\">") && !again.contains("<script"), "{again}");
}

#[test]
fn the_configuration_is_told_with_its_lines_and_without_secrets() {
    let member = Member::start(FINE);
    let site = TestServer::demo().cluster("mysearch", &[&member]).start();
    let config = &tree(&site)["config"];
    assert_eq!(config["@mysearch"]["members"]["value"], member.node(), "{config:#}");
    let from = config["server"]["threads"]["from"].as_str().unwrap();
    let line: usize = from.rsplit_once(':').expect("a line").1.parse().unwrap();
    let conf = std::fs::read_to_string(site.dir().join("test.conf")).unwrap();
    assert_eq!(conf.lines().nth(line - 1), Some("threads = 2"), "{from}");
    assert_eq!(config["server"]["admin_password"]["value"], "***");
    assert_eq!(config["server"]["keep_alive"]["from"], "default");
    // The command line of the tests says it.
    let port = &config["server"]["port"];
    assert_eq!(
        (port["value"].as_str(), port["from"].as_str()),
        (Some(&*site.port().to_string()), Some("the command line"))
    );
    for text in [page(&site, "/status?filter=config"), tree(&site).to_string()] {
        assert!(!text.contains(ADMIN_PASSWORD) && !text.contains("a-key-of-the-tests"), "{text}");
    }
}

#[test]
fn the_last_lines_of_all_processes_are_there() {
    let (site, _members, gone) = one_of_three_is_out();
    let tree = tree(&site);
    let lines = tree["log"].as_array().unwrap();
    let of_ejections: Vec<&Value> =
        lines.iter().filter(|line| line["text"].as_str().is_some_and(|text| text.contains("is ejected"))).collect();
    let mut processes: Vec<i64> = of_ejections.iter().filter_map(|line| line["process"].as_i64()).collect();
    processes.sort_unstable();
    processes.dedup();
    assert_eq!(processes.len(), 2, "one of each process: {of_ejections:#?}");
    assert!(of_ejections.iter().all(|line| line["level"] == "warn" && line["text"].to_string().contains(&gone)));
    assert!(page(&site, "/status?q=is+ejected").contains(&gone));
}

#[test]
fn a_route_has_what_came_lately() {
    let site = TestServer::demo().server("threads", "1").start();
    (0..10).for_each(|_| drop(site.get("/hello")));
    let route = tree(&site)["routes"]["/hello"].clone();
    assert_eq!((&route["recent"]["requests"], &route["recent"]["errors"]), (&10.into(), &0.into()), "{route:#}");
    assert_eq!(route["in_flight"], 0, "{route:#}");
    let (p50, p99) = (route["recent"]["p50_ms"].as_f64().unwrap(), route["recent"]["p99_ms"].as_f64().unwrap());
    assert!(p50 > 0.0 && p50 <= p99 && p99 <= route["durations"]["p99_ms"].as_f64().unwrap() + 1e-9, "{route:#}");
    assert!(route["recent"]["longest_ms"].as_f64() > Some(0.0), "{route:#}");
    // The request that looks is on its way.
    assert_eq!(tree(&site)["routes"]["/status/"]["in_flight"], 1);
}

/// A page that follows the status.
fn follow(site: &TestServer, path: &str) -> Conn {
    let mut conn = site.conn();
    let login = basic("admin", ADMIN_PASSWORD);
    conn.send(request("GET", path, &[("Accept", "text/event-stream"), ("Authorization", &login)], b""));
    conn
}

/// The next event of the status: its data.
fn next_status(conn: &mut Conn, rest: &mut String) -> Value {
    loop {
        if let Some((event, behind)) = rest.split_once("\n\n") {
            let data: Option<String> = event
                .starts_with("event: status\n")
                .then(|| event.lines().filter_map(|line| line.strip_prefix("data: ")).collect());
            *rest = behind.to_owned();
            match data {
                Some(data) => return serde_json::from_str(&data).unwrap(),
                None => continue,
            }
        }
        rest.push_str(std::str::from_utf8(&conn.next_chunk().expect("the stream goes on")).unwrap());
    }
}

#[test]
fn a_change_is_on_the_page_within_a_moment() {
    let gone = Member::start(Conduct::Closed);
    let section = format!("[@mysearch]\nmembers = {}, {}\neject_after = 2", gone.node(), Member::start(FINE).node());
    let site = TestServer::demo().section(&section).start();
    let mut conn = follow(&site, "/status/events");
    conn.read_head().expect_code(200);
    let mut rest = String::new();
    let first = next_status(&mut conn, &mut rest);
    assert!(first["changed"]["wrong"].as_str().unwrap().contains("Nothing is wrong."), "{first}");
    assert_eq!(first["order"][0], "wrong");
    let second = next_status(&mut conn, &mut rest);
    assert!(second["changed"].get("apps").is_none(), "what has not changed is not sent again: {second}");
    let began = Instant::now();
    (0..4).for_each(|_| drop(site.get("/search?keyword=a")));
    let changed = loop {
        let event = next_status(&mut conn, &mut rest);
        if event["changed"]["wrong"].as_str().is_some_and(|text| text.contains(&gone.node())) {
            break began.elapsed();
        }
    };
    assert!(changed < bound(Duration::from_millis(1_500), Duration::from_secs(20)), "{changed:?}");
    // The end of the server ends it with a word when to come again.
    site.signal("TERM");
    let (last, _) = conn.until_end();
    let last = rest + &String::from_utf8_lossy(&last);
    assert!(last.contains("retry: "), "{last}");
}

#[test]
fn as_many_as_may_follow_do_and_no_more() {
    let site = TestServer::demo().server("threads", "1").start();
    let mut following: Vec<Conn> = (0..16).map(|_| follow(&site, "/status/events")).collect();
    for conn in &mut following {
        conn.read_head().expect_code(200);
    }
    let refused = follow(&site, "/status/events").read().expect_code(503);
    assert_eq!(refused.header("retry-after"), "10", "{:?}", refused.headers);
    let tasks = |tree: &Value| tree["process"]["tasks"]["status for who watches it"].clone();
    assert_eq!(tasks(&tree(&site)), 1, "one question for all of them");
    drop(following);
    eventually("the places are free again, and nobody asks", || tasks(&tree(&site)).is_null().then_some(()));
    follow(&site, "/status/events").read_head().expect_code(200);
}

/// A site of clusters with members, none of which is asked.
fn of_size(clusters: usize, members: usize, threads: &str) -> Scenario {
    let cluster = |nth: usize| {
        let nodes: Vec<String> = (0..members).map(|member| format!("127.1.{nth}.{}:9", member + 1)).collect();
        format!("[@cluster{nth}]\nmembers = {}\n", nodes.join(", "))
    };
    (0..clusters).fold(TestServer::demo().server("threads", threads), |site, nth| site.section(&cluster(nth)))
}

#[test]
fn a_large_site_has_a_small_page() {
    let site = of_size(20, 50, "4").start();
    let text = page(&site, "/status");
    assert!(text.len() < 100_000, "{} octets", text.len());
    assert!(text.contains("50 of 50") && text.contains("href=\"/status?filter=cluster%3Acluster7\""), "{text}");
    let part = page(&site, "/status?filter=cluster:cluster7");
    assert_eq!(rows(&part, "cluster-cluster7").len(), 50);
}
