//! Files that clients send: what handlers get of them, and that nothing of them stays behind, whatever goes wrong.

use std::fs::File;
use std::path::Path;
use std::thread::scope;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::harness::{Conn, Reply, Scenario, TestServer, curl, eventually};

const MIB: usize = 1 << 20;

/// A site whose uploads go to a folder of its own, where they can be counted.
pub(crate) fn site() -> Scenario {
    TestServer::site().file("temp/.keep", "").server("upload_folder", "temp")
}

/// The files of that folder; `.keep` is ours.
fn left(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count() - 1
}

#[track_caller]
fn nothing_left(site: &TestServer) {
    eventually("no temporary file is left", || (left(&site.dir().join("temp")) == 0).then_some(()));
}

/// A body of which every part is written out.
pub(crate) fn body(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (head, content) in parts {
        body.extend_from_slice(format!("--b\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    body
}

pub(crate) const TYPE: &str = "multipart/form-data; boundary=b";
const FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"f.bin\"";
const TITLE: &str = "Content-Disposition: form-data; name=\"title\"";

/// The begin of an upload whose rest is still to come.
fn begin(site: &TestServer, path: &str, announced: usize, sent: usize) -> Conn {
    let mut conn = site.conn();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {TYPE}\r\nContent-Length: {announced}\r\n\r\n");
    conn.send(head + "--b\r\n" + FILE + "\r\n\r\n").send(vec![b'x'; sent]);
    conn
}

#[track_caller]
pub(crate) fn message(reply: Reply, code: u16) -> String {
    reply.expect_code(code).json()["error"]["message"].as_str().expect("a message").to_owned()
}

#[test]
fn a_file_comes_with_its_name_type_and_every_byte_and_then_goes() {
    let site = site().start();
    // Line breaks, boundaries in disguise and every byte, longer than any buffer on its way.
    let mut content: Vec<u8> = (0..=255).cycle().take(3 * MIB + 17).collect();
    content.extend_from_slice(b"\r\n--b\r\n\r\n--bound--\r--\r\n\n");
    std::fs::write(site.dir().join("größe \"1\".bin"), &content).unwrap();
    let sum = content.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    let file = format!("file=@\"{}\";type=image/png", site.dir().join("größe \\\"1\\\".bin").display());
    let received = curl(&["-F", &file, "-F", "title=Grüße", "-F", "n=7", &site.url("/up/one")]);
    let received: Value = serde_json::from_str(&received).unwrap_or_else(|error| panic!("{error}: {received}"));
    let about = &received[0]["file"];
    assert_eq!((&about["content_type"], &about["size"]), (&json!("image/png"), &json!(content.len())), "{received}");
    assert!(
        about["name"].as_str().is_some_and(|name| name.starts_with("größe ") && name.ends_with(".bin")),
        "{received}"
    );
    assert_eq!((&received[0]["bytes"], &received[0]["sum"]), (&json!(content.len()), &json!(sum)));
    assert_eq!((&received[1], &received[2]), (&json!("Grüße"), &json!(7)), "fields are arguments like any other");
    assert!(received[0]["path"].as_str().is_some_and(|path| path.contains("/temp/")), "{received}");
    nothing_left(&site);
}

#[test]
fn files_and_fields_come_in_their_order_and_names_are_harmless() {
    let site = site().start();
    let named = |name: &str| format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"");
    let form = body(&[
        ("Content-Disposition: form-data; name=\"a\"", b"1"),
        (&named("../../etc/passwd"), b"one"),
        ("Content-Disposition: form-data; name=\"j\"\r\nContent-Type: application/json", b"{\"x\": [1, null]}"),
        (&named("C:\\\\me\\\\two.txt"), b""),
        ("Content-Disposition: form-data; name=\"a\"", "zwölf".as_bytes()),
        (&named(""), b""),
    ]);
    let received = site.post("/up/form?q=0", TYPE, &form).expect_code(200).json();
    assert_eq!(received[0], json!({"q": "0", "a": ["1", "zwölf"], "j": {"x": [1, null]}}));
    let file = |name: &str, size: usize| json!(["file", {"name": name, "content_type": "application/octet-stream", "size": size}]);
    // The last is what a browser sends where no file was chosen.
    assert_eq!(received[1], json!([file("passwd", 3), file("two.txt", 0)]));
    let two = body(&[
        ("Content-Disposition: form-data; name=\"files\"; filename=\"a\"", b"1"),
        ("Content-Disposition: form-data; name=\"files\"; filename=\"b\"", b"22"),
    ]);
    assert_eq!(site.post("/up/many", TYPE, two).expect_code(200).json()[1]["size"], 2);
    assert_eq!(site.post("/up/many", TYPE, body(&[])).expect_code(200).json(), json!([]));
    assert_eq!(site.post("/up/maybe", TYPE, body(&[(&named(""), b"")])).expect_code(200).text(), "none");
    let extended = "Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.txt";
    assert_eq!(site.post("/up/maybe", TYPE, body(&[(extended, b"x")])).expect_code(200).text(), "größe.txt");
    let x = "Content-Disposition: form-data; name=\"x\"";
    let mixed = site.post(
        "/up/mixed/555?x=333",
        TYPE,
        body(&[(x, b"444"), (&format!("{x}\r\nContent-Type: application/json"), b"445")]),
    );
    assert_eq!(mixed.expect_code(200).json(), json!(["333", "444", 445, 555]));
    nothing_left(&site);
}

#[test]
fn what_is_wrong_with_the_arguments_is_told_at_once() {
    let site = site().server("introspection", "public").start();
    let both = message(
        site.post(
            "/up/one",
            TYPE,
            body(&[(TITLE, b"1"), (TITLE, b"2"), ("Content-Disposition: form-data; name=\"n\"", b"x")]),
        ),
        400,
    );
    for part in ["`file` is missing", "`title` was given 2 times", "`n` must be a whole number"] {
        assert!(both.contains(part), "{part:?} is not in {both}");
    }
    let text = message(site.post("/up/one", "application/x-www-form-urlencoded", "file=x"), 400);
    assert!(text.contains("`file` must be a file"), "{text}");
    let file = message(
        site.post(
            "/up/fields",
            TYPE,
            body(&[(&FILE.replace("file\"", "title\""), b"1"), (&FILE.replace("name=\"file\"", "name=\"n\""), b"1")]),
        ),
        400,
    );
    assert!(file.contains("`title` must be text, got the file") && file.contains("`n`"), "{file}");
    let twice = message(site.post("/up/one", TYPE, body(&[(FILE, b"1"), (FILE, b"2")])), 400);
    assert!(twice.contains("`file` was given 2 times"), "{twice}");
    // Over RPC there are no files, and a method that needs one is not listed.
    let call = json!({"jsonrpc": "2.0", "method": "up.one", "params": {"file": "x"}, "id": 1});
    let answer = site.post("/", "application/json-rpc", call.to_string()).expect_code(200).json();
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let call = json!({"jsonrpc": "2.0", "method": "rpc.discover", "id": 1}).to_string();
    let methods = site.post("/", "application/json-rpc", call).expect_code(200).json()["result"]["methods"].clone();
    let is_told = |name: &str| methods.as_array().expect("a list").iter().any(|method| method["name"] == name);
    assert_eq!(["up.one", "up.maybe", "up.form"].map(is_told), [false, true, true]);
    nothing_left(&site);
}

#[test]
fn a_handler_that_ends_badly_takes_its_file_with_it_and_one_that_keeps_it_keeps_it() {
    let site = site().panics_expected().start();
    let form = body(&[(FILE, &vec![b'x'; MIB])]);
    for (path, code) in [("/up/panics", 500), ("/up/panics-plain", 500), ("/up/fails", 418)] {
        site.post(path, TYPE, &form).expect_code(code);
        nothing_left(&site);
    }
    assert_eq!(site.post("/up/keep?path=kept.bin", TYPE, &form).expect_code(200).text(), "kept.bin");
    assert_eq!(std::fs::metadata(site.dir().join("kept.bin")).unwrap().len(), MIB as u64);
    site.post("/up/keep?path=no/such/folder", TYPE, &form).expect_code(500);
    std::fs::rename(site.dir().join("temp"), site.dir().join("away")).unwrap();
    assert!(message(site.post("/up/one", TYPE, &form), 500).contains("could not be stored"));
    std::fs::rename(site.dir().join("away"), site.dir().join("temp")).unwrap();
    // A reply that is read from the file has it to its end.
    assert_eq!(site.post("/up/tail", TYPE, &form).expect_code(200).body.len(), MIB);
    nothing_left(&site);
}

#[test]
fn a_file_is_kept_on_another_file_system_too() {
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let site = TestServer::site().server("upload_folder", &memory.path().display().to_string()).start();
    let form = body(&[(FILE, &vec![b'x'; MIB])]);
    site.post("/up/keep?path=kept.bin", TYPE, &form).expect_code(200);
    assert_eq!(std::fs::metadata(site.dir().join("kept.bin")).unwrap().len(), MIB as u64);
    eventually("the original goes", || (std::fs::read_dir(memory.path()).unwrap().count() == 0).then_some(()));
}

#[test]
fn a_client_that_leaves_takes_its_file_with_it() {
    let site = site().start();
    let folder = site.dir().join("temp");
    // While it sends.
    let sending = begin(&site, "/up/one", 10 * MIB, 2 * MIB);
    eventually("its first pieces are on the disk", || (left(&folder) == 1).then_some(()));
    drop(sending);
    nothing_left(&site);
    // While its handler works.
    let mut waiting = site.conn();
    let form = body(&[(FILE, &vec![b'x'; MIB])]);
    let head =
        format!("POST /up/hangs HTTP/1.1\r\nHost: x\r\nContent-Type: {TYPE}\r\nContent-Length: {}\r\n\r\n", form.len());
    waiting.send(head).send(&form);
    eventually("its file is there", || (left(&folder) == 1).then_some(()));
    drop(waiting);
    nothing_left(&site);
}

#[test]
fn a_client_that_stalls_is_refused_and_a_stopping_server_leaves_nothing() {
    let site = site().server("body_timeout", "1s").start();
    let folder = site.dir().join("temp");
    let mut stalled = begin(&site, "/up/one", 10 * MIB, 1000);
    let text = message(stalled.read(), 408);
    assert!(text.contains("in time"), "{text}");
    // What arrived earns time: half a MiB is good for half a minute.
    let mut slow = begin(&site, "/up/one", 600 * 1024 + 200, 512 * 1024);
    assert!(slow.is_silent_for(Duration::from_millis(1500)), "it is given its time");
    let rest = 600 * 1024 + 200 - 512 * 1024 - format!("--b\r\n{FILE}\r\n\r\n").len();
    let end = b"\r\n--b--\r\n";
    slow.send(vec![b'x'; rest - end.len()]).send(end);
    slow.read().expect_code(200);

    let _begun = begin(&site, "/up/one", 10 * MIB, 300 * 1024);
    eventually("its first pieces are on the disk", || (left(&folder) == 1).then_some(()));
    let scenario = site.stop_at_once();
    assert_eq!(left(&scenario.dir().join("temp")), 0);
}

#[test]
fn what_a_killed_server_left_is_swept_a_day_later() {
    let scenario =
        site().file("temp/skitai-upload-old", "x").file("temp/skitai-upload-new", "x").file("temp/other", "x");
    let old = SystemTime::now() - Duration::from_secs(2 * 24 * 60 * 60);
    for name in ["skitai-upload-old", "other"] {
        File::options().write(true).open(scenario.dir().join("temp").join(name)).unwrap().set_modified(old).unwrap();
    }
    let site = scenario.start();
    let is_there = |name: &str| site.dir().join("temp").join(name).exists();
    assert_eq!(["skitai-upload-old", "skitai-upload-new", "other"].map(is_there), [false, true, true]);
    let (status, said) = TestServer::site().server("upload_folder", "no/such").start_refused();
    assert!(!status.success() && said.contains("upload_folder") && said.contains("no/such"), "{said}");
}

#[test]
fn every_limit_is_a_413_or_400_that_names_it() {
    let site = site()
        .server("max_upload", "3m")
        .server("max_upload_file", "2m")
        .server("max_upload_parts", "5")
        .server("max_body", "1m")
        .start();
    let file = |size: usize| body(&[(FILE, &vec![b'x'; size])]);
    site.post("/up/one", TYPE, file(2 * MIB)).expect_code(200);
    let text = message(site.post("/up/one", TYPE, file(2 * MIB + 1)), 413);
    assert!(text.contains("`file`") && text.contains("2097152"), "{text}");
    // By its announced length, before a byte of it was sent; and by its bytes, where no length is announced.
    let mut received = site.conn();
    received.send(format!(
        "POST /up/one HTTP/1.1\r\nHost: x\r\nContent-Type: {TYPE}\r\nContent-Length: {}\r\n\r\n",
        3 * MIB + 1
    ));
    assert!(message(received.read(), 413).contains("3145728"));
    let mut chunked = site.conn();
    chunked.send(format!(
        "POST /up/many HTTP/1.1\r\nHost: x\r\nContent-Type: {TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ));
    for n in 0..4 {
        let part = format!(
            "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{n}\"\r\n\r\n{}\r\n",
            "x".repeat(MIB)
        );
        chunked.send_reluctantly(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes());
    }
    if let Some(reply) = chunked.try_read(true) {
        assert!(message(reply, 413).contains("3145728"));
    }
    // A route that takes no files is held to the limit of any body; so are all fields together.
    site.post("/up/fields", TYPE, file(MIB / 2)).expect_code(400);
    message(site.post("/up/fields", TYPE, file(MIB)), 413);
    let half = vec![b'x'; MIB * 2 / 3];
    let text = message(site.post("/up/form", TYPE, body(&[(TITLE, &half), (TITLE, &half)])), 413);
    assert!(text.contains("`title`"), "{text}");
    let many: Vec<(&str, &[u8])> = vec![(TITLE, b"x"); 6];
    let text = message(site.post("/up/form", TYPE, body(&many)), 400);
    assert!(text.contains("more than 5 parts"), "{text}");
    nothing_left(&site);
}

#[test]
fn malformed_forms_are_a_400_that_says_what_is_wrong() {
    let site = site().start();
    let good = body(&[(TITLE, b"x")]);
    let before = || vec![(FILE, vec![b'x'; MIB])];
    let with = |head: &str, content: &[u8]| {
        let mut parts = before();
        parts.push((head, content.to_vec()));
        body(&parts.iter().map(|(head, content)| (*head, content.as_slice())).collect::<Vec<_>>())
    };
    let long = format!("{TITLE}\r\nX-Long: {}", "x".repeat(70_000));
    let cut = with(TITLE, b"x");
    let wrong: Vec<(&str, Vec<u8>, &str)> = vec![
        ("multipart/form-data", good.clone(), "boundary"),
        ("multipart/form-data; boundary=", good.clone(), "boundary"),
        ("multipart/form-data; boundary", good.clone(), "content type"),
        ("multipart/form-data; boundary=other", good.clone(), "ends before its last boundary"),
        (TYPE, b"not multipart at all".to_vec(), "boundary"),
        (TYPE, b"--b".to_vec(), "boundary"),
        (TYPE, b"--b\r\n".to_vec(), "ends before"),
        (TYPE, cut[..cut.len() - 6].to_vec(), "boundary"),
        (TYPE, cut[..MIB].to_vec(), "in the part `file`"),
        (TYPE, with("Content-Type: text/plain", b"x"), "Content-Disposition"),
        (TYPE, with("Content-Disposition: attachment; name=\"a\"", b"x"), "Content-Disposition"),
        (TYPE, with("Content-Disposition: form-data", b"x"), "no name"),
        (
            TYPE,
            with("Content-Disposition: form-data; name=\"title\"\r\nContent-Type: multipart/mixed; boundary=c", b"x"),
            "within another",
        ),
        (TYPE, with("Content-Disposition", b"x"), "head of a part"),
        (TYPE, with("\u{0}: x", b"x"), "head of a part"),
        (TYPE, with(&long, b"x"), "64 KiB"),
        (TYPE, with(TITLE, b"\xff\xfe"), "`title` is not UTF-8"),
        (TYPE, with(&format!("{TITLE}\r\nContent-Type: application/json"), b"{"), "`title` is malformed JSON"),
        (TYPE, with(&format!("{TITLE}\r\nContent-Length: many"), b"x"), "after the part `file`"),
        (TYPE, with(&format!("{TITLE}\r\nContent-Length: 999999"), b"x"), "`title`"),
    ];
    for (content_type, body, says) in wrong {
        let text = message(site.post("/up/form", content_type, &body), 400);
        assert!(
            text.contains(says),
            "{says:?} is not in {text:?}, for {:?}",
            String::from_utf8_lossy(&body[body.len().saturating_sub(200)..])
        );
        nothing_left(&site);
    }
    // Octets after the last boundary belong to no part, and the connection is kept.
    let mut conn = site.conn();
    for _ in 0..2 {
        let mut form = good.clone();
        form.extend_from_slice(&[b'e'; 100_000]);
        let head = format!(
            "POST /up/form HTTP/1.1\r\nHost: x\r\nContent-Type: {TYPE}\r\nContent-Length: {}\r\n\r\n",
            form.len()
        );
        // The form is whole before the rest comes.
        conn.send(head).send(&good);
        std::thread::sleep(Duration::from_millis(50));
        conn.send(&form[good.len()..]);
        assert_eq!(conn.read().expect_code(200).json()[0], json!({"title": "x"}));
    }
}

#[test]
fn uploads_at_once_do_not_fill_the_memory() {
    const AT_ONCE: usize = 10;
    const SIZE: usize = 20 * MIB;
    let site = site().start();
    let form = body(&[(FILE, &vec![b'x'; MIB])]);
    site.post("/up/one", TYPE, &form).expect_code(200);
    let before = site.memory();
    let mut most = before;
    scope(|threads| {
        let uploads: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                threads.spawn(|| {
                    let mut conn = begin(&site, "/up/one", SIZE + FILE.len() + 18, 0);
                    let piece = vec![b'x'; MIB];
                    for _ in 0..SIZE / MIB {
                        conn.send(&piece);
                    }
                    conn.send(b"\r\n--b--\r\n");
                    conn.read().expect_code(200).json()[0]["bytes"].clone()
                })
            })
            .collect();
        while uploads.iter().any(|upload| !upload.is_finished()) {
            most = most.max(site.memory());
            std::thread::sleep(Duration::from_millis(5));
        }
        uploads.into_iter().for_each(|upload| assert_eq!(upload.join().unwrap(), json!(SIZE)));
    });
    assert!(most - before < 32 * MIB, "{AT_ONCE} uploads of {SIZE} bytes took {} KiB", (most - before) >> 10);
    nothing_left(&site);
}

#[test]
fn the_demo_takes_the_form_of_the_first_readme() {
    let demo = TestServer::demo().file("temp/.keep", "").server("upload_folder", "temp").start();
    let page = demo.get("/test/up").expect_code(200).text();
    assert!(page.contains("multipart/form-data") && page.contains("submit-hidden"), "{page}");
    std::fs::write(demo.dir().join("study.sql"), "SELECT 1;\n".repeat(51) + "\n").unwrap();
    let file = format!("file=@{}", demo.dir().join("study.sql").display());
    let fields = ["-F", "submit-hidden=Hidden", "-F", "submit-name=Hans Roh", "-F", &file];
    let received = curl(&[&fields[..], &[&demo.url("/test/up")]].concat());
    let received: Value = serde_json::from_str(&received).unwrap();
    let about = json!({"mimetype": "application/octet-stream", "remote": "study.sql", "size": 511});
    assert_eq!(received, json!({"submit-hidden": "Hidden", "submit-name": "Hans Roh", "file": about}));
    assert_eq!(curl(&["-F", &file, &demo.url("/test/lines")]), "52");
    nothing_left(&demo);
}
