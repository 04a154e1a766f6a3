//! Replies that come before the body was read, to requests whose body is itself a request: whatever becomes of the
//! connection, that one is not executed, and a proper one behind it is, once.

use std::thread::scope;
use std::time::Duration;

use super::{get, last, notes};
use crate::harness::{Conn, TestServer};

/// How a request is answered early.
struct Early {
    name: &'static str,
    /// Method and target.
    asks: &'static str,
    code: u16,
    /// More than this is in the body before the hidden request, so that a limit is met.
    before: usize,
}

const EARLY: &[Early] = &[
    Early { name: "too large", asks: "POST /defaults?needed=1", code: 413, before: 3000 },
    Early { name: "too large at another page", asks: "POST /noted/early/413", code: 413, before: 70_000 },
    Early { name: "no such page", asks: "POST /no/such/page", code: 404, before: 0 },
    Early { name: "no such page, and large", asks: "POST /no/such/page", code: 404, before: 200_000 },
    Early { name: "no such method", asks: "PUT /defaults?needed=1", code: 405, before: 0 },
    Early { name: "a method nobody knows", asks: "BREW /defaults?needed=1", code: 405, before: 0 },
    Early { name: "refused by a hook", asks: "POST /guarded/inside", code: 401, before: 0 },
    Early { name: "a panic", asks: "POST /panic", code: 500, before: 0 },
    Early { name: "a panic of a plain fn", asks: "POST /panic-plain", code: 500, before: 0 },
    Early { name: "a deadline", asks: "POST /late", code: 504, before: 0 },
    Early { name: "a wrong argument", asks: "POST /defaults", code: 400, before: 0 },
    Early { name: "GET", asks: "GET /defaults?needed=1", code: 200, before: 0 },
    Early { name: "GET of nothing", asks: "GET /nothing", code: 204, before: 0 },
    Early { name: "GET that is sent away", asks: "GET /moved", code: 302, before: 0 },
    Early { name: "GET of a file", asks: "GET /files/a.txt", code: 200, before: 0 },
    Early { name: "GET of a service", asks: "GET /at/deep/x", code: 200, before: 0 },
    Early { name: "POST to a service that reads none", asks: "POST /at/panics", code: 404, before: 0 },
    Early { name: "a panic of a service", asks: "GET /at/panics", code: 500, before: 0 },
    Early { name: "HEAD", asks: "HEAD /defaults?needed=1", code: 200, before: 0 },
    Early { name: "HEAD of a file", asks: "HEAD /files/a.txt", code: 200, before: 0 },
    Early { name: "HEAD of no page", asks: "HEAD /no/such/page", code: 404, before: 0 },
];

/// Where what is sent is cut in two.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Nowhere,
    BehindTheHead,
    InTheHidden,
    BeforeTheProper,
}

const CUTS: [Cut; 4] = [Cut::Nowhere, Cut::BehindTheHead, Cut::InTheHidden, Cut::BeforeTheProper];

fn site() -> TestServer {
    TestServer::site()
        .panics_expected()
        .server("max_body", "2k")
        .server("body_timeout", "2s")
        .route("/files = public")
        .file("public/a.txt", "a file")
        .route("/at = services")
        .start()
}

/// One request, its hidden one, and a proper one behind it. Gives what is wrong.
fn tried(site: &TestServer, early: &Early, case: &str, in_chunks: bool, cut: Cut) -> Result<(), String> {
    let hidden = get(&format!("/noted/{case}/hidden"));
    let body = "x".repeat(early.before) + &hidden;
    let framing =
        if in_chunks { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {}", body.len()) };
    let head = format!("{} HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\n{framing}\r\n\r\n", early.asks);
    let body = if in_chunks { format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()) } else { body };
    let proper = last(&format!("/noted/{case}/proper"));
    let at = match cut {
        Cut::Nowhere => 0,
        Cut::BehindTheHead => head.len(),
        Cut::InTheHidden => head.len() + body.len() - hidden.len() / 2,
        Cut::BeforeTheProper => head.len() + body.len(),
    };
    let whole = head + &body + &proper;
    let mut conn: Conn = site.conn();
    if at > 0 {
        conn.send_reluctantly(&whole.as_bytes()[..at]);
        // Time for a reply that does not wait for the rest.
        conn.is_silent_for(Duration::from_millis(60));
    }
    conn.send_reluctantly(&whole.as_bytes()[at..]);
    let (bytes, _) = conn.until_end();
    let answer = String::from_utf8_lossy(&bytes);
    let codes: Vec<u16> = answer.split("HTTP/1.1 ").skip(1).filter_map(|reply| reply.get(..3)?.parse().ok()).collect();
    // A large body that nobody reads may cost the words; then the connection ends and nothing follows.
    let is_lost = codes.is_empty() && early.before > 0;
    if codes.first() != Some(&early.code) && !is_lost {
        return Err(format!("answered {codes:?}: {answer}"));
    }
    match (&codes[..], &notes(site, case)[..]) {
        // It was kept, and the proper one is executed.
        ([_, 200], [what]) if what == "proper" => {}
        // It was ended: nothing was executed, and the client asks again.
        ([_] | [], []) => {
            let mut again = site.conn();
            again.send(proper);
            if again.read().expect_code(200).text() != format!("{case} proper") || notes(site, case) != ["proper"] {
                return Err("asked again, it was not executed once".to_owned());
            }
        }
        (codes, notes) => return Err(format!("executed {notes:?}, answered {codes:?}: {answer}")),
    }
    Ok(())
}

#[test]
fn the_unread_body_of_an_early_reply_is_never_a_request() {
    let site = site();
    let cases: Vec<(usize, &Early, bool, Cut)> = EARLY
        .iter()
        .enumerate()
        .flat_map(|(n, early)| {
            [false, true].into_iter().flat_map(move |chunks| CUTS.map(|cut| (n, early, chunks, cut)))
        })
        .collect();
    let wrong: Vec<String> = scope(|threads| {
        let site = &site;
        let one = |(n, early, in_chunks, cut): &(usize, &Early, bool, Cut)| {
            let case = format!("e{n}{in_chunks}{cut:?}");
            let failed = tried(site, early, &case, *in_chunks, *cut).err()?;
            Some(format!("{} (in chunks: {in_chunks}, cut: {cut:?}): {failed}", early.name))
        };
        let some: Vec<_> = cases
            .chunks(8)
            .map(|some| threads.spawn(move || some.iter().filter_map(one).collect::<Vec<_>>()))
            .collect();
        some.into_iter().flat_map(|some| some.join().expect("every case ends")).collect()
    });
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    for (n, early, in_chunks, cut) in cases {
        assert_eq!(notes(&site, &format!("e{n}{in_chunks}{cut:?}")), ["proper"], "{}, when all is over", early.name);
    }
}

#[test]
fn an_early_reply_reaches_a_client_that_has_not_sent_its_body_yet() {
    let site = site();
    for (asks, code) in [("POST /defaults?needed=1", 413), ("POST /no/such/page", 413)] {
        let mut conn = site.conn();
        conn.send(format!("{asks} HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 1000000\r\n\r\n"));
        let reply = conn.read();
        assert!(reply.code == code || reply.code == 404, "{asks}: {}", reply.code);
        conn.send_reluctantly(get("/noted/unsent/hidden").as_bytes());
        // It is the body that was announced, and no request, however the connection goes on.
        while conn.try_read(true).is_some() {}
    }
    assert!(notes(&site, "unsent").is_empty());
    site.get("/noted/unsent/twin").expect_code(200);
    assert_eq!(notes(&site, "unsent"), ["twin"]);
}
