use proptest::prelude::*;

use super::*;

fn sent(lines: &[&[u8]]) -> Cookies {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(header::COOKIE, HeaderValue::from_bytes(line).expect("a value"));
    }
    Cookies::of(&headers)
}

fn line(cookie: Cookie) -> String {
    let cookies = Cookies::default();
    cookies.put(cookie).unwrap_or_else(|error| panic!("{error}"));
    cookies.take().concat()
}

fn refused(cookie: Cookie) -> String {
    let cookies = Cookies::default();
    let error = cookies.put(cookie).expect_err("refused").to_string();
    assert!(cookies.take().is_empty(), "{error}");
    error
}

#[test]
fn a_cookie_says_what_it_was_built_with() {
    assert_eq!(line(Cookie::new("a", "b")), "a=b; SameSite=Lax; Path=/");
    let whole = Cookie::new("a", "x y;ü").max_age(Duration::from_millis(90_500)).path("/shop").domain("example.com");
    let whole = whole.same_site(SameSite::None).http_only(true).secure(true);
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    assert_eq!(
        line(whole.expires(at)),
        "a=x%20y%3B%C3%BC; HttpOnly; SameSite=None; Secure; Path=/shop; Domain=example.com; Max-Age=90; \
         Expires=Sun, 06 Nov 1994 08:49:37 GMT"
    );
    assert_eq!(line(Cookie::expired("a").same_site(SameSite::Strict)), "a=; SameSite=Strict; Path=/; Max-Age=0");
    // `never` of the Python server Skitai is a very long time; longer ones must not panic.
    assert!(line(Cookie::new("a", "b").max_age(Duration::MAX)).contains("Max-Age=9223372036854775807"));
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 60);
    assert!(line(Cookie::new("a", "b").expires(far)).ends_with("Expires=Fri, 31 Dec 9999 23:59:59 GMT"));
}

#[test]
fn what_a_browser_would_drop_or_misread_is_an_error_that_says_why() {
    for name in ["", "a b", "a;Domain", "a=b", "a\r\n", "a,b", "ü", "\"a\""] {
        assert!(refused(Cookie::new(name, "x")).contains("its name must be"), "{name:?}");
    }
    let built = || Cookie::new("a", "b");
    for path in ["", "shop", "/;Domain=x", "/a\r\nSet-Cookie: b=c", "/ü"] {
        assert!(refused(built().path(path)).contains("its path must"), "{path:?}");
    }
    for domain in ["", "a;b", "exämple.com", "a b", "a/b", "example.com\r\n"] {
        assert!(refused(built().domain(domain)).contains("its domain must"), "{domain:?}");
    }
    assert!(refused(built().same_site(SameSite::None)).contains("SameSite=None"));
    assert!(refused(Cookie::new("__Secure-a", "b")).contains("__Secure-"));
    assert!(refused(Cookie::new("__secure-a", "b")).contains("__Secure-"));
    assert!(refused(Cookie::new("__HOST-a", "b")).contains("__Host-"));
    let host = || Cookie::new("__Host-a", "b").secure(true);
    assert!(line(host()).starts_with("__Host-a=b; "));
    for wrong in [host().secure(false), host().path("/a"), host().domain("example.com")] {
        assert!(refused(wrong).contains("__Host-"));
    }
    let long = refused(Cookie::new("a", "ü".repeat(1_000)));
    assert!(long.contains("6024 bytes") && long.contains("4096"), "{long}");
    assert!(!long.contains("%C3"), "a value is not for the log: {long}");
}

#[test]
fn reads_see_what_was_set_and_what_was_deleted() {
    let cookies = sent(&[b"a=1; b=2", b"c=3"]);
    cookies.set("a", "10").expect("set");
    cookies.delete("b").expect("deleted");
    cookies.set_for("d", "4", Duration::from_secs(60)).expect("set");
    assert_eq!((cookies.get("a").as_deref(), cookies.get("b"), cookies.has("c")), (Some("10"), None, true));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(cookies.items(), [pair("a", "10"), pair("c", "3"), pair("d", "4")]);
    cookies.put(Cookie::new("a", "11").path("/x")).expect("set");
    cookies.set("a", "12").expect("set");
    assert_eq!(cookies.get("a").as_deref(), Some("12"));
    let lines = cookies.take();
    assert_eq!(lines.iter().filter(|line| line.starts_with("a=")).count(), 2, "one for each path: {lines:?}");
}

#[test]
fn all_can_be_cleared_but_the_session() {
    let cookies = sent(&[b"a=1; SESSION=x; b c=2"]);
    cookies.set("d", "4").expect("set");
    cookies.clear();
    assert_eq!(cookies.take(), ["a=; SameSite=Lax; Path=/; Max-Age=0"]);
}

#[test]
fn malformed_cookies_hide_no_others() {
    let cookies = sent(&[b"odd; =x; ; a = \"1\" ;b=%zz%ff;c==;\xff\xfe=1;a=2", b";;;"]);
    assert_eq!(cookies.get("a").as_deref(), Some("1"), "the first of a name counts");
    assert_eq!(cookies.get("b").as_deref(), Some("%zz\u{fffd}"));
    assert_eq!(cookies.get("c").as_deref(), Some("="));
    assert_eq!(cookies.get("odd"), None);
}

proptest! {
    #[test]
    fn any_value_comes_back(value in "\\PC{0,200}|[\\x00-\\xff]{0,100}") {
        let line = line(Cookie::new("a", value.clone()));
        let pair = line.split(';').next().expect("a pair");
        let value_sent = pair.strip_prefix("a=").expect("its name");
        prop_assert!(value_sent.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)), "{}", line);
        let back = sent(&[b"z=1; ", pair.as_bytes(), b"; b=2".as_slice()]);
        prop_assert_eq!(back.get("a"), Some(value));
    }

    #[test]
    fn no_line_makes_reading_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        if HeaderValue::from_bytes(&line).is_ok() {
            let cookies = sent(&[&line]);
            for (name, value) in cookies.items() {
                prop_assert_eq!(cookies.get(&name), Some(value));
            }
            cookies.clear();
        }
    }
}

#[test]
fn a_head_full_of_cookies_is_read_in_time_proportional_to_its_length() {
    const MANY: usize = 20_000;
    let pairs: Vec<String> = (0..MANY).map(|n| format!("c{n}=1")).collect();
    let cookies = sent(&[pairs.join(";").as_bytes()]);
    let began = std::time::Instant::now();
    assert_eq!(cookies.items().len(), MANY);
    cookies.clear();
    assert_eq!(cookies.take().len(), MANY);
    // Compared each with each, they take minutes.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}
