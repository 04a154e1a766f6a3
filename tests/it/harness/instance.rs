//! What tests of an instance and its supervisor need beside the rest: commands to it, a program of its own, a conf that
//! changes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::raw::{Conn, Reply, request};
use super::{Scenario, TestServer, ports};

/// Copies a program by another process: a descriptor that this one had open for writing could be inherited by a child
/// that a parallel test starts, and a program that somebody writes to cannot be started.
pub(crate) fn copy_program(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-p").args([from, to]).status().unwrap();
    assert!(status.success(), "{} to {}", from.display(), to.display());
}

impl Scenario {
    /// Writes a free port into the configuration, for commands that get none.
    pub(crate) fn own_port(self) -> Scenario {
        self.server("port", &ports::free().to_string())
    }

    /// Runs a copy of the program that is in the scenario's folder, so that another may take its place. Gives the path
    /// of the original, too.
    pub(crate) fn own_program(mut self, name: &str) -> (Scenario, PathBuf) {
        let copy = self.dir().join(name);
        copy_program(&self.program, &copy);
        let original = std::mem::replace(&mut self.program, copy);
        (self, original)
    }
}

impl TestServer {
    /// Runs a command of the program on this server's configuration to its end.
    pub(crate) fn command(&self, command: &str, more: &[&str]) -> Output {
        self.command_of(&self.scenario.as_ref().expect("until stopped").program, command, more)
    }

    /// The same with another program.
    pub(crate) fn command_of(&self, program: &Path, command: &str, more: &[&str]) -> Output {
        let mut asked = Command::new(program);
        asked.current_dir(self.dir()).stdin(Stdio::null()).args([command, "-f", "test.conf"]).args(more);
        asked.env("RUST_BACKTRACE", "0").output().unwrap()
    }

    /// Runs a command of the program on its own configuration, at this port, to its end.
    pub(crate) fn command_without_conf(&self, command: &str, port: &str) -> Output {
        let mut asked = Command::new(&self.scenario.as_ref().expect("until stopped").program);
        asked.current_dir(self.dir()).stdin(Stdio::null()).args([command, "-p", port]);
        asked.env("RUST_BACKTRACE", "0").output().unwrap()
    }

    /// Rewrites the conf of the running server.
    pub(crate) fn rewrite(&self, from: &str, to: &str) {
        let path = self.dir().join("test.conf");
        let conf = std::fs::read_to_string(&path).unwrap();
        assert!(conf.contains(from), "{from} is not in\n{conf}");
        std::fs::write(path, conf.replace(from, to)).unwrap();
    }

    /// As [`get`](TestServer::get), while there may be nobody who answers.
    pub(crate) fn try_get(&self, path: &str) -> Option<Reply> {
        let mut conn = Conn::try_to(self.port)?;
        conn.send_what_fits(&request("GET", path, &[], b""))?;
        conn.try_read(true)
    }

    /// SIGKILL; gives the scenario to be started again in its folder.
    pub(crate) fn kill_and_keep(mut self) -> Scenario {
        let mut running = self.running.take().expect("until stopped");
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        self.scenario.take().expect("until stopped")
    }
}
