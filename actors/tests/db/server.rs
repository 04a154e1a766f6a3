//! A throwaway PostgreSQL: own data directory, own port on 127.0.0.1, gone with this process however it ends.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use skitai_actors::spec::{DbMember, DbTls, Secret, Shard};

pub(crate) const PASSWORD: &str = "a/b,c";

/// One server and the directory it lives in.
pub(crate) struct Server {
    bin: PathBuf,
    dir: PathBuf,
    pub(crate) port: u16,
    /// More of the postmaster's command line.
    options: String,
    running: Mutex<Option<Running>>,
}

/// The shell around the postmaster. It waits for the end of its standard input, which is the end of this process too.
struct Running {
    shell: Child,
    leash: ChildStdin,
}

/// The server most tests share, each with a database of its own.
pub(crate) fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(Server::start)
}

fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut bins: Vec<PathBuf> =
        versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").exists()).collect();
    bins.sort();
    bins.pop()
        .expect("no PostgreSQL server binaries in /usr/lib/postgresql/*/bin: install the Debian package `postgresql`")
}

/// PostgreSQL refuses to run as root; the package brings the user.
pub(crate) fn as_postgres(program: &Path) -> Command {
    let root = std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

fn done(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

impl Server {
    pub(crate) fn start() -> Server {
        Server::start_with("true", |_| String::new())
    }

    /// One that also speaks TLS, with a certificate for `localhost` of a root that is made for it.
    pub(crate) fn encrypted() -> Server {
        let make = "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=root \
                    -addext basicConstraints=critical,CA:TRUE && \
                    openssl req -newkey rsa:2048 -nodes -keyout key.pem -out csr -subj /CN=localhost && \
                    echo subjectAltName=DNS:localhost > ext && \
                    openssl x509 -req -in csr -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 -extfile ext";
        Server::start_with(make, |dir| {
            let dir = dir.display();
            format!("-c ssl=on -c ssl_cert_file={dir}/cert.pem -c ssl_key_file={dir}/key.pem")
        })
    }

    /// The root of its certificate.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// Three of their own data, which a test may kill.
    pub(crate) fn three() -> [Server; 3] {
        let first = Server::made("true", |_| String::new());
        let [second, third] = [0, 1].map(|_| first.copied());
        let three = [first, second, third];
        three.iter().for_each(Server::up);
        three
    }

    /// One with few connections.
    pub(crate) fn narrow(connections: usize) -> Server {
        let narrow = |_: &Path| format!("-c max_connections={connections} -c superuser_reserved_connections=0");
        Server::start_with("true", narrow)
    }

    fn start_with(make: &str, options: impl Fn(&Path) -> String) -> Server {
        let server = Server::made(make, options);
        server.up();
        server
    }

    /// Another server with the data of one that was not started yet.
    fn copied(&self) -> Server {
        let dir = Server::folder();
        let from = self.dir.join("data");
        done(as_postgres(Path::new("cp")).arg("-r").arg(from).arg(dir.join("data")).current_dir("/"));
        Server { bin: self.bin.clone(), dir, port: closed_port(), options: String::new(), running: Mutex::new(None) }
    }

    fn folder() -> PathBuf {
        let template = std::env::temp_dir().join("skitai-pg.XXXXXX");
        let dir = done(as_postgres(Path::new("mktemp")).arg("-d").arg(template));
        PathBuf::from(dir.trim())
    }

    fn made(make: &str, options: impl Fn(&Path) -> String) -> Server {
        let bin = binaries();
        let dir = Server::folder();
        let script = format!(
            "printf %s '{PASSWORD}' > {dir}/pw && {bin}/initdb -D {dir}/data -U postgres -A scram-sha-256 \
             --pwfile={dir}/pw -E UTF8 --locale=C -N && cd {dir} && {make}",
            dir = dir.display(),
            bin = bin.display()
        );
        done(as_postgres(Path::new("sh")).args(["-c", &script]).current_dir("/"));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = options(&dir);
        Server { bin, dir, port, options, running: Mutex::new(None) }
    }

    /// Starts the postmaster and waits until it takes logins.
    pub(crate) fn up(&self) {
        let script = format!(
            "{bin}/postgres -D {dir}/data -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
             -c fsync=off -c full_page_writes=off -c max_connections=60 -c log_min_messages=panic {options} & \
             read -r how; kill -INT $! 2>/dev/null; wait $!; test \"$how\" = down || rm -rf {dir}",
            bin = self.bin.display(),
            dir = self.dir.display(),
            port = self.port,
            options = self.options
        );
        let mut shell = as_postgres(Path::new("sh"))
            .args(["-c", &script])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let leash = shell.stdin.take().unwrap();
        *self.running.lock().unwrap() = Some(Running { shell, leash });
        let until = Instant::now() + Duration::from_secs(20);
        let port = self.port.to_string();
        while !Command::new(self.bin.join("pg_isready"))
            .args(["-q", "-h", "127.0.0.1", "-p", &port])
            .status()
            .is_ok_and(|status| status.success())
        {
            assert!(Instant::now() < until, "PostgreSQL did not come up in 20 s");
            #[expect(clippy::disallowed_methods, reason = "waits for another process to start, on its own thread")]
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Makes sure that it runs, whatever the last test left.
    pub(crate) fn again(&self) {
        if self.running.lock().unwrap().is_some() {
            self.signal("-CONT");
        } else {
            self.up();
        }
    }

    /// Stops it as an administrator would; the data stays.
    pub(crate) fn down(&self) {
        let Some(Running { mut shell, mut leash }) = self.running.lock().unwrap().take() else { return };
        leash.write_all(b"down\n").unwrap();
        shell.wait().unwrap();
    }

    /// Ends all its processes at once, as a power cut would; the data stays.
    pub(crate) fn kill(&self) {
        self.signal("-KILL");
        self.down();
    }

    /// Sends a signal to all its processes, the postmaster first, so that no new one escapes.
    pub(crate) fn signal(&self, signal: &str) {
        let lock = std::fs::read_to_string(self.dir.join("data/postmaster.pid")).unwrap();
        let postmaster = lock.lines().next().unwrap().to_owned();
        let send = |pid: &str| drop(Command::new("kill").args([signal, pid]).stderr(Stdio::null()).status());
        send(&postmaster);
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
            // `PID (NAME) STATE PARENT …`; a name may have anything in it.
            let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1));
            if parent == Some(&*postmaster) {
                send(&process.file_name().to_string_lossy());
            }
        }
    }

    /// A member of this database with the given login.
    pub(crate) fn member(&self, database: &str, user: &str, password: &str) -> DbMember {
        let shard = Shard::Postgres {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            database: database.to_owned(),
            user: user.to_owned(),
            password: Secret(password.to_owned()),
            tls: DbTls::Off,
        };
        DbMember { node: format!("127.0.0.1:{}/{database}", self.port).into(), shard, weight: 1 }
    }

    /// A new, empty database.
    pub(crate) async fn database(&self) -> DbMember {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("d{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let admin = crate::Cluster::of(vec![self.member("postgres", "postgres", PASSWORD)]);
        for sql in [
            format!("CREATE DATABASE {name}"),
            format!("ALTER DATABASE {name} SET timezone = 'UTC'"),
            format!("ALTER DATABASE {name} SET intervalstyle = 'iso_8601'"),
        ] {
            let outcome = admin.one(sql, ()).await;
            assert!(outcome.is_ok(), "{}", outcome.msg);
        }
        self.member(&name, "postgres", PASSWORD)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(Running { mut shell, leash }) = self.running.lock().unwrap().take() {
            drop(leash);
            drop(shell.wait());
        }
    }
}

/// A port on which nothing listens.
pub(crate) fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A listener that accepts, reads what comes, and answers with what `answer` makes of the connection.
pub(crate) fn fake(answer: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream);
        }
    });
    port
}

/// A member that accepts connections and never answers.
pub(crate) fn silent() -> u16 {
    let held = Mutex::new(Vec::new());
    fake(move |mut stream| {
        let mut head = [0; 8];
        drop(stream.read(&mut head));
        held.lock().unwrap().push(stream);
    })
}

/// A PostgreSQL member at any port, with a login that is not checked.
pub(crate) fn member_at(port: u16) -> DbMember {
    let shard = Shard::Postgres {
        host: "127.0.0.1".to_owned(),
        port,
        database: "d".to_owned(),
        user: "u".to_owned(),
        password: Secret("p".to_owned()),
        tls: DbTls::Off,
    };
    DbMember { node: format!("127.0.0.1:{port}/d").into(), shard, weight: 1 }
}
