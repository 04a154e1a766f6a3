//! What is wrong, from the status to its words.

use super::*;
use crate::builtin::admin::view::PageView;

fn texts(status: &str) -> Vec<String> {
    let tree: Value = serde_json::from_str(status).expect("JSON");
    let view = PageView::default();
    let restart_needed = if tree["config"].is_nil() { Vec::new() } else { vec!["port".to_owned()] };
    let source = PageSource {
        tree: &tree,
        part: &tree,
        view: &view,
        now: 1_790_000_300,
        may_act: false,
        restart_needed: &restart_needed,
    };
    let (found, more) = all(&source);
    assert_eq!(more, 0);
    found.into_iter().map(|finding| format!("{} {}", finding.mark, finding.text)).collect()
}

#[test]
fn members_that_are_out_are_named_with_reason_time_and_cost() {
    let status = r#"{"clusters": {"mysearch": {"answered": true, "members": [
        {"node": "127.0.0.1:5001", "state": "healthy"},
        {"node": "127.0.0.1:5002", "state": "ejected", "ejected_for": "refused", "since": 1790000000, "missed": 41},
        {"node": "127.0.0.1:5003", "state": ["healthy", "probing"], "ejected_for": "timeout",
            "since": [1, 1790000001]}
    ]}, "b": {"members": [{"node": "x", "state": "healthy",
        "operator": {"word": "drained", "who": "admin from 127.0.0.1", "since": 1790000002}}]}}}"#;
    assert_eq!(
        texts(status),
        [
            "bad @mysearch: 1 of 3, 127.0.0.1:5002 refused since 14:13:20, 41 calls missed it; \
             127.0.0.1:5003 healthy, probing after timeout since 14:13:21",
            "warn @b: 0 of 1, x drained by admin from 127.0.0.1 since 14:13:22",
        ]
    );
}

#[test]
fn what_else_is_wrong_is_said_in_words() {
    let status = r#"{
        "processes": {"running": [{"pid": 7, "slot": 0, "answered": false, "restarts": 2, "open_fds": 95,
            "fds_limit": 100}],
            "problem": "the supervisor did not answer", 
            "supervisor": {"last_crash": "process 6: signal 9", "refused": "bad port"}},
        "held": [{"process": 7, "thread": 1, "handler": "a::b", "rule": "/b", "seconds": 5.14}],
        "actors": [{"name": "web", "answered": true, "state": "running", "in_flight": 95, "limit": 100,
            "restarts": 1, "last_panic": "oh", "dead_letters": 1}, {"name": "web", "answered": false}],
        "queue": {"in_use": 4, "limit": 4, "waiting": 9, "max_waiting": 10},
        "connections": {"open": 10, "limit": 10},
        "routes": {"/a": {"recent": {"errors": 2}}, "/b": {"recent": {"errors": 3}}},
        "databases": {"d": {"members": [
            {"node": "s", "state": "healthy", "in_use": 2, "connections": {"limit": 2}}]}},
        "certificates": [{"file": "a.pem", "refused": "no key", "days_left": 3, "expires": "2026-09-24", "expires_at": 1790260000},
            {"file": "b.pem", "days_left": 0, "expires": "2026-09-20", "expires_at": 1789900000}],
        "config": {"server": {"port": {"value": ["1", "2"]}}}
    }"#;
    assert_eq!(
        texts(status),
        [
            "warn @d: all 2 connections to s are in use; statements wait for one",
            "bad the supervisor did not answer: the sums are not whole",
            "bad process 7 (slot 0) does not answer; its counters are as of when it did",
            "bad slot 0 has had 2 crashes; its process is 7 now",
            "bad the last crash: process 6: signal 9",
            "bad thread 1 of process 7 is held by a::b (/b) for 5.1 s: its other requests wait",
            "bad the actor web does not answer on 1 thread",
            "warn the actor web has begun anew 1 time: oh",
            "warn 1 message came to the actor web when it was gone",
            "bad the mailbox of the actor web is 95 % full on a thread",
            "bad all 4 threads of plain functions are busy, 9 wait and 10 may",
            "bad process 7 has 95 of 100 descriptors open",
            "bad `max_connections` is reached: 10 are open, others are refused",
            "bad 5 requests of the last minute ended with a 5xx, 3 of them at /b",
            "bad the files of certificates have changed and were refused: no key",
            "bad the certificate a.pem expires in 3 days (2026-09-24)",
            "bad the certificate b.pem has expired (2026-09-20)",
            "bad the last reload was refused, the configuration before it is in force: bad port",
            "warn the configuration has changed in port: that needs a restart",
            "warn processes have other configurations than each other: server port",
        ]
    );
    assert!(texts("{}").is_empty());
}
