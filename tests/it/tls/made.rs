//! Certificates that openssl makes, and clients of others.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::data::root;
use crate::harness::foreign::{interpreter, run};
use crate::harness::{Scenario, TestServer};

/// An authority with an intermediate one, and what they have issued.
pub(super) struct Pki(TempDir);

impl Pki {
    pub(super) fn new() -> Pki {
        let pki = Pki(tempfile::tempdir().unwrap());
        pki.write("ca.ext", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n");
        pki.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 900 -keyout root.key -out \
                     root.pem -subj /CN=Root -addext keyUsage=critical,keyCertSign,cRLSign",
        );
        pki.openssl(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout between.key -out between.csr \
                     -subj /CN=Between",
        );
        pki.openssl(
            "x509 -req -in between.csr -CA root.pem -CAkey root.key -days 900 -extfile ca.ext -out between.pem",
        );
        pki
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The path as text, for arguments.
    pub(super) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(super) fn openssl(&self, line: &str) -> String {
        let mut command = Command::new("openssl");
        command.args(line.split_whitespace()).current_dir(self.0.path());
        run(command)
    }

    /// `NAME.pem` and `NAME.key`, issued by the intermediate authority, for so many days; its serial number.
    pub(super) fn issue(&self, name: &str, names: &str, days: i32) -> String {
        self.issue_with(name, &format!("subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\n"), days)
    }

    /// The same for a client.
    pub(super) fn issue_client(&self, name: &str) -> String {
        self.issue_with(name, "extendedKeyUsage=clientAuth\nbasicConstraints=critical,CA:FALSE\n", 30)
    }

    pub(super) fn issue_with(&self, name: &str, extensions: &str, days: i32) -> String {
        self.write(&format!("{name}.ext"), extensions);
        self.openssl(&format!(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj \
             /CN={name}/O=Tests"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA between.pem -CAkey between.key -days {days} -extfile {name}.ext -out {name}.pem"
        ));
        self.serial(&format!("{name}.pem"))
    }

    pub(super) fn serial(&self, file: &str) -> String {
        self.openssl(&format!("x509 -noout -serial -in {file}")).trim().trim_start_matches("serial=").to_owned()
    }

    /// Puts a pair at the names `live.pem` and `live.key`, one file after the other.
    pub(super) fn put(&self, name: &str) {
        for ending in ["key", "pem"] {
            std::fs::copy(self.path(&format!("{name}.{ending}")), self.path(&format!("next.{ending}"))).unwrap();
            std::fs::rename(self.path(&format!("next.{ending}")), self.path(&format!("live.{ending}"))).unwrap();
        }
    }

    /// A site with the certificate `live`, whose chain comes from `cafile`.
    pub(super) fn site(&self) -> Scenario {
        TestServer::site().server("ssl", "yes").section(&self.section("", "live"))
    }

    /// A section of certificates.
    pub(super) fn section(&self, title: &str, name: &str) -> String {
        let title = if title.is_empty() { "certification".to_owned() } else { format!("certification:{title}") };
        format!(
            "[{title}]\ncertfile = {}\nkeyfile = {}\ncafile = {}",
            self.text(&format!("{name}.pem")),
            self.text(&format!("{name}.key")),
            self.text("between.pem")
        )
    }
}

/// Asks by Python's ssl; `more` are further words of `tls_client.py`. What it saw.
#[track_caller]
pub(super) fn python(pki: &Pki, port: u16, path: &str, more: &[&str]) -> Value {
    let mut command = Command::new(interpreter());
    command.arg(root().join("tests/interop/tls_client.py")).args([
        "get",
        &port.to_string(),
        &pki.text("root.pem"),
        path,
    ]);
    command.args(more);
    serde_json::from_str(&run(command)).unwrap()
}

/// Asks by curl, which trusts the root; what it printed. `name` is resolved to this machine.
#[track_caller]
pub(super) fn curl(pki: &Pki, name: &str, port: u16, path: &str, more: &[&str]) -> String {
    let (resolve, url) = (format!("{name}:{port}:127.0.0.1"), format!("https://{name}:{port}{path}"));
    let ca = pki.text("root.pem");
    let mut arguments = vec!["--resolve", &resolve, "--cacert", &ca];
    arguments.extend(more);
    arguments.push(&url);
    crate::harness::foreign::curl(&arguments)
}

/// A client that does one handshake after the other until it is told to end.
pub(super) struct Handshakes(Child);

impl Handshakes {
    pub(super) fn begin(pki: &Pki, port: u16, name: &str) -> Handshakes {
        let mut command = Command::new(interpreter());
        command.arg(root().join("tests/interop/tls_client.py"));
        command.args(["again", &port.to_string(), &pki.text("root.pem"), name]);
        Handshakes(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// How many there were, the first failure, and the serial numbers in their order.
    pub(super) fn end(mut self) -> (u64, Vec<String>, Vec<String>) {
        drop(self.0.stdin.take());
        let mut text = String::new();
        self.0.stdout.take().expect("piped").read_to_string(&mut text).unwrap();
        self.0.wait().unwrap();
        let told: Value = serde_json::from_str(&text).unwrap();
        let list = |key: &str| serde_json::from_value::<Vec<String>>(told[key].clone()).unwrap();
        (told["handshakes"].as_u64().unwrap(), list("failures"), list("serials"))
    }
}

/// `openssl s_client` with a request on its standard input; all that it printed, both streams.
pub(super) fn s_client(port: u16, pki: &Pki, more: &[&str], sent: &str) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-CAfile", &pki.text("root.pem")]).args(more);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("openssl is there");
    // It ends with the server, which closes behind its answer; its input must not end before.
    let mut input = child.stdin.take().expect("piped");
    // A refused handshake ends it before.
    let _ = input.write_all(sent.as_bytes());
    let mut all = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut all).unwrap();
    child.stderr.take().expect("piped").read_to_string(&mut all).unwrap();
    drop(input);
    child.wait().unwrap();
    all
}

/// The serial number that a new connection is shown.
pub(super) fn shown(pki: &Pki, port: u16) -> String {
    python(pki, port, "/tls/seen", &["--name", "a.example"])["serial"].as_str().unwrap().to_owned()
}

/// Where a path leads.
pub(super) fn link(at: &Path, to: &str) {
    let next = at.with_file_name("a-link-that-is-put-there");
    std::os::unix::fs::symlink(to, &next).unwrap();
    std::fs::rename(next, at).unwrap();
}
