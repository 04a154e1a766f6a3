//! Where a site listens: Unix sockets beside ports and in place of them, who may connect, what is in the way, and who
//! counts as somebody on this machine.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::harness::foreign::run;
use crate::harness::{Scenario, TestServer, curl, eventually, python};

/// The socket of these tests, in the folder of the server.
const SOCKET: &str = "site.sock";

/// A site that has no port.
fn at_socket() -> Scenario {
    TestServer::site().without("ip").without("port").server("listen", &format!("unix:{SOCKET}"))
}

/// A server that has no port, by which the harness would know that it runs.
struct AtSocket {
    child: Child,
    scenario: Scenario,
}

impl AtSocket {
    #[track_caller]
    fn start(scenario: Scenario) -> AtSocket {
        AtSocket::spawn(scenario, &[]).serving()
    }

    /// Waits until it serves, and knows what to do with signals.
    #[track_caller]
    fn serving(self) -> AtSocket {
        eventually("it says that it serves", || self.said().contains("Ctrl-C stops it").then_some(()));
        self
    }

    /// Starts it behind the words of a command, such as one of the shell that changes limits.
    fn spawn(scenario: Scenario, behind: &[&str]) -> AtSocket {
        fs::write(scenario.dir().join("test.conf"), scenario.conf()).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_skitai-demo")).with_file_name("examples").join("testsite");
        let said = File::create(scenario.dir().join("said")).unwrap();
        let mut words = behind.iter().map(PathBuf::from).chain([program, "-f".into(), "test.conf".into()]);
        let child = Command::new(words.next().expect("the program at least"))
            .args(words)
            .current_dir(scenario.dir())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap();
        AtSocket { child, scenario }
    }

    fn socket(&self) -> PathBuf {
        self.scenario.dir().join(SOCKET)
    }

    fn said(&self) -> String {
        fs::read_to_string(self.scenario.dir().join("said")).unwrap()
    }

    /// Its end, if it is to refuse.
    #[track_caller]
    fn refused(&mut self) -> String {
        let status = eventually("it ends by itself", || self.child.try_wait().unwrap());
        // 78 for what the conf says, 1 for what the machine does not give.
        assert!(matches!(status.code(), Some(1 | 78)), "{status}: {}", self.said());
        self.said()
    }

    fn stop(&mut self) -> ExitStatus {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        eventually("it ends", || self.child.try_wait().unwrap())
    }
}

impl Drop for AtSocket {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What curl gets at a Unix socket.
#[track_caller]
fn fetched(socket: &Path, path: &str, headers: &[&str]) -> String {
    let url = format!("http://localhost{path}");
    let mut arguments = vec!["--unix-socket", socket.to_str().expect("a path of the tests"), &url];
    for header in headers {
        arguments.extend(["-H", header]);
    }
    curl(&arguments)
}

/// The answer of `/asked`, which says what the site knows of its client.
#[track_caller]
fn asked(socket: &Path, headers: &[&str]) -> serde_json::Value {
    let text = fetched(socket, "/asked", headers);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn clients_of_others_speak_to_a_site_without_a_port() {
    let mut site = AtSocket::start(at_socket().server("access_log", "access.log"));
    let client = asked(&site.socket(), &["X-Odd: 1"]);
    assert_eq!((&client["remote"], &client["peer"], &client["odd"]), (&().into(), &().into(), &"1".into()), "{client}");
    assert_eq!(client["local"], true);
    assert_eq!(python("unix_client.py", &[site.socket().to_str().unwrap()]).trim(), "ok");
    let said = site.said();
    assert!(said.contains(&format!("serves unix:{}", site.socket().display())), "{said}");
    assert!(!said.contains("http://"), "it has no port: {said}");
    assert_eq!(mode(&site.socket()), 0o660, "members of the group may connect");
    assert!(site.stop().success(), "{}", site.said());
    assert!(!site.socket().exists(), "who made the file removes it");
    let log = fs::read_to_string(site.scenario.dir().join("access.log")).unwrap();
    assert!(log.lines().all(|line| line.split(' ').nth(1) == Some("unix:")) && log.lines().count() >= 6, "{log}");
}

#[test]
fn a_port_and_sockets_are_served_at_once() {
    let site = TestServer::site().server("listen", "unix:a.sock, unix:b.sock").start();
    for socket in ["a.sock", "b.sock"] {
        assert_eq!(asked(&site.dir().join(socket), &[])["remote"], serde_json::Value::Null);
    }
    assert_eq!(site.get("/asked").json()["remote"], "127.0.0.1");
    let said = eventually("it says where it listens", || Some(site.log()).filter(|log| log.contains("serves")));
    let unix = |name: &str| format!("unix:{}", site.dir().join(name).display());
    for place in [site.url("/"), unix("a.sock"), unix("b.sock")] {
        assert!(said.contains(&place), "{place} is not in {said}");
    }
}

#[test]
fn what_it_would_listen_on_is_told_by_check() {
    let scenario = TestServer::site()
        .server("listen", "unix:a.sock, [::1]:5001, *:5002")
        .server("listen_mode", "0600")
        .server("listen_owner", "root:root");
    let output = scenario.check();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "listens on 127.0.0.1:5000",
        &format!("listens on unix:{}/a.sock (mode 0600, owner root:root)", scenario.dir().display()),
        "listens on [::1]:5001",
        "listens on all interfaces, port 5002",
        "descriptors: up to",
    ] {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
    assert!(!scenario.dir().join("a.sock").exists(), "nothing is opened");
}

#[test]
fn the_file_has_the_mode_and_the_owner_of_the_conf() {
    let site = AtSocket::start(at_socket().server("listen_mode", "0606"));
    assert_eq!(mode(&site.socket()), 0o606);
    let owned = at_socket().server("listen_owner", "nobody:4711");
    let folder = owned.dir().to_owned();
    if fs::metadata(&folder).unwrap().uid() == 0 {
        let site = AtSocket::start(owned);
        let nobody = run({
            let mut command = Command::new("id");
            command.args(["-u", "nobody"]);
            command
        });
        let there = fs::metadata(site.socket()).unwrap();
        assert_eq!((there.uid().to_string(), there.gid()), (nobody.trim().to_owned(), 4711));
    } else {
        let said = AtSocket::spawn(owned, &[]).refused();
        assert!(said.contains("only root may give a file to another user"), "{said}");
        assert!(!folder.join(SOCKET).exists());
    }
    let missing = at_socket().server("listen_owner", "no-such-name-here");
    let checked = missing.check();
    assert_eq!(checked.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&checked.stderr).contains("no user `no-such-name-here`"));
    let said = AtSocket::spawn(missing, &[]).refused();
    assert!(said.contains("no user `no-such-name-here`"), "{said}");
}

#[test]
fn what_a_crash_left_is_replaced_and_nothing_else() {
    let mut site = AtSocket::start(at_socket());
    site.child.kill().unwrap();
    site.child.wait().unwrap();
    assert!(fs::symlink_metadata(site.socket()).unwrap().file_type().is_socket(), "a crash leaves it");
    fs::write(site.scenario.dir().join("test.conf"), site.scenario.conf()).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_skitai-demo")).with_file_name("examples").join("testsite");
    let mut again = Command::new(program).args(["-f", "test.conf"]).current_dir(site.scenario.dir()).spawn().unwrap();
    eventually("the next one listens", || UnixStream::connect(site.socket()).ok());
    again.kill().unwrap();
    again.wait().unwrap();

    let mut site = AtSocket::spawn(at_socket().file(SOCKET, "precious"), &[]);
    let said = site.refused();
    assert!(said.contains("it is no socket; it stays as it is"), "{said}");
    assert_eq!(fs::read_to_string(site.socket()).unwrap(), "precious");
}

#[test]
fn two_servers_do_not_share_a_path() {
    let first = AtSocket::start(at_socket());
    let path = first.socket();
    let second = TestServer::site().server("listen", &format!("unix:{}", path.display()));
    let (status, said) = second.start_refused();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("somebody listens there already") && said.contains(path.to_str().unwrap()), "{said}");
    assert_eq!(asked(&path, &[])["local"], true, "the first is as it was");
}

#[test]
fn what_cannot_be_listened_on_is_told_with_what_to_do() {
    let long = format!("unix:/{}", "x".repeat(107));
    for (listen, why) in [
        ("unix:missing/a.sock", "/missing; make it, and let the user"),
        (&long, "that path has 108 octets, and a socket's may have 107"),
        ("unix:a.sock, unix:a.sock", "`unix:a.sock` is listened on already"),
        ("127.0.0.1:5000, *:5000", "`*:5000` is listened on already"),
        ("127.0.0.1", "an address with its port"),
        ("::1:5000", "an IPv6 address stands in brackets"),
        ("192.0.2.1:5000", "this machine has no address 192.0.2.1"),
    ] {
        let said = AtSocket::spawn(at_socket().server("listen", listen), &[]).refused();
        assert!(said.contains(why), "{listen}: {said}");
    }
    let taken = TestServer::site().start();
    let listen = format!("127.0.0.1:{}", taken.port());
    let said = AtSocket::spawn(at_socket().server("listen", &format!("unix:a.sock, {listen}")), &[]).refused();
    assert!(said.contains(&format!("port {} of 127.0.0.1 is in use", taken.port())), "{said}");
    assert!(said.contains("-p PORT picks another port"), "{said}");
}

#[test]
fn a_proxy_that_nobody_trusts_makes_no_stranger_local() {
    let site = TestServer::site().server("listen", &format!("unix:{SOCKET}")).start();
    let socket = site.dir().join(SOCKET);
    let tcp = |headers: &[(&str, &str)]| site.ask("GET", "/asked", headers, b"").expect_code(200).json();
    assert_eq!((&tcp(&[])["local"], &asked(&socket, &[])["local"]), (&true.into(), &true.into()));
    for (name, value) in [
        ("X-Forwarded-For", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("X-FORWARDED-HOST", "localhost"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
    ] {
        assert_eq!(tcp(&[(name, value)])["local"], false, "{name}");
        let at_socket = asked(&socket, &[&format!("{name}: {value}")]);
        assert_eq!((&at_socket["local"], &at_socket["remote"]), (&false.into(), &().into()), "{name}");
    }
}

#[test]
fn a_trusted_proxy_says_who_is_local_and_who_is_not() {
    let trusting = |proxies: &str| {
        TestServer::site().server("listen", &format!("unix:{SOCKET}")).server("trusted_proxies", proxies).start()
    };
    let local = "127.0.0.1";
    let (stranger, behind) = ("192.0.2.7", "127.0.0.1, 192.0.2.7");
    for (proxies, trusts_unix, trusts_tcp) in
        [("unix", true, false), ("127.0.0.1", false, true), ("127.0.0.1, unix", true, true)]
    {
        let site = trusting(proxies);
        let socket = site.dir().join(SOCKET);
        for (value, client, is_local) in
            [(local, local, true), (stranger, stranger, false), (behind, stranger, false), ("unknown", "", false)]
        {
            let at_socket = asked(&socket, &[&format!("X-Forwarded-For: {value}"), "X-Forwarded-Proto: https"]);
            assert_eq!(at_socket["local"], trusts_unix && is_local, "{proxies}, {value}: {at_socket}");
            let remote = if trusts_unix && !client.is_empty() { client.into() } else { serde_json::Value::Null };
            assert_eq!(
                (&at_socket["remote"], &at_socket["secure"]),
                (&remote, &trusts_unix.into()),
                "{proxies}, {value}"
            );
            let tcp = site.ask("GET", "/asked", &[("X-Forwarded-For", value)], b"").json();
            assert_eq!(tcp["local"], trusts_tcp && is_local, "{proxies}, {value}: {tcp}");
            let remote = if trusts_tcp && !client.is_empty() { client } else { local };
            assert_eq!(tcp["remote"], remote, "{proxies}, {value}");
        }
    }
}

#[test]
fn what_devel_mode_shows_is_for_this_machine_alone() {
    let site = TestServer::site().server("devel", "yes").server("listen", &format!("unix:{SOCKET}")).start();
    let socket = site.dir().join(SOCKET);
    assert_eq!(mode(&socket), 0o600, "the owner alone may connect");
    let html = ("Accept", "text/html");
    let shown = |page: &str| page.contains("Routes of");
    let of_tcp = |headers: &[(&str, &str)]| site.ask("GET", "/nowhere", headers, b"").text();
    let of_socket = |headers: &[&str]| fetched(&socket, "/nowhere", &[&["Accept: text/html"], headers].concat());
    assert!(shown(&of_tcp(&[html])), "{}", of_tcp(&[html]));
    assert!(shown(&of_socket(&[])), "{}", of_socket(&[]));
    for header in ["X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1"] {
        let (name, value) = header.split_once(": ").expect("both");
        assert!(!shown(&of_tcp(&[html, (name, value)])), "{header}");
        assert!(!shown(&of_socket(&[header])), "{header}");
    }
    // The methods of the site are for who is here, too.
    let list = br#"{"jsonrpc":"2.0","id":1,"method":"system.listMethods"}"#;
    let listed = |headers: &[(&str, &str)]| {
        site.ask("POST", "/rpc3", &[&[("Content-Type", "application/json")], headers].concat(), list).text()
    };
    assert!(listed(&[]).contains("system.listMethods"), "{}", listed(&[]));
    assert!(listed(&[("X-Forwarded-For", "127.0.0.1")]).contains("-32403"));
    // And so is the report of a conf that was changed into nonsense.
    let conf = site.dir().join("test.conf");
    let text = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, text.replace("threads = 2", "threads = nonsense")).unwrap();
    let here = site.get("/asked").expect_code(500).text();
    assert!(here.contains("no value for `threads`"), "{here}");
    let stranger = site.ask("GET", "/asked", &[("X-Forwarded-For", "127.0.0.1")], b"").expect_code(500).text();
    assert!(!stranger.contains("threads") && stranger.contains("cannot be served"), "{stranger}");
    fs::write(&conf, text.replace(SOCKET, "another.sock")).unwrap();
    assert_eq!(site.get("/asked").header("x-restart-needed"), "listen");
}

#[test]
fn devel_mode_wants_a_socket_for_its_owner_alone() {
    let said = AtSocket::spawn(at_socket().server("devel", "yes").server("listen_mode", "0660"), &[]).refused();
    assert!(said.contains("devel mode has Unix sockets for their owner alone"), "{said}");
    let said = AtSocket::spawn(at_socket().server("devel", "yes").server("listen", "*:5000"), &[]).refused();
    assert!(said.contains("on all interfaces: devel mode listens on loopback alone"), "{said}");
    AtSocket::start(at_socket().server("devel", "yes").server("listen_mode", "0600"));
}

#[test]
fn files_that_it_makes_are_for_their_owner_and_group() {
    for (umask, expected) in [(None, 0o640), (Some("077"), 0o600), (Some("022"), 0o644)] {
        let scenario = at_socket().server("access_log", "access.log");
        let scenario = match umask {
            Some(umask) => scenario.server("umask", umask),
            None => scenario,
        };
        let mut site = AtSocket::start(scenario);
        fetched(&site.socket(), "/asked", &[]);
        assert_eq!(mode(&site.socket()), 0o660, "a socket's mode is its own");
        site.stop();
        assert_eq!(mode(&site.scenario.dir().join("access.log")), expected, "{umask:?}");
    }
    let said = AtSocket::spawn(at_socket().server("umask", "8"), &[]).refused();
    assert!(said.contains("expected permissions in octal"), "{said}");
}

#[test]
fn the_limit_of_descriptors_is_raised_and_its_want_is_told() {
    let limited = |limits: &str, scenario: Scenario| {
        let command = format!("{limits}; exec \"$0\" \"$@\"");
        AtSocket::spawn(scenario, &["sh", "-c", &command]).serving()
    };
    let site = limited("ulimit -Sn 256; ulimit -Hn 4000", at_socket());
    let limits = fs::read_to_string(format!("/proc/{}/limits", site.child.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("every process has one");
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[3..5], ["4000", "4000"], "{line}");
    assert!(!site.said().contains("descriptors"), "{}", site.said());

    let clusters = "[@many]\nmembers = 127.0.0.1:1, 127.0.0.1:2\nconnections = 500";
    let site = limited("ulimit -n 2000", at_socket().section(clusters));
    let said = site.said();
    for part in ["2000 descriptors", "1002 for members", "1000 for clients", "LimitNOFILE=", "lower `connections`"] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    assert_eq!(asked(&site.socket(), &[])["local"], true, "it serves all the same");
}

#[test]
fn a_socket_of_another_program_is_not_removed_at_the_end() {
    let mut site = AtSocket::start(at_socket());
    // Somebody puts another in its place.
    fs::remove_file(site.socket()).unwrap();
    let another = UnixListener::bind(site.socket()).unwrap();
    fs::set_permissions(site.socket(), Permissions::from_mode(0o600)).unwrap();
    assert!(site.stop().success(), "{}", site.said());
    UnixStream::connect(site.socket()).expect("it is there");
    drop(another);
}
