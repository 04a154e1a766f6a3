//! How often a request allocates. Unlike a time this is the same on every machine, so it is a test.
//!
//! The site counts for its whole process; client and members live in this one. Requests go one after the other over one
//! connection, so what is counted is the work of a request and not of connecting.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise; the panic names the line")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Requests per measurement: enough that a timer of the server that ticks meanwhile does not show.
const REQUESTS: u64 = 500;
/// Before the first measurement: connections are made, buffers have grown.
const WARM_UP: u64 = 50;
/// Measurements; the lowest counts, for whatever happens beside a request can only add.
const ROUNDS: usize = 5;

/// What was measured, and a tenth above it. Who makes it less writes the new figure here.
fn allowed(measured: f64) -> f64 {
    measured * 1.1
}

#[test]
fn hello_allocates_no_more_than_it_did() {
    let allowed = allowed(5.0);
    let site = Site::start(&[]);
    let each = site.allocations_per("/hello", |body| assert_eq!(body, "Hello World"));
    println!("hello: {each:.2} allocations per request");
    assert!(each <= allowed, "{each:.2} allocations per hello; {allowed:.1} are allowed");
}

#[test]
fn a_map_over_3_members_allocates_no_more_than_it_did() {
    // Seven of these are the record of the request (`trace_ring = 0` has 119).
    let allowed = allowed(126.0);
    let members: Vec<u16> = (0..3).map(member).collect();
    let site = Site::start(&members);
    let each = site.allocations_per("/search?keyword=Mozart", |body| {
        for member in 0..3 {
            assert!(body.contains(&format!("Requiem in D minor, from member {member}")), "{body}");
        }
    });
    println!("map over 3 members: {each:.2} allocations per request");
    assert!(each <= allowed, "{each:.2} allocations per map over 3 members; {allowed:.1} are allowed");
}

/// The counted site, killed when dropped.
struct Site {
    port: u16,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Site {
    fn start(members: &[u16]) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let conf = folder.path().join("counted.conf");
        std::fs::write(&conf, self::conf(port, members)).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_counted-site"))
            .arg("-f")
            .arg(&conf)
            .current_dir(Path::new(folder.path()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Site { port, process, _folder: folder }
    }

    fn connect(&self) -> Connection {
        let patience = Instant::now() + Duration::from_secs(10);
        loop {
            match TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                    return Connection(BufReader::new(stream));
                }
                Err(error) => assert!(Instant::now() < patience, "the counted site does not listen: {error}"),
            }
            thread::yield_now();
        }
    }

    /// The allocations of one request, whose answers `check` looks at.
    fn allocations_per(&self, target: &str, check: impl Fn(&str)) -> f64 {
        let mut connection = self.connect();
        for _ in 0..WARM_UP {
            check(&connection.get(target));
        }
        // What asking for the count adds to it.
        let counts: Vec<u64> = (0..ROUNDS).map(|_| connection.count()).collect();
        let asking = counts.windows(2).map(|two| two[1] - two[0]).min().unwrap();
        let rounds = (0..ROUNDS).map(|_| {
            let before = connection.count();
            for _ in 0..REQUESTS {
                check(&connection.get(target));
            }
            connection.count() - before - asking
        });
        rounds.min().unwrap() as f64 / REQUESTS as f64
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn conf(port: u16, members: &[u16]) -> String {
    let mut conf = format!("[server]\nip = 127.0.0.1\nport = {port}\nthreads = 1\n");
    if !members.is_empty() {
        let members: Vec<String> = members.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        conf += &format!("\n[@mysearch]\nmembers = {}\n", members.join(", "));
    }
    conf + "\n[routes:line]\n/ = counted\n"
}

/// One keep-alive connection to the site.
struct Connection(BufReader<TcpStream>);

impl Connection {
    /// The allocations of the site so far.
    fn count(&mut self) -> u64 {
        self.get("/allocations").parse().unwrap()
    }

    fn get(&mut self, target: &str) -> String {
        // In one piece: the kernel would hold the second of two back until the first is acknowledged.
        let head = format!("GET {target} HTTP/1.1\r\nHost: counted\r\n\r\n");
        self.0.get_mut().write_all(head.as_bytes()).unwrap();
        let (first, body) = receive(&mut self.0).expect("the site keeps its connection");
        assert!(first.starts_with("HTTP/1.1 200 "), "{first}");
        String::from_utf8(body).unwrap()
    }
}

/// A message with a length: its first line and its body. `None` at the end of the connection.
fn receive(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut first = String::new();
    if stream.read_line(&mut first).ok()? == 0 {
        return None;
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((first, body))
}

/// A member that answers every call alike, on threads that end with the test process.
fn member(number: usize) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let document = benches::works::answer(number);
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n", document.len());
    answer.push_str(&String::from_utf8(document).unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = answer.clone();
            thread::spawn(move || {
                let mut stream = BufReader::new(stream.unwrap());
                while receive(&mut stream).is_some() {
                    stream.get_mut().write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    port
}
