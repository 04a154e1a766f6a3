//! Spellings of paths that would leave a folder, show what is hidden, or pass a gate under another name.

use std::os::unix::fs::symlink;

use crate::harness::{Scenario, TestServer, eventually};

const SECRET: &str = "what nobody may read";

/// A site whose folder has a neighbour, a hidden file, and an app behind it.
fn site() -> Scenario {
    TestServer::site_of(&["/ = public", "/ = testsite", "/intern = intern"])
        .file("public/page.txt", "the page")
        .file("public/sub/index.html", "the index")
        .file("public/.hidden", SECRET)
        .file("public/.git/config", SECRET)
        .file("public/intern/secret.txt", SECRET)
        .file("intern/other.txt", "of the mount")
        .file("secret.txt", SECRET)
        .file("publicly/secret.txt", SECRET)
}

/// Ways to write the step out of a folder.
const STEPS: [&str; 20] = [
    "..",
    "%2e%2e",
    "%2E%2E",
    ".%2e",
    "%2e.",
    "%252e%252e",
    "..;",
    "..%00",
    "..%20",
    "..%09",
    "%c0%ae%c0%ae",
    "%e0%80%ae.",
    "%uff0e%uff0e",
    ".%00.",
    "...",
    "....",
    "%ef%bc%8e%ef%bc%8e",
    "..%3b",
    "..%ff",
    "%%32%65%%32%65",
];
/// Ways to write what divides names.
const SLASHES: [&str; 9] = ["/", "//", "%2f", "%2F", "\\", "%5c", "%5C", "%252f", "/./"];
/// What is on the way.
const BEGINS: [&str; 4] = ["/", "/sub/", "/sub/x/", "/page.txt/"];

#[test]
fn no_spelling_leads_out_of_the_folder() {
    let site = site().start();
    let mut spellings = Vec::new();
    for begin in BEGINS {
        for step in STEPS {
            for slash in SLASHES {
                let deep = format!("{step}{slash}").repeat(3);
                spellings.push(format!("{begin}{step}{slash}secret.txt"));
                spellings.push(format!("{begin}{step}{slash}publicly{slash}secret.txt"));
                spellings.push(format!("{begin}{deep}etc{slash}hostname"));
            }
        }
    }
    spellings.extend(
        [
            "/.hidden",
            "/%2ehidden",
            "/%2Ehidden",
            "/./.hidden",
            "//.hidden",
            "/sub/../.hidden",
            "/.hidden/",
            "/.hidden%00.txt",
            "/.git/config",
            "/%2egit/config",
            "/.git%2fconfig",
            "/.git//config",
            "/sub/..%2f.git/config",
            "//etc/hostname",
            "/%2fetc%2fhostname",
            "///etc/hostname",
            "/page.txt%00",
            "/page.txt%00.html",
            "/C:/secret.txt",
            "/c:\\secret.txt",
            "/~/secret.txt",
            "/file:///etc/hostname",
            "/public/../secret.txt",
            "/..",
            "/../",
            "/%2e%2e",
            "/sub/..",
        ]
        .map(str::to_owned),
    );
    assert!(spellings.len() >= 2000, "{}", spellings.len());
    let hostname = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    for spelling in &spellings {
        let reply = site.get(spelling);
        assert!((400..500).contains(&reply.code), "{spelling}: {} {}", reply.code, reply.text());
        assert!(!reply.text().contains(SECRET) && reply.text() != hostname, "{spelling}: {}", reply.text());
    }
    // And the server is as well as before.
    assert_eq!(site.get("/page.txt").expect_code(200).text(), "the page");
    assert_eq!(site.get("/%70age%2etxt").expect_code(200).text(), "the page");
}

/// A folder of a shorter mount may have names that a longer mount guards.
#[test]
fn no_spelling_passes_a_gate() {
    let site = site().server("trusted_proxies", "127.0.0.1").section("[mount /intern]\nallow = 10.0.0.0/8").start();
    let ask = |path: &str, client: &str| site.ask("GET", path, &[("X-Forwarded-For", client)], b"");
    assert_eq!(ask("/intern/secret.txt", "10.0.0.1").expect_code(200).text(), SECRET);
    for path in [
        "/intern/secret.txt",
        "//intern/secret.txt",
        "/./intern/secret.txt",
        "/intern%2fsecret.txt",
        "/intern%2Fsecret.txt",
        "/%69ntern/secret.txt",
        "/%69ntern%2fsecret.txt",
        "/intern//secret.txt",
        "/intern/./secret.txt",
        "///intern/secret.txt",
        "/sub/../intern/secret.txt",
        "/%2fintern/secret.txt",
        "/intern%5csecret.txt",
        "/%2e/intern/secret.txt",
    ] {
        let reply = ask(path, "203.0.113.9");
        assert!(reply.code >= 400 && !reply.text().contains(SECRET), "{path}: {} {}", reply.code, reply.text());
    }
}

#[test]
fn links_stay_in_their_folder_unless_they_may_leave_it() {
    let linked = || {
        let scenario = site();
        let dir = scenario.dir().to_owned();
        let link = |to: &str, at: &str| symlink(to, dir.join("public").join(at)).unwrap();
        link("../secret.txt", "out.txt");
        link("../publicly", "folder");
        link("page.txt", "near.txt");
        link(dir.join("public/page.txt").to_str().unwrap(), "absolute.txt");
        link("/proc/self/root", "proc");
        link("round.txt", "round.txt");
        std::fs::create_dir(dir.join("public/indexed")).unwrap();
        symlink("../../secret.txt", dir.join("public/indexed/index.html")).unwrap();
        std::fs::write(dir.join("public/near.js"), "x".repeat(2000)).unwrap();
        symlink("../secret.txt", dir.join("public/near.js.gz")).unwrap();
        scenario
    };
    let site = linked().start();
    for path in ["/near.txt", "/absolute.txt"] {
        assert_eq!(site.get(path).expect_code(200).text(), "the page", "{path}");
    }
    for path in ["/out.txt", "/folder/secret.txt", "/proc/etc/hostname", "/round.txt", "/indexed/"] {
        let reply = site.get(path).expect_code(404);
        assert!(!reply.text().contains(SECRET), "{path}");
    }
    let packed = site.ask("GET", "/near.js", &[("Accept-Encoding", "gzip")], b"").expect_code(200);
    assert!(!packed.text().contains(SECRET));
    eventually("the log names the key", || site.log().contains("links = yes").then_some(()));
    let site = linked().section("[mount /]\nlinks = yes").start();
    for path in ["/out.txt", "/folder/secret.txt", "/indexed/"] {
        assert_eq!(site.get(path).expect_code(200).text(), SECRET, "{path}");
    }
}

/// The folder itself may be a link, and lead to another one from one moment to the next.
#[test]
fn a_folder_is_put_in_place_by_a_link() {
    let scenario = TestServer::site_of(&["/ = current"]).file("one/a.txt", "one").file("two/a.txt", "two");
    let dir = scenario.dir().to_owned();
    symlink("one", dir.join("current")).unwrap();
    let site = scenario.start();
    assert_eq!(site.get("/a.txt").expect_code(200).text(), "one");
    symlink("two", dir.join("next")).unwrap();
    std::fs::rename(dir.join("next"), dir.join("current")).unwrap();
    assert_eq!(site.get("/a.txt").expect_code(200).text(), "two");
}
