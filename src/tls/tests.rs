use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::ProducesTickets;
use skitai_actors::spec::Secret;
use tempfile::TempDir;

use super::certificates::Certificates;
use super::chain::SiteCertificate;
use super::facts::{Age, CertificateFacts};
use super::files::{TlsFiles, TlsStamp};
use super::resolver::ByName;
use super::tickets::{TicketSecrets, Tickets};
use crate::config::{Certification, ClientCertificates, TlsSettings};

#[test]
fn a_file_that_others_may_read_now_is_another_one() {
    use std::os::unix::fs::PermissionsExt;
    let made = Made::new();
    let path = made.path("live.pem");
    std::fs::write(&path, "PEM").expect("written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("changed");
    let before = TlsStamp::of(std::slice::from_ref(&path));
    assert_eq!(TlsStamp::of(std::slice::from_ref(&path)), before);
    let begun = Instant::now();
    while TlsStamp::of(std::slice::from_ref(&path)) == before {
        // The clock of a file system may stand for some milliseconds.
        assert!(begun.elapsed() < Duration::from_secs(5), "the change is not seen");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("changed");
    }
}

/// A folder in which openssl makes certificates.
struct Made(TempDir);

impl Made {
    fn new() -> Made {
        Made(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, line: &str) {
        let mut command = Command::new("openssl");
        let output = command.args(line.split(' ')).current_dir(self.0.path()).output().expect("openssl is installed");
        assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// `NAME.pem` and `NAME.key` of its own authority.
    fn pair(&self, name: &str, names: &str) {
        self.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -keyout {name}.key -out {name}.pem \
             -subj /CN={name} -addext basicConstraints=critical,CA:FALSE -addext subjectAltName={names}"
        ));
    }

    fn certification(&self, certfile: &str, keyfile: Option<&str>) -> Certification {
        Certification {
            name: None,
            certfile: self.path(certfile),
            keyfile: keyfile.map(|file| self.path(file)),
            cafile: None,
            passphrase: None,
        }
    }

    fn facts(&self, file: &str) -> CertificateFacts {
        let der = CertificateDer::from_pem_file(self.path(file)).expect("a certificate");
        CertificateFacts::of(&der).expect("it can be read")
    }
}

fn settings(certifications: Vec<Certification>) -> TlsSettings {
    TlsSettings { certifications, client_ca: None, client_certificates: ClientCertificates::default() }
}

fn open(settings: &TlsSettings) -> Result<(), String> {
    let files = TlsFiles::read(settings, Vec::new());
    let opened = Certificates::open(settings.clone(), &files, Tickets::of(TicketSecrets::made()));
    opened.map(drop).map_err(|problem| problem.to_string())
}

#[test]
fn a_certificate_tells_its_names_its_number_and_its_days() {
    let made = Made::new();
    made.pair("site", "DNS:Example.org,DNS:*.example.net,IP:192.0.2.1,IP:2001:db8::1");
    let facts = made.facts("site.pem");
    assert_eq!((facts.subject.as_str(), facts.issuer.as_str()), ("CN=site", "CN=site"));
    assert_eq!(facts.names, ["example.org", "*.example.net", "192.0.2.1", "2001:db8::1"]);
    let output = Command::new("openssl").args(["x509", "-noout", "-serial", "-in"]).arg(made.path("site.pem")).output();
    let told = String::from_utf8(output.expect("openssl is installed").stdout).expect("text");
    assert_eq!(format!("serial={}\n", facts.serial), told);
    for (host, is_covered) in [
        ("example.org", true),
        ("EXAMPLE.ORG", true),
        ("www.example.org", false),
        ("a.example.net", true),
        ("a.b.example.net", false),
        ("example.net", false),
        (".example.net", false),
        ("192.0.2.1", true),
    ] {
        assert_eq!(facts.covers(host), is_covered, "{host}");
    }
    let day = Duration::from_secs(86_400);
    for (moment, age) in [
        (facts.not_before - day, Age::NotYetValid),
        (facts.not_before + day * 19, Age::Fresh),
        (facts.not_before + day * 21, Age::Late),
        (facts.not_after + day, Age::Expired),
    ] {
        assert_eq!(facts.age(moment), age);
    }
    let warning = facts.warning(facts.not_after - day * 5).expect("it is late");
    assert!(warning.contains("in 5 days: less than a third of its life is left"), "{warning}");
    let of = |moment| CertificateFacts { not_after: UNIX_EPOCH + Duration::from_secs(moment), ..facts.clone() };
    assert_eq!((of(0).last_day(), of(1_800_000_000).last_day()), ("1970-01-01".to_owned(), "2027-01-15".to_owned()));
}

#[test]
fn a_key_is_opened_by_its_passphrase_and_told_how_it_is_to_be_converted() {
    let made = Made::new();
    made.pair("site", "DNS:a");
    for (file, how) in [
        ("pbkdf2.key", "pkcs8 -topk8 -v2 aes-256-cbc -in site.key -out pbkdf2.key -passout pass:right"),
        ("scrypt.key", "pkcs8 -topk8 -scrypt -in site.key -out scrypt.key -passout pass:right"),
        (
            "pbes1.key",
            "pkcs8 -topk8 -v1 PBE-MD5-DES -provider legacy -provider default -in site.key -out pbes1.key \
                       -passout pass:right",
        ),
        ("old.key", "ec -aes256 -in site.key -out old.key -passout pass:right"),
        ("sec1.key", "ec -in site.key -out sec1.key"),
    ] {
        made.openssl(how);
        let with = |passphrase: Option<&str>| {
            let passphrase = passphrase.map(|text| Secret(text.to_owned()));
            open(&settings(vec![Certification { passphrase, ..made.certification("site.pem", Some(file)) }]))
        };
        let refused = |passphrase| with(passphrase).expect_err(file);
        match file {
            "sec1.key" => assert_eq!((with(None), with(Some("unused"))), (Ok(()), Ok(()))),
            "pbes1.key" | "old.key" => {
                let told = refused(Some("right"));
                let path = made.path(file);
                let legacy = if file == "pbes1.key" { " -provider legacy -provider default" } else { "" };
                let line = format!("pkcs8 -topk8 -v2 aes-256-cbc -in {0} -out {0}.new{legacy}", path.display());
                assert!(told.ends_with(&format!("openssl {line}")), "{told}");
                assert_eq!(told.contains("PBES1"), file == "pbes1.key", "{told}");
                made.openssl(&format!("{line} -passin pass:right -passout pass:right"));
                let converted = format!("{file}.new");
                let passphrase = Some(Secret("right".to_owned()));
                let after = Certification { passphrase, ..made.certification("site.pem", Some(&converted)) };
                assert_eq!(open(&settings(vec![after])), Ok(()), "what it says to do helps");
            }
            _ => {
                assert_eq!(with(Some("right")), Ok(()), "{file}");
                assert!(refused(Some("wrong")).contains("`passphrase` does not open the private key"));
                assert!(refused(None).contains("write its `passphrase`"), "{}", refused(None));
            }
        }
    }
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_the_file() {
    let made = Made::new();
    made.pair("site", "DNS:a");
    made.pair("other", "DNS:b");
    made.openssl("x509 -in site.pem -outform DER -out site.der");
    made.openssl("pkey -in site.key -outform DER -out key.der");
    let write = |name: &str, text: &str| std::fs::write(made.path(name), text).expect("written");
    let read = |name: &str| std::fs::read_to_string(made.path(name)).expect("written");
    write("text.pem", "no certificate");
    write("cut.pem", &read("site.pem")[..200]);
    write("chain.pem", &format!("{}{}", read("site.pem"), read("other.pem")));
    for (certfile, keyfile, file, told) in [
        ("none.pem", None, "none.pem", "there is no such file in "),
        ("text.pem", None, "text.pem", "there is no certificate in it"),
        ("cut.pem", None, "cut.pem", "its PEM cannot be read"),
        ("site.pem", None, "site.pem", "no private key in it; name its file in `keyfile`"),
        ("site.pem", Some("other.key"), "other.key", "does not belong to the certificate in"),
        ("site.pem", Some("site.pem"), "site.pem", "no private key in it"),
        ("site.der", Some("site.key"), "site.der", "openssl x509 -inform DER"),
        ("site.pem", Some("key.der"), "key.der", "openssl pkey -inform DER"),
        ("chain.pem", Some("site.key"), "chain.pem", "out of order: certificate 2 is of `CN=other`"),
    ] {
        let refused = open(&settings(vec![made.certification(certfile, keyfile)])).expect_err(certfile);
        assert!(refused.starts_with(&made.path(file).display().to_string()), "{refused}");
        assert!(refused.contains(told), "{told} is not in {refused}");
    }
    let authorities = TlsSettings {
        client_ca: Some(made.path("text.pem")),
        ..settings(vec![made.certification("site.pem", Some("site.key"))])
    };
    assert!(open(&authorities).expect_err("no authority").contains("text.pem: there is no certificate in it"));
}

#[test]
fn a_client_gets_the_certificate_of_the_name_it_asks_for() {
    let made = Made::new();
    made.pair("first", "DNS:one.example");
    made.pair("wild", "DNS:*.example");
    made.pair("whole", "DNS:two.example,DNS:one.example");
    let provider = rustls::crypto::ring::default_provider();
    let read = |name: &str, section: Option<&str>| {
        let mut certification = made.certification(&format!("{name}.pem"), Some(&format!("{name}.key")));
        certification.name = section.map(str::to_owned);
        let files = TlsFiles::read(&settings(vec![certification.clone()]), Vec::new());
        SiteCertificate::read(&certification, &files, &provider).expect("a good one")
    };
    let by_name = ByName(vec![read("first", None), read("wild", Some("five.example")), read("whole", None)]);
    for (name, file) in [
        (None, "first"),
        (Some("one.example"), "first"),
        (Some("TWO.example."), "whole"),
        (Some("three.example"), "wild"),
        (Some("five.example"), "wild"),
        (Some("a.three.example"), "first"),
        (Some("elsewhere.test"), "first"),
    ] {
        let found = by_name.file_of(name).and_then(Path::file_stem);
        assert_eq!(found.and_then(|stem| stem.to_str()), Some(file), "{name:?}");
    }
}

#[test]
fn files_that_are_broken_or_expired_change_nothing() {
    let made = Made::new();
    made.pair("site", "DNS:a");
    made.pair("next", "DNS:b");
    let settings = settings(vec![made.certification("site.pem", Some("site.key"))]);
    let read = || TlsFiles::read(&settings, Vec::new());
    let certificates = Certificates::open(settings.clone(), &read(), Tickets::of(TicketSecrets::made()))
        .unwrap_or_else(|problem| panic!("{problem}"));
    let copy = |from: &str, to: &str| assert!(std::fs::copy(made.path(from), made.path(to)).is_ok());
    let stamp = || TlsStamp::of(&super::files::paths(&settings));
    let (before, config) = (stamp(), certificates.config());
    copy("next.pem", "site.pem");
    assert!(stamp() != before && certificates.take_up(&read()).is_err(), "its key is another one's");
    assert!(certificates.cover("a") && std::sync::Arc::ptr_eq(&config, &certificates.config()));
    copy("next.key", "site.key");
    assert!(certificates.take_up(&read()).unwrap_or_else(|problem| panic!("{problem}")), "it is new");
    assert!(!certificates.take_up(&read()).unwrap_or_else(|problem| panic!("{problem}")), "it is that one still");
    assert!(certificates.cover("b") && !certificates.cover("a"));
    made.openssl("req -new -key site.key -subj /CN=old -out old.csr");
    made.openssl("x509 -req -in old.csr -signkey site.key -days -1 -out site.pem");
    let old = certificates.take_up(&read()).expect_err("it is of version 1").to_string();
    assert!(old.contains("site.pem: certificate 1 cannot be read"), "{old}");
    std::fs::write(made.path("names"), "subjectAltName=DNS:c").expect("written");
    made.openssl("x509 -req -in old.csr -signkey site.key -days -1 -extfile names -out site.pem");
    let refused = certificates.take_up(&read()).expect_err("it has expired").to_string();
    assert!(refused.contains("has expired, on 20") && certificates.cover("b"), "{refused}");
    // At a start it is served, and told.
    let certificates = Certificates::open(settings.clone(), &read(), Tickets::of(TicketSecrets::made()))
        .unwrap_or_else(|problem| panic!("{problem}"));
    let [warning] = &certificates.warnings(std::time::SystemTime::now())[..] else { panic!("one warning") };
    assert!(warning.contains("site.pem: the certificate has expired"), "{warning}");
}

#[test]
fn a_ticket_is_opened_by_two_keys_and_by_its_own_authorities_alone() {
    let secrets = TicketSecrets::made();
    let (one, other) = (Tickets::of(secrets.clone()), Tickets::of(secrets));
    let ticket = one.bound([1; 32]).encrypt(b"a session").expect("it is sealed");
    assert_eq!(other.bound([1; 32]).decrypt(&ticket).as_deref(), Some(&b"a session"[..]), "by another process");
    assert_eq!(other.bound([2; 32]).decrypt(&ticket), None, "by other authorities");
    assert_ne!(one.bound([1; 32]).encrypt(b"a session"), Some(ticket.clone()), "a nonce is used once");
    for at in 0..ticket.len() {
        let mut forged = ticket.clone();
        forged[at] ^= 1;
        assert_eq!(one.bound([1; 32]).decrypt(&forged), None, "octet {at}");
        assert_eq!(one.bound([1; 32]).decrypt(&ticket[..at]), None);
    }
    one.rotate();
    assert!(one.bound([1; 32]).decrypt(&ticket).is_some(), "the key before opens");
    let newer = one.bound([1; 32]).encrypt(b"a session").expect("it is sealed");
    assert_eq!(other.bound([1; 32]).decrypt(&newer), None, "the newest key seals");
    one.rotate();
    assert!(one.bound([1; 32]).decrypt(&ticket).is_none(), "two keys are kept");
    assert!(one.bound([1; 32]).encrypt(&[0; 32 << 10]).is_none());
    let none = Tickets::of(TicketSecrets::default());
    assert!(!none.bound([0; 32]).enabled() && none.bound([0; 32]).encrypt(b"x").is_none());
    assert_eq!(format!("{:?}", TicketSecrets::made()), "TicketSecrets([TicketSecret])", "it is a secret");
}
