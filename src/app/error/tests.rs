use std::io;

use skitai_actors::{Outcome, Reason};

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
        let all = AllFailed::of(reasons.iter().copied().map(named).collect());
        let text = all.to_string();
        let error = asked(all);
        assert_eq!((error.status(), error.retries_after()), (status, after), "{reasons:?}");
        assert_eq!(error.code(), -32000 - i64::from(status), "{reasons:?}");
        // Members are not a secret of ours: every reason is told, in production too.
        assert_eq!((error.shown(false), error.cause().is_none()), (text.clone(), true), "{reasons:?}");
        for reason in reasons.iter().filter(|reason| **reason != Ok) {
            assert!(text.contains(reason.word()), "{text} does not name {reason:?}");
        }
    }
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
        let over_rpc = RpcFault::of(&error, devel);
        assert_eq!((over_rpc.code, over_rpc.message.as_str()), (code, fault));
        let failure = Failure::of(&error, devel);
        assert_eq!((failure.status, failure.reason, failure.message.as_str()), (error.status(), reason, page));
        assert_eq!(failure.id.as_deref(), Some("000102abcdef"));
    }
    let untold = Error::internal("not in the log yet");
    assert_eq!(RpcFault::of(&untold, false).message, "Internal Server Error", "there is no id to look for");
    assert_eq!(Failure::of(&untold, false).id, None);
}
