//! Requests that another site has a browser send: what changes something needs a token of the visitor's session.

use crate::harness::raw::Reply;
use crate::harness::{TestServer, call, eventually};

const FORM: &str = "application/x-www-form-urlencoded";

fn site() -> TestServer {
    TestServer::site().route("/guarded = guarded").route("/bare = sessionless").start()
}

/// A visitor: the session's cookie, and a token of it.
struct Visitor<'s> {
    site: &'s TestServer,
    cookie: String,
    token: String,
}

fn cookie_of(reply: &Reply) -> String {
    reply.header("set-cookie").split(';').next().unwrap_or("").to_owned()
}

impl<'s> Visitor<'s> {
    fn of(site: &'s TestServer) -> Visitor<'s> {
        let reply = site.get("/guarded/token").expect_code(200);
        let (cookie, token) = (cookie_of(&reply), reply.text());
        assert!(cookie.starts_with("SESSION=") && token.len() >= 32, "{cookie} {token}");
        Visitor { site, cookie, token }
    }

    fn get(&self, path: &str) -> Reply {
        self.site.ask("GET", path, &[("Cookie", &self.cookie)], b"").expect_code(200)
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let cookie = ("Cookie", self.cookie.as_str());
        let headers: Vec<_> = headers.iter().copied().chain([cookie]).collect();
        self.site.ask("POST", path, &headers, body.as_bytes())
    }

    fn form(&self, body: &str) -> Reply {
        self.post("/guarded/send", &[("Content-Type", FORM)], body)
    }
}

#[test]
fn a_form_needs_a_token_of_its_session() {
    let site = site();
    let visitor = Visitor::of(&site);
    let sent = visitor.form(&format!("text=hello&csrf_token={}", visitor.token)).expect_code(200);
    assert_eq!(sent.text(), "sent hello");
    for body in ["text=hello", "csrf_token=", "csrf_token=x", "csrf_token=%zz", "xcsrf_token=1", "&&&=", ""] {
        assert_eq!(visitor.form(body).code, 403, "{body:?}");
    }
    let other = Visitor::of(&site);
    assert_eq!(visitor.form(&format!("csrf_token={}", other.token)).code, 403, "the token of another session");
    let nobody = site.post("/guarded/send", FORM, format!("csrf_token={}", visitor.token));
    assert_eq!(nobody.code, 403, "a token without its session");
    let no_form =
        visitor.post("/guarded/send", &[("Content-Type", "text/plain")], &format!("csrf_token={}", visitor.token));
    assert_eq!(no_form.code, 403, "a body that is no form");
    for method in ["PUT", "DELETE"] {
        assert_eq!(site.ask(method, "/guarded/send", &[("Cookie", &visitor.cookie)], b"").code, 403, "{method}");
        let headers = [("Cookie", visitor.cookie.as_str()), ("X-CSRF-Token", &visitor.token)];
        assert_eq!(site.ask(method, "/guarded/send", &headers, b"").code, 200, "{method}");
    }
}

#[test]
fn every_token_of_a_session_is_another_and_all_are_good() {
    let site = site();
    let visitor = Visitor::of(&site);
    let second = visitor.get("/guarded/token");
    assert_eq!(second.header("set-cookie"), "", "the session has its secret already");
    assert_ne!(second.text(), visitor.token);
    for token in [&visitor.token, &second.text()] {
        visitor.post("/guarded/send", &[("X-CSRF-Token", token)], "").expect_code(200);
    }
    let page = visitor.get("/guarded/form").text();
    let token = page.split("value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token in the page");
    visitor.form(&format!("csrf_token={token}")).expect_code(200);

    let anew = visitor.get("/guarded/anew");
    let renewed = Visitor { site: &site, cookie: cookie_of(&anew), token: anew.text() };
    assert_eq!(renewed.form(&format!("csrf_token={}", visitor.token)).code, 403, "older tokens are void");
    renewed.form(&format!("csrf_token={}", renewed.token)).expect_code(200);
}

#[test]
fn a_form_with_files_carries_its_token_as_a_field() {
    let site = site();
    let visitor = Visitor::of(&site);
    let kind = [("Content-Type", "multipart/form-data; boundary=b")];
    let field =
        |name: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let file = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n123\r\n--b--\r\n";
    let sent = visitor.post("/guarded/file", &kind, &format!("{}{file}", field("csrf_token", &visitor.token)));
    assert_eq!(sent.expect_code(200).text(), "3 bytes");
    // More than once: no thread remembers the token of the request before.
    for _ in 0..4 {
        assert_eq!(visitor.form("text=hello").code, 403);
    }
    assert_eq!(visitor.post("/guarded/file", &kind, file).code, 403);
    assert_eq!(visitor.post("/guarded/file", &kind, &format!("{}{file}", field("csrf_token", "x"))).code, 403);
}

#[test]
fn rpc_passes_in_a_type_of_its_own_and_no_other() {
    let site = site();
    let visitor = Visitor::of(&site);
    let body = call::xml("guarded.send", &["<string>x</string>"]);
    for (kind, passes) in [("text/xml", true), ("text/plain", false), (FORM, false)] {
        let answer = visitor.post("/RPC2", &[("Content-Type", kind)], &body).expect_code(200).text();
        assert_eq!(answer.contains("sent x"), passes, "{kind}: {answer}");
        assert_eq!(answer.contains("-32403"), !passes, "{kind}: {answer}");
    }
    let headers = [("Content-Type", "text/plain"), ("X-CSRF-Token", visitor.token.as_str())];
    assert!(visitor.post("/RPC2", &headers, &body).text().contains("sent x"));
}

#[test]
fn an_app_without_sessions_cannot_have_tokens_and_refuses() {
    let site = site();
    site.get("/bare/token").expect_code(500);
    eventually("the log says why", || site.log().contains("use_session(true)").then_some(()));
    assert_eq!(site.post("/bare/send", FORM, "csrf_token=x").code, 403);
}
