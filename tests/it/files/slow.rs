//! A disk that takes two seconds for each call: it keeps nobody waiting but those who ask for its files.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::data::root;
use crate::harness::{TestServer, bound};

#[test]
fn a_slow_disk_keeps_nobody_else_waiting() {
    let (_tools, slow_disk) = compiled();
    let scenario = TestServer::site_of(&["/ = quick", "/ = testsite", "/slow = slow"])
        .file("quick/a.txt", "from a quick disk")
        .file("slow/a.txt", "from a slow disk");
    let folder = scenario.dir().join("slow");
    let words = [&*slow_disk, folder.to_str().unwrap(), "2000"];
    let site = scenario.run_by(&words).start();
    // It looks at its folders before it serves.
    site.get("/hold?millis=0").expect_code(200);
    // More than the whole pool of threads has, on all event loops.
    let begun = Instant::now();
    let mut waiting: Vec<_> = (0..60).map(|_| site.begin("/slow/a.txt")).collect();
    let most = bound(Duration::from_millis(50), Duration::from_millis(1500));
    for turn in 0..200 {
        for path in ["/hold?millis=0", "/letters?chunks=1", &format!("/none-{turn}"), "/a.txt"] {
            let asked = Instant::now();
            let code = site.get(path).code;
            assert!([200, 404].contains(&code), "{path}: {code}");
            assert!(asked.elapsed() < most, "{path} took {:?}", asked.elapsed());
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "the slow files were not under way any more");
    // They come, those that found room, and in their time.
    let first = waiting[0].read();
    assert_eq!(first.expect_code(200).text(), "from a slow disk");
    assert!(begun.elapsed() >= Duration::from_secs(2), "the disk was not slow");
}

#[test]
fn who_waits_for_a_slow_disk_is_told_in_time() {
    let (_tools, slow_disk) = compiled();
    let scenario =
        TestServer::site_of(&["/ = testsite", "/slow = slow"]).file("slow/a.txt", "x").server("deadline", "1");
    let folder = scenario.dir().join("slow");
    let site = scenario.run_by(&[&slow_disk, folder.to_str().unwrap(), "5000"]).start();
    site.get("/hold?millis=0").expect_code(200);
    let begun = Instant::now();
    let told = site.get("/slow/a.txt").expect_code(504);
    assert!(told.text().contains("the disk does not answer"), "{}", told.text());
    assert!(begun.elapsed() < bound(Duration::from_millis(1200), Duration::from_secs(4)), "{:?}", begun.elapsed());
}

/// The program that makes a folder slow, and where it is.
fn compiled() -> (tempfile::TempDir, String) {
    let tools = tempfile::tempdir().unwrap();
    let slow_disk = tools.path().join("slow_disk");
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-pthread", "-o"]).arg(&slow_disk).arg(root().join("tests/interop/slow_disk.c"));
    assert!(compiler.status().unwrap().success());
    let path = slow_disk.to_str().unwrap().to_owned();
    (tools, path)
}
