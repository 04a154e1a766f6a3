//! What operators do to an instance, as its processes and its supervisor say it to each other.

use serde::{Deserialize, Serialize};
use skitai_actors::balance::operator::OperatorWord;

use super::messages::LogLevels;
use crate::observe::audit::{AuditEntry, AuditOutcome, Operator, now};

/// An act that is allowed, and by whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OperatorAct {
    /// Of its entry in the audit log.
    pub(crate) id: String,
    pub(crate) operator: Operator,
    pub(crate) deed: Deed,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(crate) enum Deed {
    Drain(MemberDeed),
    Eject(MemberDeed),
    Restore(MemberDeed),
    Reload,
    Restart,
    Shutdown,
    Log(LogLevels),
}

/// The member that an operator means, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemberDeed {
    /// Without `@`.
    pub(crate) cluster: String,
    /// As the status has it.
    pub(crate) member: String,
    #[serde(default)]
    pub(crate) why: String,
}

impl MemberDeed {
    /// `@mysearch 127.0.0.1:5001`.
    pub(crate) fn on(&self) -> String {
        format!("@{} {}", self.cluster, self.member)
    }
}

impl Deed {
    /// The word of it: a command, and a value of the form's `action`.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Deed::Drain(_) => "drain",
            Deed::Eject(_) => "eject",
            Deed::Restore(_) => "restore",
            Deed::Reload => "reload",
            Deed::Restart => "restart",
            Deed::Shutdown => "shutdown",
            Deed::Log(_) => "log",
        }
    }

    /// What it is done to; empty for the whole instance.
    pub(crate) fn on(&self) -> String {
        match self {
            Deed::Drain(of) | Deed::Eject(of) | Deed::Restore(of) => of.on(),
            Deed::Log(levels) => levels.levels.clone().unwrap_or_else(|| "default".to_owned()),
            Deed::Reload | Deed::Restart | Deed::Shutdown => String::new(),
        }
    }

    fn why(&self) -> &str {
        match self {
            Deed::Drain(of) | Deed::Eject(of) | Deed::Restore(of) => &of.why,
            Deed::Log(_) | Deed::Reload | Deed::Restart | Deed::Shutdown => "",
        }
    }

    /// What is said once it has succeeded: whether all is done then.
    pub(crate) fn outcome(&self) -> AuditOutcome {
        match self {
            Deed::Drain(_) | Deed::Eject(_) | Deed::Restore(_) | Deed::Log(_) => AuditOutcome::Done,
            Deed::Reload | Deed::Restart | Deed::Shutdown => AuditOutcome::Begun,
        }
    }
}

impl OperatorAct {
    /// Its entry in the audit log of an instance of this name.
    pub(crate) fn entry(&self, site: &str, said: &Result<String, String>) -> AuditEntry {
        let (outcome, text) = match said {
            Ok(text) => (self.deed.outcome(), text.clone()),
            Err(text) => (AuditOutcome::Failed, text.clone()),
        };
        AuditEntry {
            at: now(),
            id: self.id.clone(),
            site: site.to_owned(),
            operator: self.operator.clone(),
            action: self.deed.word().to_owned(),
            on: self.deed.on(),
            why: self.deed.why().to_owned(),
            outcome,
            text,
        }
    }
}

/// What an operator has said of one member, while it is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemberWord {
    pub(crate) cluster: String,
    pub(crate) member: String,
    pub(crate) said: OperatorWord,
}
