use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use skitai_actors::spec::{DbTls, Secret, Shard};

use super::*;

mod judging;
mod leaks;

fn env(name: &str) -> Option<String> {
    match name {
        "EMPTY" => Some(String::new()),
        "KEY" => Some("a-key-from-the-environment-of-40-bytes!!".to_owned()),
        "PW" => Some("from-env".to_owned()),
        _ => None,
    }
}

fn parsed(text: &str) -> Result<Loaded, Report> {
    parse("site.conf", text, Path::new("/site"), &env)
}

#[test]
fn a_database_without_a_driver_is_refused_by_the_name_of_its_feature() {
    let conf = "[@a]\ntype = sqlite3\nmembers = a.db\n[@b]\nmembers = h:1/db/user/secret\n[@c]\nmembers = h:1\n";
    let report = |postgres, sqlite| {
        let read = parse_with(
            Drivers { postgres, sqlite },
            "site.conf",
            conf,
            Path::new("/site"),
            Outside::new(&env, FileTexts::default()),
        );
        read.map_or_else(|report| report.to_string(), |_| String::new())
    };
    let (no_postgres, no_sqlite) = (report(false, true), report(true, false));
    assert!(no_postgres.contains("[@b]: this program was built without PostgreSQL"), "{no_postgres}");
    assert!(no_postgres.contains("feature `postgres`") && !no_postgres.contains("SQLite"), "{no_postgres}");
    assert!(no_sqlite.contains("[@a]: this program was built without SQLite"), "{no_sqlite}");
    assert!(no_sqlite.contains("feature `sqlite`") && !no_sqlite.contains("PostgreSQL"), "{no_sqlite}");
    assert_eq!(report(false, false).matches("there is no driver for it").count(), 2);
    assert_eq!(report(true, true), "");
}

fn loaded(text: &str) -> Settings {
    parsed(text).unwrap_or_else(|report| panic!("{report}")).settings
}

fn messages(report: &Report) -> Vec<&str> {
    report.errors().chain(report.warnings()).map(|problem| problem.message.as_str()).collect()
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/tests").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is part of the source")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    files.sort();
    files
}

/// Compares the report of every broken conf with the file beside it. To accept new reports:
/// `BLESS=1 cargo test -p skitai --lib config`, then review the diff.
#[test]
fn broken_confs_are_reported_in_these_words() {
    let bless = std::env::var_os("BLESS").is_some();
    let confs = files("broken");
    assert!(confs.len() >= 40, "{}", confs.len());
    let mut different = String::new();
    for conf in confs {
        let text = std::fs::read_to_string(&conf).expect("readable");
        let name = conf.file_name().expect("a file").to_string_lossy();
        let report = match parse(&name, &text, Path::new("/site"), &env) {
            Ok(loaded) => loaded.warnings,
            Err(report) => report,
        };
        assert!(!report.is_empty(), "{name} is not broken");
        let expected = conf.with_extension("report");
        let report = report.to_string();
        for secret in ["hidden-word", "hidden/word", "word here", "do-not-show", "nor-this", "hunter2", "abc12"] {
            assert!(!report.contains(secret), "{name} leaks\n{report}");
        }
        if bless {
            std::fs::write(&expected, &report).expect("written");
        } else if std::fs::read_to_string(&expected).ok().as_deref() != Some(&report) {
            writeln!(different, "{name} now reports:\n{report}").expect("a string grows");
        }
    }
    assert!(different.is_empty(), "{different}");
}

#[test]
fn every_conf_of_the_first_readme_is_read() {
    for conf in files("seed") {
        let text = std::fs::read_to_string(&conf).expect("readable");
        let name = conf.file_stem().expect("a file").to_string_lossy().into_owned();
        let outcome = parse(&name, &text, Path::new("/site"), &env);
        let refused: Vec<String> = match &outcome {
            Ok(_) => Vec::new(),
            Err(report) => report.errors().map(|problem| problem.message.clone()).collect(),
        };
        // The public key of the sample is refused, and a proxy of Skitai was open to everybody.
        let expected: &[&str] = match name.as_str() {
            "sample" => &[
                "`securekey` is the one of Skitai's sample, which anybody can read",
                "`admin_password` is the one of Skitai's sample, which anybody can read",
            ],
            "proxy" => &["`proxy = yes` without a section [proxy]: nothing says who may go where"],
            "skitaid" => &["[global] is no section of a conf"],
            _ => &[],
        };
        assert_eq!(refused, expected, "{name}");
    }
}

#[test]
fn the_sample_with_keys_of_ones_own() {
    let text = include_str!("tests/seed/sample.conf")
        .replace("ASDF34x5=DFu$3FD45i&*YTnU+78", "ASDF34x5=DFu$3FD45i&*YTnU+79;#x=ABCD")
        .replace("admin-password", "a-longer-one-of-mine");
    let loaded = parsed(&text).unwrap_or_else(|report| panic!("{report}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let Settings { server, routes, clusters, .. } = loaded.settings;
    assert_eq!((server.threads, server.processes, server.listening.tcp()), (4, 1, Some((None, 5000))));
    assert_eq!((server.name.as_str(), server.devel), ("site", false));
    assert_eq!(server.sessiontimeout, Duration::from_secs(1200));
    assert_eq!(server.static_max_age, Duration::from_secs(300));
    assert_eq!(server.num_result_cache_max, 200);
    assert_eq!(server.securekey, Some(Secret("ASDF34x5=DFu$3FD45i&*YTnU+79;#x=ABCD".to_owned())));
    assert_eq!(server.admin_password, Some(Secret("a-longer-one-of-mine".to_owned())));
    assert_eq!((clusters.len(), &server.tls), (0, &None));
    let routes: Vec<_> = routes.into_iter().map(|route| (route.path, route.target)).collect();
    let name = |name: &str| ("/".to_owned(), RouteTarget::Name(name.to_owned()));
    assert_eq!(routes, [name("/home/skitaid/app/static"), name("/home/skitaid/app/webapp")]);
}

#[test]
fn an_empty_conf_is_the_table_of_defaults() {
    let loaded = parsed("").expect("nothing is wrong with it");
    assert_eq!(messages(&loaded.warnings), ["nothing is mounted: every path will be answered with 404"]);
    let Settings { server, .. } = loaded.settings;
    assert_eq!(server, ServerSettings { name: "site".to_owned(), ..ServerSettings::default() });
    assert_eq!((server.processes, server.num_result_cache_max, server.umask), (1, 2000, 0o027));
    assert_eq!((server.max_body, server.deadline), (5 * 1024 * 1024, Duration::from_secs(30)));
    assert_eq!((server.head_timeout, server.body_timeout), (Duration::from_secs(5), Duration::from_secs(30)));
    assert_eq!((server.keep_alive, server.send_timeout), (Duration::from_secs(75), Duration::from_secs(30)));
    let uploads = Uploads { max_all: 100 << 20, max_file: 100 << 20, max_parts: 1000, folder: None };
    assert_eq!(server.uploads, uploads);
    assert!(server.threads >= 1);
}

#[test]
fn every_default_of_the_table_is_a_value_of_its_key() {
    for (title, table) in keys::TABLES {
        for key in *table {
            let what = format!("{title} {}", key.name);
            match key.kind {
                keys::KeyKind::Flag => assert!(values::flag(key.default).is_ok(), "{what}"),
                keys::KeyKind::Count { .. } | keys::KeyKind::Time { .. } | keys::KeyKind::Size { .. } => {
                    assert_eq!(values::number(key.default, key.kind).is_ok(), !key.default.is_empty(), "{what}");
                    let follows_another = matches!(
                        key.name,
                        "threads"
                            | "max_upload_file"
                            | "max_bodies"
                            | "redirect_http"
                            | "proxy_timeout"
                            | "proxy_deadline"
                    );
                    assert!(!key.default.is_empty() || follows_another, "{what}");
                }
                keys::KeyKind::Ports => assert!(key.default.parse::<u16>().is_ok(), "{what}"),
                keys::KeyKind::Mode => assert!(key.default.is_empty() || values::mode(key.default).is_ok(), "{what}"),
                _ => assert!(key.default.is_empty(), "{what}"),
            }
            assert!(!key.doc.is_empty(), "{what}");
        }
    }
}

#[test]
fn values_are_read_in_every_spelling() {
    let server = |line: &str| loaded(&format!("[server]\n{line}\n[routes:line]\n/ = x\n")).server;
    for yes in ["yes", "1", "true", "ON"] {
        assert!(server(&format!("devel = {yes}\nip = 127.0.0.1")).devel);
    }
    for no in ["no", "0", "False", "off"] {
        assert!(!server(&format!("devel = {no}")).devel);
    }
    for (text, milliseconds) in
        [("2", 2000), ("2s", 2000), ("1.5", 1500), ("250ms", 250), ("5 m", 300_000), ("1H", 3_600_000)]
    {
        assert_eq!(server(&format!("deadline = {text}")).deadline, Duration::from_millis(milliseconds), "{text}");
    }
    for (text, bytes) in [("2048", 2048), ("64k", 65536), ("1.5m", 1_572_864), ("1 MiB", 1_048_576)] {
        assert_eq!(server(&format!("max_body = {text}")).max_body, bytes, "{text}");
    }
    assert_eq!(server("max_upload = 1024m").uploads.max_file, 1 << 30, "a file may be all of a form");
    assert_eq!(server("max_upload_file = 3m").uploads.max_file, 3 << 20);
    let bodies = ["", "max_body = 40m", "max_bodies = 6m"].map(|line| server(line).max_bodies >> 20);
    assert_eq!(bodies, [64, 80, 6], "room for two of the largest");
    let ip = |line: &str| server(line).listening.tcp().expect("it has a port").0;
    assert_eq!(ip("ip = localhost"), Some(Ipv4Addr::LOCALHOST.into()));
    assert_eq!(ip("ip = [::1]"), "::1".parse().ok());
    assert_eq!(ip("ip = \"\""), None);
    assert_eq!(server("name = other").name, "other");
    assert_eq!(server("num_result_cache_max = 0").num_result_cache_max, 0);
    assert_eq!(server("ssl = no\nproxy = no\nenable_proxy = off\nprocesses = 1").processes, 1);
}

#[test]
fn http_members_have_ports_and_weights() {
    let text = "[server]\nthreads = 3\n[@a]\nmembers = one, two:8080 3, [::1]:5000, [fe80::1] 2,\n[@b]\nssl = yes\nmembers = s\n\
                connections = 1\nmember_timeout = 500ms\nconnect_timeout = 2\nmax_answer = 1m\n";
    let clusters = loaded(text).clusters;
    let [Declared::Http(a), Declared::Http(b)] = clusters.as_slice() else { panic!("{clusters:?}") };
    let members: Vec<_> = a.members.iter().map(|m| (&*m.node, m.host.as_str(), m.port, m.weight)).collect();
    assert_eq!(
        members,
        [
            ("one:80", "one", 80, 1),
            ("two:8080", "two", 8080, 3),
            ("[::1]:5000", "::1", 5000, 1),
            ("[fe80::1]:80", "fe80::1", 80, 2)
        ]
    );
    assert_eq!((a.tls, a.connections, a.max_answer), (false, 33, 16 * 1024 * 1024));
    assert_eq!((a.connect_timeout, a.member_timeout), (Duration::from_secs(1), Duration::from_secs(10)));
    assert_eq!((b.tls, &*b.members[0].node, b.connections), (true, "s:443", 1));
    assert_eq!((b.member_timeout, b.max_answer), (Duration::from_millis(500), 1024 * 1024));
}

#[test]
fn databases_are_known_by_type_or_by_their_shape() {
    for kind in ["", "type = postgresql", "type = POSTGRES", "type = pgsql", "type = postresql", "type = posgresql"] {
        let text = format!("[server]\nthreads = 4\n[@d]\n{kind}\nmembers = h/db/me/pw, h2:6000/db/me/p w 2\n");
        let clusters = loaded(&text).clusters;
        let [Declared::Db(d)] = clusters.as_slice() else { panic!("{kind}: {clusters:?}") };
        assert_eq!((&*d.members[0].node, &*d.members[1].node), ("h:5432/db", "h2:6000/db"));
        assert_eq!((d.members[1].weight, d.connections, d.wait), (2, 2, Duration::from_secs(1)));
        let Shard::Postgres { password, .. } = &d.members[1].shard else { panic!("{kind}") };
        assert_eq!(password.0, "p w");
    }
    let many = loaded("[server]\nthreads = 64\n[@d]\nmembers = h/db/me/pw\n").clusters;
    assert!(matches!(&many[..], [Declared::Db(d)] if d.connections == 1), "at least one each");
    for (line, shares) in [("", false), ("pipeline = yes", true), ("pipeline = no", false)] {
        let one = loaded(&format!("[@d]\nmembers = h/db/me/pw\n{line}\n")).clusters;
        assert!(matches!(&one[..], [Declared::Db(d)] if d.pipeline == shares), "{line}");
    }
}

#[test]
fn a_databases_url_says_whether_it_is_encrypted() {
    let tls = |parameters: &str| {
        let text = format!("[@d]\nmembers = postgres://me:pw@h/db{parameters}\n");
        let clusters = loaded(&text).clusters;
        let [Declared::Db(d)] = &clusters[..] else { panic!("{clusters:?}") };
        let Shard::Postgres { tls, .. } = &d.members[0].shard else { panic!("{d:?}") };
        tls.clone()
    };
    assert_eq!((tls(""), tls("?sslmode=disable")), (DbTls::Off, DbTls::Off));
    for mode in ["verify-full", "verify-ca", "require"] {
        assert_eq!(tls(&format!("?sslmode={mode}")), DbTls::Verified(None), "{mode}");
    }
}

#[test]
fn databases_are_written_as_urls_and_their_passwords_elsewhere() {
    let text = "[@d]\nmembers = postgres://me:p%2Fw%2C%40@h:6000/db, postgresql://me@h/d%20b, h/db/me/env:PW, \
                postgres://me:env:PW@%2Fvar%2Frun%2Fpostgresql/db, postgres://me:a@b@h/db2\n";
    let clusters = loaded(text).clusters;
    let [Declared::Db(d)] = clusters.as_slice() else { panic!("{clusters:?}") };
    let found: Vec<_> = d
        .members
        .iter()
        .map(|member| match &member.shard {
            Shard::Postgres { host, port, database, user, password, .. } => {
                format!("{host} {port} {database} {user} {}", password.0)
            }
            Shard::Sqlite { path } => panic!("{path:?}"),
        })
        .collect();
    assert_eq!(
        found,
        [
            "h 6000 db me p/w,@",
            "h 5432 d b me ",
            "h 5432 db me from-env",
            "/var/run/postgresql 5432 db me from-env",
            "h 5432 db2 me a@b"
        ]
    );
}

#[test]
fn sqlite_members_are_files_beside_the_conf() {
    let clusters = loaded("[@d]\ntype = sqlite3\nmembers = var/a.db,\n  /tmp/b.db 2\nwait = 3\n").clusters;
    let [Declared::Db(d)] = clusters.as_slice() else { panic!("{clusters:?}") };
    let found: Vec<_> = d.members.iter().map(|member| (&*member.node, member.weight)).collect();
    assert_eq!(found, [("a.db", 1), ("b.db", 2)], "no folder is told");
    assert_eq!(d.wait, Duration::from_secs(3));
}

#[test]
fn secrets_come_from_files_and_the_environment() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("pw"), "from a file, with blanks \n").expect("written");
    let text = "[server]\nsecurekey = env:KEY\nadmin_password = file:pw\n[@d]\nmembers = h/db/me/file:pw\n\
                [certification]\ncertfile = a.pem\nkeyfile = /k.pem\npassphrase = x\n";
    let text = text.replace("[server]", "[server]\nssl = yes");
    let settings = parse("x.conf", &text, folder.path(), &env).unwrap_or_else(|report| panic!("{report}")).settings;
    let text = |secret: Option<Secret>| secret.map(|secret| secret.0);
    assert_eq!(text(settings.server.securekey.clone()), env("KEY"));
    assert_eq!(text(settings.server.admin_password.clone()).as_deref(), Some("from a file, with blanks "));
    let [certification] = &settings.server.tls.as_ref().expect("ssl = yes").certifications[..] else { panic!("one") };
    assert_eq!(certification.certfile, folder.path().join("cert/a.pem"));
    assert_eq!(certification.keyfile, Some(PathBuf::from("/k.pem")));
    assert_eq!(certification.passphrase.as_ref().map(|secret| secret.0.as_str()), Some("x"));
    let shown = format!("{settings:?}");
    assert!(!shown.contains("from a file") && !shown.contains("a-key-from"), "{shown}");
}

#[test]
fn the_later_place_of_the_certificate_is_read_too() {
    let settings = loaded("[server]\nssl = yes\ncertfile = a.pem\npass_phrase = \"\"\n");
    let [certification] = &settings.server.tls.expect("ssl = yes").certifications[..] else { panic!("one") };
    assert_eq!((&certification.certfile, &certification.passphrase), (&PathBuf::from("/site/cert/a.pem"), &None));
}

#[test]
fn certificates_are_in_the_order_of_the_file() {
    let settings = loaded(
        "[server]\nssl = yes\nip = 127.0.0.1\nport = 443\nredirect_http = 80\nhsts = 365d; preload\n\
         client_ca = /ca.pem\n\
         [certification:b.example]\ncertfile = b.pem\n[certification]\ncertfile = a.pem\n[certification: any word ]\n\
         certfile = /c.pem\n",
    );
    let tls = settings.server.tls.expect("ssl = yes");
    let names = tls.certifications.iter().map(|one| (one.name.as_deref(), one.certfile.to_str()));
    let expected = [(Some("b.example"), "/site/cert/b.pem"), (None, "/site/cert/a.pem"), (Some("any word"), "/c.pem")];
    assert_eq!(names.collect::<Vec<_>>(), expected.map(|(name, file)| (name, Some(file))));
    assert_eq!((tls.client_ca, tls.client_certificates), (Some("/ca.pem".into()), ClientCertificates::Required));
    assert_eq!(settings.server.hsts.as_deref(), Some("max-age=31536000; preload"));
    let listening = settings.server.listening;
    let shown: Vec<_> = listening.addresses.iter().map(ToString::to_string).collect();
    assert_eq!((shown, listening.redirect), (vec!["127.0.0.1:443".to_owned(), "127.0.0.1:80".to_owned()], Some(80)));
}

#[test]
fn a_conf_on_disk_names_its_instance_and_its_folder() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("shop.conf");
    std::fs::write(&path, "\u{feff}[routes:line]\r\n/ = app\r\n").expect("written");
    let loaded = load(&path).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!((loaded.settings.server.name.as_str(), loaded.base.as_path()), ("shop", folder.path()));

    let report = load(&folder.path().join("none.conf")).expect_err("it is not there");
    assert!(report.to_string().contains("the conf cannot be read"), "{report}");
    std::fs::write(&path, b"[server]\nname = \xff\n").expect("written");
    let report = load(&path).expect_err("it is not text");
    assert!(report.to_string().contains("byte 16, on line 2"), "{report}");
}

#[test]
fn mounts_are_folders_or_apps_and_the_folder_wins() {
    let site = tempfile::tempdir().expect("a temporary folder");
    for folder in ["static", "both"] {
        std::fs::create_dir(site.path().join(folder)).expect("made");
    }
    std::fs::write(site.path().join("file.txt"), "").expect("written");
    let mounts = |routes: &str| {
        let text = format!("[routes:line]\n{routes}");
        let loaded = parse("site.conf", &text, site.path(), &env).unwrap_or_else(|report| panic!("{report}"));
        loaded.resolve_mounts(&["webapp", "both"])
    };
    let found = mounts("/ = static\n/ = /home/skitaid/app/webapp\n/b = both\n").expect("they are there");
    let targets: Vec<_> = found.into_iter().map(|mount| mount.target).collect();
    let folder = |name: &str| MountTarget::Folder(site.path().join(name));
    assert_eq!(targets, [folder("static"), MountTarget::App("webapp".to_owned()), folder("both")]);

    let report = mounts("/ = /srv/webap\n/ok = static\n/f = file.txt\n").expect_err("two are not there");
    insta::assert_snapshot!(report.to_string(), @r"
    error: `/srv/webap` is neither an existing folder nor an app; the apps of this program are `webapp`, `both`
     --> site.conf:2:5
      |
    2 | / = /srv/webap
      |     ^^^^^^^^^^
      |
      = help: did you mean the app `webapp`?

    error: `file.txt` is a file; a route leads to a folder, an app or a cluster
     --> site.conf:4:6
      |
    4 | /f = file.txt
      |      ^^^^^^^^

    2 errors in site.conf
    ");
    let loaded = parsed("[routes:line]\n/ = webapp\n").expect("well written");
    let report = loaded.resolve_mounts(&[]).expect_err("no apps").to_string();
    assert!(report.contains("this program has no apps"), "{report}");
}

#[test]
fn a_site_without_a_conf_runs_in_devel_mode_on_loopback() {
    let site = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(site.path().join("demo")).expect("made");
    let loaded = Loaded::without_conf(site.path(), &["demo", "other"]);
    let server = &loaded.settings.server;
    let loopback = Some(Ipv4Addr::LOCALHOST.into());
    assert_eq!((server.devel, server.listening.tcp()), (true, Some((loopback, 5000))));
    let app = MountLine { path: "/".to_owned(), target: MountTarget::App("demo".to_owned()) };
    let apps = ["demo", "other"];
    assert_eq!(
        loaded.resolve_mounts(&apps).expect("the app is there"),
        std::slice::from_ref(&app),
        "whatever folders there are"
    );
    std::fs::create_dir(site.path().join("static")).expect("made");
    let mounts = Loaded::without_conf(site.path(), &apps).resolve_mounts(&apps).expect("both are there");
    let files = MountLine { path: "/".to_owned(), target: MountTarget::Folder(site.path().join("static")) };
    assert_eq!(mounts, [files, app]);
}

#[test]
fn a_report_is_plain_text_unless_colour_is_asked_for() {
    let report = parsed("[server]\nprot = 1\n").expect_err("a slip");
    assert!(!report.to_string().contains('\u{1b}'));
    assert!(report.render(true).contains('\u{1b}'));
}

proptest! {
    #[test]
    fn any_text_is_read_or_reported(text in "(?s).{0,200}") {
        check_any(&text)?;
    }

    #[test]
    fn any_lines_are_read_or_reported(lines in proptest::collection::vec(
        "[ \t]{0,2}(\\[(server|routes:line|@d|certification|x|@d:data)\\]?|[a-z_]{0,6}|members|type|securekey|/|;|#)[ ]?[=:]?[ ]?[ -~é]{0,20}\r?",
        0..12,
    )) {
        check_any(&lines.join("\n"))?;
    }
}

/// Asserts that any text is parsed without a panic, and that every place is within the text, at character boundaries.
fn check_any(text: &str) -> Result<(), TestCaseError> {
    let report = match parsed(text) {
        Ok(loaded) => loaded.warnings,
        Err(report) => report,
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for problem in report.errors().chain(report.warnings()) {
        if let Some(span) = &problem.span {
            prop_assert!(text.get(span.clone()).is_some(), "{problem:?}");
        }
    }
    let _ = report.to_string();
    Ok(())
}
