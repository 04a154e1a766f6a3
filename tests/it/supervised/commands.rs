//! The commands to an instance, and how it is found.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{done, pid, refused, serving, site};
use crate::harness::{TestServer, eventually, ports};

#[test]
fn a_named_site_with_a_broken_conf_is_still_found() {
    let site = site().server("name", "shop").start();
    eventually("it serves", || site.command("status", &[]).status.success().then_some(()));
    site.rewrite("threads = 2", "threads = many");
    assert!(done(&site.command("status", &[])).starts_with("shop: "));
    done(&site.command("stop", &["--wait"]));
}

#[test]
fn the_demo_runs_beside_another_in_one_folder() {
    let demo = TestServer::demo().without_conf().start();
    let other = ports::free().to_string();
    let told = |command: &str, port: &str| demo.command_without_conf(command, port);
    assert!(done(&told("start", &other)).contains(&other));
    // The first one is found by its own port, and is one of its kind.
    let first = demo.port().to_string();
    assert!(refused(&told("run", &first)).contains("runs already"));
    done(&told("stop", &other));
    demo.get("/hello").expect_code(200);
}

#[test]
fn a_second_start_says_who_runs_and_a_killed_one_is_no_hindrance() {
    let site = serving(site());
    let twice = refused(&site.command("run", &[]));
    assert!(twice.contains("runs already, with process id") && twice.contains(&site.id().to_string()), "{twice}");
    let files = ["test.pid", "test.sock"].map(|name| site.dir().join("var").join(name));
    assert!(files.iter().all(|file| file.exists()));
    let left = pid(&site);
    let scenario = site.kill_and_keep();
    eventually("the orphan ends by itself", || (!PathBuf::from(format!("/proc/{left}")).exists()).then_some(()));
    assert!(files.iter().all(|file| file.exists()), "nobody could put them away");
    let none = refused(&scenario.told("reload"));
    assert!(none.contains("does not run"), "{none}");
    let site = serving(scenario);
    pid(&site);
    let (exit, _, _, _scenario) = site.stop();
    assert!(exit.success() && files.iter().all(|file| !file.exists()));
}

#[test]
fn start_and_stop_are_for_the_background() {
    let scenario = site().own_port().without("admin_password");
    let began = Instant::now();
    let lines = done(&scenario.told("start"));
    let greeting = std::fs::read_to_string(scenario.dir().join("var/test.log")).unwrap();
    let password = std::fs::read_to_string(scenario.dir().join("var/admin_password")).unwrap();
    assert!(greeting.contains(" serves http") && greeting.contains("user admin, password in "), "{greeting}");
    assert!(!greeting.contains(password.trim()) && !greeting.contains("Ctrl-C"), "{greeting}");
    assert!(lines.contains(": serving, process id"), "{lines}");
    let again = refused(&scenario.told("start"));
    assert!(again.contains("runs already"), "{again}");
    assert!(began.elapsed() < Duration::from_secs(20));
    let log = scenario.dir().join("var/test.log");
    let aside = scenario.dir().join("var/test.log.1");
    std::fs::rename(&log, &aside).unwrap();
    done(&scenario.told("reopen"));
    done(&scenario.told_with("reload", &["--wait"]));
    assert!(std::fs::read_to_string(&log).unwrap().contains("reload begins"), "the new file has what came since");
    assert!(!std::fs::read_to_string(&aside).unwrap().contains("reload begins"));
    done(&scenario.told_with("restart", &["--wait"]));
    done(&scenario.told_with("stop", &["--wait"]));
    let none = refused(&scenario.told("status"));
    assert!(none.contains("does not run"), "{none}");
    let report = refused(&scenario.file("startup.fails", "no licence").told("start"));
    assert!(report.contains("no licence"), "{report}");
}

#[test]
fn commands_given_during_an_upgrade_are_answered() {
    let site = serving(site());
    pid(&site);
    std::thread::scope(|scope| {
        let commands = (0..12).map(|number| {
            let site = &site;
            scope.spawn(move || match number % 3 {
                0 => done(&site.command("upgrade", &["--wait"])),
                1 => done(&site.command("reload", &["--wait"])),
                _ => (0..10).map(|_| done(&site.command("status", &["--json"]))).collect(),
            })
        });
        let commands: Vec<_> = commands.collect();
        let said: Vec<String> = commands.into_iter().map(|command| command.join().expect("answered")).collect();
        assert!(said.iter().all(|said| said.contains("done in") || said.contains("\"generation\"")), "{said:?}");
    });
    assert!(site.log().contains("has taken over"));
}
