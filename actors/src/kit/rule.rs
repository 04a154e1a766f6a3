//! The completion rule of a call, as pure code over counts: when have enough answers arrived?
//!
//! A rule answers two questions. [`Rule::is_over`]: is waiting longer useless? [`Rule::is_met`]: did the caller get
//! what it asked for? `quorum(3)` of five is over, and not met, at the third failure; `first(3)` then waits for the
//! rest, because two answers are better than none.

/// How many good answers end a call. Default: every slot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Rule {
    /// Waits for every slot, good or not.
    #[default]
    All,
    /// Waits for this many good answers; takes fewer if there are no more.
    First(usize),
    /// Needs this many good answers, or it is an error: over as soon as they can no longer be reached.
    Quorum(usize),
    /// Needs this fraction of good answers (0 to 1, rounded up to whole slots), or it is an error.
    Fraction(f64),
    /// Needs every answer to be good, or it is an error: over at the first failure.
    AllOrError,
}

/// What has arrived so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// Slots of the call.
    pub asked: usize,
    /// Good answers.
    pub good: usize,
    /// Failures of any kind.
    pub bad: usize,
}

impl Rule {
    /// How many good answers this rule needs.
    fn wanted(self, asked: usize) -> usize {
        match self {
            Rule::All | Rule::AllOrError => asked,
            Rule::First(most) => most.clamp(1, asked.max(1)),
            Rule::Quorum(least) => least.max(1),
            Rule::Fraction(part) => {
                // 0.7 of 10 is 7.000000000000001 in binary; that is not an eighth member.
                const ROUNDING: f64 = 1e-9;
                let wanted = (part * asked as f64 - ROUNDING).ceil();
                // The cast saturates; NaN becomes 0.
                (wanted as usize).max(1)
            }
        }
    }

    /// True when waiting longer cannot change the result of the rule.
    pub fn is_over(self, arrived: Arrived) -> bool {
        let Arrived { asked, good, bad } = arrived;
        let open = asked - (good + bad).min(asked);
        if open == 0 {
            return true;
        }
        let wanted = self.wanted(asked);
        match self {
            Rule::All => false,
            Rule::First(_) => good >= wanted,
            Rule::Quorum(_) | Rule::Fraction(_) | Rule::AllOrError => good >= wanted || good + open < wanted,
        }
    }

    /// True when the required number of good answers came. Never met without slots.
    pub fn is_met(self, asked: usize, good: usize) -> bool {
        good > 0 && good >= self.wanted(asked)
    }

    /// True if a good answer counts although its member reported a gap of its own.
    pub fn takes_parts(self) -> bool {
        !matches!(self, Rule::All | Rule::AllOrError)
    }

    /// True if the rule accepts missing answers: a gap is reported, but is no error.
    pub fn takes_gaps(self) -> bool {
        matches!(self, Rule::All | Rule::First(_))
    }
}

#[cfg(test)]
mod tests;
