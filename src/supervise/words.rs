//! What processes say in words: why they do not serve, what their drain cut, what they did when they crashed.
//!
//! A process runs an app's code, maybe as another user, so its words may be of any length, and have line breaks and the
//! codes that a terminal obeys. The supervisor passes them on: to its log, to the service manager, to who asks for the
//! status. So they are made harmless where they come in, and nowhere else.

use crate::ipc::acts::{Deed, MemberDeed, OperatorAct};
use crate::ipc::messages::FromProcess;
use crate::observe::audit::{AuditEntry, Operator};
use crate::observe::log::one_line;

/// The most octets of a report, and of one line in it or elsewhere.
const REPORT: usize = 8 * 1024;
const LINE: usize = 512;
/// The most that are named of what a drain cut.
const NAMED: usize = 20;
/// What stands before each further line of a report: so none looks like a line of the log.
const INDENT: &str = "    ";

/// A message with words that may be passed on.
pub(super) fn harmless(message: FromProcess) -> FromProcess {
    match message {
        FromProcess::Failed { why, is_conf } => FromProcess::Failed { why: report(&why), is_conf },
        FromProcess::Drained { cut, count } => {
            FromProcess::Drained { cut: cut.iter().take(NAMED).map(|name| line(name)).collect(), count }
        }
        FromProcess::Act { number, act } => {
            let OperatorAct { id, operator, deed } = act;
            let deed = match deed {
                Deed::Drain(of) => Deed::Drain(of.harmless()),
                Deed::Eject(of) => Deed::Eject(of.harmless()),
                Deed::Restore(of) => Deed::Restore(of.harmless()),
                other => other,
            };
            let (id, operator) = (line(&id), harmless_operator(operator));
            FromProcess::Act { number, act: OperatorAct { id, operator, deed } }
        }
        FromProcess::Audit(entry) => FromProcess::Audit(AuditEntry {
            at: line(&entry.at),
            id: line(&entry.id),
            site: line(&entry.site),
            operator: harmless_operator(entry.operator),
            action: line(&entry.action),
            on: line(&entry.on),
            why: line(&entry.why),
            outcome: entry.outcome,
            text: line(&entry.text),
        }),
        // Others have names and numbers, texts that are read, or texts for other processes.
        other => other,
    }
}

fn harmless_operator(operator: Operator) -> Operator {
    let harmless = |text: Option<String>| text.map(|text| line(&text));
    let Operator { by, user, role, from, uid, pid } = operator;
    Operator { by: line(&by), user: harmless(user), role: harmless(role), from: harmless(from), uid, pid }
}

impl MemberDeed {
    /// With words that may be shown.
    pub(super) fn harmless(self) -> MemberDeed {
        MemberDeed { cluster: line(&self.cluster), member: line(&self.member), why: line(&self.why) }
    }
}

/// Words for one line.
pub(super) fn line(text: &str) -> String {
    cut(text, LINE, |part| one_line(part).into_owned())
}

/// Words of several lines.
pub(super) fn report(text: &str) -> String {
    let lines = |part: &str| part.lines().map(line).collect::<Vec<_>>().join(&format!("\n{INDENT}"));
    cut(text.trim_end(), REPORT, lines)
}

/// The beginning of a text, as `shown`, and how much is left out. A text that is not cut is no longer than a few times
/// its limit.
fn cut(text: &str, most: usize, shown: impl Fn(&str) -> String) -> String {
    let end = text.floor_char_boundary(most);
    match text.len() - end {
        0 => shown(text),
        more => format!("{}… ({more} octets more)", shown(&text[..end])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_process_can_neither_forge_a_line_nor_reach_a_terminal_nor_go_on_and_on() {
        let forged = "no licence\r\n2026-01-01T00:00:00Z  INFO all is well\u{1b}[2J\u{9b}31m\n";
        let FromProcess::Failed { why, .. } = harmless(FromProcess::Failed { why: forged.to_owned(), is_conf: false })
        else {
            panic!("it is the same message");
        };
        assert_eq!(why, "no licence\n    2026-01-01T00:00:00Z  INFO all is well\\u{1b}[2J\\u{9b}31m");
        let long = ["ß".repeat(10_000), "a\n".repeat(1 << 20)].concat();
        let why = report(&long);
        assert!(why.len() < 6 * REPORT && why.ends_with(" octets more)"), "{} octets", why.len());
        assert!(line(&long).len() < 2 * LINE && !line("a\nb").contains('\n'));
        let cut = vec!["GET /\n".repeat(1 << 10); 1 << 10];
        let FromProcess::Drained { cut, count } = harmless(FromProcess::Drained { cut, count: 1 << 10 }) else {
            panic!("it is the same message");
        };
        assert_eq!((cut.len(), count), (NAMED, 1 << 10));
        assert!(cut.iter().all(|name| name.len() < 2 * LINE && !name.contains('\n')), "{cut:?}");
    }
}
