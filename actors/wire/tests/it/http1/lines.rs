//! Lines of requests, and octets made of them: shared by the tests of the reader and of the connections that read with
//! it.

use proptest::prelude::*;
use proptest::sample::select;

/// First lines, right and wrong.
pub(crate) const FIRST: [&str; 37] = [
    "GET / HTTP/1.1\r\n",
    "POST /a?b=c HTTP/1.1\r\n",
    "DELETE / HTTP/1.1\r\n",
    "\r\n\r\nPUT /a HTTP/1.1\r\n",
    "GET /ol\u{e9}<\"`> HTTP/1.1\r\n",
    "GET http://h/a?b HTTP/1.1\r\n",
    "POST HTTPS://[::1]:80?b HTTP/1.1\r\n",
    "GET http://me@h/ HTTP/1.1\r\n",
    "GET http:///a HTTP/1.1\r\n",
    "GET ftp://h/ HTTP/1.1\r\n",
    "OPTIONS * HTTP/1.1\r\n",
    "GET * HTTP/1.1\r\n",
    "CONNECT h:443 HTTP/1.1\r\n",
    "CONNECT /a HTTP/1.1\r\n",
    "connect /a HTTP/1.1\r\n",
    "GET h:443 HTTP/1.1\r\n",
    "GET / HTTP/1.0\r\n",
    "POST / HTTP/1.0\r\n",
    "HEAD / HTTP/1.1\r\n",
    "M-SEARCH /{a}|\\^#x HTTP/1.1\r\n",
    "GET  / HTTP/1.1\r\n",
    "GET /a b HTTP/1.1\r\n",
    "GET / HTTP/1.1 \r\n",
    " GET / HTTP/1.1\r\n",
    "G@T / HTTP/1.1\r\n",
    "GET /\t HTTP/1.1\r\n",
    "GET /\r\n",
    "GET / HTTP/1.2\r\n",
    "GET / HTTP/2.0\r\n",
    "GET / HTTP/2\r\n",
    "GET / HTTP/1.10\r\n",
    "GET / http/1.1\r\n",
    "GET / HTTP/1.1<\r\n",
    "PRI * HTTP/2.0\r\n\r\n",
    "\r\r\nGET / HTTP/1.1\r\n",
    "hello\r\n",
    "\nGET / HTTP/1.1\n",
];

/// What may follow: header lines, empty lines, bodies, and what looks like them.
pub(crate) const LINES: [&str; 71] = [
    "Host: h\r\n",
    "host: [::1]:8080\r\n",
    "Host:\r\n",
    "Host: a b\r\n",
    "Host: me@h\r\n",
    "Host: h:123456\r\n",
    "Host: [::1\r\n",
    "Host: []\r\n",
    "Host: h:\r\n",
    "Content-Length: 5\r\n",
    "content-length: 05\r\n",
    "Content-Length:\t5 \r\n",
    "content-length: 0\r\n",
    "content-length: 5, 5\r\n",
    "content-length: +5\r\n",
    "content-length: 0x5\r\n",
    "content-length:\r\n",
    "content-length: 5 5\r\n",
    "content-length : 5\r\n",
    "content-length: 18446744073709551615\r\n",
    "content-length: 18446744073709551616\r\n",
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding: CHUNKED \r\n",
    "transfer-encoding: identity\r\n",
    "transfer-encoding: gzip, chunked\r\n",
    "transfer-encoding: chunked, gzip\r\n",
    "transfer-encoding: chunked,\r\n",
    "transfer-encoding: xchunked\r\n",
    "transfer-encoding: \"chunked\"\r\n",
    "transfer-encoding:\r\n",
    "transfer_encoding: chunked\r\n",
    "connection: Close\r\n",
    "Connection: x, Keep-Alive\r\n",
    "Connection: Upgrade\r\n",
    "Upgrade: websocket\r\n",
    "Upgrade:\r\n",
    "Expect: 100-continue\r\n",
    "Expect: the-worst\r\n",
    "x: a\r\n b\r\n",
    " x: a\r\n",
    "\t\r\n",
    "x : a\r\n",
    "X Y: 1\r\n",
    "no colon\r\n",
    ": 1\r\n",
    "x: \0\r\n",
    "x: \u{7f}\r\n",
    "x: a\rb\r\n",
    "x: \u{fc}\t\u{1f600} \r\n",
    "x:\r\n",
    "x: a\r\r\n",
    "\r\n",
    "\n",
    "\r\n",
    "hello",
    "5\r\nhello\r\n",
    "05;a=\"b;c\"\r\nhello\r\n",
    "5 \t\r\nhello\r\n",
    "5\nhello\n",
    "5\rhello\r",
    "5\r\nhello\n",
    "0\r\n\r\n",
    "0\r\nTrailer: x\r\n\r\n",
    "0\n\n",
    "0\r\n\n",
    "0x5\r\n",
    "8000000000000000\r\n",
    "\r",
    "GET /b HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    "host: h\n",
];

/// Heads that are right up to their end, so that bodies and second requests are reached.
pub(crate) const WHOLE: [&str; 6] = [
    "GET /b HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n",
    "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
    "PUT /b HTTP/1.1\r\nHost: h\r\nexpect: 100-continue\r\nTransfer-Encoding: Chunked\r\n\r\n",
    "POST /b HTTP/1.0\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
    "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\n\r\n",
];

/// What ends a head, and the body behind it.
const BODIES: [&str; 15] = [
    "\r\n",
    "\n",
    "Content-Length: 5\r\n\r\nhello",
    "content-length: 0\r\n\r\n",
    "Expect: 100-continue\r\nContent-Length: 40\r\n\r\nGET /hidden HTTP/1.1\r\nHost: h\r\nx: yyy\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n002;a=b\r\nhe\r\n3 ;c=\"d;e\"\r\nllo\r\n00;f\r\nTrailer: x\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5\t\r\nhello\r\n0\r\nGET /hidden HTTP/1.1\r\nHost: h\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nTrailer: \0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nTrailer: x\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nTrailer:\r\tx\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n",
    "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello",
];

/// A request that is good but for one thing or two.
fn request() -> impl Strategy<Value = String> {
    let first = prop_oneof![3 => select(FIRST[..7].to_vec()), 1 => select(FIRST.to_vec())];
    let host = prop_oneof![9 => select(LINES[..2].to_vec()), 1 => select(LINES[..9].to_vec())];
    let good: Vec<&str> = [&LINES[31..36], &["x: y\r\n", "x:\r\n"]].concat();
    let line = prop_oneof![6 => select(good), 1 => select(LINES.to_vec())];
    let lines = proptest::collection::vec(line, 0..3);
    (first, host, lines, select(BODIES.to_vec()))
        .prop_map(|(first, host, lines, body)| [first, host, &lines.concat(), body].concat())
}

/// Requests that are mostly good, or lines of all kinds behind one another; now and then an octet is another.
pub(crate) fn octets() -> impl Strategy<Value = Vec<u8>> {
    let begin = prop_oneof![select(FIRST.to_vec()).prop_map(str::to_owned), request()];
    let lines = proptest::collection::vec(prop_oneof![7 => select(LINES.to_vec()), 1 => select(WHOLE.to_vec())], 0..8);
    let soup = (begin, lines).prop_map(|(begin, lines)| begin + &lines.concat());
    let requests = proptest::collection::vec(request(), 1..4).prop_map(|requests| requests.concat());
    let odd = proptest::option::weighted(0.2, (any::<proptest::sample::Index>(), any::<u8>()));
    (prop_oneof![1 => soup, 2 => requests], odd).prop_map(|(text, odd)| {
        let mut octets = text.into_bytes();
        if let Some((place, octet)) = odd {
            let place = place.index(octets.len());
            octets[place] = octet;
        }
        octets
    })
}
