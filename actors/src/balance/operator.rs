//! An operator's word about a member: it gets no calls, whatever its health (decision 0041).
//!
//! Health and an operator's word are two things: one goes on to be judged while the other is in force. A member takes
//! calls when neither is against it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use skitai_wire::Value;

/// How a member is kept out of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetAside {
    /// It gets no new calls; those under way end.
    Drained,
    /// It gets no new calls, and those under way are ended.
    Ejected,
}

impl SetAside {
    /// The word used in logs, on the status page and in outcomes.
    pub fn word(self) -> &'static str {
        match self {
            SetAside::Drained => "drained",
            SetAside::Ejected => "ejected",
        }
    }
}

/// What an operator has said of a member, until it is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorWord {
    /// How it is kept out.
    pub word: SetAside,
    /// When it was said, in seconds since 1970.
    pub since: u64,
    /// Who has said it.
    pub who: String,
    /// Why, in the operator's words; empty if nothing was said.
    #[serde(default)]
    pub why: String,
}

/// The words about the members of one cluster, by their nodes. A member that is not there yet is kept out when it
/// comes.
pub type OperatorWords = BTreeMap<String, OperatorWord>;

impl OperatorWord {
    /// `drained by admin from 127.0.0.1 (new disk)`.
    pub fn told(&self) -> String {
        let why = if self.why.is_empty() { String::new() } else { format!(" ({})", self.why) };
        format!("{} by {}{why}", self.word.word(), self.who)
    }

    /// Its part of the member's report.
    pub(crate) fn report(&self) -> Value {
        Value::from_pairs([
            ("word", Value::from(self.word.word())),
            ("since", Value::Int(self.since.cast_signed())),
            ("who", Value::from(self.who.as_str())),
            ("why", Value::from(self.why.as_str())),
        ])
    }
}
