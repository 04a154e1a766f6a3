//! The audit log: what operators have done to the site, and what was refused to them; one JSON object a line.
//!
//! One process of an instance writes it: the supervisor, or where there is none the only one. The newest entries stay
//! in memory, for the status page. Each is a line of the normal log, too, so that it stands among its effects.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use skitai_wire::{Map, Value};
use time::OffsetDateTime;

use super::log::one_line;

/// The newest entries that are kept in memory.
pub(crate) const NEWEST: usize = 50;
/// How much of the end of a file is read at a start, in octets: more than [`NEWEST`] lines of the usual length.
const TAIL: u64 = 64 * 1024;

/// Who acts: a person by the web, a user of this machine by a command, or the app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Operator {
    /// `web`, `command` or `app`.
    pub(crate) by: String,
    /// Of the web: the user's name, as it was proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<String>,
    /// Of the web: the client's address, or `unix`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    /// Of a command, by the socket's peer: the kernel says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pid: Option<i32>,
}

impl Operator {
    /// `admin from 127.0.0.1`, `user id 0 by a command`.
    pub(crate) fn told(&self) -> String {
        match (&*self.by, self.uid) {
            ("command", Some(uid)) => format!("user id {uid} by a command"),
            ("command", None) => "somebody by a command".to_owned(),
            ("app", _) => "the app".to_owned(),
            _ => {
                let user = self.user.as_deref().unwrap_or("somebody");
                format!("{user} from {}", self.from.as_deref().unwrap_or("nowhere"))
            }
        }
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuditOutcome {
    Done,
    /// It goes on; the normal log says how it ends.
    Begun,
    /// It was allowed, and could not be done.
    #[default]
    Failed,
    /// It was not allowed.
    Refused,
}

impl AuditOutcome {
    fn word(self) -> &'static str {
        match self {
            AuditOutcome::Done => "done",
            AuditOutcome::Begun => "begun",
            AuditOutcome::Failed => "failed",
            AuditOutcome::Refused => "refused",
        }
    }
}

/// One line of the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AuditEntry {
    /// When, in UTC: `2026-11-29T16:13:17.123Z`.
    pub(crate) at: String,
    /// Of the web the id of the request, which the access log has as well.
    pub(crate) id: String,
    /// The name of the instance.
    pub(crate) site: String,
    #[serde(flatten)]
    pub(crate) operator: Operator,
    /// `drain`, `reload`, …
    pub(crate) action: String,
    /// What it was done to: `@mysearch 127.0.0.1:5001`; empty for the whole instance.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) on: String,
    /// In the operator's words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) why: String,
    pub(crate) outcome: AuditOutcome,
    /// The outcome in words.
    pub(crate) text: String,
}

impl AuditEntry {
    fn log(&self) {
        let AuditEntry { id, action, on, why, outcome, text, .. } = self;
        let (who, outcome) = (self.operator.told(), outcome.word());
        let text = one_line(text);
        let [on, why] = [on, why].map(|said| Some(one_line(said)).filter(|said| !said.is_empty()));
        let (on, why) = (on.as_deref(), why.as_deref());
        match self.outcome {
            AuditOutcome::Done | AuditOutcome::Begun => {
                tracing::info!(who, action, on, why, outcome, id, "an operator acts: {text}");
            }
            AuditOutcome::Failed | AuditOutcome::Refused => {
                tracing::warn!(who, action, on, why, outcome, id, "an operator's act is not done: {text}");
            }
        }
    }

    /// By the names of its fields.
    fn tree(&self) -> Value {
        let json = serde_json::to_value(self).unwrap_or_default();
        skitai_wire::to_value(&json).unwrap_or(Value::Nil)
    }
}

/// The time of an entry that is made now.
pub(crate) fn now() -> String {
    let at = OffsetDateTime::from(SystemTime::now());
    let (date, time) = (at.date(), at.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond()
    )
}

/// The newest entries, the oldest of them first.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditTail(VecDeque<AuditEntry>);

impl AuditTail {
    pub(crate) fn of(entries: Vec<AuditEntry>) -> AuditTail {
        let mut tail = AuditTail(entries.into());
        tail.shorten();
        tail
    }

    pub(crate) fn add(&mut self, entry: AuditEntry) {
        self.0.push_back(entry);
        self.shorten();
    }

    /// What was refused to somebody without a login leaves first: anybody can cause it, and nobody may push out what
    /// operators have done.
    fn shorten(&mut self) {
        while self.0.len() > NEWEST {
            let of_nobody =
                |entry: &AuditEntry| entry.outcome == AuditOutcome::Refused && entry.operator.role.is_none();
            let first = self.0.iter().position(of_nobody).unwrap_or(0);
            self.0.remove(first);
        }
    }

    pub(crate) fn all(&self) -> Vec<AuditEntry> {
        self.0.iter().cloned().collect()
    }

    /// By their ids, the newest first. The processes of an instance have the same, so that they merge.
    pub(crate) fn tree(&self) -> Value {
        Value::Map(Map(self.0.iter().rev().map(|entry| (entry.id.as_str().into(), entry.tree())).collect()))
    }
}

/// The file, and its newest entries.
#[derive(Debug)]
pub(crate) struct AuditLog {
    path: PathBuf,
    file: Option<File>,
    pub(crate) tail: AuditTail,
}

impl AuditLog {
    /// The log of this file, which is opened for appending at the first entry; `read` opens it for a look at its end.
    pub(crate) fn at(path: &Path, read: impl FnOnce(&Path) -> io::Result<File>) -> AuditLog {
        AuditLog::resumed(path, AuditTail::of(read(path).map(newest).unwrap_or_default()))
    }

    /// The same without a look at what is in the file, because that is known.
    pub(crate) fn resumed(path: &Path, tail: AuditTail) -> AuditLog {
        AuditLog { path: path.to_owned(), file: None, tail }
    }

    /// Lets the file go, which may have been renamed.
    pub(crate) fn reopen(&mut self) {
        self.file = None;
    }

    /// Another path, or the same one.
    pub(crate) fn move_to(&mut self, path: &Path) {
        if path != self.path {
            (self.path, self.file) = (path.to_owned(), None);
        }
    }

    /// Writes an entry here, and as a line of the normal log.
    pub(crate) fn note(&mut self, entry: AuditEntry, open: impl FnOnce(&Path) -> io::Result<File>) {
        entry.log();
        if let Err(error) = self.write(&entry, open) {
            tracing::error!("audit log {}: {error}; the entry above is in this log alone", self.path.display());
        }
        self.tail.add(entry);
    }
}

impl AuditLog {
    fn write(&mut self, entry: &AuditEntry, open: impl FnOnce(&Path) -> io::Result<File>) -> io::Result<()> {
        let line = serde_json::to_string(entry)? + "\n";
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(open(&self.path)?),
        };
        // One write to a file that is open for appending: a line is never torn.
        file.write_all(line.as_bytes())
    }
}

/// The newest entries of a file. A line that cannot be read is left out, and so is one that is cut at the beginning.
fn newest(mut file: File) -> Vec<AuditEntry> {
    let read = || {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut octets = Vec::new();
        file.take(TAIL).read_to_end(&mut octets)?;
        Ok::<_, io::Error>(octets)
    };
    let octets = read().unwrap_or_default();
    let lines = octets.split(|octet| *octet == b'\n');
    let mut entries: Vec<AuditEntry> =
        lines.rev().filter_map(|line| serde_json::from_slice(line).ok()).take(NEWEST).collect();
    entries.reverse();
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(nth: usize) -> AuditEntry {
        let operator = Operator { by: "command".to_owned(), uid: Some(7), pid: Some(9), ..Operator::default() };
        let (id, action) = (format!("{nth:04}"), "drain".to_owned());
        AuditEntry { at: now(), id, operator, action, outcome: AuditOutcome::Done, ..AuditEntry::default() }
    }

    #[test]
    fn who_knocks_without_a_login_pushes_no_act_out() {
        let knock = |nth| AuditEntry { outcome: AuditOutcome::Refused, ..entry(nth) };
        let mut tail = AuditTail::default();
        tail.add(entry(0));
        (1..=2 * NEWEST).for_each(|nth| tail.add(knock(nth)));
        let ids = |tail: &AuditTail| tail.all().into_iter().map(|entry| entry.id).collect::<Vec<_>>();
        assert_eq!((ids(&tail).len(), ids(&tail)[0].as_str()), (NEWEST, "0000"));
        assert_eq!(ids(&tail)[NEWEST - 1], format!("{:04}", 2 * NEWEST), "of the others the newest");
        // What was refused to a user is as an act.
        let user = Operator { role: Some("viewer".to_owned()), ..Operator::default() };
        tail.add(AuditEntry { operator: user, ..knock(500) });
        (600..600 + NEWEST).for_each(|nth| tail.add(entry(nth)));
        assert_eq!(ids(&tail), (600..600 + NEWEST).map(|nth| format!("{nth:04}")).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_noted_is_a_line_and_the_newest_are_there_after_a_start() {
        let folder = std::env::temp_dir().join(format!("skitai-audit-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("audit.log");
        let open = |path: &Path| File::options().append(true).create(true).open(path);
        let read = |path: &Path| File::open(path);
        let mut log = AuditLog::at(&path, read);
        (0..70).for_each(|nth| log.note(entry(nth), open));
        let text = std::fs::read_to_string(&path).expect("it was written");
        assert_eq!(text.lines().count(), 70);
        let first: serde_json::Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
        assert_eq!((&first["by"], &first["uid"], &first["outcome"]), (&"command".into(), &7.into(), &"done".into()));
        assert!(first.get("user").is_none() && first["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{first}");
        // A half line, as after a full disk.
        std::fs::write(&path, format!("torn\",\"id\":\"x\"}}\n{text}{{\"half")).expect("it is ours");
        let next = AuditLog::at(&path, read);
        let ids: Vec<String> = next.tail.all().into_iter().map(|entry| entry.id).collect();
        assert_eq!((ids.len(), ids[0].as_str(), ids[49].as_str()), (NEWEST, "0020", "0069"));
        let Value::Map(tree) = next.tail.tree() else { panic!("it is a map") };
        assert_eq!((tree.0.len(), &*tree.0[0].0), (NEWEST, "0069"), "the newest is the first");
        std::fs::remove_dir_all(&folder).expect("it is ours");
    }

    #[test]
    fn who_acts_is_told_in_words() {
        let web = |user: Option<&str>| Operator {
            by: "web".to_owned(),
            user: user.map(str::to_owned),
            from: Some("127.0.0.1".to_owned()),
            ..Operator::default()
        };
        assert_eq!(web(Some("admin")).told(), "admin from 127.0.0.1");
        assert_eq!(web(None).told(), "somebody from 127.0.0.1");
        assert_eq!(entry(0).operator.told(), "user id 7 by a command");
    }
}
