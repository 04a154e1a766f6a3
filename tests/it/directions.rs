//! Who may name whom. The crates and folders are layers (`wire ← actors ← skitai ← apps`); these tests read the source
//! and the manifests, so that a convenient import does not quietly turn a layer upside down.
//!
//! A rule looks at names in code; comments are left out, so that a module may explain what it hides.

use std::path::{Path, PathBuf};

use crate::harness::data::root;

/// In every file below `within`, except those whose path begins with one of `except`, none of `names` may be named.
struct Rule {
    why: &'static str,
    within: &'static [&'static str],
    except: &'static [&'static str],
    names: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule {
        why: "wire is bytes and values: no crate of ours, no I/O, no async, no clock",
        within: &["actors/wire/src"],
        except: &[],
        names: &[
            "skitai",
            "skitai_actors",
            "actix",
            "tokio",
            "awc",
            "std::fs",
            "std::io",
            "std::net::TcpStream",
            "std::time::Instant",
            "std::time::SystemTime",
            "std::thread",
        ],
    },
    Rule {
        why: "actors know no web framework: they serve plain fns, tests and the supervisor alike",
        within: &["actors/src"],
        except: &[],
        names: &["actix_web", "actix_files", "skitai"],
    },
    Rule {
        why: "the kit alone names actix, so that replacing it means replacing one folder",
        within: &["actors/src", "src", "apps", "tests/site"],
        except: &["actors/src/kit"],
        names: &["actix"],
    },
    Rule {
        why: "http alone names awc: limits, redirects and timeouts are decided in one place",
        within: &["actors/src", "src", "apps", "tests/site"],
        except: &["actors/src/http"],
        names: &["awc"],
    },
    Rule {
        why: "actix-http, below actix-web, is named where requests come in and by the client",
        within: &["actors/src", "src", "apps", "tests/site"],
        except: &["actors/src/http", "src/connection"],
        names: &["actix_http"],
    },
    Rule {
        why: "db alone names the drivers: deadlines, cancelling and discarding are decided in one place",
        within: &["actors/src", "src", "tests/site"],
        except: &["actors/src/db"],
        names: &["tokio_postgres", "deadpool_postgres", "deadpool_sync", "deadpool", "rusqlite"],
    },
    Rule {
        why: "a connection is handed a service and its times: it drives for anybody",
        within: &["src/connection"],
        except: &[],
        names: &["skitai_actors", "crate::config"],
    },
    Rule {
        why: "tls alone makes what rustls needs; a connection hands it on, a port chooses it",
        within: &["src"],
        except: &["src/tls", "src/connection/tls_socket.rs", "src/serve/server.rs", "src/serve/entrance.rs"],
        names: &["rustls", "tokio_rustls", "x509_cert", "pkcs8"],
    },
    Rule {
        why: "the edge carries a request to its app; what an app asks of clusters and databases is not its business",
        within: &["src/edge"],
        except: &[],
        names: &["skitai_actors::cluster", "skitai_actors::db", "skitai_actors::http"],
    },
    Rule {
        why: "the server's own apps are apps like any other: they see what an author sees, and `Was`",
        within: &["src/builtin"],
        except: &[],
        names: &["actix_web", "actix_rt", "crate::edge", "crate::observe"],
    },
    Rule {
        why: "the status page is written on the prelude alone",
        within: &["src/builtin/admin.rs", "src/builtin/admin"],
        except: &[],
        names: &["skitai_actors", "skitai_wire", "crate::config", "crate::rpc"],
    },
    Rule {
        why: "an app sees what its author would see: `skitai::prelude` and `skitai::main`",
        within: &["apps/demo/src", "tests/site"],
        // The example of a service of actix-web's, and the tests of such.
        except: &["apps/demo/src/websocket.rs", "tests/site/services.rs", "tests/site/supervised.rs"],
        names: &["skitai_actors", "skitai_wire", "skitai_macros", "actix_web", "actix_rt", "tokio"],
    },
    Rule {
        why: "a configuration is read before anything runs: it makes settings and specs and starts nothing",
        within: &["src/config"],
        except: &[],
        names: &["actix_web", "actix_rt", "tokio"],
    },
];

/// The rooms of a crate, in their order: each may name those before it, and none behind it.
struct Order {
    source: &'static str,
    rooms: &'static [&'static str],
}

const ORDERS: &[Order] = &[
    Order {
        source: "actors/src",
        rooms: &[
            "kit", "outcome", "merge", "spec", "balance", "dns", "http", "cluster", "db", "cache", "session", "status",
        ],
    },
    Order {
        source: "src",
        rooms: &[
            "observe",
            "config",
            "tls",
            "ipc",
            "connection",
            "app",
            "__private",
            "prelude",
            "sql",
            "proxy",
            "edge",
            "rpc",
            "builtin",
            "serve",
            "supervise",
            "test",
            "cli",
            "fuzzing",
        ],
    },
];

/// The most lines of a file that needs no excuse; tables of cases read on a little longer.
const LONG: usize = 400;
const LONG_TESTS: usize = 600;

/// How a longer one begins its excuse, within its first lines.
const EXCUSE: &str = "Long because";

#[test]
fn no_layer_names_one_above_it() {
    let mut offences = Vec::new();
    for rule in RULES {
        for within in rule.within {
            for file in files_of(within) {
                let path = relative(&file);
                if !rule.except.iter().any(|except| path.starts_with(except)) {
                    offences.extend(offences_of(rule, &path, &std::fs::read_to_string(&file).unwrap()));
                }
            }
        }
    }
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn the_rooms_of_a_crate_keep_their_order() {
    let mut offences = Vec::new();
    for Order { source, rooms } in ORDERS {
        for (at, room) in rooms.iter().enumerate() {
            let later: Vec<String> = rooms[at + 1..].iter().map(|later| format!("crate::{later}")).collect();
            let later: Vec<&str> = later.iter().map(String::as_str).collect();
            let why = format!("in {source} `{room}` stands before it (see `docs/ARCHITECTURE.md`)");
            // Tests may stand on what is built above.
            let is_test = |file: &PathBuf| {
                let path = relative(file);
                path.contains("/tests/") || path.ends_with("/tests.rs")
            };
            for file in files_of(&format!("{source}/{room}")).into_iter().filter(|file| !is_test(file)) {
                let code = std::fs::read_to_string(&file).unwrap();
                let path = relative(&file);
                offences.extend(named(&later, &path, &code).map(|name| format!("{path} names `{name}`: {why}")));
            }
        }
        // A room without a rule would be free to name everything.
        for file in std::fs::read_dir(root().join(source)).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let room = name.strip_suffix(".rs").unwrap_or(&name);
            let is_known = rooms.contains(&room) || matches!(room, "lib" | "main");
            assert!(is_known, "{source}/{name} is in no order: add it to ORDERS");
        }
    }
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

/// The files of a module: its own, and those of its folder. A rule about nothing would keep nothing.
fn files_of(module: &str) -> Vec<PathBuf> {
    let path = root().join(module);
    let mut files = Vec::new();
    if path.is_dir() {
        files.extend(rust_files(&path));
    }
    for file in [path.with_extension("rs"), path] {
        if file.is_file() {
            files.push(file);
        }
    }
    assert!(!files.is_empty(), "a rule is about {module}, and there is no such folder or file");
    files.sort();
    files.dedup();
    files
}

#[test]
fn an_offence_would_be_seen() {
    let rule = Rule { why: "", within: &[], except: &[], names: &["actix", "crate::serve"] };
    let seen = |code: &str| !offences_of(&rule, "x.rs", code).is_empty();
    assert!(seen("use actix::Actor;") && seen("    actix::spawn(x);") && seen("use crate::serve::Thread;"));
    assert!(seen("use crate::{config, serve};") && seen("use crate::{\n    config,\n    serve::Thread,\n};"));
    assert!(seen("let address = \"http://x\"; actix::spawn(x)"));
    assert!(!seen("use actix_web::web;") && !seen("// actix::Actor is hidden here") && !seen("use crate::server;"));
    let below = |path, code: &str| !offences_of(&rule, path, code).is_empty();
    assert!(below("src/a.rs", "use super::serve;") && below("src/a/b.rs", "super::super::{config, serve::Thread};"));
    assert!(!below("src/a/b.rs", "use super::serve;") && !below("src/a/b.rs", "use super::super::served;"));
    assert!(!seen("//! the only place that names actix::Actor") && !seen("use crate::{config, served};"));
}

/// The lines of this code that name what the rule forbids.
fn offences_of(rule: &Rule, path: &str, code: &str) -> Vec<String> {
    named(rule.names, path, code).map(|name| format!("{path} names `{name}`: {}", rule.why)).collect()
}

/// Those of the names that occur in the code of this file.
fn named<'n>(names: &'n [&'n str], path: &str, code: &str) -> impl Iterator<Item = &'n str> {
    let (code, up) = (without_comments(code), to_the_root(path));
    names.iter().copied().filter(move |name| match name.rsplit_once("::") {
        // A crate: what follows its name tells it from a word.
        None => mentions(&code, &format!("{name}::")) || mentions(&code, &format!("use {name};")),
        Some((parent, item)) => {
            let is_named = |parent: &str| {
                mentions(&code, &format!("{parent}::{item}")) || is_in_group(&code, &format!("{parent}::{{"), item)
            };
            is_named(parent) || parent == "crate" && up.as_deref().is_some_and(is_named)
        }
    })
}

/// How a file names the root of its crate without the word `crate`: `super::super` in `src/room/file.rs`.
fn to_the_root(path: &str) -> Option<String> {
    let (_, below) = path.rsplit_once("src/")?;
    Some(vec!["super"; below.split('/').count()].join("::"))
}

/// True where `name` occurs and is no part of a longer name or the beginning of a text.
fn mentions(code: &str, name: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        let ends = name.ends_with(':') || after.is_none_or(|after| !is_name(after));
        ends && before.is_none_or(|before| !is_name(before) && !matches!(before, '"' | '$'))
    })
}

/// True where a `use PREFIX{…}` has this module in its first level or below.
fn is_in_group(code: &str, prefix: &str, module: &str) -> bool {
    code.match_indices(prefix).any(|(at, _)| {
        let group = code[at + prefix.len()..].split(';').next().unwrap_or("");
        group.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == module)
    })
}

/// Line comments left out. A `//` behind a colon is an address.
fn without_comments(code: &str) -> String {
    let mut plain = String::new();
    for line in code.lines() {
        let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
        plain.push_str(comment.map_or(line, |(at, _)| &line[..at]));
        plain.push('\n');
    }
    plain
}

#[test]
fn no_manifest_points_upward() {
    // Whom each package may depend on among the others; what it must not take from outside.
    let packages: [(&str, &[&str], &[&str]); 6] = [
        ("actors/wire", &[], &["actix", "actix-web", "tokio", "awc"]),
        ("apps/macros", &[], &["actix-web", "tokio"]),
        // An allocator is a program's choice.
        ("actors", &["skitai-wire"], &["actix-web", "actix-files", "mimalloc"]),
        (
            ".",
            &["skitai-actors", "skitai-wire", "skitai-macros"],
            &["actix", "awc", "tokio-postgres", "rusqlite", "mimalloc"],
        ),
        ("apps/skitaid", &["skitai"], &["actix", "actix-web", "awc", "tokio-postgres"]),
        ("apps/demo", &["skitai"], &["actix", "actix-web", "awc", "tokio-postgres"]),
    ];
    for (folder, ours, refused) in packages {
        let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        for name in dependencies(&manifest) {
            // The black-box tests are the demo's by name, and seal sessions of the past.
            let is_of_tests = (folder, name) == ("apps/demo", "skitai-actors") && is_of_tests_alone(&manifest, name);
            let wrong =
                (name.starts_with("skitai") && !ours.contains(&name) && !is_of_tests) || refused.contains(&name);
            assert!(!wrong, "{folder}/Cargo.toml must not depend on {name}");
        }
    }
}

/// Whether a dependency stands below `[dev-dependencies]` and nowhere before.
fn is_of_tests_alone(manifest: &str, name: &str) -> bool {
    let shipped = manifest.split("[dev-dependencies]").next().unwrap();
    !dependencies(shipped).contains(&name)
}

/// Names below `[dependencies]` and `[dev-dependencies]`.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = matches!(line, "[dependencies]" | "[dev-dependencies]" | "[build-dependencies]");
        } else if inside && !line.trim_start().starts_with('#') {
            names.extend(line.split(['.', ' ', '=']).next().filter(|name| !name.is_empty()));
        }
    }
    names
}

#[test]
fn files_are_named_by_what_they_hold_and_short_enough_to_be_read() {
    let folders = ["src", "actors", "apps", "tests", "benches", "fuzz", "proof"];
    for file in folders.iter().flat_map(|folder| rust_files(&root().join(folder))) {
        let path = relative(&file);
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let vague = ["mod", "util", "utils", "common", "helpers", "misc"];
        assert!(!vague.contains(&name.as_str()), "{path}: a file is named by the idea it holds");
        let text = std::fs::read_to_string(&file).unwrap();
        let excused = text.lines().take(40).any(|line| line.starts_with("//") && line.contains(EXCUSE));
        let lines = text.lines().count();
        let limit = if name == "tests" || path.contains("/tests/") { LONG_TESTS } else { LONG };
        assert!(lines <= limit || excused, "{path} has {lines} lines: split it, or say at its top: `//! {EXCUSE} …`");
    }
}

#[test]
fn code_lives_in_the_cards_folders() {
    let known = ["src", "actors", "apps", "tests", "benches", "fuzz", "proof", "target"];
    for entry in std::fs::read_dir(root()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !name.starts_with('.') && !known.contains(&name.as_str()) {
            let code = rust_files(&entry.path());
            assert!(code.is_empty(), "{name}/ is no folder for code: {code:?}");
        }
    }
}

fn relative(file: &Path) -> String {
    file.strip_prefix(root()).unwrap().display().to_string()
}

/// The Rust files below a folder, generated ones left out; none where it does not exist.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    // A module is its folder and the file of its name beside it.
    let head = folder.with_extension("rs");
    let mut files: Vec<PathBuf> = Some(head).filter(|head| head.is_file()).into_iter().collect();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                files.extend(rust_files(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
