//! The control socket beside clients that speak nonsense, half a sentence, too much, or nothing.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{done, next_pid, pid, refused, said, serving, site, status};
use crate::harness::managed::signal;
use crate::harness::{TestServer, eventually};

/// A client written by hand.
struct Client(UnixStream);

impl Client {
    fn of(site: &TestServer) -> Client {
        let socket = UnixStream::connect(site.dir().join("var/test.sock")).expect("it listens");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        Client(socket)
    }

    fn says(mut self, octets: &[u8]) -> Client {
        self.0.write_all(octets).expect("there is room");
        self
    }

    fn asks(self, text: &str) -> Client {
        let length = u32::try_from(text.len()).expect("it is short").to_be_bytes();
        self.says(&length).says(text.as_bytes())
    }

    /// The answer; `None` if the line was closed without one.
    fn answer(&mut self) -> Option<Value> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).ok()?;
        let mut text = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut text).ok()?;
        Some(serde_json::from_slice(&text).expect("it is JSON"))
    }
}

fn request(command: &str) -> String {
    json!({"version": 1, "command": command, "wait": false}).to_string()
}

/// What a process has of memory at most, in KiB.
pub(super) fn peak(pid: u32) -> usize {
    let told = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("every process has a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
}

#[test]
fn what_is_no_command_is_answered_with_what_is_wrong() {
    let site = serving(site());
    for (text, wrong) in [
        ("", "EOF"),
        ("null", "null"),
        ("[", "EOF"),
        ("GET / HTTP/1.1", "expected"),
        (&request("dance"), "dance"),
        (r#"{"command":"stop","wait":true}"#, "version"),
        (r#"{"version":9,"command":"stop","wait":true}"#, "version 1 of commands, and that was 9"),
        (r#"{"version":1,"command":"log","wait":true}"#, "no levels"),
        (r#"{"version":1,"command":"log","wait":true,"levels":{"levels":"a\nb","seconds":1}}"#, "level"),
    ] {
        let answer = Client::of(&site).asks(text).answer().unwrap_or_else(|| panic!("{text}: closed"));
        assert_eq!(answer["is_done"], false, "{text}: {answer}");
        assert!(answer["text"].as_str().is_some_and(|why| why.contains(wrong)), "{text}: {answer}");
    }
    let long = Client::of(&site).says(&[255; 4]).answer().expect("it is answered");
    assert!(long["text"].as_str().is_some_and(|why| why.contains("4294967295 octets")), "{long}");
    // Two in one breath: the first one alone is heard.
    let mut twice = Client::of(&site).asks(&request("status")).asks(&request("stop"));
    assert_eq!(twice.answer().expect("the first is answered")["status"]["state"], "serving");
    assert!(twice.answer().is_none());
    assert_eq!(status(&site)["state"], "serving");
}

#[test]
fn half_a_command_costs_nothing_and_is_given_up() {
    let site = serving(site());
    let before = pid(&site);
    // As many octets as the largest message of processes has, said and begun.
    let mut silent: Vec<Client> = (0..31).map(|_| Client::of(&site).says(&15_000_u32.to_be_bytes())).collect();
    let part = vec![b' '; 14_000];
    silent = silent.into_iter().map(|client| client.says(&part)).collect();
    done(&site.command("upgrade", &["--wait"]));
    next_pid(&site, before);
    assert!(peak(site.id()) < 96 << 10, "{} KiB", peak(site.id()));
    let began = Instant::now();
    assert!(silent.iter_mut().all(|client| client.answer().is_none()), "they are closed");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[test]
fn who_finds_all_places_taken_is_told() {
    let site = serving(site());
    let begun: Vec<Client> = (0..32).map(|_| Client::of(&site).says(&[0; 2])).collect();
    let more = Client::of(&site).asks(&request("status")).answer().expect("it is answered");
    assert!(more["text"].as_str().is_some_and(|why| why.contains("32 commands wait")), "{more}");
    let report = refused(&site.command("status", &[]));
    assert!(report.contains("32 commands wait"), "{report}");
    site.signal("HUP");
    eventually("signals are heard", || site.log().contains("reload done").then_some(()));
    drop(begun);
    eventually("there are places again", || site.command("status", &[]).status.success().then_some(()));
}

#[test]
fn levels_that_go_on_and_on_are_refused_at_once() {
    let site = serving(site());
    let levels: Vec<String> = (0..2000).map(|nth| format!("m{nth}=debug")).collect();
    let began = Instant::now();
    let report = refused(&site.command("log", &[&levels.join(",")]));
    assert!(report.len() < 500, "{} octets", report.len());
    assert!(began.elapsed() < Duration::from_secs(5) && status(&site)["state"] == "serving");
    let report = refused(&site.command("log", &[&levels[..200].join(",")]));
    assert!(report.contains("1024 are the most") && report.len() < 200, "{report}");
}

#[test]
fn a_process_that_does_not_read_what_it_is_told_is_replaced() {
    let site = serving(site());
    let before = pid(&site);
    signal("STOP", before);
    let levels = "skitai=info,".repeat(80) + "info";
    let command = json!({"version": 1, "command": "log", "wait": true, "levels": {"levels": levels, "seconds": 60}});
    let began = Instant::now();
    let mut count = 0;
    while count % 250 != 0 || !site.log().contains("has not read what it is told") {
        let answer = Client::of(&site).asks(&command.to_string()).answer().expect("it is answered");
        assert_eq!(answer["is_done"], true, "{answer}");
        count += 1;
        assert!(began.elapsed() < Duration::from_secs(60), "{count} times");
    }
    // 4 MiB, and what the socket takes.
    assert!((3_000..10_000).contains(&count), "{count}");
    let after = next_pid(&site, before);
    assert!(peak(site.id()) < 64 << 10, "{} KiB", peak(site.id()));
    assert_eq!(status(&site)["processes"][0]["pid"].as_u64(), Some(after));
    assert!(said(&site.command("status", &[])).contains("octets wait"));
}

#[test]
fn clients_that_are_refused_again_and_again_do_not_fill_the_log() {
    let site = serving(site());
    for _ in 0..300 {
        Client::of(&site).asks("no command").answer().expect("it is answered");
    }
    let log = site.log();
    let told = log.matches("a command is refused").count();
    // Three in five seconds; a slow machine takes some more of these.
    assert!((1..=12).contains(&told), "{told}: {log:.2000}");
    assert!(log.contains("more of the kind are counted only"), "{log:.2000}");
}
