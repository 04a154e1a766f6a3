//! W3C Trace Context in and out, and spans at a collector that holds them against the published schema.

mod collectors;
mod propagation;
mod spans;

use serde_json::Value;

use crate::harness::foreign::Server;
use crate::harness::raw::request;
use crate::harness::{Conn, Scenario, TestServer, eventually};

/// `tests/interop/collector.py`.
struct Collector(Server);

impl Collector {
    fn start() -> Collector {
        Collector(Server::start("tests/interop/collector.py", [""; 0]))
    }

    fn section(&self, keys: &str) -> String {
        format!("[otlp]\nendpoint = http://127.0.0.1:{}/v1/traces\n{keys}", self.0.port)
    }

    fn ask(&self, method: &str, path: &str) -> Value {
        let mut conn = Conn::to(self.0.port);
        conn.send(request(method, path, &[], b""));
        conn.read().expect_code(200).json()
    }

    fn requests(&self) -> Vec<Value> {
        self.ask("GET", "/requests").as_array().unwrap().clone()
    }

    /// How the next requests are answered.
    fn mode(&self, how: &str) {
        self.ask("POST", &format!("/mode?{how}"));
    }

    /// All spans that have come; nothing that came was no document of OTLP.
    fn spans(&self) -> Vec<Value> {
        let refused: Vec<Value> = self.requests().into_iter().filter(|request| request["code"] == 400).collect();
        assert!(refused.is_empty(), "{refused:#?}");
        self.ask("GET", "/spans").as_array().unwrap().clone()
    }

    /// The spans of a trace, once there are so many.
    fn trace(&self, trace: &str, count: usize) -> Vec<Value> {
        let of_trace = || self.spans().into_iter().filter(|span| span["trace"] == *trace).collect::<Vec<_>>();
        eventually("the spans have come", || (of_trace().len() >= count).then_some(()));
        let spans = of_trace();
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans
    }
}

/// The test site, whose spans go to this collector.
fn exporting(collector: &Collector, keys: &str) -> Scenario {
    TestServer::site().section(&collector.section(keys))
}

/// The one span of this kind: 2 is that of the request, 3 one of a try or a statement.
fn of_kind(spans: &[Value], kind: u64) -> Vec<&Value> {
    spans.iter().filter(|span| span["kind"] == kind).collect()
}

/// The value of a header in the heads that a member has seen, of the last one.
fn told(heads: &[String], name: &str) -> Option<String> {
    let line = heads.last()?.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))?;
    Some(line.trim().to_owned())
}
