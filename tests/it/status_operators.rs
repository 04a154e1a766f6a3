//! What leads on from the status page: to the records of requests, and to where an operator acts.

use crate::harness::TestServer;
use crate::status::basic;
use crate::status_page::{browse, one_of_three_is_out, page, rows};

#[test]
fn records_of_requests_are_on_the_page_and_lead_to_their_own() {
    let (site, _members, node) = one_of_three_is_out();
    let whole = page(&site, "/status");
    let kept = rows(&whole, "trail");
    assert!(!kept.is_empty() && kept.len() <= 10, "{kept:?}");
    let link = format!("/status/trail/{}", kept[0]);
    assert!(whole.contains(&format!("href=\"{link}\"")), "{link}: {whole}");
    let record = page(&site, &link);
    for text in [&*node, "all members are asked", "partial", "<svg"] {
        assert!(record.contains(text), "{text}: {record}");
    }
    assert!(record.contains("aria-label=\"This server\""), "in the frame of the status page: {record}");
    assert_eq!(rows(&page(&site, "/status?filter=trail"), "trail")[0], kept[0]);
    let unknown = browse(&site, "/status/trail/nobody-had-this");
    assert!(unknown.code == 404 && unknown.text().contains("no record"), "{}", unknown.text());
}

#[test]
fn who_may_act_is_led_to_it_and_who_looks_is_not() {
    let viewer = TestServer::demo().server("viewer_password", "a look and no more");
    let site = viewer.section("[@mysearch]\nmembers = 127.0.0.1:9").start();
    let whole = page(&site, "/status");
    let link =
        whole.split("href=\"").find_map(|rest| rest.split('"').next().filter(|link| link.contains("action=drain")));
    let link = link.unwrap_or_else(|| panic!("no link to drain a member: {whole}")).replace("&amp;", "&");
    let asked = page(&site, &link);
    assert!(asked.contains("Drain @mysearch") && asked.contains("name=\"csrf_token\""), "{asked}");
    for action in ["reload", "restart", "shutdown", "log"] {
        assert!(whole.contains(&format!("/status/act?action={action}")), "{action}: {whole}");
    }
    let viewer = basic("viewer", "a look and no more");
    let headers = [("Accept", "text/html"), ("Authorization", &*viewer)];
    let looked = site.ask("GET", "/status", &headers, b"").expect_code(200).text();
    assert!(looked.contains("127.0.0.1") && !looked.contains("/status/act?"), "{looked}");
    let form = [headers[0], headers[1], ("Content-Type", "application/x-www-form-urlencoded")];
    site.ask("POST", "/status/act", &form, b"action=shutdown&confirm=yes").expect_code(403);
    let audit = page(&site, "/status?filter=audit");
    assert_eq!(rows(&audit, "audit").len(), 1, "{audit}");
    assert!(audit.contains("viewer from 127.0.0.1") && audit.contains("refused"), "{audit}");
}
