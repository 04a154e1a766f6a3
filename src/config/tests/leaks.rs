//! Reports never contain secrets, whatever else is wrong with a conf.

use proptest::prelude::*;
use proptest::sample::Index;

use super::parsed;

const SECRETS: [&str; 6] =
    ["Zq9xWv7=Lk3$Jh2", "Yt6.Rf4pNb8", "Xs5dGm1cPe0", "Vu2hBk7wTa3", "Ro8fCj5vSz1+Qe6yDi4u", "Mn3gHw0/Aq7kLx2t"];

fn conf() -> Vec<String> {
    let [key, password, phrase, db, old, older] = SECRETS;
    let text = format!(
        "[server]\nport = 5000\nthreads = 4\nsecurekey = {key}\nprevious_securekeys = {old}, {older}\n\
         trusted_proxies = 10.0.0.0/8, x\nadmin_password = {password}\nssl = yes\n\n\
         [certification]\ncertfile = a.pem\npassphrase = {phrase} ; a comment\n\n[routes:line]\n/ = webapp\n/x = @mydb\n\n\
         [@mydb]\ntype = postgresql\nmembers = a.host:5432/mydb/user/{db}, b.host/mydb/user/{db} 2,\n  \
         postgres://user:{db}@c.host/mydb\nwait = soon\n\n[@mysearch]\nmembers = a:1,b:x\n"
    );
    text.lines().map(str::to_owned).collect()
}

/// An accidental change of a conf.
#[derive(Clone, Debug)]
enum Slip {
    Remove(Index),
    Double(Index),
    Swap(Index, Index),
    Indent(Index),
    Join(Index),
    /// Replaces a line up to its `=`.
    Rename(Index, String),
    /// Changes, inserts or removes a character before the first secret of a line.
    Type(Index, Index, String, bool),
    Insert(Index, String),
}

/// Neither a key nor near to one whose value is shown.
fn is_unknown(name: &str) -> bool {
    !super::keys::is_known(name) && super::mask::meant(name).is_none()
}

fn slip() -> impl Strategy<Value = Slip> {
    let at = any::<Index>;
    prop_oneof![
        at().prop_map(Slip::Remove),
        at().prop_map(Slip::Double),
        (at(), at()).prop_map(|(a, b)| Slip::Swap(a, b)),
        at().prop_map(Slip::Indent),
        at().prop_map(Slip::Join),
        (at(), "[a-z_]{1,12}".prop_filter("a secret given as another key's value is shown", |name| is_unknown(name)))
            .prop_map(|(a, name)| Slip::Rename(a, name)),
        (at(), at(), "[ -~]?", any::<bool>()).prop_map(|(a, b, c, over)| Slip::Type(a, b, c, over)),
        (at(), "[ -~]{0,12}").prop_map(|(a, text)| Slip::Insert(a, text)),
    ]
}

fn apply(lines: &mut Vec<String>, slip: Slip) {
    if lines.is_empty() {
        return;
    }
    let n = lines.len();
    match slip {
        Slip::Remove(a) => {
            lines.remove(a.index(n));
        }
        Slip::Double(a) => lines.insert(a.index(n), lines[a.index(n)].clone()),
        Slip::Swap(a, b) => lines.swap(a.index(n), b.index(n)),
        Slip::Indent(a) => lines[a.index(n)].insert_str(0, "  "),
        Slip::Join(a) => {
            let line = lines.remove(a.index(n));
            if let Some(next) = lines.get_mut(a.index(n)) {
                next.insert_str(0, &line);
            }
        }
        Slip::Rename(a, name) => {
            let line = &mut lines[a.index(n)];
            if let Some(at) = line.find('=') {
                line.replace_range(..at, &name);
            }
        }
        Slip::Type(a, b, text, over) => {
            let line = &mut lines[a.index(n)];
            let end = SECRETS.iter().filter_map(|secret| line.find(secret)).min().unwrap_or(line.len());
            if end > 0 {
                let at = b.index(end);
                line.replace_range(at..at + usize::from(over), &text);
            }
        }
        Slip::Insert(a, text) => lines.insert(a.index(n), text),
    }
}

/// Asserts that a report contains neither the secrets nor long pieces of them.
fn assert_silent(report: &str) -> Result<(), TestCaseError> {
    for secret in SECRETS {
        for piece in secret.as_bytes().windows(6) {
            let piece = std::str::from_utf8(piece).expect("ascii");
            prop_assert!(!report.contains(piece), "{piece} of {secret} in\n{report}");
        }
    }
    Ok(())
}

#[test]
fn a_bracket_before_a_key_shows_nothing() {
    let text = format!("[server]\n[ecurekey = {}\n", SECRETS[0]);
    let report = match parsed(&text) {
        Ok(_) => panic!("it is no conf"),
        Err(report) => report.render(false),
    };
    assert!(report.contains("no section"), "{report}");
    assert_silent(&report).expect("no secret in it");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn no_report_shows_a_secret(slips in proptest::collection::vec(slip(), 0..4)) {
        let mut lines = conf();
        for slip in slips {
            apply(&mut lines, slip);
        }
        let report = match parsed(&lines.join("\n")) {
            Ok(loaded) => {
                assert_silent(&format!("{loaded:?}"))?;
                loaded.warnings
            }
            Err(report) => report,
        };
        assert_silent(&report.to_string())?;
        assert_silent(&report.render(true))?;
        assert_silent(&format!("{report:?}"))?;
    }
}

#[test]
fn slips_that_once_showed_a_secret_do_not() {
    for (from, to) in [
        ("passphrase =", "/assphrase ="),
        ("type = postgresql\n", "type = postgresql"),
        ("postgres://user:", "postgres//user:"),
        ("postgres://user:", "/ostgres://user:"),
        ("postgres://user:", "postgres:/user:"),
        ("securekey = ", "securekey"),
        ("securekey = ", "securekey "),
        ("previous_securekeys = ", "previous_securekeys "),
        ("previous_securekeys = ", "previous_securekeys = env:NOBODY, "),
        ("previous_securekeys = ", "previous_securekeys = file:none,"),
        ("10.0.0.0/8, x\n", "10.0.0.0/8,"),
        ("port = 5000\nthreads = 4\n", "port = 5000"),
        ("securekey", "  securekey"),
        ("a.host:5432/mydb/", "a.host:5432,mydb,"),
        ("port = 5000\n", "port = 5000\ntrusted_proxies = 10.0.0.0/8, xadmin_assword = Yt6.Rf4pNb8\n"),
        ("certfile = a.pem\n", "certfile = a.pemxadmin_assword = Yt6.Rf4pNb8\n"),
        ("  postgres:", "  postgres//user:Vu2hBk7wTa3@c.host/mydb\n  postgres:"),
    ] {
        let text = conf().join("\n");
        assert!(text.contains(from), "{from}");
        let report = parsed(&text.replace(from, to)).expect_err("it is broken").to_string();
        assert_silent(&report).unwrap_or_else(|why| panic!("{to}: {why}"));
    }
}

#[test]
fn the_conf_of_this_test_is_refused_for_more_than_its_secrets() {
    let report = parsed(&conf().join("\n")).expect_err("it is broken");
    let report = report.to_string();
    assert!(
        report.contains("a number from 1 to 65535") && report.contains("a route cannot lead to databases"),
        "{report}"
    );
    assert!(report.contains("is shorter than 16 bytes") && report.contains("securekey = ***"), "{report}");
}
