//! The demo as a stranger starts it: its pages, what they load and where they lead, and two of it side by side.

use std::collections::BTreeSet;

use crate::harness::{TestServer, data, eventually};

/// The demo without a configuration, as `cargo run` starts it.
fn alone() -> TestServer {
    TestServer::demo().without_conf().start()
}

/// The members that a demo says it has started, in their order.
pub(crate) fn members_of(demo: &TestServer) -> Vec<String> {
    let log = eventually("it says where its members are", || {
        let log = demo.log();
        log.lines().find_map(|line| line.split("the members listen on ").nth(1).map(str::to_owned))
    });
    log.split(", ").map(|node| node.trim().to_owned()).collect()
}

/// What the template wrote into an attribute.
fn plain(attribute: &str) -> String {
    attribute.replace("&#x2F;", "/").replace("&#x27;", "'").replace("&quot;", "\"").replace("&amp;", "&")
}

/// The values of an attribute in a page.
fn values<'p>(page: &'p str, attribute: &str) -> Vec<&'p str> {
    let begin = format!(" {attribute}=\"");
    page.split(&begin).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn two_demos_side_by_side_have_members_of_their_own() {
    let demos = [alone(), alone()];
    let nodes: Vec<Vec<String>> = demos.iter().map(members_of).collect();
    assert_eq!(nodes.iter().flatten().collect::<BTreeSet<_>>().len(), 6, "{nodes:?}");
    let whole = |demo: &TestServer, nodes: &[String]| {
        let found = demo.get("/search?keyword=Mozart").expect_code(200);
        assert!(found.header_all("x-coverage").is_empty(), "{:?}", found.headers);
        for title in data::titles_of("Mozart") {
            assert!(found.text().contains(&title), "{title} is not found: {}", found.text());
        }
        let one = demo.get("/lb").expect_code(200).json()["member"].as_str().expect("a member").to_owned();
        assert!(nodes.contains(&one), "{one} is none of {nodes:?}");
    };
    whole(&demos[0], &nodes[0]);
    whole(&demos[1], &nodes[1]);
    // One that ends leaves the other's members alone.
    let [first, second] = demos;
    let (status, _, log, _) = first.stop();
    assert!(status.success(), "{status}: {log}");
    whole(&second, &nodes[1]);
}

#[test]
fn every_link_of_the_index_leads_somewhere_and_nothing_is_loaded_from_elsewhere() {
    let demo = alone();
    let page = demo.get("/").expect_code(200);
    assert!(page.header("content-security-policy").starts_with("default-src 'self';"), "{:?}", page.headers);
    let page = page.text();
    assert!(!page.contains("<style") && !page.contains(" style=\"") && !page.contains("<script>"), "{page}");
    let (mut loaded, links) = (values(&page, "src"), values(&page, "href"));
    let (files, links): (Vec<&str>, Vec<&str>) =
        links.into_iter().partition(|link| link.ends_with(".css") || link.ends_with(".svg"));
    loaded.extend(files);
    for (file, kind) in
        [("/demo.css", "text/css"), ("/icon.svg", "image/svg+xml"), ("/three-faces.svg", "image/svg+xml")]
    {
        assert!(loaded.contains(&file), "{file} is not used by {page}");
        let reply = demo.get(file).expect_code(200);
        assert!(reply.header("content-type").starts_with(kind), "{file}: {:?}", reply.headers);
        let text = reply.text().replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("://") && !text.contains("url(") && !text.contains("@import"), "{file}: {text}");
    }
    for path in loaded {
        demo.get(path).expect_code(200);
    }
    assert!(links.len() > 40, "{links:?}");
    for link in links {
        let link = plain(link);
        assert!(link.starts_with('/') && !link.starts_with("//"), "{link} leads to another server");
        let code = match link.as_str() {
            "/status" => 401,
            "/add?a=1&b=x" => 400,
            "/test/db" | "/no/such/page" => 404,
            "/test/noget/error" => 405,
            _ => 200,
        };
        demo.get(&link).expect_code(code);
    }
}
