//! The status line decides before any header does: interim answers, answers without a body, and whether the connection
//! is kept.

use super::*;

const BAD: &[Reason] = &[Reason::Malformed];
const BAD_OR_LARGE: &[Reason] = &[Reason::Malformed, Reason::TooLarge];

#[test]
fn what_comes_before_the_answer_is_not_the_answer() {
    in_system(async {
        let interim = [
            ("100", "HTTP/1.1 100 Continue\r\n\r\n"),
            ("102", "HTTP/1.1 102 Processing\r\n\r\n"),
            ("103 with a link", "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"),
            ("199, which is unknown", "HTTP/1.1 199 Whatever\r\nX-A: 1\r\nX-B: 2\r\n\r\n"),
            ("100 without words", "HTTP/1.1 100\r\n\r\n"),
            ("100 in bare lines", "HTTP/1.1 100 Continue\n\n"),
            ("100 with a length", "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n"),
            ("103 with nonsense for a length", "HTTP/1.1 103 Early Hints\r\nContent-Length: x\r\n\r\n"),
            ("102 with two lengths", "HTTP/1.1 102 Processing\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            ("100 said to be chunked", "HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n"),
            (
                "103, 103 and 100",
                "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n\
                 HTTP/1.1 100 Continue\r\n\r\n",
            ),
        ];
        let chunked = format!("HTTP/1.1 200 OK\r\nContent-Type: $T\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNKS}");
        let mut cases = Vec::new();
        for (name, first) in interim {
            cases.push(read(format!("{name}, in one piece"), format!("{first}{GOOD}")));
            cases.push(read(format!("{name}, 50 ms before"), first).then(50, GOOD));
            cases.push(read(format!("{name}, before chunks"), format!("{first}{chunked}")));
        }
        let (hints, goes_on) = ("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n");
        cases.push(read("103, then 100, then the answer", hints).then(50, goes_on).then(50, GOOD));
        cases.push(read("100, 300 ms before", goes_on).then(300, GOOD));
        cases.push(
            read(
                "100 before an end of the connection",
                format!("{goes_on}HTTP/1.1 200 OK\r\nContent-Type: $T\r\n\r\n$B"),
            )
            .closed(),
        );
        cases.push(read("100 before a 204", format!("{goes_on}HTTP/1.1 204 No Content\r\n\r\n")).empty(204));
        run_all(cases).await;
    });
}

#[test]
fn what_comes_before_an_answer_that_never_comes_is_a_failure() {
    in_system(async {
        let upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        run_all(vec![
            refused("101 without a request for it", upgrade, BAD, "101"),
            refused("101 before a good answer", format!("{upgrade}{GOOD}"), BAD, "101"),
            refused("101 without headers", "HTTP/1.1 101 Switching\r\n\r\n", BAD, "101"),
            refused("100, then 101", format!("HTTP/1.1 100 Continue\r\n\r\n{upgrade}"), BAD, "101"),
            refused("100 without end", "", BAD_OR_LARGE, "").endlessly("HTTP/1.1 100 Continue\r\n\r\n"),
            refused("103 without end", "", BAD_OR_LARGE, "")
                .endlessly("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"),
            refused("a 102 with headers without end", "HTTP/1.1 102 Processing\r\n", BAD_OR_LARGE, "")
                .endlessly("X: 1\r\n"),
            refused("100 and no more", "HTTP/1.1 100 Continue\r\n\r\n", &[Reason::Closed], "").closed(),
            refused("103 and half a line", "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 2", &[Reason::Closed], "middle")
                .closed(),
        ])
        .await;
    });
}

#[test]
fn an_answer_that_has_no_body_ends_with_its_head() {
    in_system(async {
        let mut cases = Vec::new();
        for (name, fields) in [
            ("nothing announced", ""),
            ("a length of 5", "Content-Length: 5\r\n"),
            ("a length of 0", "Content-Length: 0\r\n"),
            ("chunks", "Transfer-Encoding: chunked\r\n"),
            ("chunks and a length", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        ] {
            let fields = format!("Content-Type: text/plain\r\n{fields}\r\n");
            // A connection on which both were announced is not reused.
            let kept = |case: Case| if name.contains("chunks") { case.either() } else { case };
            for (code, phrase) in [(204, "No Content"), (304, "Not Modified")] {
                let head = format!("HTTP/1.1 {code} {phrase}\r\n{fields}");
                cases.push(kept(read(format!("{code}, {name}"), head).empty(code)));
            }
            cases.push(kept(read(format!("HEAD, {name}"), format!("HTTP/1.1 200 OK\r\n{fields}")).asked_as_head()));
        }
        // A body that is sent nevertheless is not the beginning of the next answer.
        for (name, head, code) in [
            ("204 with a body", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", 204),
            ("304 with a body", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", 304),
            ("204 with chunks", "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 204),
            (
                "204 with a whole answer behind",
                "HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad",
                204,
            ),
        ] {
            cases.push(Case { is_whole_only: true, ..read(name, head).empty(code).once() });
        }
        let with_body = read("HEAD with a body", GOOD).asked_as_head().once();
        cases.push(Case { is_whole_only: true, ..with_body });
        run_all(cases).await;
    });
}

#[test]
fn a_connection_is_kept_by_whoever_says_so_and_given_up_by_whoever_does_not() {
    in_system(async {
        let says = |name: &str, version: &str, fields: &str| {
            let head = format!("{version} 200 OK\r\nContent-Type: $T\r\n{fields}");
            read(format!("{version}, {name}"), format!("{head}Content-Length: $L\r\n\r\n$B"))
        };
        let (new, old) = ("HTTP/1.1", "HTTP/1.0");
        run_all(vec![
            says("nothing", new, ""),
            says("keep-alive", new, "Connection: keep-alive\r\n"),
            says("closely", new, "Connection: closely\r\n"),
            says("keep-alive", old, "Connection: keep-alive\r\n"),
            says("Keep-Alive", old, "CONNECTION:Keep-Alive\r\nKeep-Alive: timeout=5\r\n"),
            says("x, keep-alive", old, "Connection: x, keep-alive\r\n"),
            says("x and keep-alive", old, "Connection: x\r\nConnection: keep-alive\r\n"),
            says("close", new, "Connection: close\r\n").once(),
            says("Close", new, "connection:Close\r\n").once(),
            says("x, CLOSE", new, "Connection: x ,\tCLOSE\r\n").once(),
            says("x and close", new, "Connection: x\r\nConnection: close\r\n").once(),
            says("keep-alive, close", new, "Connection: keep-alive, close\r\n").once(),
            says("nothing", old, "").once(),
            says("close", old, "Connection: close\r\n").once(),
            says("keep-alive, close", old, "Connection: keep-alive, close\r\n").once(),
            says("keep-alives", old, "Connection: keep-alives\r\n").once(),
            says("a keep-alive of another name", old, "Keep-Alive: timeout=5\r\nX: keep-alive\r\n").once(),
        ])
        .await;
    });
}
