//! Static files: a file of a mounted folder stands before the app, with what browsers and caches expect.
//!
//! - [`packed`]: files in a coding that lie beside them; [`fresh`]: how long they are kept, and conditional answers;
//! - [`paths`]: what leads out of a folder, or past a gate; [`parts`]: ranges and dates, well and badly written;
//! - [`fallback`]: sites of a single page; [`moves`]: redirects and rewrites;
//! - [`slow`]: a disk that does not answer.

mod fallback;
mod fresh;
mod moves;
mod packed;
mod parts;
mod paths;
mod slow;

use crate::harness::TestServer;

fn demo() -> TestServer {
    TestServer::demo()
        .file("public/hello", "a file named like a route")
        .file("public/page.txt", "0123456789")
        .file("public/sub/index.html", "the index")
        .file("public/.secret", "hidden")
        .file("outside.txt", "outside")
        .route("/ = public")
        .start()
}

#[test]
fn a_file_stands_before_a_route_of_its_name_and_a_route_where_there_is_no_file() {
    let demo = demo();
    assert_eq!(demo.get("/hello").expect_code(200).text(), "a file named like a route");
    assert_eq!(demo.get("/add?a=1&b=2").expect_code(200).text(), "3");
    // A method that changes something is never a file's.
    assert_eq!(demo.post("/hello", "application/x-www-form-urlencoded", "").expect_code(200).text(), "Hello World");
}

#[test]
fn files_carry_type_age_and_validators() {
    let demo = demo();
    let page = demo.get("/page.txt").expect_code(200);
    assert!(page.header("content-type").starts_with("text/plain"), "{:?}", page.headers);
    assert_eq!(page.header("cache-control"), "max-age=300");
    let etag = page.header("etag").to_owned();
    assert!(!etag.is_empty() && !page.header("last-modified").is_empty(), "{:?}", page.headers);
    let known = demo.ask("GET", "/page.txt", &[("If-None-Match", &etag)], b"").expect_code(304);
    assert_eq!(known.text(), "");
    let part = demo.ask("GET", "/page.txt", &[("Range", "bytes=2-4")], b"").expect_code(206);
    assert_eq!((part.text().as_str(), part.header("content-range")), ("234", "bytes 2-4/10"));
    demo.ask("GET", "/page.txt", &[("Range", "bytes=99-")], b"").expect_code(416);
}

#[test]
fn a_folder_is_served_by_its_index_and_asked_for_with_its_slash() {
    let demo = demo();
    let moved = demo.get("/sub?a=1").expect_code(301);
    assert_eq!(moved.header("location"), "/sub/?a=1");
    assert_eq!(demo.get("/sub/").expect_code(200).text(), "the index");
}

#[test]
fn nothing_outside_the_folder_and_nothing_hidden_is_served() {
    let demo = demo();
    for path in ["/../outside.txt", "/%2e%2e/outside.txt", "/sub/..%2f..%2foutside.txt", "/.secret", "/sub/../.secret"]
    {
        let reply = demo.get(path);
        assert!(reply.code >= 400, "{path}: {}", reply.code);
        assert!(!reply.text().contains("outside") || reply.text().contains("nothing at"), "{path}: {}", reply.text());
        assert!(!reply.text().contains("hidden"), "{path}");
    }
}
