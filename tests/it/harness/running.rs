//! A program under test while it runs: its process, and every line it writes.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::patience::PATIENCE;

/// How long a server may drain after SIGTERM before the harness kills it. A test of the drain itself uses `stop`.
const DRAIN: Duration = Duration::from_secs(3);

/// The process and what it writes.
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) log: Arc<Mutex<String>>,
    pub(super) readers: Vec<JoinHandle<()>>,
}

impl Running {
    /// False when it ended or stayed silent.
    pub(super) fn answers_at(&mut self, port: u16) -> bool {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                // Somebody listens; it is our child unless that could not bind and is about to end.
                std::thread::sleep(Duration::from_millis(20));
                return self.child.try_wait().unwrap().is_none();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// std can only kill; the shell's built-in can be polite.
    pub(super) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status().unwrap();
    }

    pub(super) fn end(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.signal("TERM");
            let end = Instant::now() + DRAIN;
            while self.child.try_wait().unwrap().is_none() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        drop(self.child.kill());
        self.child.wait().unwrap();
    }

    pub(super) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The log to its last line; the process has ended.
    pub(super) fn all_of_log(&mut self) -> String {
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        self.log()
    }
}

/// Reads a stream to its end, line by line, into the log.
pub(super) fn keep(stream: impl Read + Send + 'static, log: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let mut log = log.lock().unwrap();
            log.push_str(&String::from_utf8_lossy(&line));
            log.push('\n');
        }
    })
}
