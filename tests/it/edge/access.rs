//! Access lists: by the address of the real client, for every way to a mount.

use serde_json::json;

use super::{get_for, message};
use crate::harness::{TestServer, call, foreign};

fn behind_a_proxy() -> crate::harness::Scenario {
    TestServer::site().route("/guarded = behind").server("trusted_proxies", "127.0.0.1")
}

#[test]
fn a_list_is_of_real_clients_and_of_all_that_is_below() {
    let site = behind_a_proxy()
        .section("[mount /guarded]\nallow = 10.0.0.0/8, fd00::/8\ndeny = 10.0.0.66")
        .section("[mount /status]\ndeny = 0.0.0.0/0")
        .start();
    // (client, path, code)
    for (client, path, code) in [
        ("10.1.2.3", "/guarded/told", 200),
        ("10.1.2.3", "/%67uarded/told", 200),
        ("10.0.0.66", "/guarded/told", 403),
        ("fd00::7", "/guarded/told", 200),
        ("203.0.113.9", "/guarded/told", 403),
        ("203.0.113.9", "/guarded", 403),
        ("203.0.113.9", "/%67uarded/told", 403),
        ("203.0.113.9", "/guarded/nothing-here", 403),
        ("203.0.113.9", "/guardedly", 404),
        ("203.0.113.9", "/defaults?needed=1", 200),
        ("203.0.113.9", "/status", 403),
        ("203.0.113.9", "/status/methods/", 403),
        // What the client wrote itself stands further left, and counts for nothing.
        ("10.1.2.3, 203.0.113.9", "/guarded/told", 403),
    ] {
        let reply = get_for(&site, path, client);
        assert_eq!(reply.code, code, "{client} {path}: {}", reply.text());
    }
    let url = site.url("/guarded/told");
    let said = foreign::curl(&["-H", "X-Forwarded-For: 203.0.113.9", "-w", " %{http_code}", &url]);
    assert!(said.ends_with(" 403") && said.contains("this is not for your address"), "{said}");
}

#[test]
fn no_spelling_of_a_path_leads_past_a_gate() {
    let folders = ["/ = files", "/intern = files/intern", "/a+b = files/a+b", "/größe = files/größe"];
    let mut scenario = TestServer::site_of(&folders);
    for folder in ["intern", "a+b", "größe", "open"] {
        scenario = scenario.file(&format!("files/{folder}/x.txt"), folder);
    }
    for mount in ["/intern", "/a+b", "/größe"] {
        scenario = scenario.section(&format!("[mount {mount}]\ndeny = 0.0.0.0/0"));
    }
    let site = scenario.start();
    for path in ["/open/x.txt", "//open/x.txt", "/./open/x.txt", "/%6Fpen/x.txt"] {
        assert!([200, 404].contains(&site.get(path).code), "{path} is behind no gate");
    }
    site.get("/open/x.txt").expect_code(200);
    for path in [
        "/intern/x.txt",
        "/%69ntern/x.txt",
        "//intern/x.txt",
        "///intern//x.txt",
        "/./intern/x.txt",
        "/%2E/intern/x.txt",
        "/intern%2Fx.txt",
        "/intern%2fx.txt",
        "/%2Fintern/x.txt",
        "/open/../intern/x.txt",
        "/open%2F..%2Fintern/x.txt",
        "/open/%2e%2e/intern/x.txt",
        "/intern/./x.txt",
        "/a+b/x.txt",
        "/a%2Bb/x.txt",
        "/a%2bb/x.txt",
        "/gr%C3%B6%C3%9Fe/x.txt",
        "/gr%c3%b6%c3%9fe/x.txt",
        "/gr%C3%B6%C3%9Fe%2Fx.txt",
    ] {
        let reply = site.get(path);
        assert!([400, 403].contains(&reply.code), "{path}: {} {}", reply.code, reply.text());
        let port = site.port();
        let whole = format!("GET http://127.0.0.1:{port}{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
        let reply = site.conn().send(whole).read();
        assert!([400, 403].contains(&reply.code), "{path} in full: {} {}", reply.code, reply.text());
    }
    for path in ["/intern/x.txt", "/%69ntern/x.txt", "/gr%C3%B6%C3%9Fe/x.txt"] {
        site.get(path).expect_code(403);
    }
}

#[test]
fn a_mount_is_reached_by_the_form_that_clients_send() {
    let site = TestServer::site_of(&["/größe = files"]).file("files/x.txt", "here").start();
    assert_eq!(site.get("/gr%C3%B6%C3%9Fe/x.txt").expect_code(200).text(), "here");
    site.get("/gr%C3%B6%C3%9Fes/x.txt").expect_code(404);
}

#[test]
fn a_method_is_behind_the_gate_of_its_own_mount() {
    let site = behind_a_proxy().section("[mount /guarded]\nallow = 10.0.0.0/8").start();
    let ask = |client: &str, path: &str, kind: &str, body: String| {
        site.ask("POST", path, &[("X-Forwarded-For", client), ("Content-Type", kind)], body.as_bytes())
    };
    for path in ["/", "/rpc3", "/elsewhere"] {
        let refused = ask("203.0.113.9", path, "application/json-rpc", call::json("guarded.told", &json!([])));
        assert_eq!(refused.json()["error"]["code"], -32403, "{path}: {}", refused.text());
        let fine = ask("10.1.2.3", path, "application/json-rpc", call::json("guarded.told", &json!([])));
        assert_eq!(fine.json()["result"][0], "/guarded/told", "{path}");
    }
    let fault = ask("203.0.113.9", "/RPC2", "text/xml", call::xml("guarded.told", &[])).expect_code(200).text();
    assert!(fault.contains("-32403"), "{fault}");
    let one = json!({"jsonrpc": "2.0", "method": "guarded.told", "id": 1});
    let batch = ask("203.0.113.9", "/", "application/json-rpc", json!([one]).to_string()).expect_code(200).json();
    assert_eq!(batch[0]["error"]["code"], -32403, "{batch}");
    // To the mount itself it is refused as a request.
    ask("203.0.113.9", "/guarded/rpc3", "application/json", call::json("told", &json!([]))).expect_code(403);
}

#[test]
fn a_proxy_that_nobody_trusts_proves_no_address_of_this_machine() {
    let site = TestServer::site().section("[mount /]\nallow = 127.0.0.0/8").start();
    site.get("/defaults?needed=1").expect_code(200);
    let through = get_for(&site, "/defaults?needed=1", "203.0.113.9").expect_code(403);
    assert!(message(&through).contains("`trusted_proxies`"), "{}", through.text());
    let through = get_for(&site, "/defaults?needed=1", "127.0.0.1").expect_code(403);
    assert!(message(&through).contains("`trusted_proxies`"), "{}", through.text());
}

#[test]
fn sections_stand_in_what_check_prints_and_their_mistakes_are_told() {
    let scenario = behind_a_proxy().section("[mount /guarded/]\nallow = 10.0.0.0/8, unix");
    let said = String::from_utf8(scenario.check().stdout).unwrap();
    assert!(said.contains("[mount /guarded] allow = 10.0.0.0/8, unix"), "{said}");
    let wrong = TestServer::site().route("/guarded = behind").section("[mount /garded]\nallow = 10.0.0.1/8");
    let wrong = String::from_utf8(wrong.check().stderr).unwrap();
    for part in ["nothing is mounted at this path", "did you mean `[mount /guarded]`?", "write 10.0.0.0/8"] {
        assert!(wrong.contains(part), "{wrong}");
    }
}
