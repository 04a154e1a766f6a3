//! A site that a service manager runs: `tests/interop/service_manager.py` plays it, as systemd does it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Scenario;
use super::data::root;
use super::foreign::interpreter;
use super::patience::PATIENCE;

/// The port that its conf names.
pub(crate) fn port(scenario: &Scenario) -> u16 {
    scenario.conf().lines().find_map(|line| line.strip_prefix("port = ")?.parse().ok()).expect("every site has one")
}

fn program() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_skitai-demo")).with_file_name("examples").join("testsite")
}

/// A site and the manager that runs it.
pub(crate) struct Managed {
    manager: Child,
    lines: Arc<Mutex<Vec<Value>>>,
    pub(crate) scenario: Scenario,
}

impl Managed {
    /// Lets a manager start a site. `plan` is what `service_manager.py` reads, without what is the same in each test.
    pub(crate) fn start(scenario: Scenario, mut plan: Value) -> Managed {
        let folder = scenario.dir().to_owned();
        fs::write(folder.join("test.conf"), scenario.conf()).unwrap();
        plan["program"] = plan.get("program").cloned().unwrap_or_else(|| json!([program(), "-f", "test.conf"]));
        plan["folder"] = json!(folder);
        plan["said"] = json!(folder.join("said"));
        let mut manager = Command::new(interpreter())
            .arg(root().join("tests/interop/service_manager.py"))
            .arg(plan.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (reader, kept) = (BufReader::new(manager.stdout.take().expect("piped above")), lines.clone());
        std::thread::spawn(move || {
            for line in reader.lines().map_while(Result::ok) {
                kept.lock().unwrap().push(serde_json::from_str(&line).expect("it prints JSON"));
            }
        });
        Managed { manager, lines, scenario }
    }

    /// With a socket for notices at a path.
    pub(crate) fn notified(scenario: Scenario) -> Managed {
        let socket = scenario.dir().join("notify");
        Managed::start(scenario, json!({ "notify": socket }))
    }

    /// The lines so far, whole.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    /// The values of one kind of line so far.
    pub(crate) fn all(&self, kind: &str) -> Vec<Value> {
        self.lines.lock().unwrap().iter().filter_map(|line| line.get(kind).cloned()).collect()
    }

    /// The first value of a kind of line.
    #[track_caller]
    pub(crate) fn first(&self, kind: &str) -> Value {
        let found = || self.all(kind).first().cloned();
        self.awaited(kind, found)
    }

    /// As `eventually`, which does not know what the site has said.
    #[track_caller]
    pub(crate) fn awaited<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < end, "no {what}: {:?}\n{}", self.lines.lock().unwrap(), self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the `nth` notice that is no sign of life.
    #[track_caller]
    pub(crate) fn notice(&self, nth: usize) -> Value {
        self.awaited(&format!("notice {nth}"), || self.notices().into_iter().nth(nth))
    }

    pub(crate) fn notices(&self) -> Vec<Value> {
        self.all("notice").into_iter().filter(|notice| notice.get("WATCHDOG").is_none()).collect()
    }

    /// Waits until a notice with this line has come, and gives it.
    #[track_caller]
    pub(crate) fn told(&self, name: &str) -> Value {
        self.awaited(name, || self.notices().into_iter().find(|notice| notice.get(name).is_some()))
    }

    pub(crate) fn pid(&self) -> u64 {
        self.awaited("pid", || self.all("pid").last().and_then(Value::as_u64))
    }

    pub(crate) fn port(&self, nth: usize) -> u16 {
        self.first("sockets")[nth].as_u64().and_then(|port| port.try_into().ok()).expect("a port")
    }

    #[track_caller]
    pub(crate) fn exit(&self) -> i64 {
        self.first("exit").as_i64().expect("a number")
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.scenario.dir().join("said")).unwrap_or_default()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(name, self.pid());
    }

    pub(crate) fn command(&self, words: &[&str]) -> Output {
        let mut command = Command::new(program());
        command.args(words).args(["-f", "test.conf"]).current_dir(self.scenario.dir()).stdin(Stdio::null());
        command.env("RUST_BACKTRACE", "0").output().unwrap()
    }

    #[track_caller]
    pub(crate) fn done(&self, words: &[&str]) -> String {
        let output = self.command(words);
        assert!(output.status.success(), "{words:?}: {output:?}\n{}", self.said());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.done(&["status", "--json"])).unwrap()
    }

    /// The process that serves; others may still be leaving.
    pub(crate) fn serving(&self) -> u64 {
        let told = self.status();
        let serves = |process: &&Value| process["state"] == "serving";
        let process = told["processes"].as_array().and_then(|all| all.iter().find(serves));
        process.and_then(|process| process["pid"].as_u64()).unwrap_or_else(|| panic!("nobody serves: {told}"))
    }

    /// Waits for so many more signs of life.
    #[track_caller]
    pub(crate) fn lives(&self, more: usize) {
        let beats = || self.all("notice").iter().filter(|notice| notice.get("WATCHDOG").is_some()).count();
        let before = beats();
        self.awaited("sign of life", || (beats() >= before + more).then_some(()));
        assert!(self.all("expired").is_empty() && self.all("exit").is_empty(), "{}", self.said());
    }

    /// It is taken for hung, and ended.
    #[track_caller]
    pub(crate) fn hangs(&self) {
        assert_eq!(self.first("expired").as_u64(), Some(self.pid()));
        assert_eq!(self.exit(), -6, "{}", self.said());
    }

    pub(crate) fn rewrite(&self, from: &str, to: &str) {
        let path = self.scenario.dir().join("test.conf");
        let conf = fs::read_to_string(&path).unwrap();
        assert!(conf.contains(from), "{from} is not in\n{conf}");
        fs::write(path, conf.replace(from, to)).unwrap();
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        // At the end of its input it ends the program, if that still runs.
        drop(self.manager.stdin.take());
        drop(self.manager.wait());
    }
}

pub(crate) fn signal(name: &str, pid: u64) {
    Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
}
