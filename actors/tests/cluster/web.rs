//! Any URL.

use skitai_actors::cluster::{Fetch, UrlClient, UrlClientLimits, fetch_slots};
use skitai_actors::wire::Value;
use skitai_actors::{Reason, Status};

use super::member::{After, Member, answer, closed_port, fine, member};
use super::*;

pub(crate) struct Browser(ActorRef<UrlClient>);

impl Browser {
    pub(crate) fn new() -> Browser {
        Browser(ActorRef::open("web", Admission::default(), || UrlClient::new(UrlClientLimits::default())))
    }

    async fn fetch(&self, url: &str, request: Request) -> Outcome {
        self.fetch_until(after(2_000), url, request).await
    }

    pub(crate) async fn fetch_until(&self, deadline: Instant, url: &str, request: Request) -> Outcome {
        let fetch = Fetch { url: url.to_owned(), request };
        self.0.ask(fetch, fetch_slots(url), None, deadline).all(deadline).await.remove(0)
    }
}

fn get() -> Request {
    Request::get("")
}

/// Echoes the method, the path, the body, and whether there was a login; `/to/CODE/URL` redirects there.
fn echo() -> Member {
    member(|stream, heard| {
        let mut words = heard.head.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        match path.strip_prefix("/to/").and_then(|rest| rest.split_once('/')) {
            Some((code, target)) => {
                let location = format!("location: {target}\r\n");
                answer(stream, &format!("{code} Elsewhere"), &location, "");
            }
            None => {
                let login = heard.head.contains("authorization: ");
                let body = format!("{method} {path} {} {login}", heard.body);
                answer(stream, "200 OK", "content-type: text/plain\r\n", &body);
            }
        }
        After::KeepAlive
    })
}

fn text(outcome: &Outcome) -> &str {
    match &*outcome.data {
        Value::String(text) => text,
        other => panic!("{other:?} in {outcome:?}"),
    }
}

#[test]
fn pages_forms_and_calls() {
    in_system(async {
        let there = echo();
        let (web, base) = (Browser::new(), format!("http://127.0.0.1:{}", there.port));
        let outcome = web.fetch(&format!("{base}/a b?c=d#e"), get()).await;
        assert_eq!(text(&outcome), "GET /a%20b?c=d  false");
        assert_eq!(*outcome.node, *format!("127.0.0.1:{}", there.port));
        assert!(outcome.is_ok() && outcome.attempts == 1 && outcome.latency > Duration::ZERO);
        let form = Request::form("", &[("q".to_owned(), "a&b".to_owned())]);
        assert_eq!(text(&web.fetch(&base, form).await), "POST / q=a%26b false");
        let with_login = base.replace("http://", "http://anna:secret@");
        assert_eq!(text(&web.fetch(&with_login, get()).await), "GET /  true");
        let rpc = fine("mozart");
        let outcome = web.fetch(&format!("http://localhost:{}/rpc2", rpc.port), call()).await;
        assert_eq!(outcome.data, Value::String("mozart".to_owned()), "{outcome:?}");
        assert_eq!(there.seen.connections(), 1);
    });
}

#[test]
fn redirects_are_followed_as_curl_does() {
    in_system(async {
        let (there, other) = (echo(), echo());
        let (web, base) = (Browser::new(), format!("http://127.0.0.1:{}", there.port));
        let form = || Request::form("", &[("q".to_owned(), "1".to_owned())]);
        for code in [301, 302, 303] {
            let outcome = web.fetch(&format!("{base}/to/{code}//x"), form()).await;
            assert_eq!(text(&outcome), "GET /x  false");
        }
        let last = there.seen.heard().pop().unwrap();
        assert!(!last.head.contains("content-"), "{}", last.head);
        for code in [307, 308] {
            assert_eq!(text(&web.fetch(&format!("{base}/to/{code}//x"), form()).await), "POST /x q=1 false");
        }
        // A login stays with its origin.
        let outcome = web.fetch(&format!("{base}/to/302//x"), get().login("anna", "secret")).await;
        assert_eq!(text(&outcome), "GET /x  true");
        let elsewhere = format!("{base}/to/302/http://127.0.0.1:{}/y", other.port);
        let outcome = web.fetch(&elsewhere, get().login("anna", "secret")).await;
        assert_eq!(text(&outcome), "GET /y  false");
        assert_eq!(*outcome.node, *format!("127.0.0.1:{}", other.port));

        // An RPC call is not redirected, and a redirect without end is one error.
        let outcome = web.fetch(&format!("{base}/to/302//x"), call()).await;
        assert_eq!((outcome.status, outcome.reason, outcome.code), (Status::Error, Reason::HttpStatus, 302));
        let circle = member(|stream, _| {
            answer(stream, "302 Found", "location: /again\r\n", "");
            After::KeepAlive
        });
        let outcome = web.fetch(&format!("http://127.0.0.1:{}/", circle.port), get()).await;
        assert_eq!((outcome.status, outcome.msg.as_str()), (Status::Error, "given up after 10 redirects"));
        assert_eq!(circle.seen.requests(), 11);
        let outcome = web.fetch(&format!("{base}/to/302/ftp://x/"), get()).await;
        assert!(outcome.status == Status::Error && outcome.msg.contains("ftp"), "{outcome:?}");
    });
}

#[test]
fn what_cannot_be_asked_is_an_outcome() {
    in_system(async {
        let web = Browser::new();
        for (url, reason, word) in [
            ("example.com", Reason::Unsendable, "scheme"),
            ("http://u:secret@/x", Reason::Unsendable, "no host"),
            ("http://127.0.0.1:0/", Reason::Unsendable, "port"),
            ("http://nobody.invalid/", Reason::Dns, ""),
            (&format!("http://127.0.0.1:{}/", closed_port()), Reason::Refused, "refused"),
        ] {
            let outcome = web.fetch(url, get()).await;
            assert_eq!((outcome.status, outcome.reason), (Status::NotConnected, reason), "{url}: {outcome:?}");
            assert!(outcome.msg.contains(word), "{url}: {outcome:?}");
            assert!(!format!("{outcome:?}").contains("secret"), "{outcome:?}");
        }
    });
}

#[test]
fn a_plain_port_does_not_pass_for_a_secure_one() {
    in_system(async {
        let there = fine("a");
        let outcome = Browser::new().fetch(&format!("https://127.0.0.1:{}/", there.port), get()).await;
        assert_eq!(outcome.status, Status::NotConnected, "{outcome:?}");
        assert!(matches!(outcome.reason, Reason::Tls | Reason::ConnectTimeout), "{outcome:?}");
    });
}
