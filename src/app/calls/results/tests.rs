use skitai_actors::{Outcome, Reason};

use super::*;

/// What came of each member, a letter each: `o`k, a `f`ault, `t`oo late, `c`ancelled, `n`ot sent, or an HTTP `4`04.
fn outcomes(letters: &str) -> Vec<Outcome> {
    let outcome = |(nth, letter): (usize, char)| {
        let node = format!("m{nth}").into();
        match letter {
            'o' => Outcome::completed(node, i64::try_from(nth).expect("few")),
            'f' => Outcome { fault: Some(7), ..Outcome::failed(node, Reason::Fault, "no") },
            't' => Outcome::failed(node, Reason::Deadline, "late"),
            'c' => Outcome::failed(node, Reason::Cancelled, "unwanted"),
            'n' => Outcome::failed(node, Reason::NoPermit, "full"),
            '4' => Outcome { code: 404, ..Outcome::completed(node, "nothing here") },
            other => panic!("{other}"),
        }
    };
    letters.chars().enumerate().map(outcome).collect()
}

fn results(letters: &str, rule: Rule) -> Results {
    Results { outcomes: outcomes(letters), caching: None, rule }
}

/// The members whose data came, or how many answered well of how many.
fn members(data: Result<impl IntoIterator<Item = Value>, AllFailed>) -> String {
    match data {
        Ok(data) => data.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(","),
        Err(all) => format!("only {} of {}", all.coverage.ok, all.coverage.asked),
    }
}

#[test]
fn what_ok_and_fetch_give_depends_on_the_rule() {
    // (what came, the rule, what `ok()` gives, what a fetch gives)
    for (came, rule, ok, met) in [
        ("ooo", Rule::All, "0,1,2", "0,1,2"),
        ("fot", Rule::All, "1", "only 1 of 3"),
        ("ftn", Rule::All, "only 0 of 3", "only 0 of 3"),
        ("", Rule::All, "only 0 of 0", "only 0 of 0"),
        // An answer of HTTP that is no 2xx came, and is none.
        ("4o", Rule::All, "1", "only 1 of 2"),
        ("4", Rule::All, "only 0 of 1", "only 0 of 1"),
        ("occ", Rule::First(1), "0", "0"),
        ("fof", Rule::First(2), "1", "only 1 of 3"),
        ("fff", Rule::First(1), "only 0 of 3", "only 0 of 3"),
        ("ooc", Rule::Quorum(2), "0,1", "0,1"),
        ("off", Rule::Quorum(2), "only 1 of 3", "only 1 of 3"),
        ("oocc", Rule::Fraction(0.5), "0,1", "0,1"),
        ("offc", Rule::Fraction(0.5), "only 1 of 4", "only 1 of 4"),
        ("oo", Rule::AllOrError, "0,1", "0,1"),
        ("of", Rule::AllOrError, "only 1 of 2", "only 1 of 2"),
    ] {
        assert_eq!(members(results(came, rule).ok()), ok, "{came} under {rule:?}");
        assert_eq!(members(results(came, rule).met(false)), met, "{came} under {rule:?}, fetched");
        // Rows are of answers that are good enough, as data is.
        let rows = results(came, rule).rows::<Value>();
        assert_eq!(rows.is_err(), ok.starts_with("only"), "rows of {came} under {rule:?}");
    }
}

#[test]
fn require_asks_for_no_less_than_it_says() {
    for (came, required, is_enough) in [
        ("ooo", All, true),
        ("oof", All, false),
        ("", All, false),
        ("off", Rule::Quorum(1), true),
        ("off", Rule::Quorum(2), false),
        ("fff", Rule::Quorum(0), false),
        ("ooo", Rule::Quorum(4), false),
        ("oot", Rule::Fraction(0.6), true),
        ("ott", Rule::Fraction(0.6), false),
        ("ott", Rule::Fraction(0.0), true),
        ("ttt", Rule::Fraction(0.0), false),
        ("o4", Rule::Fraction(1.0), false),
    ] {
        let required = results(came, Rule::All).require(required);
        assert_eq!(required.is_ok(), is_enough, "{came}");
        if let Err(all) = required {
            assert_eq!(all.outcomes.len(), came.len(), "every outcome is listed, the good ones too");
        }
    }
}

#[test]
fn an_error_tells_why_what_is_missing_is_missing() {
    // (what came, only for want of time, only for want of room)
    for (came, late, full) in [
        ("t", true, false),
        ("tt", true, false),
        ("ot", true, false),
        ("tc", true, false),
        ("tf", false, false),
        ("tn", false, false),
        ("n", false, true),
        ("nc", false, true),
        ("no", false, true),
        ("nf", false, false),
        ("c", false, false),
        ("4", false, false),
        ("o", false, false),
        ("", false, false),
    ] {
        let all = AllFailed::of(outcomes(came));
        assert_eq!((all.timed_out(), all.overloaded()), (late, full), "{came}");
    }
}

#[test]
fn an_error_names_who_failed_and_nobody_else() {
    let text = |came: &str| AllFailed::of(outcomes(came)).to_string();
    assert_eq!(text("oft"), "1 of 3 ok (1 failed, 1 timed out); m1 fault: no; m2 deadline: late");
    assert_eq!(text("nc"), "0 of 2 ok (1 cancelled, 1 not sent); m0 no_permit: full; m1 cancelled: unwanted");
    assert_eq!(text(""), "0 of 0 ok");
    let fault = |came: &str| AllFailed::of(outcomes(came)).fault().map(|fault| (fault.code, fault.message));
    assert_eq!(fault("tff"), Some((7, "no".to_owned())), "the first of them");
    assert_eq!(fault("ot4"), None);
}

#[test]
fn one_is_the_first_good_answer_as_a_type_of_ones_own() {
    assert_eq!(results("fot", Rule::First(1)).one::<i64>().expect("one is good"), 1);
    let error = results("ff", Rule::First(1)).one::<i64>().expect_err("none is good");
    assert_eq!(error.status(), 502);
    let error = results("o", Rule::All).one::<String>().expect_err("a number is no text");
    assert_eq!(error.status(), 500, "that is a mistake of the handler: {error}");
    let answered = |letter: &str| Answered { outcome: outcomes(letter).remove(0), caching: None };
    assert_eq!(answered("o").one::<i64>().expect("it is good"), 0);
    assert_eq!(answered("t").one::<i64>().expect_err("it is late").status(), 504);
    assert_eq!(members(answered("o").ok().map(Some)), "0");
    assert_eq!(members(answered("4").ok().map(Some)), "only 0 of 1");
    assert_eq!(answered("f").fault().map(|fault| fault.code), Some(7));
}
