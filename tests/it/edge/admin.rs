//! The user `admin`: guesses, hashes, and who may ask at all.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::message;
use crate::harness::server::ADMIN_PASSWORD;
use crate::harness::{Reply, Scenario, TestServer, bound, eventually, foreign};
use crate::status::basic;

fn behind_a_proxy() -> Scenario {
    TestServer::site().server("trusted_proxies", "127.0.0.1")
}

/// The status page for this client, who came to its proxy over TLS.
fn status(site: &TestServer, client: &str, password: &str) -> Reply {
    let login = basic("admin", password);
    let headers = [("X-Forwarded-For", client), ("X-Forwarded-Proto", "https"), ("Authorization", &login)];
    site.ask("GET", "/status/", &headers, b"")
}

#[test]
fn each_wrong_guess_takes_longer_and_is_told() {
    let site = behind_a_proxy().start();
    let guess = |client: &str| status(&site, client, "a-guess-at-it").code;
    let codes: Vec<u16> = (0..6).map(|_| guess("203.0.113.9")).collect();
    assert_eq!(codes, [401, 401, 401, 401, 429, 429]);
    // During the wait the right one does not help, whoever of the /64 sends it; others are free.
    let waits = status(&site, "203.0.113.9", ADMIN_PASSWORD).expect_code(429);
    assert!(waits.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds >= 1), "{:?}", waits.headers);
    status(&site, "203.0.113.10", ADMIN_PASSWORD).expect_code(200);
    let log = eventually("every guess has a line", || {
        let log = site.log();
        (log.matches("a wrong password for `admin`").count() == 4).then_some(log)
    });
    assert!(
        // The first ones are free.
        log.contains("for `admin`, 1 in a row; the next one is looked at at once")
            && log.contains("for `admin`, 4 in a row; the next one is looked at in ")
            && log.contains("from=203.0.113.9")
            && !log.contains("a-guess-at-it"),
        "{log}"
    );
    eventually("the wait ends", || (status(&site, "203.0.113.9", ADMIN_PASSWORD).code == 200).then_some(()));
    assert_eq!(guess("203.0.113.9"), 401, "the right one has cleared the count");
    // A batch with one wrong login is one guess.
    let batch = format!("[{}]", [r#"{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}"#; 20].join(","));
    let login = basic("admin", "a-guess-at-it");
    let headers = [
        ("X-Forwarded-For", "203.0.113.20"),
        ("X-Forwarded-Proto", "https"),
        ("Authorization", login.as_str()),
        ("Content-Type", "application/json-rpc"),
    ];
    let answers = site.ask("POST", "/", &headers, batch.as_bytes()).expect_code(200).json();
    assert!(answers.as_array().unwrap().iter().all(|answer| answer["error"]["code"] == -32401), "{answers}");
    status(&site, "203.0.113.20", ADMIN_PASSWORD).expect_code(200);
    // Another user's login is no guess.
    let other = basic("anna", "whatever");
    for _ in 0..6 {
        site.ask("GET", "/status/", &[("X-Forwarded-Proto", "https"), ("Authorization", &other)], b"").expect_code(401);
    }
}

#[test]
fn a_password_in_clear_text_is_for_this_machine_alone() {
    let site = behind_a_proxy().start();
    let login = basic("admin", ADMIN_PASSWORD);
    let ask = |site: &TestServer, path: &str, headers: &[(&str, &str)]| {
        let headers: Vec<_> = headers.iter().copied().chain([("Authorization", login.as_str())]).collect();
        site.ask("GET", path, &headers, b"")
    };
    ask(&site, "/status/", &[]).expect_code(200);
    for path in ["/status/", "/status/methods/"] {
        let refused =
            ask(&site, path, &[("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "http")]).expect_code(403);
        let why = message(&refused);
        assert!(why.contains("`admin_clear = yes`") && why.contains("`trusted_proxies`"), "{why}");
        assert_eq!(refused.header("www-authenticate"), "", "nobody is asked for it");
        ask(&site, path, &[("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https")]).expect_code(200);
    }
    // A proxy that nobody trusts says nothing that counts.
    let site = TestServer::site().start();
    ask(&site, "/status/", &[("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https")]).expect_code(403);
    let url = site.url("/status/");
    let code =
        foreign::curl(&["-u", &format!("admin:{ADMIN_PASSWORD}"), "-o", "/dev/null", "-w", "%{http_code}", &url]);
    assert_eq!(code, "200");
    let site = behind_a_proxy().server("admin_clear", "yes").start();
    ask(&site, "/status/", &[("X-Forwarded-For", "203.0.113.9")]).expect_code(200);
}

#[test]
fn a_unix_socket_is_of_this_machine() {
    let site = TestServer::site().server("listen", "unix:a.sock").start();
    let (socket, login) = (site.dir().join("a.sock"), format!("admin:{ADMIN_PASSWORD}"));
    let ask = |more: &[&str]| {
        let told = ["-o", "/dev/null", "-w", "%{http_code}", "-u", &login];
        let whole = ["--unix-socket", socket.to_str().unwrap(), "http://x/status/"];
        foreign::curl(&[more, &told, &whole].concat())
    };
    assert_eq!(ask(&[]), "200");
    // A proxy at it that nobody trusts has clients of its own.
    assert_eq!(ask(&["-H", "X-Forwarded-For: 203.0.113.9"]), "403");
}

/// A hash of `correct horse battery`, by Python's hashlib; few rounds, because this program is not optimised.
fn hash() -> String {
    foreign::python("hash_password.py", &["correct horse battery", "20000"]).trim().to_owned()
}

#[test]
fn a_hash_may_stand_in_its_place() {
    let site = behind_a_proxy().server("admin_password", &hash()).start();
    assert_eq!(status(&site, "203.0.113.9", "correct horse batterx").code, 401);
    status(&site, "203.0.113.9", "correct horse battery").expect_code(200);
    let again = Instant::now();
    status(&site, "203.0.113.9", "correct horse battery").expect_code(200);
    assert!(again.elapsed() < Duration::from_secs(5));
    let codes: Vec<u16> = (0..5).map(|nth| status(&site, "203.0.113.9", &format!("guess {nth}")).code).collect();
    assert_eq!(codes, [401, 401, 401, 401, 429]);
    // Over RPC, and for every handler that asks.
    let login = basic("admin", "correct horse battery");
    assert_eq!(site.ask("GET", "/admitted", &[("Authorization", &login)], b"").text(), "true");
    assert_eq!(site.get("/admitted").text(), "false");
}

/// A hash that takes long in this program.
fn slow_hash(rounds: &str) -> String {
    foreign::python("hash_password.py", &["correct horse battery", rounds]).trim().to_owned()
}

#[test]
fn a_login_that_nobody_asks_for_is_no_guess() {
    let scenario = behind_a_proxy().server("admin_password", &slow_hash("300000")).server("server_names", "127.0.0.1");
    let scenario = scenario.route("/guarded = behind");
    let site = scenario.section("[mount /guarded]\ndeny = 203.0.113.0/24").start();
    let login = basic("admin", "of an app's own user");
    let ask = |path: &str, host: &str| {
        let head = format!("Host: {host}\r\nX-Forwarded-For: 203.0.113.9\r\nAuthorization: {login}\r\n\r\n");
        site.conn().send(format!("GET {path} HTTP/1.1\r\n{head}")).read().code
    };
    for _ in 0..5 {
        assert_eq!(ask("/guarded/told", "127.0.0.1"), 403);
        assert_eq!(ask("/identified", "elsewhere.example"), 421);
        assert_eq!(ask("/identified", "127.0.0.1"), 200);
        assert_eq!(ask("/nothing-here", "127.0.0.1"), 404);
    }
    assert_eq!(site.log().matches("a wrong password for `admin`").count(), 0);
    // Where it is asked for, it is one, and the right one is not held up by it.
    assert_eq!(ask("/admitted", "127.0.0.1"), 200);
    eventually("it is told", || site.log().contains("a wrong password for `admin`").then_some(()));
    status(&site, "203.0.113.9", "correct horse battery").expect_code(200);
    // From now on nothing is computed.
    let began = Instant::now();
    assert_eq!(status(&site, "203.0.113.10", "a guess").code, 401);
    assert!(began.elapsed() < bound(Duration::from_secs(1), Duration::from_secs(4)), "{:?}", began.elapsed());
}

#[test]
fn logins_that_find_no_place_are_told_so() {
    let site = behind_a_proxy().server("admin_password", &slow_hash("1000000")).start();
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let guess = |nth: u8| status(&site, &format!("203.0.113.{nth}"), "a guess");
        let guesses: Vec<_> = (1..=16).map(|nth| scope.spawn(move || guess(nth))).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    assert!(replies.iter().all(|reply| [401, 503].contains(&reply.code)), "{replies:?}");
    let busy = replies.iter().find(|reply| reply.code == 503).expect("not all were computed in two seconds");
    assert!(busy.header("retry-after") == "1" && message(busy).contains("other logins"), "{busy:?}");
    let again = || status(&site, "203.0.113.99", "correct horse battery").code == 200;
    eventually("the right one is let in", || again().then_some(()));
    // Those that were not computed are no guesses.
    let computed = replies.iter().filter(|reply| reply.code == 401).count();
    assert_eq!(site.log().matches("a wrong password for `admin`").count(), computed);
}

#[test]
fn check_and_start_warn_of_a_short_one_and_refuse_what_is_no_hash() {
    let warned = TestServer::site().server("admin_password", "short-7");
    let check = warned.check();
    let said = String::from_utf8(check.stdout).unwrap();
    assert!(
        check.status.success() && said.contains("shorter than 12 characters") && !said.contains("short-7"),
        "{said}"
    );
    let site = warned.start();
    assert!(site.log().contains("`admin_password` is shorter than 12 characters"), "{}", site.log());
    let wrong = TestServer::site().server("admin_password", "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA").check();
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(said.contains("`hash-password`") && !said.contains("c2FsdA"), "{said}");
    let good = TestServer::site().server("admin_password", &hash()).check();
    assert!(good.status.success() && !String::from_utf8(good.stdout).unwrap().contains("warning"));
}

#[test]
fn the_command_makes_what_python_makes() {
    let made = |password: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skitai-demo"));
        let command = command.arg("hash-password").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), password.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let hash = String::from_utf8(made("correct horse battery\n").stdout).unwrap();
    let python = foreign::python("hash_password.py", &["correct horse battery", "check", hash.trim()]);
    assert_eq!(python.trim(), "True", "{hash}");
    for (password, why) in [("short\n", "shorter than 12"), ("", "no password came"), ("\n", "no password came")] {
        let refused = made(password);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && told.contains(why), "{told}");
    }
}
