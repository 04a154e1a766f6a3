//! What a stranger learns of a statement that a database refuses, and that nobody learns where a file is.

use serde_json::{Value, json};

use crate::harness::{Reply, TestServer, call, eventually};

const FOLDER: &str = "deep-folder";

fn site(detail: &str) -> TestServer {
    let site = TestServer::site()
        .section(&format!("[@accounts]\ntype = sqlite3\nmembers = {FOLDER}/accounts.db\n"))
        .section(&format!("[@gone]\ntype = sqlite3\nmembers = {FOLDER}/accounts.db, {FOLDER}/none.db\n"))
        .section(&format!("[@folder]\ntype = sqlite3\nmembers = {FOLDER}/sub.db\n"))
        .server("coverage_detail", detail)
        .file(&format!("{FOLDER}/accounts.db"), "")
        .file(&format!("{FOLDER}/sub.db/x"), "")
        .start();
    let table =
        "CREATE TABLE account (name TEXT PRIMARY KEY, age INT CHECK (age > 0), one INT UNIQUE NOT NULL DEFAULT 1)";
    run(&site, "accounts", table, &[]).expect_code(200);
    site
}

fn escaped(text: &str) -> String {
    let octet = |octet: u8| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(octet).to_string(),
        _ => format!("%{octet:02X}"),
    };
    text.bytes().map(octet).collect()
}

fn run(site: &TestServer, cluster: &str, sql: &str, headers: &[(&str, &str)]) -> Reply {
    site.ask("GET", &format!("/refused/run?cluster={cluster}&sql={}", escaped(sql)), headers, b"")
}

#[test]
fn a_stranger_learns_that_a_statement_was_refused_and_an_id() {
    let site = site("positions");
    assert_eq!(site.get("/refused/sign-up?name=Ann").expect_code(200).text(), "welcome");
    let taken = site.get("/refused/sign-up?name=Ann").expect_code(409);
    assert_eq!(taken.json()["error"]["message"], "this name is taken", "the handler has caught it");
    // (the statement, the status)
    for (sql, status) in [
        ("INSERT INTO account (name) VALUES ('Ann')", 409),
        ("INSERT INTO account (name, age) VALUES ('Bob', -1)", 409),
        ("INSERT INTO account (name, one) VALUES ('Bob', NULL)", 409),
        ("SELECT secret_column FROM account", 500),
        ("SELEC 1", 500),
        ("SELECT * FROM secret_table", 500),
    ] {
        let reply = run(&site, "accounts", sql, &[]).expect_code(status);
        let error = &reply.json()["error"];
        assert_eq!(error["message"], "the database refused the statement", "{sql}");
        let id = error["id"].as_str().unwrap().to_owned();
        assert_eq!(reply.header("x-error-id"), id);
        eventually("the log says why", || {
            site.log().lines().any(|line| line.contains(&id) && line.contains("SQLite")).then_some(())
        });
        let params = json!({"cluster": "accounts", "sql": sql});
        let answer = site.post("/", "application/json-rpc", call::json("refused.run", &params)).json();
        let code = if status == 500 { -32603 } else { -32409 };
        assert_eq!(answer["error"]["code"], code, "{answer}");
        let text = answer["error"]["message"].as_str().unwrap();
        assert!(text.starts_with("the database refused the statement (id "), "{text}");
    }
}

#[test]
fn nobody_learns_where_a_file_is() {
    for detail in ["positions", "names"] {
        let site = site(detail);
        let folder = site.dir().display().to_string();
        let mut seen = String::new();
        let mut see = |reply: Reply| {
            let heads: String = reply.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
            seen.push_str(&format!("{heads}\n{}\n", reply.text()));
            reply
        };
        let accepts = ["*/*", "text/html", "application/problem+json"];
        for cluster in ["gone", "folder"] {
            for accept in accepts {
                let reply = see(run(&site, cluster, "SELECT 1", &[("accept", accept), ("prefer", "coverage=body")]));
                assert!(reply.code >= 500, "{cluster}: {}", reply.text());
            }
            for page in ["told", "shown"] {
                let path = format!("/refused/{page}?cluster={cluster}&sql=SELECT%201");
                see(site.ask("GET", &path, &[("prefer", "coverage=body")], b"").expect_code(200));
                let params: Value = json!([cluster, "SELECT 1"]);
                for method in [format!("refused.{page}"), "refused.run".to_owned()] {
                    see(site.post("/", "application/json-rpc", call::json(&method, &params)));
                    let params = [cluster, "SELECT 1"].map(|text| format!("<string>{text}</string>"));
                    let params: Vec<&str> = params.iter().map(String::as_str).collect();
                    see(site.post("/RPC2", "text/xml", call::xml(&method, &params)));
                }
            }
        }
        let attach = format!("ATTACH '{folder}/{FOLDER}/nowhere/x.db' AS other");
        for page in ["run", "shown"] {
            let path = format!("/refused/{page}?cluster=accounts&sql={}", escaped(&attach));
            see(site.get(&path));
        }
        assert!(seen.len() > 5_000, "the replies were looked at");
        for secret in [folder.as_str(), FOLDER, "./"] {
            let at = seen.find(secret).map(|at| &seen[at.saturating_sub(300)..seen.len().min(at + 200)]);
            assert_eq!(at, None, "{detail}: {secret}");
        }
        assert!(seen.contains("none.db") && seen.contains("the file does not exist"), "the code sees names: {seen}");
        let path = format!("{FOLDER}/none.db");
        eventually("the log has the path", || site.log().contains(&path).then_some(()));
    }
}
