//! The audit log: who did what, from where, what became of it, and what was refused.

use serde_json::{Value, json};

use super::{act, admin, entries, part, post, site, told, viewer};
use crate::harness::{Chaos, TestServer, eventually};
use crate::processes::serving;

fn with_members(chaos: &Chaos) -> TestServer {
    serving(site().section(&chaos.section("members", "")), 2)
}

#[test]
fn a_command_and_a_form_are_written_down_with_who_and_what() {
    let chaos = Chaos::start(2);
    let site = with_members(&chaos);
    told(&site, "drain", &["@members", &chaos.node(0), "--why", "a new disk"]);
    let reply = act(&site, &[("action", "restore"), ("cluster", "@members"), ("member", &chaos.node(0))]);
    let reply = reply.expect_code(303);
    let id = reply.header("location").strip_prefix("/status?done=").expect("it leads back").to_owned();
    assert_eq!(reply.header("x-request-id"), id, "the access log has the same id");
    let all = entries(&site);
    let [drained, restored] = &all[..] else { panic!("{all:#?}") };
    let on = format!("@members {}", chaos.node(0));
    let own = std::process::id();
    assert_eq!((&drained["action"], &drained["by"]), (&json!("drain"), &json!("command")), "{drained:#}");
    assert_eq!((&drained["on"], &drained["why"]), (&json!(on), &json!("a new disk")), "{drained:#}");
    assert_eq!((&drained["outcome"], &drained["site"]), (&json!("done"), &json!("test")), "{drained:#}");
    let uid = std::fs::metadata(format!("/proc/{own}")).map(|file| std::os::unix::fs::MetadataExt::uid(&file)).unwrap();
    assert_eq!(drained["uid"].as_u64(), Some(u64::from(uid)), "{drained:#}");
    assert!(drained["pid"].as_u64().is_some_and(|pid| pid > 0 && pid != u64::from(own)), "{drained:#}");
    let at = drained["at"].as_str().unwrap();
    assert!(at.len() == 24 && at.ends_with('Z') && at.as_bytes()[10] == b'T', "{at}");
    assert_eq!((&restored["by"], &restored["user"]), (&json!("web"), &json!("admin")), "{restored:#}");
    assert_eq!((&restored["role"], &restored["from"]), (&json!("admin"), &json!("127.0.0.1")), "{restored:#}");
    assert_eq!((&restored["id"], &restored["outcome"]), (&json!(id), &json!("done")), "{restored:#}");
    // The status has the same, in every process, and the newest first.
    eventually("every process shows it", || {
        (0..8).all(|_| part(&site, "audit")["audit"].get(&id).is_some()).then_some(())
    });
    let shown = part(&site, "audit")["audit"].clone();
    let shown: Vec<&Value> = shown.as_object().unwrap().values().collect();
    assert_eq!(shown, [restored, drained]);
    let log = site.log();
    for line in ["an operator acts: @members", "who=\"admin from 127.0.0.1\"", "action=\"drain\""] {
        assert!(log.contains(line), "no `{line}` in {log}");
    }
}

#[test]
fn what_is_refused_is_written_down_too() {
    let chaos = Chaos::start(2);
    let site = with_members(&chaos);
    let form = [("action", "drain"), ("cluster", "members"), ("member", &*chaos.node(0)), ("confirm", "yes")];
    post(&site, &form, &[]).expect_code(401);
    post(&site, &form, &[("Authorization", &viewer())]).expect_code(403);
    post(&site, &form, &[("Authorization", &admin())]).expect_code(403);
    let all = eventually("they are written", || Some(entries(&site)).filter(|all| all.len() == 3));
    let said: Vec<(&Value, Option<&str>, &Value)> =
        all.iter().map(|one| (&one["outcome"], one["user"].as_str(), &one["action"])).collect();
    let refused = |user| (json!("refused"), user, json!("drain"));
    let expected = [refused(None), refused(Some("viewer")), refused(Some("admin"))];
    let expected: Vec<_> = expected.iter().map(|(outcome, user, action)| (outcome, *user, action)).collect();
    assert_eq!(said, expected);
    assert!(all[1]["text"].as_str().unwrap().contains("may look and change nothing"), "{:#}", all[1]);
    assert!(all[2]["text"].as_str().unwrap().contains("csrf_token"), "{:#}", all[2]);
    assert_eq!(all[0]["on"], json!(format!("members {}", chaos.node(0))));
    assert!(site.log().contains("an operator's act is not done"));
    // A flood fills no disk.
    (0..60).for_each(|_| drop(post(&site, &form, &[])));
    assert!(entries(&site).len() < 60, "{}", entries(&site).len());
}

#[test]
fn the_file_is_where_the_configuration_says_and_is_opened_anew() {
    let chaos = Chaos::start(1);
    let site = site().section(&chaos.section("members", "")).section("[admin]\naudit_log = operators.log");
    let site = serving(site, 1);
    let file = site.dir().join("operators.log");
    told(&site, "drain", &["members", &chaos.node(0)]);
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 1);
    std::fs::rename(&file, site.dir().join("operators.log.1")).unwrap();
    told(&site, "reopen", &[]);
    told(&site, "restore", &["members", &chaos.node(0)]);
    let text = std::fs::read_to_string(&file).unwrap();
    let actions: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let actions: Vec<&str> = actions.iter().map(|entry: &Value| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["reopen", "restore"]);
}
