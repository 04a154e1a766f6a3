//! Ranges and dates: those that mean something, and those that mean nothing, which are as if they were not there.

use crate::harness::{TestServer, curl};

const TEXT: &str = "0123456789";

fn site() -> TestServer {
    TestServer::site_of(&["/ = public"]).file("public/ten.txt", TEXT).file("public/none.txt", "").start()
}

#[test]
fn a_range_is_a_part_and_nonsense_is_the_whole() {
    let site = site();
    let ask = |range: &str| site.ask("GET", "/ten.txt", &[("Range", range)], b"");
    for (range, part, place) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=5-", "56789", "bytes 5-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-99", TEXT, "bytes 0-9/10"),
        ("bytes=0-18446744073709551615", TEXT, "bytes 0-9/10"),
        ("bytes=9-99999999999999999999999999", "9", "bytes 9-9/10"),
        ("Bytes=1-1", "1", "bytes 1-1/10"),
    ] {
        let reply = ask(range).expect_code(206);
        assert_eq!((&*reply.text(), reply.header("content-range")), (part, place), "{range}");
    }
    let past = ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999999-"];
    // Three that overlap: what slowhttptest sends, and what nobody needs.
    for range in past.into_iter().chain(["bytes=0-,5-0,5-1,5-5,5-6", "bytes=-9,-8,-7", "bytes=0-,0-,0-"]) {
        let reply = ask(range).expect_code(416);
        assert_eq!((reply.header("content-range"), reply.header("etag")), ("bytes */10", ""), "{range}");
    }
    let bad = [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=4-2",
        "bytes=+1-2",
        "bytes=1- 2",
        "bytes=1--2",
        "bytes=-1-",
        "bytes=0x1-2",
        "bytes=1.5-2",
        "lines=0-1",
        "bytes 0-1",
        "bytes=1-2-3",
        "=0-1",
        "bytes==0-1",
        "bytes=;0-1",
        "0-1",
        "bytes=0-1,",
        "bytes=,0-1",
        "bytes=0-0,2-2",
        "bytes=0-4,3-9",
        "bytes=1-2;x",
        "none",
        "bytes=\"0-1\"",
        "bytes=1e1-2",
        "bytes=-1e1",
    ];
    for range in bad {
        let reply = ask(range).expect_code(200);
        assert_eq!((&*reply.text(), reply.header("content-range")), (TEXT, ""), "{range}");
    }
    let many = format!("bytes={}", (0..500).map(|at| format!("{at}-{at}")).collect::<Vec<_>>().join(","));
    assert_eq!(ask(&many).expect_code(200).text(), TEXT);
    // A HEAD has no parts, and an empty file none either.
    let head = site.ask("HEAD", "/ten.txt", &[("Range", "bytes=0-1")], b"").expect_code(200);
    assert_eq!(head.header("content-length"), "10");
    site.ask("GET", "/none.txt", &[("Range", "bytes=0-")], b"").expect_code(416);
    assert_eq!(site.get("/none.txt").expect_code(200).text(), "");
    assert_eq!(curl(&["-r", "3-5", &site.url("/ten.txt")]), "345");
}

#[test]
fn dates_and_tags_are_conditions_and_nonsense_is_none() {
    let site = site();
    let plain = site.get("/ten.txt").expect_code(200);
    let (tag, date) = (plain.header("etag").to_owned(), plain.header("last-modified").to_owned());
    let weak = format!("W/{tag}");
    let code = |headers: &[(&str, &str)]| site.ask("GET", "/ten.txt", headers, b"").code;
    let long_ago = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (name, value, expected) in [
        ("If-None-Match", &*tag, 304),
        ("If-None-Match", &weak, 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", "\"other\"", 200),
        ("If-Match", &tag, 200),
        ("If-Match", "*", 200),
        ("If-Match", &weak, 412),
        ("If-Match", "\"other\"", 412),
        ("If-Modified-Since", &date, 304),
        ("If-Modified-Since", long_ago, 200),
        ("If-Unmodified-Since", &date, 200),
        ("If-Unmodified-Since", long_ago, 412),
    ] {
        assert_eq!(code(&[(name, value)]), expected, "{name}: {value}");
    }
    for bad in [
        "",
        "0",
        "yesterday",
        "Sun, 06 Nov 1994",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Now 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 +0100",
        "1994-11-06",
        "06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 99999 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "784111777",
        "Sun, 06 Nov -994 08:49:37 GMT",
        "Sun,06 Nov 1994 08:49:37 GMT;",
        "GMT",
        "Sun, 29 Feb 2023 08:49:37 GMT GMT",
    ] {
        for name in ["If-Modified-Since", "If-Unmodified-Since"] {
            assert_eq!(code(&[(name, bad)]), 200, "{name}: {bad}");
        }
    }
    for bad in ["", ",", "\"", "W/", "W/\"", "other", "'x'", "\"x\" \"", "w/\"x\"", "\"x\",,,"] {
        assert_eq!(code(&[("If-None-Match", bad)]), 200, "{bad}");
    }
    // A range of another version is none.
    let ranged = |condition: &str| code(&[("Range", "bytes=0-1"), ("If-Range", condition)]);
    for (condition, expected) in
        [(&*tag, 206), (&date, 206), (&weak, 200), ("\"other\"", 200), (long_ago, 200), ("x", 200)]
    {
        assert_eq!(ranged(condition), expected, "{condition}");
    }
}
