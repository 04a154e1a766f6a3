//! Who listens on a port, as far as `/proc` tells this user.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The hidden command that makes a program one process of an instance.
pub(crate) const PROCESS: &str = "process";
/// The most processes that are named.
const NAMED: usize = 4;
/// A socket that listens, in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// The processes that listen on this port, for a person; `None` if none can be found.
pub(super) fn told(port: u16) -> Option<String> {
    let inodes: BTreeSet<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|table| sockets_of(&fs::read_to_string(table).unwrap_or_default(), port))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let numbers = fs::read_dir("/proc").ok()?.flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let holders: Vec<String> = pids.filter(|pid| holds(*pid, &inodes)).take(NAMED).map(one).collect();
    (!holders.is_empty()).then(|| holders.join(", "))
}

/// The inodes of the sockets that listen on this port.
fn sockets_of(table: &str, port: u16) -> Vec<String> {
    let one = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, of_line) = fields.get(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(of_line, 16) == Ok(port) && fields.get(3) == Some(&LISTENS);
        fields.get(9).filter(|_| is_it).map(|inode| format!("socket:[{inode}]"))
    };
    table.lines().skip(1).filter_map(one).collect()
}

/// Whether a process has one of these sockets. What another user's has, only root can see.
fn holds(pid: u32, sockets: &BTreeSet<String>) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|link| link.to_str().is_some_and(|link| sockets.contains(link)))
}

/// `process 4711 (nginx)`, and what it is where it is one of ours.
fn one(pid: u32) -> String {
    let name = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let is_process = words.split(|octet| *octet == 0).nth(1) == Some(PROCESS.as_bytes());
    let own = name(pid);
    // Its name is its own affair, and may have any octets.
    let shown = crate::observe::log::one_line(&own).into_owned();
    let parent = parent(Path::new(&format!("/proc/{pid}/status"))).filter(|_| is_process);
    match parent {
        None => format!("process {pid} ({shown})"),
        Some(parent) if name(parent) == own => {
            format!("process {pid} ({shown}) of the instance whose supervisor is process {parent}: `stop` ends it")
        }
        Some(_) => format!(
            "process {pid} ({shown}) of an earlier instance, whose supervisor is gone: it ends when its requests have, \
             and `kill -9 {pid}` ends it at once"
        ),
    }
}

fn parent(status: &Path) -> Option<u32> {
    let status = fs::read_to_string(status).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_that_listen_on_a_port_are_found() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n   \
                     1: 0100007F:1388 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n   \
                     2: 0100007F:1389 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1\n   \
                     3: short\n";
        assert_eq!(sockets_of(table, 5000), ["socket:[4711]"]);
        assert!(sockets_of(table, 80).is_empty() && sockets_of("", 80).is_empty());
    }

    #[test]
    fn who_listens_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let told = told(port).expect("it is this process");
        assert!(told.contains(&format!("process {} (", std::process::id())), "{told}");
        drop(listener);
        assert_eq!(super::told(port), None);
    }
}
