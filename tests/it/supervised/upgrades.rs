//! Another program takes over, or is refused and everything stays as it was.

use std::path::PathBuf;

use serde_json::Value;

use super::{Busy, done, kill, next_pid, pid, refused, serving, site, status};
use crate::harness::{Scenario, copy_program, eventually};

/// Copies the program, so that another can take its place.
fn movable() -> (Scenario, PathBuf, PathBuf) {
    let (scenario, original) = site().own_program("site-of-its-own");
    let path = scenario.dir().join("site-of-its-own");
    (scenario, path, original)
}

fn replace(path: &std::path::Path, with: impl FnOnce(&std::path::Path)) {
    let aside = path.with_extension("new");
    with(&aside);
    std::fs::rename(aside, path).unwrap();
}

fn script(path: &std::path::Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let written = path.with_extension("text");
    std::fs::write(&written, text).unwrap();
    std::fs::set_permissions(&written, std::fs::Permissions::from_mode(0o755)).unwrap();
    copy_program(&written, path);
}

#[test]
fn an_upgrade_replaces_the_supervisor_too_and_loses_no_request() {
    use std::os::unix::fs::MetadataExt;
    let (scenario, path, original) = movable();
    let site = serving(scenario);
    let (supervisor, before, busy) = (status(&site)["pid"].clone(), pid(&site), Busy::begin(&site));
    let mut last = before;
    for round in 0..3 {
        replace(&path, |aside| copy_program(&original, aside));
        done(&site.command("upgrade", &["--wait"]));
        let told = status(&site);
        assert_eq!((&told["pid"], &told["generation"]), (&supervisor, &Value::from(round + 2)));
        let runs = |pid: &Value| std::fs::metadata(format!("/proc/{pid}/exe")).unwrap().ino();
        let new = std::fs::metadata(&path).unwrap().ino();
        last = next_pid(&site, last);
        assert_eq!((runs(&told["pid"]), runs(&last.into())), (new, new), "both run the new file");
    }
    eventually("the old processes have left", || (status(&site)["processes"].as_array()?.len() == 1).then_some(()));
    let (pids, count) = busy.end();
    assert!(pids.len() >= 2 && pids[0] == before && count > 20, "{count} answers of {pids:?}");
    // What was started before the upgrade is still its child: a crash is seen, and so is the end.
    kill(last);
    next_pid(&site, last);
    let (exit, _, log, _) = site.stop();
    assert!(exit.success(), "{log}");
}

#[test]
fn a_bad_binary_is_refused_and_everything_stays_as_it_was() {
    let hangs = "#!/bin/sh\nexec sleep 60\n";
    // It can check, and then crashes, or hangs, as a process.
    let crashes = "#!/bin/sh\n[ \"$1\" = check ] && echo ok && exit 0\nexit 9\n";
    let never_ready = "#!/bin/sh\n[ \"$1\" = check ] && echo ok && exit 0\nexec sleep 60\n";
    for (text, wrong) in [
        ("#!/bin/sh\necho not today; exit 1\n", "not today"),
        ("#!/bin/sh\nexit 0\n", "did not say `ok`"),
        (hangs, "did not end within 10s"),
        (crashes, "exit code 9"),
        (never_ready, "start_timeout"),
        ("no program at all", "cannot be run"),
    ] {
        let (scenario, path, original) = movable();
        let site = serving(scenario.server("start_timeout", "1s"));
        let (supervisor, before, busy) = (status(&site)["pid"].clone(), pid(&site), Busy::begin(&site));
        replace(&path, |aside| script(aside, text));
        let report = refused(&site.command_of(&original, "upgrade", &["--wait"]));
        assert!(report.contains(wrong) && report.contains("stays as it was"), "{report}");
        let (pids, _) = busy.end();
        assert_eq!(pids, [before]);
        // Its own program goes on, though the file is another one.
        kill(before);
        next_pid(&site, before);
        let told = site.command_of(&original, "status", &["--json"]);
        let told: Value = serde_json::from_slice(&told.stdout).unwrap();
        assert_eq!(told["pid"], supervisor);
    }
}

#[test]
fn a_binary_that_serves_and_cannot_take_over_is_refused() {
    // As a process it is the program that it was, so it serves.
    let only_serves = |original: &std::path::Path, rest: &str| {
        let original = original.display();
        format!("#!/bin/sh\ncase \"$1\" in check|process) exec {original} \"$@\";; esac\n{rest}\n")
    };
    let cases = [
        ("echo forgotten; exit 9", "forgotten"),
        ("kill -SEGV $$", "cannot take over (signal: 11"),
        ("exit 0", "did not say `ok`"),
        ("exec sleep 60", "did not end within 10s"),
    ];
    for (rest, wrong) in cases {
        let (scenario, path, original) = movable();
        let site = serving(scenario);
        let (supervisor, before, busy) = (status(&site)["pid"].clone(), pid(&site), Busy::begin(&site));
        replace(&path, |aside| script(aside, &only_serves(&original, rest)));
        let report = refused(&site.command_of(&original, "upgrade", &["--wait"]));
        assert!(report.contains(wrong) && report.contains("stays as it was"), "{report}");
        busy.end();
        let told = || -> Value {
            serde_json::from_slice(&site.command_of(&original, "status", &["--json"]).stdout).unwrap_or_default()
        };
        eventually("what served before is alone again", || {
            let told = told();
            let [one] = &told["processes"].as_array()?[..] else { return None };
            (told["pid"] == supervisor && one["pid"] == before && one["state"] == "serving").then_some(())
        });
        replace(&path, |aside| copy_program(&original, aside));
        done(&site.command_of(&original, "upgrade", &["--wait"]));
        next_pid(&site, before);
    }
}

#[test]
fn a_conf_that_is_broken_during_an_upgrade_does_not_count() {
    let (scenario, path, original) = movable();
    let site = serving(scenario.server("processes", "2"));
    let (supervisor, before) = (status(&site)["pid"].clone(), pid(&site));
    std::fs::write(site.dir().join("startup.waits"), "").unwrap();
    replace(&path, |aside| copy_program(&original, aside));
    let report = std::thread::scope(|scope| {
        let upgrade = scope.spawn(|| site.command_of(&original, "upgrade", &["--wait"]));
        eventually("the first new process starts", || {
            let told = site.command_of(&original, "status", &["--json"]);
            let told: Value = serde_json::from_slice(&told.stdout).unwrap();
            told["processes"].as_array()?.iter().any(|process| process["state"] == "starting").then_some(())
        });
        site.rewrite("[server]", "[server");
        std::fs::remove_file(site.dir().join("startup.waits")).unwrap();
        done(&upgrade.join().unwrap())
    });
    assert!(report.contains("2 new"), "{report}");
    let told = site.command_of(&original, "status", &["--json"]);
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((&told["pid"], &told["state"]), (&supervisor, &"serving".into()), "{told}");
    assert!(site.log().contains("has taken over"), "{}", site.log());
    next_pid(&site, before);
    // It is as broken for the next one.
    assert!(refused(&site.command_of(&original, "reload", &["--wait"])).contains("stays as it was"));
    site.rewrite("[server", "[server]");
    done(&site.command_of(&original, "reload", &["--wait"]));
}

#[test]
fn other_levels_of_the_log_outlive_an_upgrade() {
    let (scenario, path, original) = movable();
    let site = serving(scenario);
    done(&site.command("log", &["error", "--for", "1h"]));
    replace(&path, |aside| copy_program(&original, aside));
    done(&site.command("upgrade", &["--wait"]));
    done(&site.command("reload", &["--wait"]));
    assert!(!site.log().contains("reload done"), "{}", site.log());
    done(&site.command("log", &["default"]));
    done(&site.command("reload", &["--wait"]));
    eventually("it is told again", || site.log().contains("reload done").then_some(()));
}
