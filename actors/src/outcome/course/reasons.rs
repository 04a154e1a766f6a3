//! The reasons of a course, in words for people and for programs.

use std::fmt;

use super::Course;

/// Why there is a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryCause {
    /// It is the first of its call.
    First,
    /// The one before was not sent.
    Failover,
    /// The one before failed, and the retry budget had another.
    Retry,
    /// The one before was late, and the retry budget had another.
    Hedge,
}

/// Why a try went to its member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickedBy {
    /// All members are asked.
    All,
    /// It had fewer calls in flight than another that was drawn.
    LessLoadedOfTwo,
    /// It was expected to answer sooner than another that was drawn.
    SoonerOfTwo,
    /// It had the fewest calls in flight.
    LeastLoaded,
    /// It was its turn.
    InTurn,
    /// The key of the call leads to it.
    Key,
    /// No other member was left.
    OnlyOneLeft,
    /// It was ejected, and this is its trial.
    Trial,
    /// The client is kept at it.
    Affinity,
    /// The caller named it, by its number or by a key.
    Caller,
    /// It is the host of a URL, or a database that the code names.
    Address,
}

/// Why no other member was asked after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unrepeated {
    /// The call may have run, and is not idempotent, or the cluster has no `retries` left.
    MayHaveRun,
    /// The retry budget is empty.
    Budget,
    /// Every member was tried.
    AllTried,
}

/// Who ended a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// It goes on.
    Nobody,
    /// Its own answer, or its own failure.
    Answer,
    /// The member's timeout.
    MemberTimeout,
    /// The caller's time was over.
    Deadline,
    /// The completion rule of the call was met, or could no longer be.
    Rule,
    /// The client left, or the handler let the call go.
    Departure,
    /// Another member has answered first.
    Outrun,
    /// An operator has ejected the member.
    Operator,
}

impl TryCause {
    /// The word in records.
    pub fn word(self) -> &'static str {
        match self {
            TryCause::First => "first",
            TryCause::Failover => "failover",
            TryCause::Retry => "retry",
            TryCause::Hedge => "hedge",
        }
    }
}

impl PickedBy {
    /// The word in records.
    pub fn word(self) -> &'static str {
        match self {
            PickedBy::All => "all",
            PickedBy::LessLoadedOfTwo => "less_loaded_of_two",
            PickedBy::SoonerOfTwo => "sooner_of_two",
            PickedBy::LeastLoaded => "least_loaded",
            PickedBy::InTurn => "in_turn",
            PickedBy::Key => "key",
            PickedBy::OnlyOneLeft => "only_one_left",
            PickedBy::Trial => "trial",
            PickedBy::Affinity => "affinity",
            PickedBy::Caller => "named_by_caller",
            PickedBy::Address => "address",
        }
    }
}

impl Unrepeated {
    /// The word in records.
    pub fn word(self) -> &'static str {
        match self {
            Unrepeated::MayHaveRun => "may_have_run",
            Unrepeated::Budget => "budget_refused",
            Unrepeated::AllTried => "all_tried",
        }
    }
}

impl EndedBy {
    /// The word in records; `None` for what goes on.
    pub fn word(self) -> Option<&'static str> {
        match self {
            EndedBy::Nobody => None,
            EndedBy::Answer => Some("answer"),
            EndedBy::MemberTimeout => Some("member_timeout"),
            EndedBy::Deadline => Some("deadline"),
            EndedBy::Rule => Some("completion_rule"),
            EndedBy::Departure => Some("departure"),
            EndedBy::Outrun => Some("outrun"),
            EndedBy::Operator => Some("operator"),
        }
    }
}

/// Why there is this try, why with this member, and what ended it before its time.
impl fmt::Display for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.cause, self.late()) {
            (TryCause::First, _) => {}
            (TryCause::Failover, _) => f.write_str("failover, because the one before was not sent: ")?,
            (TryCause::Retry, _) => {
                f.write_str("retry, because the one before failed and the retry budget had room: ")?
            }
            (TryCause::Hedge, Some(late)) => {
                write!(
                    f,
                    "hedge, because the one before took longer than the 95th percentile of its member, {late:?}: "
                )?;
            }
            (TryCause::Hedge, None) => f.write_str("hedge: ")?,
        }
        f.write_str(match self.picked {
            PickedBy::All => "all members are asked",
            PickedBy::LessLoadedOfTwo => "the less loaded of two",
            PickedBy::SoonerOfTwo => "of two the one expected to answer sooner",
            PickedBy::LeastLoaded => "the least loaded",
            PickedBy::InTurn => "its turn",
            PickedBy::Key => "the key leads to it",
            PickedBy::OnlyOneLeft => "no other was left",
            PickedBy::Trial => "the trial of an ejected member",
            PickedBy::Affinity => "the client is kept at it",
            PickedBy::Caller => "named by the caller",
            PickedBy::Address => "named by its address",
        })?;
        match self.passed_over {
            0 => {}
            1 => f.write_str("; 1 member that is out was passed over")?,
            several => write!(f, "; {several} members that are out were passed over")?,
        }
        if self.is_reconnected {
            f.write_str("; repeated on a new connection, because an idle one was closed")?;
        }
        f.write_str(match self.ended {
            EndedBy::Nobody | EndedBy::Answer => "",
            EndedBy::MemberTimeout => "; ended by the member's timeout",
            EndedBy::Deadline => "; ended by the caller's deadline",
            EndedBy::Rule => "; cancelled by the completion rule",
            EndedBy::Departure => "; cancelled, because nobody waited any more",
            EndedBy::Outrun => "; cancelled, because another member answered first",
            EndedBy::Operator => "; ended by an operator, who has ejected the member",
        })?;
        f.write_str(match self.unrepeated {
            None => "",
            Some(Unrepeated::MayHaveRun) => "; no other was asked: it may have run, and no retry was left or allowed",
            Some(Unrepeated::Budget) => "; no other was asked: the retry budget refused it",
            Some(Unrepeated::AllTried) => "; no other was left to ask",
        })
    }
}
