//! What is said on the lines of an instance.
//!
//! The supervisor and a process are not always of one build: at an upgrade the old supervisor starts a process of the
//! new one, and the new supervisor takes over processes of the old. So fields are only added, with defaults, and a
//! message that one side does not know is `Unknown` to it and passed over.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use skitai_wire::Value;

use super::acts::{MemberDeed, MemberWord, OperatorAct};
use crate::config::ConfFile;
use crate::observe::audit::AuditEntry;
use crate::tls::tickets::TicketSecrets;

/// Of the messages as they are now.
pub(crate) const VERSION: u32 = 1;

/// The first message to a process: all that it cannot find out, or must not open, by itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) version: u32,
    /// The place of the process in its instance, from 0.
    pub(crate) slot: usize,
    /// How often the instance has taken up its configuration anew.
    pub(crate) generation: u64,
    /// Whether it is the first of its instance, which greets on the console.
    pub(crate) is_first: bool,
    /// Whether it replaces a process, so that `onreload` hooks run.
    pub(crate) is_reload: bool,
    /// The process id of the supervisor.
    pub(crate) supervisor: u32,
    /// Whether the supervisor says how many connections to databases the process may hold. If not, it may hold all that
    /// its configuration gives it.
    #[serde(default)]
    pub(crate) grants_connections: bool,
    /// The configuration file that the instance follows: what is in the file now may not be fit to be served.
    pub(crate) conf: Option<ConfFile>,
    /// What the descriptors beside this message are, in their order.
    pub(crate) descriptors: Vec<Descriptor>,
    /// Whether a service manager has opened the sockets among them.
    #[serde(default)]
    pub(crate) is_activated: bool,
    /// Whether the instance runs in the background, with its output in a file.
    #[serde(default)]
    pub(crate) is_detached: bool,
    /// Whether handlers are announced before they run.
    #[serde(default)]
    pub(crate) announces: bool,
    /// The levels of the log that hold for the time being.
    #[serde(default)]
    pub(crate) levels: Option<String>,
    /// What the process whose place it takes has learnt.
    #[serde(default)]
    pub(crate) learnt: Option<LearntBefore>,
    /// The keys of tickets of TLS.
    #[serde(default)]
    pub(crate) ticket_secrets: TicketSecrets,
    /// Whether the supervisor hands down the files of certificates, also when they have changed.
    #[serde(default)]
    pub(crate) hands_tls_files: bool,
    /// What operators have said of members.
    #[serde(default)]
    pub(crate) member_words: Vec<MemberWord>,
    /// The newest entries of the audit log.
    #[serde(default)]
    pub(crate) audit: Vec<AuditEntry>,
}

/// What a process knows that the next one in its place can use. The supervisor keeps it and does not look into it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Learnt {
    /// The health of the members of clusters, as `serve::learnt` writes it. A text and no tree: the supervisor copies
    /// octets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) members: Option<String>,
}

/// What another process has learnt, and how long ago it said so.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LearntBefore {
    pub(crate) age_ms: u64,
    pub(crate) learnt: Learnt,
}

/// A descriptor that is handed down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Descriptor {
    /// A listening socket, by its address as the configuration has it.
    Socket(String),
    /// A file that is open for appending.
    Log(PathBuf),
    /// The file to which standard output and standard error go.
    Console,
    /// The file of the flight [`recorder`](super::recorder) for this process.
    Recorder,
    /// Certificates and private keys, one behind the other, each with its length in octets.
    TlsFiles(Vec<(PathBuf, usize)>),
}

/// From the supervisor to a process, after [`Hello`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(crate) enum ToProcess {
    /// Finish what is under way, then end.
    Drain {
        /// Another process serves in its place: load balancers need not be told.
        #[serde(default)]
        is_replaced: bool,
    },
    /// End now.
    End,
    /// Log files are new: the descriptors beside this message are what this names, in this order; other files the
    /// process opens anew by itself.
    Reopen { descriptors: Vec<Descriptor> },
    /// It may hold so many more connections to these databases.
    Grants { connections: Vec<ConnectionCount> },
    /// Another process wants so many connections of these: they are to be given back when they are not used.
    Wants { connections: Vec<ConnectionCount> },
    /// Whether handlers are announced in the flight recorder before they run.
    Announce { is_on: bool },
    /// The levels of the log, in the words of `RUST_LOG`; `None` for those of the start.
    Levels { levels: Option<String> },
    /// A process asks all others.
    Question(Question),
    /// Whom a question of this process was put to, itself included. The answers follow.
    Asked { number: u64, processes: Vec<ProcessEntry> },
    /// What a process has answered.
    Answer { from: i32, number: u64, body: String },
    /// What was asked for by [`FromProcess::Reckon`].
    Reckoning { number: u64, reckoning: Reckoning },
    /// The keys of tickets are these from now on.
    TicketSecrets { secrets: TicketSecrets },
    /// Files of certificates have changed: the descriptors beside this message are these.
    TlsFiles { descriptors: Vec<Descriptor> },
    /// All that operators have said of members. `restored`: the one that is to take part again, whatever its health.
    MemberWords { words: Vec<MemberWord>, restored: Option<MemberDeed> },
    /// The audit log has one entry more.
    Audited(AuditEntry),
    /// What became of the act that this process has asked for.
    Acted { number: u64, is_done: bool, text: String },
    #[serde(other)]
    Unknown,
}

impl ToProcess {
    /// Whether it is of a question between processes, which may go unanswered.
    pub(crate) fn is_of_siblings(&self) -> bool {
        use ToProcess::{Answer, Asked, Question, Reckoning};
        matches!(self, Question(_) | Asked { .. } | Answer { .. } | Reckoning { .. })
    }
}

/// What a process asks the others: the supervisor passes it on and does not look into it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Question {
    /// The process that asks. The supervisor writes it; it is 0 if it asks by itself.
    #[serde(default)]
    pub(crate) by: i32,
    /// Of the asking process, to know the answers by; of the supervisor, its client.
    pub(crate) number: u64,
    /// What it is about. A process that does not know the topic does not answer.
    pub(crate) topic: String,
    pub(crate) body: String,
}

/// The topic of a question of the supervisor itself, for a client of its control socket: the whole status. Its body is
/// the filter, or empty.
pub(crate) const TREE: &str = "tree";

/// One process of the instance, as the supervisor sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessEntry {
    pub(crate) pid: i32,
    pub(crate) slot: usize,
    pub(crate) generation: u64,
    pub(crate) state: String,
    /// How often its place was filled again after a crash.
    pub(crate) restarts: u64,
}

/// What processes have counted that cannot say it themselves any more, or not now.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Reckoning {
    /// The sum over those that have ended: a tree of counters.
    pub(crate) ended: Value,
    pub(crate) ended_count: u64,
    /// Of these, the ones that ended without their last word.
    pub(crate) killed_count: u64,
    /// The processes that are there.
    pub(crate) running: Vec<i32>,
    /// What those of them that were asked for had counted when they said so for the last time.
    pub(crate) silent: Vec<(i32, String)>,
    /// What the supervisor says of itself, for the status: crashes, what it refused, its lines of the log.
    pub(crate) supervisor: Value,
}

/// A number of connections to one database: a member of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConnectionCount {
    pub(crate) cluster: String,
    pub(crate) member: String,
    pub(crate) count: usize,
    /// With [`FromProcess::Needs`]: how many all processes of the instance may hold together.
    #[serde(default)]
    pub(crate) of_instance: usize,
}

/// From a process to its supervisor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(crate) enum FromProcess {
    /// It serves.
    Ready,
    /// It does not serve, because of this; it ends.
    Failed { why: String, is_conf: bool },
    /// It accepts nothing more.
    Closes,
    /// What its drain had to cut.
    Drained { cut: Vec<String>, count: usize },
    /// What it has learnt so far; the latest counts.
    Learnt(Learnt),
    /// What it has counted so far, a tree of counters. The one with the highest number counts: threads say it, and one
    /// may be late. `is_last`: it will count nothing more.
    Counted { number: u64, counters: String, is_last: bool },
    /// Asks all other processes.
    Question(Question),
    /// Answers the question of another process.
    Answer { to: i32, number: u64, body: String },
    /// Asks for what those had counted that have ended, and these that did not answer.
    Reckon { number: u64, silent: Vec<i32> },
    /// A handler asks that the instance ends, or starts anew.
    Asked { for_what: Wish },
    /// An operator asks for this, by the web.
    Act { number: u64, act: OperatorAct },
    /// Something was refused to an operator.
    Audit(AuditEntry),
    /// The connections to databases that its configuration gives it. It holds none before they are granted.
    Needs { connections: Vec<ConnectionCount> },
    /// So many of its connections are closed, at the server as well: it may hold as many fewer.
    Returns { connections: Vec<ConnectionCount> },
    /// Its statements wait for a connection to these databases. The counts mean nothing.
    Lacks { connections: Vec<ConnectionCount> },
    #[serde(other)]
    Unknown,
}

/// The exit code of a process that asks to be started anew.
pub(crate) const RESTART: u8 = 3;

/// What an app may ask of its instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wish {
    Shutdown,
    Restart,
}

/// A command to the supervisor, on its control socket.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ControlRequest {
    pub(crate) version: u32,
    pub(crate) command: InstanceCommand,
    /// Whether to answer when it is done, not when it has begun.
    pub(crate) wait: bool,
    /// With [`InstanceCommand::Log`].
    #[serde(default)]
    pub(crate) levels: Option<LogLevels>,
    /// With [`InstanceCommand::Drain`] and its kin.
    #[serde(default)]
    pub(crate) member: Option<MemberDeed>,
    /// With [`InstanceCommand::Tree`]: the process that is asked.
    #[serde(default)]
    pub(crate) process: Option<i32>,
    /// With [`InstanceCommand::Tree`]: the part that is wanted, if not all.
    #[serde(default)]
    pub(crate) filter: Option<String>,
}

impl ControlRequest {
    /// A command that needs nothing else.
    pub(crate) fn of(command: InstanceCommand) -> ControlRequest {
        let (levels, member) = (None, None);
        ControlRequest { version: VERSION, command, wait: false, levels, member, process: None, filter: None }
    }
}

/// The levels that the log is to have for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogLevels {
    /// In the words of `RUST_LOG`; `None` for those of the start.
    pub(crate) levels: Option<String>,
    pub(crate) seconds: u64,
}

/// What a supervisor can be told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InstanceCommand {
    Stop,
    Restart,
    Reload,
    Upgrade,
    Reopen,
    /// What the supervisor itself knows.
    Status,
    /// What all processes know, as one of them tells it.
    Tree,
    /// The log has other levels for a time.
    Log,
    /// A member gets no new calls.
    Drain,
    /// A member gets no new calls, and what it has is ended.
    Eject,
    /// A member takes part again.
    Restore,
}

/// The answer to a [`ControlRequest`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ControlAnswer {
    pub(crate) is_done: bool,
    /// For a person; several lines where there is a report. Of [`InstanceCommand::Tree`] it is JSON.
    pub(crate) text: String,
    /// The answer to [`InstanceCommand::Status`].
    #[serde(default)]
    pub(crate) status: serde_json::Value,
}

impl ControlAnswer {
    /// What became of it, in words.
    pub(crate) fn of(done: Result<String, String>) -> ControlAnswer {
        match done {
            Ok(text) => ControlAnswer { is_done: true, text, status: serde_json::Value::Null },
            Err(text) => ControlAnswer::refusal(text),
        }
    }

    /// It is not done.
    pub(crate) fn refusal(text: String) -> ControlAnswer {
        ControlAnswer { is_done: false, text, status: serde_json::Value::Null }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_build_says_is_taken_as_far_as_it_is_known() {
        let told: FromProcess = serde_json::from_str(r#"{"say":"dreamt","of":["sheep"]}"#).expect("it is passed over");
        assert!(matches!(told, FromProcess::Unknown));
        let told = serde_json::to_string(&FromProcess::Learnt(Learnt { members: Some("{}".to_owned()) }));
        assert_eq!(told.expect("it is plain"), r#"{"say":"learnt","members":"{}"}"#);
        let told: FromProcess =
            serde_json::from_str(r#"{"say":"learnt","totals":{"requests":7}}"#).expect("one more part");
        assert!(matches!(told, FromProcess::Learnt(Learnt { members: None })));
        let hello = r#"{"version":1,"slot":0,"generation":1,"is_first":true,"is_reload":false,"supervisor":7,"conf":null,
            "descriptors":[],"more":{}}"#;
        assert!(serde_json::from_str::<Hello>(hello).expect("fields have defaults").learnt.is_none());
    }
}
