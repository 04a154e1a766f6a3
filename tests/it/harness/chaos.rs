//! Members in a process of their own, which misbehave on command: `tests/chaos/members.py`. That file says which
//! faults there are.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Mutex;

use serde_json::Value;

use super::foreign;
use super::patience::{PATIENCE, eventually};

/// The process and the line to it.
pub(crate) struct Chaos {
    _process: foreign::Server,
    control: Mutex<BufReader<TcpStream>>,
    ports: Vec<u16>,
}

impl Chaos {
    /// So many members, without a fault yet.
    pub(crate) fn start(members: usize) -> Chaos {
        let process = foreign::Server::start("tests/chaos/members.py", [""; 0]);
        let control = TcpStream::connect(("127.0.0.1", process.port)).unwrap();
        control.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut chaos = Chaos { _process: process, control: Mutex::new(BufReader::new(control)), ports: Vec::new() };
        chaos.ports =
            chaos.ask(&format!("open {members}")).split(' ').map(|port| port.parse().expect("a port")).collect();
        chaos
    }

    /// `127.0.0.1:PORT` of a member.
    pub(crate) fn node(&self, member: usize) -> String {
        format!("127.0.0.1:{}", self.ports[member])
    }

    /// A section of a configuration with all members; `keys` are its other lines.
    pub(crate) fn section(&self, name: &str, keys: &str) -> String {
        let members: Vec<String> = (0..self.ports.len()).map(|member| self.node(member)).collect();
        format!("[@{name}]\nmembers = {}\n{keys}", members.join(", "))
    }

    /// From now on the member does this.
    pub(crate) fn set(&self, member: usize, faults: &str) {
        self.ask(&format!("set {} {faults}", self.ports[member]));
    }

    /// From now on all members do this.
    pub(crate) fn set_all(&self, faults: &str) {
        self.ask(&format!("set {} {faults}", self.all()));
    }

    /// What each member has counted under this name, in their order.
    pub(crate) fn counted(&self, name: &str) -> Vec<u64> {
        let reply: Vec<Value> = serde_json::from_str(&self.ask(&format!("tell {}", self.all()))).unwrap();
        reply.iter().map(|one| one[name].as_u64().unwrap_or_else(|| panic!("no `{name}` in {one}"))).collect()
    }

    /// Requests of all members, and how often the one came that came most often.
    pub(crate) fn sums(&self) -> (u64, u64) {
        let sums: Value = serde_json::from_str(&self.ask("sums")).unwrap();
        (sums["requests"].as_u64().unwrap(), sums["most"].as_u64().unwrap())
    }

    /// Everything counted begins anew.
    pub(crate) fn zero(&self) {
        self.ask("zero");
    }

    /// Waits until the members have been asked so often, together.
    pub(crate) fn wait_for_requests(&self, count: u64) {
        eventually("the members are asked", || (self.counted("requests").iter().sum::<u64>() >= count).then_some(()));
    }

    fn all(&self) -> String {
        self.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(",")
    }

    fn ask(&self, command: &str) -> String {
        let mut control = self.control.lock().unwrap();
        control.get_mut().write_all(format!("{command}\n").as_bytes()).unwrap();
        let mut line = String::new();
        control.read_line(&mut line).unwrap();
        let answer = line.strip_prefix("ok").unwrap_or_else(|| panic!("{command}: {line}"));
        answer.trim().to_owned()
    }
}
