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

    /// True if the rule accepts missing answers: a gap is reported, but is no error.
    pub fn takes_gaps(self) -> bool {
        matches!(self, Rule::All | Rule::First(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(asked: usize, good: usize, bad: usize) -> Arrived {
        Arrived { asked, good, bad }
    }

    #[test]
    fn each_rule_ends_when_it_can() {
        // (rule, the first counts of five slots at which it is over, the last at which it is not)
        let cases = [
            (Rule::All, of(5, 3, 2), of(5, 4, 0)),
            (Rule::First(2), of(5, 2, 0), of(5, 1, 3)),
            (Rule::First(9), of(5, 4, 1), of(5, 4, 0)),
            (Rule::First(0), of(5, 1, 0), of(5, 0, 4)),
            (Rule::Quorum(3), of(5, 3, 0), of(5, 2, 2)),
            (Rule::Quorum(3), of(5, 0, 3), of(5, 0, 2)),
            (Rule::Quorum(6), of(5, 0, 0), of(6, 0, 0)),
            (Rule::Fraction(0.5), of(5, 3, 0), of(5, 2, 0)),
            (Rule::Fraction(0.6), of(5, 3, 1), of(5, 2, 1)),
            (Rule::Fraction(0.7), of(10, 7, 0), of(10, 6, 3)),
            (Rule::AllOrError, of(5, 0, 1), of(5, 4, 0)),
        ];
        for (rule, over, open) in cases {
            assert!(rule.is_over(over), "{rule:?} {over:?}");
            assert!(!rule.is_over(open), "{rule:?} {open:?}");
        }
    }

    #[test]
    fn what_is_met_is_what_was_asked_for() {
        for (rule, asked, least) in [
            (Rule::All, 5, 5),
            (Rule::First(2), 5, 2),
            (Rule::First(2), 1, 1),
            (Rule::Quorum(3), 5, 3),
            (Rule::Fraction(0.7), 10, 7),
            (Rule::Fraction(0.0), 5, 1),
            (Rule::Fraction(f64::NAN), 5, 1),
            (Rule::AllOrError, 5, 5),
        ] {
            assert!(rule.is_met(asked, least), "{rule:?}: {least} of {asked}");
            assert!(!rule.is_met(asked, least - 1), "{rule:?}: {} of {asked}", least - 1);
        }
        assert!(!Rule::All.is_met(0, 0), "a cluster without members reaches nothing");
        assert!(!Rule::Quorum(6).is_met(5, 5));
    }

    #[test]
    fn a_rule_that_is_met_is_over_unless_all_are_wanted() {
        for asked in 1..6 {
            for good in 0..=asked {
                for bad in 0..=asked - good {
                    for rule in [Rule::First(2), Rule::Quorum(2), Rule::Fraction(0.5), Rule::AllOrError] {
                        let met = rule.is_met(asked, good);
                        assert!(!met || rule.is_over(of(asked, good, bad)), "{rule:?} {asked} {good} {bad}");
                    }
                }
            }
        }
    }
}
