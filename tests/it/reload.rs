//! Devel mode: templates, static files and the configuration change under a running site and show at the next request.

use crate::harness::{Conduct, Member, TestServer, eventually};

fn write(site: &TestServer, name: &str, text: &str) {
    std::fs::write(site.dir().join(name), text).unwrap();
}

#[test]
fn a_file_and_a_template_show_at_the_next_request() {
    let site = TestServer::site()
        .server("devel", "yes")
        .route("/ = static")
        .file("static/old.txt", "old")
        .file("templates/page.html", "one")
        .start();
    // More requests than threads: each has looked for it.
    for _ in 0..8 {
        assert_eq!(site.get("/new.txt").code, 404);
    }
    write(&site, "static/new.txt", "new");
    for _ in 0..8 {
        assert_eq!(site.get("/new.txt").text(), "new", "a path that was no file is one now");
    }
    let old = site.get("/old.txt");
    assert_eq!((&*old.text(), old.header("cache-control")), ("old", "max-age=0"));
    assert_eq!(site.get("/page").text(), "one");
    write(&site, "templates/page.html", "two");
    assert_eq!(site.get("/page").text(), "two");
}

#[test]
fn a_changed_conf_opens_no_further_access_log() {
    let site =
        TestServer::site().server("devel", "yes").server("max_body", "1m").server("access_log", "access.log").start();
    // More requests than threads: each takes the change up.
    let visit = || (0..8).for_each(|_| drop(site.get("/nowhere").expect_code(404)));
    visit();
    let before = site.descriptors();
    for megabytes in 1..=10 {
        site.rewrite(&format!("max_body = {megabytes}m"), &format!("max_body = {}m", megabytes + 1));
        visit();
    }
    eventually("what the sites before had open is closed", || (site.descriptors() < before + 10).then_some(()));
    eventually("every request has its line", || {
        let log = std::fs::read_to_string(site.dir().join("access.log")).unwrap();
        (log.lines().count() == 88).then_some(())
    });
}

#[test]
fn the_conf_is_taken_up_but_for_what_needs_a_restart() {
    let first = Member::start(Conduct::Fine("<string>first</string>"));
    let second = Member::start(Conduct::Fine("<string>second</string>"));
    let same = Member::start(Conduct::Fine("<string>same</string>"));
    let site = TestServer::site()
        .server("devel", "yes")
        .server("max_body", "1m")
        .cluster("one", &[&first])
        .cluster("same", &[&same])
        .file("shelf/book.txt", "a book")
        .start();
    let asked = |cluster: &str| site.get(&format!("/outcomes?cluster={cluster}")).json();
    let answer = |cluster: &str| asked(cluster)["outcomes"][0]["data"].as_str().map(str::to_owned);
    assert_eq!((answer("one").as_deref(), answer("same").as_deref()), (Some("first"), Some("same")));
    assert_eq!(site.get("/shelf/book.txt").code, 404);

    site.rewrite(&first.node(), &second.node());
    site.rewrite("[routes:line]\n", "[routes:line]\n/shelf = shelf\n");
    // More requests than threads: whichever thread is asked has the new one.
    for _ in 0..8 {
        assert_eq!(answer("one").as_deref(), Some("second"));
    }
    assert_eq!(site.get("/shelf/book.txt").text(), "a book");
    assert_eq!(answer("same").as_deref(), Some("same"));
    assert_eq!(site.post("/large?bytes=1", "text/plain", vec![b'x'; 500_000]).code, 200);
    site.rewrite("max_body = 1m", "max_body = 100k");
    let refused = site.post("/large?bytes=1", "text/plain", vec![b'x'; 500_000]);
    assert_eq!((refused.code, refused.header("x-restart-needed")), (413, ""));

    site.rewrite("threads = 2", "threads = 3");
    let reply = site.get("/large?bytes=1");
    assert_eq!((reply.code, reply.header("x-restart-needed")), (200, "threads"));
    let page = site.ask("GET", "/nowhere", &[("Accept", "text/html")], b"").text();
    assert!(page.contains("needs a restart") && page.contains("threads"), "{page}");
    eventually("the log says it", || site.log().contains("but for threads").then_some(()));
    site.rewrite("threads = 3", "threads = 2");
    assert_eq!(site.get("/large?bytes=1").header("x-restart-needed"), "");
}

#[test]
fn a_conf_with_a_mistake_is_told_until_it_is_mended() {
    let site = TestServer::site().server("devel", "yes").start();
    assert_eq!(site.get("/large?bytes=3").text(), "xxx");
    site.rewrite("threads = 2", "thread = 2");
    for _ in 0..4 {
        let answer = site.get("/large?bytes=3");
        let message = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(answer.code, 500);
        assert!(message.contains("did you mean `threads`?") && message.contains("test.conf:"), "{message}");
    }
    eventually("the log says it", || site.log().contains("cannot be taken up").then_some(()));
    site.rewrite("thread = 2", "threads = 2");
    assert_eq!(site.get("/large?bytes=3").text(), "xxx");
}

#[test]
fn outside_devel_mode_nothing_is_read_again() {
    let site = TestServer::site().file("templates/page.html", "one").start();
    assert_eq!(site.get("/page").text(), "one");
    write(&site, "templates/page.html", "two");
    site.rewrite("threads = 2", "thread = 2");
    assert_eq!(site.get("/page").text(), "one");
}
