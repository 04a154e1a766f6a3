//! Clients that know nothing of us: curl, Python with the packages of `tests/interop/requirements.txt`, and Node with
//! those of `tests/interop/package.json`.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::data::root;

/// Runs curl with these arguments and gives what it printed. An exit code other than 0 fails the test.
#[track_caller]
pub(crate) fn curl(arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "30", "--noproxy", "*"]).args(arguments);
    run(command)
}

/// Runs a script of `tests/interop` and gives what it printed. It fails the test by exiting with anything but 0.
#[track_caller]
pub(crate) fn python(script: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(interpreter());
    command.arg(root().join("tests/interop").join(script)).args(arguments);
    run(command)
}

/// Lets curl fetch into a script of `tests/interop`. Gives curl's exit code and what the script printed; the script has
/// to exit with 0, curl need not: 18 is a body without an end, 23 a reader that left.
#[track_caller]
pub(crate) fn piped(arguments: &[&str], script: &str, script_arguments: &[&str]) -> (i32, String) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--no-buffer", "--max-time", "60", "--noproxy", "*"]).args(arguments);
    let mut curl = curl.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("tests/run installs curl");
    let mut reader = Command::new(interpreter());
    reader.arg(root().join("tests/interop").join(script)).args(script_arguments);
    let output = reader.stdin(curl.stdout.take().expect("piped above")).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{reader:?}: {}\n{out}{err}", output.status);
    // It holds our copy of the pipe's end, and curl is to see that nobody reads any more.
    drop(reader);
    (curl.wait().unwrap().code().unwrap_or(-1), out.into_owned())
}

/// Runs a script of `tests/interop` by Node, with the packages of its `package.json`, and gives what it printed.
#[track_caller]
pub(crate) fn node(script: &str, arguments: &[&str]) -> String {
    let mut command = node_with_packages();
    command.arg(root().join("tests/interop").join(script)).args(arguments);
    run(command)
}

fn node_with_packages() -> Command {
    let modules = target().join("node/node_modules");
    assert!(modules.exists(), "{} is missing: run tests/run once, it makes it", modules.display());
    let mut command = Command::new("node");
    command.env("NODE_PATH", modules);
    command
}

/// A program of the tests in Python, or in JavaScript (`….js`), that serves until it is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
}

impl Server {
    /// Starts a script, by its path in the project, and reads the port that it prints first.
    #[track_caller]
    pub(crate) fn start<A: AsRef<OsStr>>(script: &str, arguments: impl IntoIterator<Item = A>) -> Server {
        // It ends when its stdin does, so with this process at the latest.
        let mut command = if script.ends_with(".js") { node_with_packages() } else { Command::new(interpreter()) };
        let mut process = command
            .arg(root().join(script))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().expect("piped above")).read_line(&mut port).unwrap();
        let port = port.trim().parse().unwrap_or_else(|_| panic!("{script} prints its port, not {port:?}"));
        Server { process, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The interpreter that `tests/run` prepared beside the built programs.
pub(crate) fn interpreter() -> PathBuf {
    let python = target().join("pyenv/bin/python");
    assert!(python.exists(), "{} is missing: run tests/run once, it makes it", python.display());
    python
}

/// Where built programs lie, and beside them what `tests/run` prepared.
fn target() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_skitai-demo")).ancestors().nth(2).expect("target/<profile>/program")
}

/// Runs a foreign program to its end and gives what it printed. An exit code other than 0 fails the test.
#[track_caller]
pub(crate) fn run(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| {
        panic!("{}: {error}. Run tests/run, it installs what is missing", command.get_program().display())
    });
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    out.into_owned()
}
