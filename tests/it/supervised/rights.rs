//! The rights of root: the processes give them up, the supervisor keeps them and is not led to use them for others.

use super::{done, next_pid, pid, refused, serving, site};
use crate::harness::{Scenario, eventually};

pub(super) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn set_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The numbers of `nobody`, whom every machine has.
pub(super) fn nobody() -> (u32, u32) {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with("nobody:")).expect("every machine has it");
    let mut parts = line.split(':').skip(2).map(|number| number.parse().expect("a number"));
    (parts.next().unwrap(), parts.next().unwrap())
}

/// A site whose processes are `nobody`, in a folder that root has and all may read; `var` is nobody's.
pub(super) fn of_nobody() -> Scenario {
    let scenario = site()
        .server("user", "nobody")
        .server("access_log", "access.log")
        .server("admin_password", "file:password")
        .file("password", "a-password-of-root")
        .file("var/made", "");
    set_mode(scenario.dir(), 0o755);
    set_mode(&scenario.dir().join("password"), 0o600);
    let (uid, gid) = nobody();
    std::os::unix::fs::chown(scenario.dir().join("var"), Some(uid), Some(gid)).unwrap();
    scenario
}

#[test]
fn the_processes_give_up_roots_rights_and_the_supervisor_keeps_them() {
    if !is_root() {
        // Not skipped in silence: who is not root is told so, and that is what can be seen.
        let (status, log) = site().server("user", "nobody").start_refused();
        assert_eq!(status.code(), Some(78), "{log}");
        assert!(log.contains("needs root"), "{log}");
        return;
    }
    let site = serving(of_nobody());
    let (uid, gid) = nobody();
    let user = site.get("/user").expect_code(200).text();
    let numbers: Vec<u32> = user.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    assert_eq!(numbers, [[uid; 4], [gid; 4]].concat(), "no other user, group or further groups: {user}");
    let status_of = |id: u64| std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    assert!(status_of(site.id().into()).contains("Uid:\t0\t0\t0\t0"), "the supervisor is root");
    // A secret of root, and a log file in a folder of root, were handed down.
    let login = [("Authorization", "Basic YWRtaW46YS1wYXNzd29yZC1vZi1yb290")];
    site.ask("GET", "/status", &login, b"").expect_code(200);
    let log = site.dir().join("access.log");
    let lines = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default().lines().count();
    eventually("the log has its lines", || (lines(&log) >= 2).then_some(()));
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&log).unwrap()), 0, "the file is root's");
    // So it is at a reload, and when log files are opened anew.
    let before = pid(&site);
    done(&site.command("reload", &["--wait"]));
    next_pid(&site, before);
    let aside = site.dir().join("access.log.1");
    std::fs::rename(&log, &aside).unwrap();
    done(&site.command("reopen", &[]));
    eventually("the new file has lines", || {
        site.get("/pid").expect_code(200);
        (lines(&log) > 0).then_some(())
    });
    site.ask("GET", "/status", &login, b"").expect_code(200);
}

#[test]
fn root_obeys_nothing_that_the_user_of_its_processes_may_write() {
    if !is_root() {
        return assert!(site().server("user", "nobody").start_refused().1.contains("needs root"));
    }
    // The configuration is in a folder of the user's.
    let scenario = of_nobody();
    let (uid, gid) = nobody();
    std::os::unix::fs::chown(scenario.dir(), Some(uid), Some(gid)).unwrap();
    let (status, log) = scenario.start_refused();
    assert_eq!(status.code(), Some(78), "{log}");
    assert!(log.contains("the configuration") && log.contains("could be replaced by user nobody"), "{log}");
    // A link of the user's to a file of root's, where a log is to be: it is opened with the user's rights.
    let scenario = of_nobody().server("access_log", "var/access.log").file("of-root", "untouched");
    set_mode(&scenario.dir().join("of-root"), 0o600);
    std::os::unix::fs::symlink("../of-root", scenario.dir().join("var/access.log")).unwrap();
    let site = serving(scenario);
    pid(&site);
    eventually("the log says so", || site.log().contains("nothing is written there").then_some(()));
    assert_eq!(std::fs::read_to_string(site.dir().join("of-root")).unwrap(), "untouched");
    // A new program that the user may write.
    let (scenario, original) = of_nobody().own_program("site-of-its-own");
    let path = scenario.dir().join("site-of-its-own");
    let site = serving(scenario);
    let before = pid(&site);
    std::os::unix::fs::chown(&path, Some(uid), Some(gid)).unwrap();
    let report = refused(&site.command_of(&original, "upgrade", &["--wait"]));
    assert!(report.contains("the program") && report.contains("could be replaced by user nobody"), "{report}");
    assert_eq!(pid(&site), before);
}

#[test]
fn root_reads_no_secret_for_the_user_to_which_the_user_leads_it() {
    if !is_root() {
        return assert!(site().server("user", "nobody").start_refused().1.contains("needs root"));
    }
    let scenario = of_nobody().server("securekey", "file:var/key").file("of-root", &"a-secret-of-root".repeat(4));
    set_mode(&scenario.dir().join("of-root"), 0o600);
    std::os::unix::fs::symlink("../of-root", scenario.dir().join("var/key")).unwrap();
    let (status, log) = scenario.start_refused();
    assert_eq!(status.code(), Some(78), "{log}");
    assert!(log.contains("var/key could be replaced by user nobody") && !log.contains("a-secret-of-root"), "{log}");
    // One that the user may read is the user's own affair.
    let scenario = of_nobody().server("securekey", "file:var/key").file("var/key", &"a-secret-of-all".repeat(4));
    set_mode(&scenario.dir().join("var/key"), 0o644);
    let site = serving(scenario);
    let before = pid(&site);
    let key = site.dir().join("var/key");
    std::fs::remove_file(&key).unwrap();
    std::os::unix::fs::symlink("../password", &key).unwrap();
    let report = refused(&site.command("reload", &["--wait"]));
    assert!(report.contains("var/key could be replaced by user nobody"), "{report}");
    assert_eq!(pid(&site), before);
}

#[test]
fn a_user_that_is_missing_is_told() {
    if !is_root() {
        return assert!(site().server("user", "no-such-user").start_refused().1.contains("no such user"));
    }
    for (key, name) in [("user", "no-such-user"), ("group", "no-such-group")] {
        let (status, log) = of_nobody().server(key, name).start_refused();
        assert_eq!(status.code(), Some(78), "{log}");
        assert!(log.contains(&format!("`{key} = {name}`: there is no such {key} on this machine")), "{log}");
    }
    let site = serving(site());
    let before = pid(&site);
    site.rewrite("threads = 2", "threads = 2\nuser = no-such-user");
    let report = refused(&site.command("reload", &["--wait"]));
    assert!(report.contains("no such user") && report.contains("stays as it was"), "{report}");
    assert_eq!(pid(&site), before);
}
