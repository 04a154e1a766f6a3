//! What others put where the supervisor looks: a FIFO for a log, a socket for its own, words that are codes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::rights::{is_root, nobody, of_nobody};
use super::{done, pid, refused, serving, site, status};
use crate::harness::managed::signal;
use crate::harness::{bound, eventually};

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
fn a_fifo_in_the_place_of_the_files_of_an_instance_holds_up_nobody() {
    let scenario = site().own_port();
    let log = Fifo::at(&scenario.dir().join("var/test.log"));
    let report = refused(&scenario.told("start"));
    assert!(report.contains("var/test.log") && report.contains("a FIFO that nobody reads"), "{report}");
    log.held_up_nobody();
    std::fs::remove_file(&log.path).unwrap();
    let pid_file = Fifo::at(&scenario.dir().join("var/test.pid"));
    assert!(refused(&scenario.told("status")).contains("does not run"));
    let report = refused(&scenario.told("start"));
    assert!(report.contains("test.pid: it is a FIFO; remove it"), "{report}");
    pid_file.held_up_nobody();
    let scenario = scenario.server("securekey", "file:key");
    let key = Fifo::at(&scenario.dir().join("key"));
    let report = String::from_utf8(scenario.check().stderr).unwrap();
    assert!(report.contains("key cannot be read: it is a FIFO, and a file was expected"), "{report}");
    key.held_up_nobody();
}

#[test]
fn what_is_in_the_way_of_a_log_is_told_by_check() {
    let scenario = site().server("access_log", "none/access.log");
    let said = String::from_utf8(scenario.check().stderr).unwrap();
    assert!(said.contains("`access_log`: ") && said.contains("there is no folder") && said.contains("none"), "{said}");
    std::fs::create_dir(scenario.dir().join("none")).unwrap();
    done(&scenario.check());
}

#[test]
fn what_a_process_says_is_neither_a_line_of_the_log_nor_a_code_of_a_terminal() {
    let site = serving(site());
    let forged = "no licence\u{1b}[2J\r\n2026-01-01T00:00:00Z  INFO all is well\n";
    std::fs::write(site.dir().join("startup.fails"), [forged, &"x\n".repeat(1 << 20)].concat()).unwrap();
    let report = refused(&site.command("reload", &["--wait"]));
    assert!(report.contains("no licence\\u{1b}[2J") && report.contains("all is well"), "{report:.1000}");
    assert!(report.len() < 40_000 && report.contains("octets more"), "{} octets", report.len());
    super::kill(pid(&site));
    eventually("it is told", || site.log().contains("(2 in a row)").then_some(()));
    let (told, log) = (done(&site.command("status", &[])), site.log());
    assert!(told.contains("last crash: ") && told.contains("no licence"), "{told:.1000}");
    for text in [&told, &log, &report] {
        assert!(!text.contains('\u{1b}') && !text.contains('\r'), "{text:.2000}");
        assert!(!text.lines().any(|line| line.starts_with("2026-01-01")), "{text:.2000}");
    }
}

#[test]
fn a_supervisor_that_does_not_answer_is_told_in_time() {
    let site = serving(site());
    signal("STOP", site.id().into());
    let (began, stopped) = (Instant::now(), site.id());
    // A test that fails does not hang.
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(30));
        signal("CONT", stopped.into());
    });
    let report = refused(&site.command("status", &[]));
    signal("CONT", site.id().into());
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    let kill = format!("kill -CONT {}", site.id());
    assert!(report.contains("has not answered within 10s") && report.contains(&kill), "{report}");
    assert_eq!(status(&site)["state"], "serving");
}

/// A program that listens on a socket as another user, and says to each client what it wants to hear.
const LIAR: &str = r#"
import json, os, socket, sys
path, uid, gid = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.setgroups([]); os.setgid(gid); os.setuid(uid)
os.rename(path, path + ".aside")
listener = socket.socket(socket.AF_UNIX); listener.bind(path); listener.listen()
print("listens", flush=True)
while True:
    client, _ = listener.accept()
    answer = json.dumps({"is_done": True, "text": "it has ended", "status": {"state": "serving"}}).encode()
    try:
        client.sendall(len(answer).to_bytes(4, "big") + answer)
        client.recv(1000)
    except OSError:
        pass
    client.close()
"#;

struct Liar(Child);

impl Liar {
    fn at(path: &Path) -> Liar {
        let (uid, gid) = nobody();
        let mut command = Command::new("python3");
        command.args(["-c", LIAR]).arg(path).args([uid.to_string(), gid.to_string()]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3 is installed");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        assert_eq!(line, "listens\n");
        Liar(child)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_socket_that_the_user_has_put_in_the_place_of_the_supervisors_is_told_nothing() {
    if !is_root() {
        // Nobody else can be here.
        return assert!(done(&serving(site()).command("status", &[])).contains("serving"));
    }
    let site = serving(of_nobody());
    done(&site.command("status", &[]));
    let socket = site.dir().join("var/test.sock");
    {
        let _liar = Liar::at(&socket);
        for command in ["stop", "status", "reload"] {
            let report = refused(&site.command(command, &[]));
            let other = format!("who listens at {} is user id {}", socket.display(), nobody().0);
            let pid = format!("process id {}", site.id());
            assert!(report.contains(&other) || report.contains("is user id"), "{report}");
            assert!(report.contains(&pid) && report.contains("is told nothing"), "{report}");
        }
    }
    std::fs::rename(socket.with_extension("sock.aside"), &socket).unwrap();
    assert_eq!(status(&site)["state"], "serving");
    done(&site.command("upgrade", &["--wait"]));
    assert_eq!(status(&site)["state"], "serving", "the next supervisor has the same socket");
}

/// Whether somebody listens.
fn listens(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn processes_without_a_supervisor_let_go_of_the_port_at_once() {
    // One that serves, and would accept for long; one that leaves after a reload; one whose start takes long.
    for what in ["serves", "leaves", "starts", "holds"] {
        let delay = if what == "holds" { "0s" } else { "20s" };
        let site = serving(site().server("drain_delay", delay));
        let port = site.port();
        let mut slow = site.begin(if what == "holds" { "/holds?ms=6000" } else { "/rests?ms=6000&is_told=1" });
        eventually("it is under way", || site.log().contains("under way\n").then_some(()));
        if what == "leaves" {
            done(&site.command("reload", &["--wait"]));
        }
        if what == "starts" {
            std::fs::write(site.dir().join("startup.waits"), "").unwrap();
            site.signal("HUP");
            eventually("it starts", || (status(&site)["processes"].as_array()?.len() == 2).then_some(()));
        }
        let scenario = site.kill_and_keep().server("drain_delay", "0s");
        let began = Instant::now();
        eventually("nobody listens", || (!listens(port)).then_some(()));
        let limit = bound(Duration::from_secs(1), Duration::from_secs(4));
        assert!(began.elapsed() < limit, "{what}: {:?}", began.elapsed());
        let _ = std::fs::remove_file(scenario.dir().join("startup.waits"));
        done(&scenario.told_with("start", &["-p", &port.to_string()]));
        slow.read().expect_code(200);
        done(&scenario.told_with("stop", &["-p", &port.to_string(), "--wait"]));
    }
}

#[test]
fn who_holds_the_port_is_named() {
    let site = serving(site());
    let (port, old) = (site.port(), pid(&site));
    let port_of_it = port.to_string();
    let report = refused(&self::site().told_with("start", &["-p", &port_of_it]));
    let named = format!("process {old} (testsite) of the instance whose supervisor is process {}", site.id());
    assert!(report.contains(&named), "{report}");
    // It cannot let go. Where its parent ends, the kernel lets one go on that is stopped: so it is stopped again.
    let stops = format!("for i in $(seq 50); do kill -STOP {old}; sleep 0.005; done");
    let mut stops = Command::new("sh").args(["-c", &stops]).spawn().unwrap();
    let scenario = site.kill_and_keep();
    assert!(stops.wait().unwrap().success());
    let report = refused(&scenario.told_with("start", &["-p", &port_of_it]));
    signal("CONT", old);
    let named = format!("process {old} (testsite) of an earlier instance, whose supervisor is gone");
    assert!(report.contains(&named) && report.contains(&format!("kill -9 {old}")), "{report}");
    eventually("it has ended", || (!Path::new(&format!("/proc/{old}")).exists()).then_some(()));
    done(&scenario.told_with("start", &["-p", &port.to_string()]));
    done(&scenario.told_with("stop", &["-p", &port.to_string(), "--wait"]));
}
