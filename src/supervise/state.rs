//! What a supervisor hands over to the next program in its process.
//!
//! A version is a promise between two builds: fields are only added, with defaults. The state is a file in memory,
//! because a socket's buffer has room for some 200 KiB, and goes over the socket as the first of the descriptors.

use std::fs::File;
use std::io::{self, Seek, Write};

use serde::{Deserialize, Serialize};

use super::bank::{Books, EndedBooks};
use super::control::ClientId;
use super::roll::RollKind;
use super::tls::TicketState;
use super::totals::Totals;
use crate::config::ConfFile;
use crate::ipc::acts::MemberWord;
use crate::ipc::line::Unread;
use crate::ipc::messages::LearntBefore;
use crate::observe::audit::AuditEntry;
use crate::tls::files::HandedFiles;

/// The version of [`State`]: a program takes over from one that speaks the same. `check --takes-over` asks for it.
pub(crate) const STATE: u32 = 2;

/// The message on the socket.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Handed {
    pub(super) version: u32,
    /// How many descriptors there are, in this order: the [`State`], the pid file, the control socket, the listening
    /// sockets, of each process its line and what it records, the lines to the clients.
    pub(super) descriptors: usize,
}

/// All that a supervisor knows.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) generation: u64,
    /// Seconds since 1970.
    pub(super) began: u64,
    pub(super) sockets: Vec<String>,
    pub(super) children: Vec<ChildOf>,
    pub(super) slots: Vec<SlotOf>,
    /// The process of the new program that serves already.
    pub(super) new: i32,
    /// The slots whose process is still to be replaced.
    pub(super) rest: Vec<usize>,
    pub(super) clients: Vec<ClientOf>,
    /// The clients that wait for the end of the upgrade.
    pub(super) waiting: Vec<ClientId>,
    /// A further roll that was asked for, and the clients that wait for its end.
    pub(super) wanted: Option<(RollKind, Vec<ClientId>)>,
    /// How long the upgrade has taken so far, in milliseconds.
    pub(super) rolled_ms: u64,
    pub(super) last_crash: Option<String>,
    /// Whether a service manager has opened the sockets.
    #[serde(default)]
    pub(super) is_activated: bool,
    /// Whether a service manager was told that the start is over.
    #[serde(default)]
    pub(super) is_ready: bool,
    /// The keys of tickets of TLS.
    #[serde(default)]
    pub(super) tickets: TicketState,
    /// The levels of the log, and for how many milliseconds more.
    #[serde(default)]
    pub(super) levels: Option<(Option<String>, u64)>,
    /// How many milliseconds ago a process crashed, and whether handlers are announced.
    #[serde(default)]
    pub(super) crashed_ms: Option<u64>,
    #[serde(default)]
    pub(super) announces: bool,
    pub(super) learnt: Vec<(usize, LearntBefore)>,
    pub(super) totals: Totals,
    /// The configuration that the roll brings: what is in the file meanwhile may not be fit to be served.
    pub(super) conf: Option<ConfFile>,
    /// The same of certificates.
    #[serde(default)]
    pub(super) tls_files: HandedFiles,
    /// The connections to databases that the processes hold, and those that ended ones held a moment ago.
    pub(super) books: Books,
    #[serde(default)]
    pub(super) ended_books: EndedBooks,
    /// What operators have said of members, and the newest entries of the audit log.
    #[serde(default)]
    pub(super) member_words: Vec<MemberWord>,
    #[serde(default)]
    pub(super) audit: Vec<AuditEntry>,
}

impl State {
    pub(super) fn write(&self) -> io::Result<File> {
        let mut file = File::from(rustix::fs::memfd_create("state", rustix::fs::MemfdFlags::CLOEXEC)?);
        let mut writer = io::BufWriter::new(&file);
        serde_json::to_writer(&mut writer, self)?;
        writer.flush()?;
        drop(writer);
        file.rewind()?;
        Ok(file)
    }

    pub(super) fn read(file: &File) -> io::Result<State> {
        Ok(serde_json::from_reader(io::BufReader::new(file))?)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChildOf {
    pub(super) pid: i32,
    pub(super) slot: usize,
    pub(super) generation: u64,
    /// For how long it has run, in milliseconds.
    pub(super) lived_ms: u64,
    /// In how many milliseconds it is to be killed, if it leaves.
    pub(super) leaves_ms: Option<u64>,
    /// In how many milliseconds it is to be killed, if it does not serve yet.
    #[serde(default)]
    pub(super) starts_ms: Option<u64>,
    pub(super) line: Unread,
    /// Whether the descriptor after its line is what it records.
    pub(super) is_recorded: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ClientOf {
    pub(super) id: ClientId,
    pub(super) has_asked: bool,
    pub(super) is_answered: bool,
    pub(super) line: Unread,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SlotOf {
    pub(super) crashes: u32,
    pub(super) restarts: u64,
    /// In how many milliseconds its process is to be started.
    pub(super) starts_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::ipc::Line;
    use crate::ipc::messages::Learnt;

    #[test]
    fn what_is_longer_than_a_socket_s_buffer_comes_over() {
        let learnt = Learnt { members: Some("x".repeat(1 << 20)) };
        let (mut line, there) = UnixStream::pair().map(|(here, there)| (Line::from(here), there)).expect("a pair");
        line.queue(&learnt).expect("it is short enough");
        let child = ChildOf {
            pid: 7,
            slot: 3,
            generation: 1,
            lived_ms: 9,
            leaves_ms: None,
            starts_ms: None,
            line: line.unread(),
            is_recorded: false,
        };
        let state = State {
            generation: 1,
            began: 0,
            sockets: Vec::new(),
            children: vec![child],
            slots: Vec::new(),
            new: 7,
            rest: Vec::new(),
            clients: Vec::new(),
            waiting: Vec::new(),
            wanted: None,
            rolled_ms: 0,
            last_crash: None,
            is_activated: false,
            is_ready: true,
            tickets: TicketState::default(),
            levels: None,
            crashed_ms: None,
            announces: false,
            learnt: vec![(3, LearntBefore { age_ms: 7, learnt })],
            totals: Totals::default(),
            conf: None,
            tls_files: Vec::new(),
            books: Books::default(),
            ended_books: EndedBooks::default(),
            member_words: Vec::new(),
            audit: Vec::new(),
        };
        let mut read = State::read(&state.write().expect("there is room")).expect("it was written");
        let [(3, LearntBefore { age_ms: 7, learnt })] = &read.learnt[..] else { panic!("{:?}", read.learnt) };
        assert_eq!(learnt.members.as_ref().map(String::len), Some(1 << 20));
        line.resume(read.children.remove(0).line);
        assert!(line.has_output());
        drop(there);
    }
}
