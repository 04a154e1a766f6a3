//! The program under test: its configuration, its folder, its port, its log, its end.
//!
//! A [`Scenario`] is written in the words of a configuration file and started as a [`TestServer`]. The server lives in
//! a folder of its own, so a test sees what it leaves there. Dropping it stops it and fails the test if it panicked.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::data::root;
use super::patience::{PATIENCE, eventually};
use super::raw::{Conn, Reply, request};
use super::running::{Running, keep};
use super::{Member, ports};

/// The word that only a panic puts into a log.
const PANIC: &str = "panicked";

/// Starts tried when a port turns out to be taken.
const STARTS: usize = 5;

/// The password that `Scenario`s configure for `admin`.
pub(crate) const ADMIN_PASSWORD: &str = "a-password-of-the-tests";

/// What will be started, and how.
pub(crate) struct Scenario {
    pub(super) program: PathBuf,
    dir: TempDir,
    server: Vec<String>,
    routes: Vec<String>,
    sections: String,
    env: Vec<(String, String)>,
    /// A program that runs it, with its words.
    runner: Vec<String>,
    /// Without one the program runs on its defaults.
    has_conf: bool,
    panics_expected: bool,
    /// The port is in the configuration and not on the command line, which would be all that is listened on.
    has_own_port: bool,
}

impl Scenario {
    fn of(program: &Path, routes: &[&str]) -> Scenario {
        Scenario {
            program: program.to_owned(),
            dir: tempfile::tempdir().unwrap(),
            server: vec![
                "ip = 127.0.0.1".to_owned(),
                "port = 5000".to_owned(),
                "processes = 1".to_owned(),
                // Most tests are about what one process does, and look at it by its id.
                "supervise = no".to_owned(),
                "threads = 2".to_owned(),
                "securekey = a-key-of-the-tests-0123456789-abcdefghij".to_owned(),
                format!("admin_password = {ADMIN_PASSWORD}"),
                // Tests read which member it was; what strangers learn is the matter of `covered`.
                "coverage_detail = names".to_owned(),
            ],
            routes: routes.iter().map(|&route| route.to_owned()).collect(),
            sections: String::new(),
            env: Vec::new(),
            runner: Vec::new(),
            has_conf: true,
            panics_expected: false,
            has_own_port: false,
        }
    }

    /// `-f` is left out: the program's own defaults.
    pub(crate) fn without_conf(mut self) -> Scenario {
        self.has_conf = false;
        self
    }

    /// A line of `[server]`; it replaces the harness's line of that key.
    pub(crate) fn server(mut self, key: &str, value: &str) -> Scenario {
        self.server.retain(|line| !line.starts_with(&format!("{key} =")));
        self.server.push(format!("{key} = {value}"));
        self
    }

    /// Listens where the configuration says: on a free port, and on the others that it names.
    pub(crate) fn keeps_ports(mut self) -> Scenario {
        self.has_own_port = true;
        self
    }

    /// Leaves a key of `[server]` out.
    pub(crate) fn without(mut self, key: &str) -> Scenario {
        self.server.retain(|line| !line.starts_with(&format!("{key} =")));
        self
    }

    /// One more line of `[routes:line]`.
    pub(crate) fn route(mut self, line: &str) -> Scenario {
        self.routes.push(line.to_owned());
        self
    }

    /// A cluster of RPC members.
    pub(crate) fn cluster(self, name: &str, members: &[&Member]) -> Scenario {
        let members: Vec<String> = members.iter().map(|member| member.node()).collect();
        self.section(&format!("[@{name}]\nmembers = {}", members.join(", ")))
    }

    /// Any section, as written in a configuration.
    pub(crate) fn section(mut self, text: &str) -> Scenario {
        write!(self.sections, "\n{text}\n").expect("a String takes everything");
        self
    }

    /// A variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Scenario {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// It is run by another program, which takes it as its last words.
    pub(crate) fn run_by(mut self, runner: &[&str]) -> Scenario {
        self.runner = runner.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// A panic in this server's log is what the test is about.
    pub(crate) fn panics_expected(mut self) -> Scenario {
        self.panics_expected = true;
        self
    }

    /// The folder in which the server will run.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file into that folder.
    pub(crate) fn file(self, name: &str, content: &str) -> Scenario {
        let path = self.dir().join(name);
        std::fs::create_dir_all(path.parent().expect("below the folder")).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// The configuration's text.
    pub(crate) fn conf(&self) -> String {
        format!("[server]\n{}\n\n[routes:line]\n{}\n{}", self.server.join("\n"), self.routes.join("\n"), self.sections)
    }

    /// Runs the program's `check` on this configuration to its end.
    pub(crate) fn check(&self) -> Output {
        self.told("check")
    }

    /// Runs another command of the program on this configuration to its end.
    pub(crate) fn told(&self, command: &str) -> Output {
        self.told_with(command, &[])
    }

    /// The same with more words.
    pub(crate) fn told_with(&self, command: &str, more: &[&str]) -> Output {
        self.write_conf();
        self.command().args([command, "-f", "test.conf"]).args(more).output().unwrap()
    }

    /// Starts the program where it is expected to refuse; gives its exit and everything it said.
    #[track_caller]
    pub(crate) fn start_refused(self) -> (ExitStatus, String) {
        let mut running = self.spawn(ports::free());
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = running.child.try_wait().unwrap() {
                return (status, running.all_of_log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        running.end();
        panic!("it was to refuse this configuration, but it runs:\n{}\n{}", self.conf(), running.log());
    }

    /// Starts the program and waits until its port answers.
    #[track_caller]
    pub(crate) fn start(self) -> TestServer {
        for _ in 0..STARTS {
            let port = ports::free();
            let mut running = self.spawn(port);
            if running.answers_at(port) {
                return TestServer { port, running: Some(running), scenario: Some(self) };
            }
            running.end();
            let log = running.all_of_log();
            let taken = log.to_lowercase().contains("in use") && log.contains(&port.to_string());
            assert!(taken, "the server did not start:\n{log}\nits configuration:\n{}", self.conf());
        }
        panic!("every port tried was taken");
    }

    fn write_conf(&self) {
        std::fs::write(self.dir().join("test.conf"), self.conf()).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = match self.runner.as_slice() {
            [] => Command::new(&self.program),
            [runner, words @ ..] => {
                let mut command = Command::new(runner);
                command.args(words).arg(&self.program);
                command
            }
        };
        command.current_dir(self.dir()).stdin(Stdio::null());
        // What the developer's shell says must not change what a test sees.
        command.env_remove("RUST_LOG").env_remove("NO_COLOR").env("RUST_BACKTRACE", "0");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    fn spawn(&self, port: u16) -> Running {
        let mut command = self.command();
        if self.has_conf {
            self.write_conf();
            command.args(["-f", "test.conf"]);
        }
        if self.has_own_port {
            let conf = self.conf().replace("port = 5000", &format!("port = {port}"));
            std::fs::write(self.dir().join("test.conf"), conf).unwrap();
        } else {
            command.args(["-p", &port.to_string()]);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}. `cargo test --workspace` builds it", self.program.display()));
        let log = Arc::new(Mutex::new(String::new()));
        let out = child.stdout.take().expect("piped above");
        let err = child.stderr.take().expect("piped above");
        let readers = vec![keep(out, &log), keep(err, &log)];
        Running { child, log, readers }
    }
}

/// A running server.
pub(crate) struct TestServer {
    pub(super) port: u16,
    // Both are there until `stop` takes them.
    pub(super) running: Option<Running>,
    pub(super) scenario: Option<Scenario>,
}

impl TestServer {
    /// The demo as a member of the public starts it: templates and static files of the repository beside it, mounted at
    /// `/`. Clusters are the scenario's.
    pub(crate) fn demo() -> Scenario {
        let scenario = Scenario::of(Path::new(env!("CARGO_BIN_EXE_skitai-demo")), &["/ = demo"]);
        for folder in ["templates", "static"] {
            if root().join(folder).exists() {
                std::os::unix::fs::symlink(root().join(folder), scenario.dir().join(folder)).unwrap();
            }
        }
        scenario
    }

    /// The second program: routes no demo would have (`tests/site/main.rs`).
    pub(crate) fn site() -> Scenario {
        let demo = Path::new(env!("CARGO_BIN_EXE_skitai-demo"));
        Scenario::of(&demo.with_file_name("examples").join("testsite"), &["/ = testsite"])
    }

    /// The same program with nothing mounted but what the scenario says.
    pub(crate) fn site_of(routes: &[&str]) -> Scenario {
        let demo = Path::new(env!("CARGO_BIN_EXE_skitai-demo"));
        Scenario::of(&demo.with_file_name("examples").join("testsite"), routes)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:PORT` + path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The folder it runs in.
    pub(crate) fn dir(&self) -> &Path {
        self.scenario.as_ref().expect("until stopped").dir()
    }

    /// A new connection.
    pub(crate) fn conn(&self) -> Conn {
        Conn::to(self.port)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, content_type: &str, body: impl AsRef<[u8]>) -> Reply {
        self.ask("POST", path, &[("Content-Type", content_type)], body.as_ref())
    }

    /// A GET on a connection of its own, whose reply is still to be read.
    pub(crate) fn begin(&self, path: &str) -> Conn {
        let mut conn = self.conn();
        conn.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        conn
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut conn = self.conn();
        conn.send(request(method, path, headers, body));
        if method == "HEAD" { conn.read_head() } else { conn.read() }
    }

    /// How many descriptors its process has open.
    pub(crate) fn descriptors(&self) -> usize {
        let id = self.running.as_ref().expect("until stopped").child.id();
        std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
    }

    /// How many bytes of memory its process has in use.
    pub(crate) fn memory(&self) -> usize {
        let id = self.running.as_ref().expect("until stopped").child.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("every process has a line");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number of KiB") << 10
    }

    /// What it has written so far, both streams.
    pub(crate) fn log(&self) -> String {
        self.running.as_ref().expect("until stopped").log()
    }

    /// What it writes, also after it has ended.
    pub(crate) fn watched(&self) -> Arc<Mutex<String>> {
        Arc::clone(&self.running.as_ref().expect("until stopped").log)
    }

    /// The number of its process, for a client that signals to it.
    pub(crate) fn id(&self) -> u32 {
        self.running.as_ref().expect("until stopped").child.id()
    }

    /// Sends it a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        self.running.as_ref().expect("until stopped").signal(name);
    }

    /// Waits until it has ended by itself, or by a signal that was sent; gives what [`stop`](TestServer::stop) gives.
    #[track_caller]
    pub(crate) fn ended(mut self) -> (ExitStatus, Duration, String, Scenario) {
        let mut running = self.running.take().expect("stopped once");
        let since = Instant::now();
        let status = eventually("the server ends", || running.child.try_wait().unwrap());
        (status, since.elapsed(), running.all_of_log(), self.scenario.take().expect("stopped once"))
    }

    /// SIGKILL: it ends in the midst of whatever it does.
    pub(crate) fn kill(mut self) {
        let mut running = self.running.take().expect("until stopped");
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }

    /// SIGTERM; gives its exit, how long it took, what it wrote, and the scenario to be started again in its folder.
    #[track_caller]
    pub(crate) fn stop(self) -> (ExitStatus, Duration, String, Scenario) {
        self.signal("TERM");
        self.ended()
    }

    /// SIGTERM until it has ended: the second one ends what is under way. Gives its folder's scenario.
    #[track_caller]
    pub(crate) fn stop_at_once(mut self) -> Scenario {
        let mut running = self.running.take().expect("stopped once");
        eventually("the server ends after a second SIGTERM", || {
            running.signal("TERM");
            running.child.try_wait().unwrap()
        });
        self.scenario.take().expect("stopped once")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        running.end();
        let log = running.all_of_log();
        if std::thread::panicking() {
            eprintln!("── log of the server at port {} ──\n{log}──", self.port);
            return;
        }
        let expected = self.scenario.as_ref().is_some_and(|scenario| scenario.panics_expected);
        assert!(expected || !log.contains(PANIC), "the server panicked:\n{log}");
    }
}
