//! The command `rpc`: any server, ours or another's, called from a shell.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::harness::data::root;
use crate::harness::foreign::Server;
use crate::harness::server::ADMIN_PASSWORD;
use crate::harness::{Conduct, Member, TestServer};

/// Exit code, standard output and standard error of `rpc` with these arguments.
fn rpc(arguments: &[&str]) -> (i32, String, String) {
    rpc_with(arguments, &[])
}

fn rpc_with(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skitai-demo"));
    command.arg("rpc").args(arguments).env_remove("RPC_LOGIN").envs(variables.iter().copied());
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().expect("it ends by itself"), text(stdout), text(stderr))
}

#[track_caller]
fn answer(arguments: &[&str]) -> String {
    let (code, out, err) = rpc(arguments);
    assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}: {out}");
    out
}

#[test]
fn it_calls_our_own_server_in_both_protocols() {
    let site = TestServer::site().server("introspection", "public").start();
    for url in [
        site.url("/RPC2"),
        site.url("/rpc3"),
        site.url(""),
        site.url("/any/path"),
        format!("127.0.0.1:{}", site.port()),
    ] {
        assert_eq!(answer(&[&url, "sum", "1", "2", "-9"]), "-6\n", "{url}");
    }
    let url = site.url("/rpc3");
    assert_eq!(answer(&[&url, "--named", "subtract", "subtrahend=23", "minuend=42"]), "19\n");
    let reply: Value = serde_json::from_str(&answer(&[&url, "scalars", "true", "5", "2.5", "plain text"])).unwrap();
    assert_eq!(reply, json!([true, 5, 2.5, "plain text"]));
    // A text is printed as it is; quoted JSON is a text, too.
    assert_eq!(answer(&[&url, "large", "3"]), "xxx\n");
    let struct_ = answer(&[&site.url("/RPC2"), "validator1.echoStructTest", r#"{"a": [1, "2", null]}"#]);
    assert_eq!(serde_json::from_str::<Value>(&struct_).unwrap(), json!({"a": [1, "2", null]}));
    assert_eq!(answer(&[&url, "path", "\"7\""]), "7\n");
}

#[test]
fn a_fault_and_a_server_that_cannot_be_called_are_told_apart() {
    let site = TestServer::site().server("introspection", "public").start();
    for url in [site.url("/RPC2"), site.url("/rpc3")] {
        let (code, out, err) = rpc(&[&url, "nobody"]);
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(err.starts_with("fault -32601: ") && err.contains("`nobody`"), "{err}");
    }
    assert_eq!(
        rpc(&[&site.url("/rpc3"), "refuse", "409", "7", "taken"]),
        (1, String::new(), "fault 7: taken\n".to_owned())
    );
    let (closed, page) = (Member::start(Conduct::Closed), Member::start(Conduct::Page(404, "<h1>no RPC</h1>")));
    for (arguments, says) in [
        (vec![format!("http://{}/RPC2", closed.node()), "x".to_owned()], "refused"),
        (vec![format!("http://{}/rpc3", page.node()), "x".to_owned()], "http_status"),
        (vec![format!("http://{}/", page.node()), "x".to_owned()], "--xml or --json says it"),
        (vec!["ftp://x/RPC2".to_owned(), "x".to_owned()], "not http or https"),
        (vec![site.url("/RPC2"), "x".to_owned(), "{broken".to_owned()], "begins like JSON and is none"),
        (vec![site.url("/RPC2"), "x".to_owned(), "--header".to_owned(), "odd".to_owned()], "--header is NAME: VALUE"),
        (vec![site.url("/RPC2")], "<METHOD>"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, out, err) = rpc(&arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(err.contains(says), "{arguments:?}: {err}");
    }
    let slow = Member::start(Conduct::Hangs);
    let (code, _, err) = rpc(&[&format!("http://{}/RPC2", slow.node()), "x", "--timeout", "0.2"]);
    assert_eq!(code, 2);
    assert!(err.contains("deadline") || err.contains("timeout"), "{err}");
}

#[test]
fn it_lists_and_describes_by_asking() {
    let site = TestServer::site().server("introspection", "public").start();
    for url in [site.url("/RPC2"), site.url("/rpc3"), site.url("/api")] {
        let names = answer(&[&url, "--list"]);
        let names: Vec<&str> = names.lines().collect();
        assert!(names.is_sorted() && names.contains(&"large") && names.contains(&"system.methodHelp"), "{names:?}");
        assert_eq!(answer(&[&url, "--describe", "large"]), "large(int) -> string\n\nSo many bytes of one letter.\n");
    }
    // Only the admin may ask, unless the configuration says otherwise.
    let usual = TestServer::site().start();
    let (code, _, err) = rpc(&[&usual.url("/RPC2"), "--list"]);
    assert!(code == 1 && err.starts_with("fault -32401: "), "{code}: {err}");
    let login = format!("admin:{ADMIN_PASSWORD}");
    assert!(answer(&[&usual.url("/RPC2"), "--list", "--login", &login]).contains("large"));
    let (code, out, _) = rpc_with(&[&usual.url("/rpc3"), "--list"], &[("RPC_LOGIN", &login)]);
    assert!(code == 0 && out.contains("large"), "a password need not stand in the list of processes");
}

#[test]
fn it_calls_servers_of_others() {
    let json = Server::start("tests/interop/json_member.py", ["0"]);
    let url = format!("http://127.0.0.1:{}/api", json.port);
    // Nothing says that this is JSON-RPC: it is asked.
    let works: Value = serde_json::from_str(&answer(&[&url, "search", "Mozart"])).unwrap();
    assert!(!works.as_array().unwrap().is_empty());
    assert!(answer(&[&url, "--list"]).lines().any(|name| name == "search"));
    assert_eq!(rpc(&[&url, "--json", "refuse", "me"]).0, 1);
    assert_eq!(answer(&[&url, "--json", "whoami", "x-tenant", "--header", "X-Tenant: 7"]), "7\n");
    assert!(answer(&[&url, "--json", "whoami", "authorization", "--login", "a:b"]).starts_with("Basic YTpi"));

    // One that takes nothing but `application/json`, says so, and is asked again.
    let npm = Server::start("tests/interop/jayson_server.js", [""; 0]);
    let url = format!("http://127.0.0.1:{}/", npm.port);
    for url in [&url, &format!("{url}rpc3")] {
        assert_eq!(answer(&[url, "subtract", "42", "23"]), "19\n");
        assert_eq!(answer(&[url, "--named", "subtract", "subtrahend=42", "minuend=23"]), "-19\n");
        assert_eq!(rpc(&[url, "refuse"]), (1, String::new(), "fault 4711: not this one\n".to_owned()));
    }

    let xml = Server::start("tests/interop/member.py", ["0"]);
    let url = format!("http://127.0.0.1:{}/api", xml.port);
    let works: Value = serde_json::from_str(&answer(&[&url, "search", "Mozart"])).unwrap();
    assert!(!works.as_array().unwrap().is_empty());
}

#[test]
fn it_verifies_who_answers_over_tls() {
    let certificate = |name: &str| root().join("actors/src/http/origin").join(name);
    let member =
        Server::start("tests/interop/tls_member.py", [certificate("member.pem"), certificate("member-key.pem")]);
    let authority = certificate("authority.pem").display().to_string();
    let url = |host: &str| format!("https://{host}:{}/RPC2", member.port);
    let reply = answer(&["--ca-file", &authority, &url("localhost"), "search", "Mozart"]);
    assert_eq!(serde_json::from_str::<Value>(&reply).unwrap(), json!(["over TLS", "Mozart"]));
    for arguments in [vec![url("localhost")], vec!["--ca-file".to_owned(), authority.clone(), url("127.0.0.1")]] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["search", "Mozart"]).collect();
        let (code, out, err) = rpc(&arguments);
        assert!(code == 2 && out.is_empty() && err.contains("tls"), "{arguments:?}: {code} {err}");
    }
    let (code, _, err) = rpc(&["--ca-file", "/nowhere.pem", &url("localhost"), "search", "x"]);
    assert!(code == 2 && err.contains("/nowhere.pem cannot be read"), "{err}");
}

#[test]
fn its_help_explains_with_examples() {
    let (code, out, _) = rpc(&["--help"]);
    assert_eq!(code, 0);
    for part in ["Examples:", "add 1 2", "--describe", "--ca-file", "Exit code: 0", "RPC_LOGIN"] {
        assert!(out.contains(part), "{part} in {out}");
    }
}
