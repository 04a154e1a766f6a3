use std::io;

use skitai_actors::outcome::SqlError;
use skitai_actors::{Coverage, CoverageReport, Outcome, Reason};

use super::*;
use crate::app::Failure;
use crate::rpc::fault::RpcFault;

fn named(reason: Reason) -> Outcome {
    match reason {
        Reason::Ok => Outcome::completed("a:1".into(), 1),
        other => Outcome::failed("a:1".into(), other, "so it said"),
    }
}

/// What `?` makes of any other error.
fn asked<E>(error: E) -> Error
where
    Error: From<E>,
{
    let failing = || -> Result<()> { Err(error)? };
    failing().expect_err("it failed")
}

#[test]
fn a_status_has_its_code_over_rpc() {
    for (status, kept, code) in [
        (400, 400, -32602),
        (422, 422, -32602),
        (401, 401, -32401),
        (404, 404, -32404),
        (409, 409, -32409),
        (429, 429, -32429),
        (499, 499, -32499),
        (500, 500, -32603),
        (501, 501, -32501),
        (503, 503, -32503),
        (504, 504, -32504),
        (599, 599, -32599),
        // No error of HTTP is a fault of ours.
        (0, 500, -32603),
        (200, 500, -32603),
        (302, 500, -32603),
        (399, 500, -32603),
        (600, 500, -32603),
        (u16::MAX, 500, -32603),
    ] {
        let error = Error::new(status, "why");
        assert_eq!((error.status(), error.code()), (kept, code), "{status}");
        assert_eq!(
            (error.shown(false), error.shown(true), error.to_string()),
            ("why".into(), "why".into(), "why".into())
        );
        let own = error.with_code(7);
        assert_eq!((own.status(), own.code()), (kept, 7), "the application's own code leaves the status");
    }
}

#[test]
fn what_is_told_of_an_error_depends_on_who_made_it() {
    let gone = || io::Error::other("/etc/shadow: no");
    // (the error, what a client reads, what it reads in devel mode, what the log says)
    for (error, production, devel, log) in [
        (Error::new(404, "no such city"), "no such city", "no such city", "no such city"),
        (Error::internal("disk full"), "Internal Server Error", "Internal Server Error: disk full", "disk full"),
        (asked(gone()), "Internal Server Error", "Internal Server Error: /etc/shadow: no", "/etc/shadow: no"),
        (
            asked("x".parse::<u8>().unwrap_err()),
            "Internal Server Error",
            "Internal Server Error: invalid digit found in string",
            "invalid digit found in string",
        ),
    ] {
        assert_eq!(error.shown(false), production);
        assert_eq!(error.shown(true), devel);
        assert_eq!(error.to_string(), log);
        assert_eq!(error.cause().is_some(), production != log, "{log}: a cause is what the client does not read");
        let place = error.place().file();
        assert!(place.ends_with("error/tests.rs"), "{log}: made at {place}");
    }
}

#[test]
fn a_call_that_failed_has_a_gateways_status() {
    use Reason::{ActorFailed, Cancelled, Closed, Deadline, Fault, NoPermit, NotAdmitted, Ok, Refused, Unread};
    // (what became of the members, the status, `Retry-After`)
    for (reasons, status, after) in [
        (&[Refused][..], 502, None),
        (&[Closed, Fault], 502, None),
        (&[Deadline], 504, None),
        (&[Deadline, Deadline], 504, None),
        (&[Ok, Deadline], 504, None),
        (&[Deadline, Refused], 502, None),
        // What a rule cancelled explains nothing.
        (&[Deadline, Cancelled], 504, None),
        (&[Refused, Cancelled], 502, None),
        (&[Cancelled], 502, None),
        (&[Unread], 502, None),
        // There was no room for it here.
        (&[NoPermit], 503, Some(1)),
        (&[NotAdmitted, ActorFailed], 503, Some(1)),
        (&[NoPermit, Cancelled, Ok], 503, Some(1)),
        (&[NoPermit, Deadline], 502, None),
        (&[], 502, None),
    ] {
        let mut outcomes: Vec<Outcome> = reasons.iter().copied().map(named).collect();
        outcomes.iter_mut().zip(0..).for_each(|(outcome, index)| outcome.index = Some(index));
        let all = AllFailed::of(outcomes);
        let text = all.to_string();
        let error = asked(all);
        assert_eq!((error.status(), error.retries_after()), (status, after), "{reasons:?}");
        assert_eq!(error.code(), -32000 - i64::from(status), "{reasons:?}");
        // Who may learn names reads all of it; who may not, positions and reasons.
        assert_eq!(
            (error.shown(true), error.to_string(), error.is_of_members()),
            (text.clone(), text.clone(), true),
            "{reasons:?}"
        );
        let positions = error.shown(false);
        assert!(!positions.contains("a:1") && !positions.contains("so it said"), "{positions}");
        for (reason, index) in reasons.iter().zip(0..).filter(|(reason, _)| **reason != Ok) {
            assert!(text.contains(reason.word()), "{text} does not name {reason:?}");
            assert!(
                positions.contains(&format!("[{index}] {}", reason.word())),
                "{positions} does not name {reason:?}"
            );
        }
    }
}

#[test]
fn a_refused_statement_is_a_conflict_or_our_fault_and_tells_a_stranger_nothing() {
    let refused = |code: &str| {
        let mut error = SqlError::default();
        (error.code, error.message) = (code.to_owned(), "Failing row contains (3134, secret)".to_owned());
        Outcome {
            sql_error: Some(error.into()),
            ..Outcome::failed("db:5432/x".into(), Reason::Sql, "Failing row contains (3134, secret)")
        }
    };
    // (the codes of the databases, the status): SQLSTATE, and SQLite's numbers.
    for (codes, status) in [
        (&["23505"][..], 409),
        (&["23502", "23505"], 409),
        (&["42P01"], 500),
        (&["22P02", "23505"], 409),
        (&["2067"], 409),
        (&["19"], 409),
        (&["1"], 500),
        (&["23"], 500),
        (&["2323"], 409),
        (&["XX000"], 500),
    ] {
        let error = asked(AllFailed::of(codes.iter().map(|code| refused(code)).collect()));
        assert_eq!(
            (error.status(), error.shown(false).as_str()),
            (status, "the database refused the statement"),
            "{codes:?}"
        );
        assert!(error.shown(true).contains("Failing row") && error.cause().is_some());
    }
    // Where another shard could not be reached, the answer is that of a gateway.
    let mixed = asked(AllFailed::of(vec![refused("23505"), named(Reason::Refused)]));
    assert_eq!(mixed.status(), 502);
    assert!(!mixed.shown(false).contains("secret") && !mixed.shown(false).contains("5432"), "{}", mixed.shown(false));
}

#[test]
fn a_refusal_for_what_is_missing_names_no_member() {
    let outcomes = [named(Reason::Ok), named(Reason::Refused)].map(|outcome| Outcome { index: Some(1), ..outcome });
    let call = skitai_actors::ClusterCoverage::of("web".into(), &outcomes, Coverage::of(&outcomes), false);
    let report = CoverageReport { clusters: vec![call] };
    let error = asked(Incomplete { report, may_consent: true });
    let text = "the answer is incomplete: web: 1 of 2 ok (1 not sent): [1] refused; send `Prefer: allow-partial` to get what there is";
    assert_eq!((error.status(), error.code(), error.shown(false).as_str()), (503, -32503, text));
    assert!(error.shown(true).contains("a:1 refused"), "{}", error.shown(true));
}

#[test]
fn a_page_and_a_fault_say_the_same() {
    let id = ErrorId([0, 1, 2, 0xab, 0xcd, 0xef]);
    let with_id = |mut error: Error| {
        error.set_id(id);
        error
    };
    // (the error, devel, code over RPC, its text there, reason and text of the page)
    for (error, devel, code, fault, reason, page) in [
        (Error::new(404, "gone"), false, -32404, "gone", "Not Found", "gone"),
        (Error::new(418, "tea"), true, -32418, "tea", "I'm a teapot", "tea"),
        (Error::new(499, "odd"), false, -32499, "odd", "Error", "odd"),
        (
            Error::internal("disk full"),
            false,
            -32603,
            "Internal Server Error (id 000102abcdef)",
            "Internal Server Error",
            "Internal Server Error",
        ),
        (
            Error::internal("disk full"),
            true,
            -32603,
            "Internal Server Error: disk full (id 000102abcdef)",
            "Internal Server Error",
            "Internal Server Error: disk full",
        ),
    ] {
        let error = with_id(error);
        let over_rpc = RpcFault::of(&error, Audience::stranger(devel));
        assert_eq!((over_rpc.code, over_rpc.message.as_str()), (code, fault));
        let failure = Failure::of(&error, Audience::stranger(devel));
        assert_eq!((failure.status, failure.reason, failure.message.as_str()), (error.status(), reason, page));
        assert_eq!(failure.id.as_deref(), Some("000102abcdef"));
    }
    let untold = Error::internal("not in the log yet");
    assert_eq!(
        RpcFault::of(&untold, Audience::default()).message,
        "Internal Server Error",
        "there is no id to look for"
    );
    assert_eq!(Failure::of(&untold, Audience::default()).id, None);
}
