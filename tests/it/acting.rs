//! Hands on the wheel: members that an operator takes out, acts by the web and by commands, who may, and the audit log
//! of all of it.

mod audit;
mod members;
mod moved;
mod web;

use serde_json::Value;

use crate::harness::server::ADMIN_PASSWORD;
use crate::harness::{Reply, Scenario, TestServer, eventually};
use crate::status::basic;

/// The password that these tests give the user `viewer`.
const VIEWER_PASSWORD: &str = "a-password-of-the-viewers";

fn admin() -> String {
    basic("admin", ADMIN_PASSWORD)
}

fn viewer() -> String {
    basic("viewer", VIEWER_PASSWORD)
}

fn site() -> Scenario {
    let site = TestServer::site_of(&["/ = testsite", "/process = supervised"]);
    site.server("supervise", "yes").server("drain_idle", "100ms").server("viewer_password", VIEWER_PASSWORD)
}

/// A command that succeeds.
#[track_caller]
fn told(site: &TestServer, command: &str, more: &[&str]) -> String {
    let output = site.command(command, more);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command} {more:?}: {said}");
    said
}

fn part(site: &TestServer, filter: &str) -> Value {
    let path = format!("/status.json?filter={filter}");
    site.ask("GET", &path, &[("Authorization", &admin())], b"").expect_code(200).json()
}

/// The entries of the audit log, as they are in its file.
fn entries(site: &TestServer) -> Vec<Value> {
    let text = std::fs::read_to_string(site.dir().join("var/audit.log")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// A token for this login, from the page that asks whether an act is meant.
fn token(site: &TestServer, login: &str) -> String {
    let page = site.ask("GET", "/status/act?action=reload", &[("Authorization", login)], b"").expect_code(200).text();
    let (_, rest) = page.split_once("name=\"csrf_token\" value=\"").unwrap_or_else(|| panic!("no token in {page}"));
    rest.split('"').next().unwrap().to_owned()
}

/// Posts the form.
fn post(site: &TestServer, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Reply {
    let plain = |text: &str| text.replace(' ', "+").replace('@', "%40").replace(':', "%3A").replace('=', "%3D");
    let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
    let kind = [("Content-Type", "application/x-www-form-urlencoded")];
    site.ask("POST", "/status/act", &[&kind, headers].concat(), body.join("&").as_bytes())
}

/// Acts as the user `admin`, confirmed.
fn act(site: &TestServer, fields: &[(&str, &str)]) -> Reply {
    let (login, token) = (admin(), token(site, &admin()));
    let confirmed = [fields, &[("csrf_token", token.as_str()), ("confirm", "yes")]].concat();
    post(site, &confirmed, &[("Authorization", &login)])
}

/// The id of the process that answers.
fn pid(site: &TestServer) -> u64 {
    site.get("/process/pid").expect_code(200).text().parse().expect("a number")
}

/// Waits until the site serves with another process than this one alone.
fn succeeded(site: &TestServer, before: u64) {
    eventually("another process serves", || {
        let status: Value = serde_json::from_slice(&site.command("status", &["--json"]).stdout).ok()?;
        let processes = status["processes"].as_array()?;
        let is_new = processes.iter().all(|one| one["state"] == "serving" && one["pid"].as_u64() != Some(before));
        (is_new && !processes.is_empty()).then_some(())
    });
}
