use super::*;

/// Of four slots: a line for each number of good answers, a character for each number of failures beside them.
/// `.` waits on, `+` is over and met, `-` is over and not met.
fn grid(rule: Rule) -> String {
    const ASKED: usize = 4;
    let at =
        |good: usize, bad: usize| match (rule.is_over(Arrived { asked: ASKED, good, bad }), rule.is_met(ASKED, good)) {
            (false, _) => '.',
            (true, true) => '+',
            (true, false) => '-',
        };
    let line = |good| (0..=ASKED - good).map(|bad| at(good, bad)).collect::<String>();
    (0..=ASKED).map(line).collect::<Vec<_>>().join(" ")
}

#[test]
fn each_rule_ends_when_it_can_and_says_what_was_reached() {
    // good:                 0     1    2   3  4
    for (rule, expected) in [
        (Rule::All, "....- ...- ..- .- +"),
        (Rule::First(0), "....- ++++ +++ ++ +"),
        (Rule::First(1), "....- ++++ +++ ++ +"),
        (Rule::First(2), "....- ...- +++ ++ +"),
        (Rule::First(4), "....- ...- ..- .- +"),
        (Rule::First(9), "....- ...- ..- .- +"),
        (Rule::Quorum(0), "....- ++++ +++ ++ +"),
        (Rule::Quorum(2), "...-- ...- +++ ++ +"),
        (Rule::Quorum(3), "..--- ..-- ..- ++ +"),
        (Rule::Quorum(4), ".---- .--- .-- .- +"),
        (Rule::Quorum(5), "----- ---- --- -- -"),
        (Rule::Fraction(0.0), "....- ++++ +++ ++ +"),
        (Rule::Fraction(0.5), "...-- ...- +++ ++ +"),
        (Rule::Fraction(0.51), "..--- ..-- ..- ++ +"),
        (Rule::Fraction(0.75), "..--- ..-- ..- ++ +"),
        (Rule::Fraction(1.0), ".---- .--- .-- .- +"),
        (Rule::Fraction(1.5), "----- ---- --- -- -"),
        (Rule::Fraction(-1.0), "....- ++++ +++ ++ +"),
        (Rule::Fraction(f64::NAN), "....- ++++ +++ ++ +"),
        (Rule::AllOrError, ".---- .--- .-- .- +"),
    ] {
        assert_eq!(grid(rule), expected, "{rule:?}");
    }
}

#[test]
fn parts_are_rounded_up_to_whole_members() {
    for (part, asked, least) in [(0.7, 10, 7), (0.3, 10, 3), (0.1, 30, 3), (0.34, 3, 2), (1.0 / 3.0, 3, 1), (0.5, 5, 3)]
    {
        let rule = Rule::Fraction(part);
        assert!(rule.is_met(asked, least) && !rule.is_met(asked, least - 1), "{part} of {asked} is {least}");
    }
}

#[test]
fn nobody_asked_is_nothing_reached() {
    for rule in [Rule::All, Rule::First(1), Rule::Quorum(1), Rule::Fraction(0.5), Rule::AllOrError] {
        assert!(!rule.is_met(0, 0), "{rule:?}");
        assert!(rule.is_over(Arrived::default()), "{rule:?}: a call without slots is over");
    }
}

#[test]
fn only_rules_that_ask_for_no_number_take_gaps() {
    let takes =
        [Rule::All, Rule::First(2), Rule::Quorum(2), Rule::Fraction(0.5), Rule::AllOrError].map(Rule::takes_gaps);
    assert_eq!(takes, [true, true, false, false, false]);
}

#[test]
fn a_rule_that_is_over_stays_so_whatever_comes() {
    let rules = [Rule::All, Rule::First(2), Rule::Quorum(2), Rule::Fraction(0.5), Rule::AllOrError];
    for rule in rules {
        for asked in 1..7 {
            for good in 0..asked {
                for bad in 0..asked - good {
                    let over = |good, bad| rule.is_over(Arrived { asked, good, bad });
                    let next = over(good + 1, bad) && over(good, bad + 1);
                    assert!(!over(good, bad) || next, "{rule:?} {asked} {good} {bad}");
                }
            }
        }
    }
}
