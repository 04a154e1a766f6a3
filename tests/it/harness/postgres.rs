//! A throwaway PostgreSQL cluster: one per test run, on its own port, gone with the test process.
//!
//! It holds the demo's table `cities` four times: a disjoint third in each of `shard0`, `shard1`, `shard2`, and all of
//! it in `whole`. Tests only read these; a test that writes makes a database of its own. To lose a member, put a
//! [`super::Relay`] in front of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::data::{City, cities, third};
use super::ports;

const PASSWORD: &str = "pg-s3cret-of-the-tests";

/// The cluster, ready for connections.
pub(crate) struct Postgres {
    port: u16,
    bin: PathBuf,
    /// Held for its stdin: the end of that pipe is the cluster's end.
    _keeper: Child,
}

impl Postgres {
    /// The cluster of this test run, started by the first test that asks for it.
    pub(crate) fn shared() -> &'static Postgres {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| {
            let postgres = Postgres::start();
            let all = cities();
            for k in 0..3 {
                postgres.create(&format!("shard{k}"), &third(&all, k));
            }
            postgres.create("whole", &all);
            postgres
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A member as written in a configuration, reached at `port` (the cluster's own, or a relay's).
    pub(crate) fn member(port: u16, database: &str) -> String {
        format!("127.0.0.1:{port}/{database}/skitai/{PASSWORD}")
    }

    /// The `[@name]` section of a cluster of these members.
    pub(crate) fn section(name: &str, members: &[String]) -> String {
        format!("[@{name}]\ntype = postgresql\nmembers = {}", members.join(", "))
    }

    /// The section of the three shards, reached directly.
    pub(crate) fn shards(&self, name: &str) -> String {
        let members: Vec<String> = (0..3).map(|k| Postgres::member(self.port, &format!("shard{k}"))).collect();
        Postgres::section(name, &members)
    }

    /// The password that must be seen nowhere.
    pub(crate) fn password() -> &'static str {
        PASSWORD
    }

    /// Runs a statement through psql; gives the rows as text, columns separated by `|`.
    #[track_caller]
    pub(crate) fn psql(&self, database: &str, statement: &str) -> String {
        self.psql_with_input(database, statement, "")
    }

    fn start() -> Postgres {
        let bin = programs();
        let port = ports::free();
        let mut command = if running_as_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        command.arg("-c").arg(include_str!("postgres.sh")).arg("pg").arg(&bin).arg(port.to_string()).arg(PASSWORD);
        let mut keeper = command
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sh, and as root runuser, are part of every Debian");
        let mut said = String::new();
        BufReader::new(keeper.stdout.take().expect("piped above")).read_line(&mut said).unwrap();
        if said.trim() != "ready" {
            let mut why = String::new();
            keeper.stderr.take().expect("piped above").read_to_string(&mut why).unwrap();
            panic!("PostgreSQL did not start: {why}");
        }
        Postgres { port, bin, _keeper: keeper }
    }

    fn create(&self, database: &str, rows: &[City]) {
        self.psql("postgres", &format!("CREATE DATABASE {database}"));
        self.psql(database, "CREATE TABLE cities (name text, country text, population bigint)");
        let csv: String =
            rows.iter().map(|city| format!("{},{},{}\n", city.name, city.country, city.population)).collect();
        self.psql_with_input(database, "COPY cities FROM STDIN (FORMAT csv)", &csv);
    }

    #[track_caller]
    fn psql_with_input(&self, database: &str, statement: &str, input: &str) -> String {
        let mut psql = Command::new(self.bin.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "skitai", "-w"])
            .args(["-p", &self.port.to_string(), "-d", database, "-c", statement])
            .env("PGPASSWORD", PASSWORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql lies beside initdb");
        // psql may end before it has read everything; its exit code then says why.
        drop(psql.stdin.take().expect("piped above").write_all(input.as_bytes()));
        let output = psql.wait_with_output().unwrap();
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// The folder of the server's programs: the newest of Debian's, else from PATH.
fn programs() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for version in std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten() {
        let number = version.file_name().to_string_lossy().parse().unwrap_or(0);
        found.push((number, version.path().join("bin")));
    }
    found.sort();
    found.reverse();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path);
    found
        .into_iter()
        .map(|(_, bin)| bin)
        .chain(in_path)
        .find(|bin| bin.join("initdb").exists())
        .expect("PostgreSQL's server programs are missing: run tests/run as root, or `apt-get install postgresql`")
}

/// PostgreSQL refuses to run as root; its own user runs it then.
fn running_as_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
