//! A failed actor: its callers are refused at once, and the server reports that it is not ready.

use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::dev::AppConfig;
use actix_web::test::TestRequest;
use skitai_actors::spec::Secret;
use skitai_wire::Value;

use super::serve;
use crate as skitai;
use crate::app::closing::Phase;
use crate::app::{App, Result, Was};
use crate::config::{Loaded, parse};
use crate::edge::thread::ServingThread;
use crate::prelude::route;
use crate::serve::keys::Keys;
use crate::serve::site::OpenSite;
use crate::serve::slot;

#[route("/all")]
async fn all(was: Was) -> Result<Vec<Value>> {
    Ok(was.map("members").call("x", ()).getswait(Duration::from_secs(5)).await.ok()?.collect())
}

#[route("/reasons")]
async fn reasons(was: Was) -> Vec<String> {
    let asked = was.map("members").call("x", ()).getswait(Duration::from_secs(5)).await;
    asked.into_iter().map(|outcome| outcome.reason.word().to_owned()).collect()
}

fn loaded() -> Loaded {
    let text = "[@members]\nmembers = 127.0.0.1:1, 127.0.0.1:2\n";
    let mut loaded = Loaded::without_conf("/nonexistent".as_ref(), &["a"]);
    let conf = parse("a.conf", text, "/nonexistent".as_ref(), &|_| None).expect("it is a good conf");
    loaded.settings.clusters = conf.settings.clusters;
    loaded
}

async fn ready(thread: &ServingThread) -> (u16, String) {
    let got = serve(thread, TestRequest::with_uri("/status/ready")).await;
    assert_eq!(got.header("cache-control"), "no-store");
    (got.status.as_u16(), got.body)
}

#[test]
fn an_actor_that_failed_refuses_at_once_and_the_server_is_not_ready() {
    actix_rt::System::new().block_on(async {
        let keys = Keys { admin_password: Some(Secret("a-password".to_owned())), ..Keys::ephemeral() };
        let app = App::new("a").routes(skitai::routes![all, reasons]);
        let site = OpenSite::open(&loaded(), vec![app], &keys, None).expect("a good site");
        let threads: [Rc<ServingThread>; 2] = [0, 1].map(|number| slot::start(&site, number, AppConfig::default()));
        assert_eq!(ready(&threads[0]).await, (503, r#"{"ready":false,"why":"starting"}"#.to_owned()));
        site.process.lifecycle.advance(Phase::Serving);
        assert_eq!(ready(&threads[0]).await, (200, r#"{"ready":true}"#.to_owned()));

        // It has failed on one thread, and every thread reports that.
        let rest = Duration::from_millis(300);
        let (actor, _) = threads[1].services.cluster("members").expect("it is declared");
        actor.gauges().failed(Instant::now() + rest);
        for thread in &threads {
            assert_eq!(ready(thread).await, (503, r#"{"ready":false,"failed":["cluster:members"]}"#.to_owned()));
        }
        let begun = Instant::now();
        let got = serve(&threads[1], TestRequest::with_uri("/all")).await;
        assert_eq!((got.status.as_u16(), got.header("retry-after")), (503, "1"), "{}", got.body);
        let got = serve(&threads[1], TestRequest::with_uri("/reasons")).await;
        assert_eq!(got.body, r#"["actor_failed","actor_failed"]"#);
        assert!(begun.elapsed() < rest, "somebody waited");

        // Its pause is over, so it is tried again.
        tokio::time::sleep(rest).await;
        assert_eq!(ready(&threads[0]).await.0, 200);
        let got = serve(&threads[1], TestRequest::with_uri("/reasons")).await;
        assert_eq!(got.body, r#"["refused","refused"]"#);

        site.process.lifecycle.advance(Phase::Unready);
        assert_eq!(ready(&threads[1]).await, (503, r#"{"ready":false,"why":"draining"}"#.to_owned()));
    });
}

#[test]
fn readiness_needs_no_login_and_the_rest_does() {
    actix_rt::System::new().block_on(async {
        let site = OpenSite::open(&loaded(), vec![App::new("a")], &Keys::ephemeral(), None).expect("a good site");
        let thread = slot::start(&site, 0, AppConfig::default());
        site.process.lifecycle.advance(Phase::Serving);
        for path in ["/status/ready", "/status/live", "/ping"] {
            assert_eq!(serve(&thread, TestRequest::with_uri(path)).await.status, 200, "{path}, without an admin");
        }
        let keys = Keys { admin_password: Some(Secret("a-password".to_owned())), ..Keys::ephemeral() };
        let site = OpenSite::open(&loaded(), vec![App::new("a")], &keys, None).expect("a good site");
        let thread = slot::start(&site, 0, AppConfig::default());
        site.process.lifecycle.advance(Phase::Serving);
        assert_eq!(serve(&thread, TestRequest::with_uri("/status/ready")).await.status, 200);
        assert_eq!(serve(&thread, TestRequest::with_uri("/status")).await.status, 401);
        assert_eq!(serve(&thread, TestRequest::with_uri("/status/tree")).await.status, 404);
    });
}
