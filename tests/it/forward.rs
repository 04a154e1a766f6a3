//! The forward proxy, driven by raw sockets, curl and Python: who is led where, and who is not.
//!
//! - [`exchanges`]: requests in clear text; [`tunnels`]: CONNECT; [`clients`]: those of other makers;
//! - [`refused`]: places that are closed, however they are spelled and whoever says so; [`malformed`]: what is no
//!   request of a proxy; [`logins`]: users;
//! - [`bounds`]: time, bytes, connections; [`draining`]: the end of a process, and its replacement.
//!
//! All of it is on loopback, which is closed unless it is listed; so the good cases list it.

mod bounds;
mod clients;
mod draining;
mod exchanges;
mod logins;
mod malformed;
mod refused;
mod tunnels;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::harness::server::ADMIN_PASSWORD;
use crate::harness::{Conn, Reply, Scenario, TestServer, eventually, ports};
use crate::status::basic;

/// A site with a forward proxy.
pub(crate) struct Proxy {
    pub(crate) site: TestServer,
    pub(crate) port: u16,
}

impl Proxy {
    /// One that leads to all ports of this machine that are named, for clients of this machine.
    pub(crate) fn to(ports: &[u16]) -> Proxy {
        Proxy::with(ports, "")
    }

    /// The same, with further lines of its section.
    pub(crate) fn with(ports: &[u16], lines: &str) -> Proxy {
        Proxy::of(TestServer::site(), ports, lines)
    }

    /// The same of a scenario.
    pub(crate) fn of(scenario: Scenario, ports: &[u16], lines: &str) -> Proxy {
        let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
        let ports = ports.join(", ");
        let open =
            format!("allow = 127.0.0.1\nhosts = 127.0.0.1\nhttp_ports = {ports}\nconnect_ports = {ports}\n{lines}");
        Proxy::by(scenario, &open)
    }

    /// One whose section has these lines, beside `listen`.
    pub(crate) fn by(scenario: Scenario, lines: &str) -> Proxy {
        let port = ports::free();
        let section = format!("[proxy]\nlisten = 127.0.0.1:{port}\n{lines}");
        let site = scenario.keeps_ports().server("proxy", "yes").section(&section).start();
        // The site's port answers a moment before the other is open.
        eventually("it listens", || site.log().contains("forward proxy at").then_some(()));
        Proxy { site, port }
    }

    pub(crate) fn conn(&self) -> Conn {
        Conn::to(self.port)
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, request: &str) -> Reply {
        let mut conn = self.conn();
        conn.send(request);
        if request.starts_with("HEAD ") { conn.read_head() } else { conn.read() }
    }

    /// A GET of a whole URL.
    pub(crate) fn get(&self, url: &str) -> Reply {
        self.ask(&get(url))
    }

    /// A tunnel to a port of this machine.
    #[track_caller]
    pub(crate) fn tunnel(&self, port: u16) -> Conn {
        let mut conn = self.conn();
        conn.send(connect(port));
        conn.read_head().expect_code(200);
        conn
    }

    /// What the status says of it.
    pub(crate) fn status(&self) -> Value {
        let login = basic("admin", ADMIN_PASSWORD);
        let told = self.site.ask("GET", "/status?filter=forward_proxy", &[("Authorization", &login)], b"");
        serde_json::from_slice::<Value>(&told.expect_code(200).body).unwrap()["forward_proxy"].take()
    }

    /// A number of the status, by its path.
    pub(crate) fn count(&self, path: &str) -> i64 {
        let status = self.status();
        let found = path.split('.').fold(&status, |value, name| &value[name]);
        found.as_i64().unwrap_or_else(|| panic!("{path} is no number of {status}"))
    }

    pub(crate) fn counts(&self, path: &str, wanted: i64) {
        eventually(&format!("{path} is {wanted}"), || (self.count(path) == wanted).then_some(()));
    }
}

/// A GET of a whole URL, as clients send it to a proxy.
pub(crate) fn get(url: &str) -> String {
    let host = url.split('/').nth(2).unwrap_or("x");
    format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

pub(crate) fn connect(port: u16) -> String {
    format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")
}

/// A server on a raw socket, and the heads of the requests that it got.
pub(crate) struct Host {
    pub(crate) port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Host {
    /// Each connection is served by a thread, which gets the head of its first request.
    pub(crate) fn start(serve: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Host {
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = heads.clone();
        let port = listening("127.0.0.1:0", move |mut stream| {
            let head = head_of(&mut stream);
            noted.lock().unwrap().push(head.clone());
            serve(&head, &mut stream);
        });
        Host { port, heads }
    }

    /// One that answers everything with these bytes, and closes.
    pub(crate) fn saying(answer: &'static str) -> Host {
        Host::start(move |_, stream| drop(stream.write_all(answer.as_bytes())))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The heads that it got so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Serves each connection to an address on a thread of its own; the port.
pub(crate) fn listening(address: &str, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

/// Reads to the end of a head.
pub(crate) fn head_of(stream: &mut TcpStream) -> String {
    let (mut head, mut one) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut one).unwrap_or(0) > 0 {
        head.push(one[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A header of a head, with each line of it.
pub(crate) fn fields<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
