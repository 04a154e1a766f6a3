//! What others put where the supervisor looks: a FIFO for a log, a socket for its own, words that are codes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::rights::{is_root, of_nobody};
use super::{done, pid, refused, serving, site, status};
use crate::harness::eventually;

/// A FIFO, at which an open waits for the other end.
struct Fifo {
    path: PathBuf,
    began: Instant,
}

impl Fifo {
    /// Whoever waits at it goes on in the end, so that a test that fails does not hang.
    fn at(path: &Path) -> Fifo {
        let _ = std::fs::remove_file(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(Command::new("mkfifo").args(["-m", "666"]).arg(path).status().unwrap().success());
        let waits = path.to_owned();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(40));
            while let Ok(both_ends) = std::fs::OpenOptions::new().read(true).write(true).open(&waits) {
                std::thread::sleep(Duration::from_millis(100));
                drop(both_ends);
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Fifo { path: path.to_owned(), began: Instant::now() }
    }

    /// Nobody has waited.
    fn held_up_nobody(&self) {
        assert!(self.began.elapsed() < Duration::from_secs(30), "{}: {:?}", self.path.display(), self.began.elapsed());
    }
}

#[test]
fn a_fifo_in_the_place_of_a_log_holds_up_nobody() {
    let scenario = if is_root() { of_nobody() } else { site() };
    let site = serving(scenario.server("access_log", "var/access.log"));
    let fifo = Fifo::at(&site.dir().join("var/access.log"));
    let report = if is_root() { refused(&site.command("reopen", &[])) } else { done(&site.command("reopen", &[])) };
    eventually("it is told", || site.log().contains("a FIFO that nobody reads").then_some(()));
    assert!(!is_root() || report.contains("var/access.log: it is a socket, or a FIFO"), "{report}");
    done(&site.command("reload", &["--wait"]));
    pid(&site);
    assert_eq!(status(&site)["state"], "serving");
    fifo.held_up_nobody();
}

#[test]
fn what_is_in_the_way_of_a_log_is_told_by_check() {
    let scenario = site().server("access_log", "none/access.log");
    let said = String::from_utf8(scenario.check().stderr).unwrap();
    assert!(said.contains("`access_log`: ") && said.contains("there is no folder") && said.contains("none"), "{said}");
    std::fs::create_dir(scenario.dir().join("none")).unwrap();
    done(&scenario.check());
}
