//! Handles that serve one request after another: what the one brought is never there for the next.

use std::time::{Duration, Instant};

use actix_web::http::header::COOKIE;
use actix_web::test::TestRequest;

use super::{hello, serve, was, with_thread};
use crate::app::{Face, Routed, Session};

#[test]
fn a_handle_that_serves_again_remembers_nothing() {
    with_thread(async |thread| {
        let first = TestRequest::post()
            .uri("/rest?a=1&b=2")
            .insert_header((COOKIE, "seen=yes"))
            .insert_header(("x-request-timeout-ms", "1"))
            .set_payload("c=3");
        assert_eq!(serve(&thread, first).await.status, 200);
        let draft = thread.spares.draft(Instant::now(), &thread.services);
        let request = draft.request();
        assert_eq!((request.get_headers().count(), request.uri(), request.body().len()), (0, "/", 0));
        assert_eq!((request.get_remote_addr(), draft.cookie().get("seen")), (None, None));
        let was = draft.ready(Face::Web, Session::default(), <hello as Routed>::ROUTE, 0);
        assert!(was.response.take().is_none() && was.cookie.take().is_empty() && was.session.values().0.is_empty());
        assert!(was.deadline() > Instant::now() + Duration::from_secs(1), "another's time");
    });
}

#[test]
fn a_handle_that_somebody_keeps_serves_nobody_else() {
    with_thread(async |thread| {
        let kept = was(&thread);
        thread.spares.keep(kept.clone());
        let next = thread.spares.draft(Instant::now(), &thread.services);
        let next = next.ready(Face::Web, Session::default(), <hello as Routed>::ROUTE, 0);
        next.response.set("x-next", "1");
        assert!(!kept.response.has("x-next"));
    });
}
