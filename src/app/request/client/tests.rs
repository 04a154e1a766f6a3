use actix_web::http::header::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

fn trusted(header: Option<ForwardedHeader>) -> TrustedProxies {
    let networks = ["10.0.0.0/8", "127.0.0.1", "fd00::/8"];
    TrustedProxies {
        networks: networks.iter().map(|text| text.parse().expect("a network")).collect(),
        unix: false,
        header,
    }
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
        headers.append(HeaderName::try_from(*name).expect("a name"), value);
    }
    headers
}

/// The client behind `peer` by these headers, as `address secure`.
fn seen(peer: &str, header: Option<ForwardedHeader>, lines: &[(&str, &str)]) -> String {
    let found = client(node(peer).expect("a peer"), &headers(lines), &trusted(header));
    let RequestClient { address, is_secure, .. } = found;
    format!("{address}{}", if is_secure { " secure" } else { "" })
}

#[test]
fn x_forwarded_for_is_read_from_its_end_through_trusted_hops_alone() {
    for (peer, lines, client) in [
        ("10.0.0.1", &["192.0.2.7"][..], "192.0.2.7"),
        ("10.0.0.1", &["192.0.2.7:4711"], "192.0.2.7:4711"),
        ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
        ("10.0.0.1", &["[2001:db8::1]:80"], "[2001:db8::1]:80"),
        ("10.0.0.1", &["::ffff:192.0.2.7"], "192.0.2.7"),
        // The client's own entry is to the left of the proxy's.
        ("10.0.0.1", &["127.0.0.1, 192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", &["127.0.0.1", "192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", &["1.1.1.1, 192.0.2.7, 10.0.0.3 ,127.0.0.1"], "192.0.2.7"),
        ("10.0.0.1", &["1.1.1.1, 192.0.2.7", "10.0.0.3", "127.0.0.1"], "192.0.2.7"),
        ("fd00::1", &["192.0.2.7, fd12::2"], "192.0.2.7"),
        ("::ffff:10.0.0.1", &["192.0.2.7"], "192.0.2.7"),
        // All hops are trusted: the first of all is the client.
        ("10.0.0.1", &["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        // No proxy is trusted.
        ("192.0.2.1", &["10.0.0.9"], "192.0.2.1"),
        ("192.0.2.1", &["10.0.0.9, 10.0.0.1"], "192.0.2.1"),
        // An invalid hop ends the walk.
        ("10.0.0.1", &[""], "10.0.0.1"),
        ("10.0.0.1", &["192.0.2.7, unknown"], "10.0.0.1"),
        ("10.0.0.1", &["192.0.2.7, "], "10.0.0.1"),
        ("10.0.0.1", &["192.0.2.7, evil.example, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", &["192.0.2.7, 10.0.0.2.3"], "10.0.0.1"),
        ("10.0.0.1", &["192.0.2.7", "\u{fc}ber"], "10.0.0.1"),
        ("10.0.0.1", &["192.0.2.7:99999"], "10.0.0.1"),
        ("10.0.0.1", &["[192.0.2.7]"], "10.0.0.1"),
        ("10.0.0.1", &["[::1"], "10.0.0.1"),
        ("10.0.0.1", &[], "10.0.0.1"),
    ] {
        let lines: Vec<_> = lines.iter().map(|line| (FOR, *line)).collect();
        assert_eq!(seen(peer, None, &lines), client, "{peer} {lines:?}");
    }
}

#[test]
fn forwarded_is_read_from_its_end_and_quotes_hide_nothing() {
    for (peer, lines, client) in [
        ("10.0.0.1", &["for=192.0.2.7"][..], "192.0.2.7"),
        ("10.0.0.1", &["For=\"192.0.2.7:4711\" ; PROTO=https;by=10.0.0.1"], "192.0.2.7:4711 secure"),
        ("10.0.0.1", &["for=\"[2001:db8::1]:80\";proto=http"], "[2001:db8::1]:80"),
        ("10.0.0.1", &["for=\"[2001:db8::1]\""], "2001:db8::1"),
        ("10.0.0.1", &["for=\"192.0.2.7:_hidden\""], "192.0.2.7"),
        ("10.0.0.1", &["for=1.1.1.1;proto=https, for=192.0.2.7, for=10.0.0.2;proto=https"], "192.0.2.7"),
        ("10.0.0.1", &["for=192.0.2.7;proto=https, for=10.0.0.2;proto=http"], "192.0.2.7 secure"),
        ("10.0.0.1", &["for=1.1.1.1", "for=192.0.2.7", "for=10.0.0.2"], "192.0.2.7"),
        // The client left a quote open, or a backslash at the end.
        ("10.0.0.1", &["for=\"1.1.1.1, for=192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", &["for=\"\\, for=192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", &["for=\\\", for=192.0.2.7;host=\"a\\\",b;for=10.1.1.1\""], "192.0.2.7"),
        // An element without an address can still give the proto.
        ("10.0.0.1", &["for=1.1.1.1, for=unknown;proto=https"], "10.0.0.1 secure"),
        ("10.0.0.1", &["for=1.1.1.1, for=_hidden"], "10.0.0.1"),
        ("10.0.0.1", &["proto=https"], "10.0.0.1 secure"),
        // Malformed.
        ("10.0.0.1", &["for=1.1.1.1, for=2.2.2.2;for=3.3.3.3"], "10.0.0.1"),
        ("10.0.0.1", &["for=1.1.1.1, 192.0.2.7"], "10.0.0.1"),
        ("10.0.0.1", &["for=1.1.1.1, for=\"192.0.2.7"], "10.0.0.1"),
        ("10.0.0.1", &["for=1.1.1.1,"], "10.0.0.1"),
        ("192.0.2.1", &["for=10.0.0.9;proto=https"], "192.0.2.1"),
    ] {
        let lines: Vec<_> = lines.iter().map(|line| (FORWARDED, *line)).collect();
        assert_eq!(seen(peer, None, &lines), client, "{peer} {lines:?}");
        assert_eq!(seen(peer, Some(ForwardedHeader::Forwarded), &lines), client, "{peer} {lines:?}");
    }
}

#[test]
fn one_header_is_believed() {
    let both = [(FOR, "192.0.2.7"), (FORWARDED, "for=192.0.2.8;proto=https")];
    assert_eq!(seen("10.0.0.1", None, &both), "192.0.2.7");
    assert_eq!(seen("10.0.0.1", Some(ForwardedHeader::XForwardedFor), &both), "192.0.2.7");
    assert_eq!(seen("10.0.0.1", Some(ForwardedHeader::Forwarded), &both), "192.0.2.8 secure");
    assert_eq!(seen("10.0.0.1", Some(ForwardedHeader::XForwardedFor), &both[1..]), "10.0.0.1");
    assert_eq!(seen("10.0.0.1", Some(ForwardedHeader::Forwarded), &both[..1]), "10.0.0.1");
}

#[test]
fn how_the_client_spoke_is_what_the_proxy_next_to_it_says() {
    for (lines, client) in [
        (&[(FOR, "192.0.2.7"), (PROTO, "https")][..], "192.0.2.7 secure"),
        (&[(FOR, "192.0.2.7"), (PROTO, "HTTPS")], "192.0.2.7 secure"),
        (&[(FOR, "192.0.2.7"), (PROTO, "http")], "192.0.2.7"),
        (&[(FOR, "192.0.2.7"), (PROTO, "gopher")], "192.0.2.7"),
        (&[(FOR, "192.0.2.7")], "192.0.2.7"),
        (&[(PROTO, "https")], "10.0.0.1 secure"),
        // A header that a proxy replaced is the client's; of an appended one, the value of the client's hop counts.
        (&[(FOR, "192.0.2.7, 10.0.0.2"), (PROTO, "https")], "192.0.2.7 secure"),
        (&[(FOR, "192.0.2.7, 10.0.0.2"), (PROTO, "https, http")], "192.0.2.7 secure"),
        (&[(FOR, "192.0.2.7, 10.0.0.2"), (PROTO, "http"), (PROTO, "https")], "192.0.2.7"),
        // Values that the client wrote itself.
        (&[(FOR, "1.1.1.1, 192.0.2.7"), (PROTO, "https, http")], "192.0.2.7"),
        (&[(FORWARDED, "for=192.0.2.7"), (PROTO, "https")], "192.0.2.7 secure"),
    ] {
        assert_eq!(seen("10.0.0.1", None, lines), client, "{lines:?}");
    }
    assert_eq!(seen("192.0.2.1", None, &[(PROTO, "https")]), "192.0.2.1");
}

/// Whether a request with these headers counts as one from this machine.
fn is_here(peer: Peer, trusted: &TrustedProxies, lines: &[(&str, &str)]) -> bool {
    client(peer, &headers(lines), trusted).is_here
}

#[test]
fn who_comes_through_a_proxy_that_nobody_trusts_is_not_here() {
    let nobody = TrustedProxies::default();
    for peer in [Peer::Unix, node("127.0.0.1").expect("a peer"), node("[::1]:80").expect("a peer")] {
        assert!(is_here(peer, &nobody, &[]), "{peer}");
        assert!(is_here(peer, &nobody, &[("forward", "x"), ("host", "x")]), "{peer}");
        for name in
            ["X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded", "X-Real-IP"]
        {
            for value in ["127.0.0.1", "", "for=127.0.0.1"] {
                assert!(!is_here(peer, &nobody, &[(name, value)]), "{peer} {name}: {value}");
            }
        }
    }
    let far = node("10.0.0.1").expect("a peer");
    assert!(!is_here(far, &nobody, &[]));
    assert!(!is_here(far, &trusted(None), &[(FOR, "127.0.0.1")]), "its loopback is another machine's");
}

#[test]
fn who_comes_through_a_trusted_proxy_is_here_by_its_word() {
    let unix = |header| TrustedProxies { unix: true, ..trusted(header) };
    for header in [None, Some(ForwardedHeader::XForwardedFor)] {
        for (line, here) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("127.0.0.1, 127.0.0.1", true),
            ("192.0.2.7", false),
            ("10.0.0.1", false),
            ("127.0.0.1, 192.0.2.7", false),
            ("127.0.0.1, 10.0.0.2", false),
            ("unknown, 127.0.0.1", false),
            ("127.0.0.1, unix:", false),
            ("unix:", false),
            ("", false),
        ] {
            for peer in [Peer::Unix, node("127.0.0.1").expect("a peer")] {
                assert_eq!(is_here(peer, &unix(header), &[(FOR, line)]), here, "{peer} {line:?}");
            }
        }
    }
    for (line, here) in [
        ("for=127.0.0.1", true),
        ("for=\"[::1]:80\";proto=http, for=127.0.0.1", true),
        ("for=192.0.2.7", false),
        ("for=unknown, for=127.0.0.1", false),
        ("for=127.0.0.1, proto=http", false),
        ("for=127.0.0.1, nonsense", false),
        ("proto=https", false),
    ] {
        assert_eq!(is_here(Peer::Unix, &unix(None), &[(FORWARDED, line)]), here, "{line:?}");
    }
    // A header beside the one that is read, which the client may have written.
    let forwarded = unix(Some(ForwardedHeader::Forwarded));
    assert!(!is_here(Peer::Unix, &forwarded, &[(FOR, "127.0.0.1")]));
    assert!(!is_here(Peer::Unix, &unix(None), &[(PROTO, "https")]));
    // Networks alone do not trust Unix sockets, and `unix` trusts no address.
    assert!(!is_here(Peer::Unix, &trusted(None), &[(FOR, "127.0.0.1")]));
    let unix_alone = TrustedProxies { unix: true, ..TrustedProxies::default() };
    assert!(!is_here(node("127.0.0.1").expect("a peer"), &unix_alone, &[(FOR, "127.0.0.1")]));
    assert!(is_here(Peer::Unix, &unix_alone, &[(FOR, "127.0.0.1")]));
    assert!(!is_here(Peer::Unix, &unix_alone, &[(FOR, "127.0.0.1, 127.0.0.1")]), "who wrote the first is not known");
}

#[test]
fn a_trusted_unix_peer_is_believed_like_any_other() {
    let unix = TrustedProxies { unix: true, ..TrustedProxies::default() };
    let seen = |trusted: &TrustedProxies, lines: &[(&str, &str)]| {
        let found = client(Peer::Unix, &headers(lines), trusted);
        format!("{}{}", found.address, if found.is_secure { " secure" } else { "" })
    };
    let lines = [(FOR, "1.1.1.1, 192.0.2.7"), (PROTO, "https")];
    assert_eq!(seen(&unix, &lines), "192.0.2.7 secure");
    assert_eq!(seen(&TrustedProxies::default(), &lines), "unix:");
    assert_eq!(seen(&trusted(None), &lines), "unix:");
    assert_eq!(seen(&unix, &[]), "unix:");
    assert_eq!(seen(&unix, &[(FOR, "192.0.2.7, what?")]), "unix:");
    assert_eq!(seen(&unix, &[(FORWARDED, "for=192.0.2.7:80;proto=https")]), "192.0.2.7:80 secure");
}

proptest! {
    /// Whatever a client writes further left, the hop that the proxy appended is the client.
    #[test]
    fn nobody_talks_a_trusted_proxy_down(written in "[ -~]{0,60}") {
        let x = [(FOR, format!("{written}, 192.0.2.7"))];
        let forwarded = [(FORWARDED, format!("{written}, for=192.0.2.7"))];
        for lines in [x, forwarded] {
            let lines = [(lines[0].0, lines[0].1.as_str())];
            prop_assert_eq!(seen("10.0.0.1", None, &lines), "192.0.2.7");
        }
    }

    #[test]
    fn no_header_makes_it_panic(x in "\\PC{0,60}", y in "[\",;\\\\=a-f0-9:.\\[\\] ]{0,60}") {
        for text in [&x, &y] {
            for name in [FOR, FORWARDED, PROTO] {
                if HeaderValue::from_bytes(text.as_bytes()).is_ok() {
                    seen("10.0.0.1", None, &[(name, text)]);
                }
            }
        }
    }
}
