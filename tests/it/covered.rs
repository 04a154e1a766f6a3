//! What is missing from an answer is said in every protocol's own place, by one server and through a chain of three,
//! and a stranger learns no address by it.
//!
//! Long because one chain of servers is asked in every way and every protocol.

mod corners;
mod table;

use std::sync::Mutex;

use serde_json::Value;

use crate::harness::{Conduct, Member, Reply, TestServer};

/// The ways in which one of two members can be missing, and the count and the reason that say so.
const KINDS: [(&str, &str, &str); 6] = [
    ("failed", "failed", "http_status"),
    ("faulty", "failed", "fault"),
    ("hung", "timed_out", "deadline"),
    ("closed", "not_sent", "refused"),
    ("dropped", "failed", "closed"),
    ("gapped", "partial", "partial"),
];

const TEMPLATE: &str = "{{ coverage.complete }} {{ coverage.text }}{% for call in coverage.clusters %}{% for member in call.missing %} \
     [{{ member.index }}] {{ member.reason }}{% endfor %}{% endfor %} {% for one in found.outcomes %}{{ one.node }} {{ one.msg }}{% endfor %}";

/// Three servers, each of which knows the next, and the members of the last.
struct Chain {
    servers: [TestServer; 3],
    members: Vec<Member>,
    seen: Mutex<String>,
}

impl Chain {
    fn start() -> Chain {
        Chain::with(&[])
    }

    fn with(keys: &[(&str, &str)]) -> Chain {
        let bad = |kind| match kind {
            "failed" => Conduct::Page(500, "out of order"),
            "faulty" => Conduct::Fault(4, "no such composer"),
            "hung" => Conduct::Hangs,
            "closed" => Conduct::Closed,
            "dropped" => Conduct::ReadsAndCloses,
            "gapped" => Conduct::Covered("<string>part</string>", "below;ok=3;asked=4;failed=1"),
            other => panic!("{other} is no kind"),
        };
        let fine = || Member::start(Conduct::Fine("<string>whole</string>"));
        let mut members = vec![fine(), fine()];
        let mut sections = format!("[@whole]\nmembers = {}, {}\n", members[0].node(), members[1].node());
        for (kind, ..) in KINDS {
            members.extend([fine(), Member::start(bad(kind))]);
            let [one, other] = &members[members.len() - 2..] else { unreachable!() };
            // Many calls fail here, and none may be answered for the member's record.
            sections += &format!(
                "[@{kind}]\nmembers = {}, {}\nmember_timeout = 30\neject_after = 1000\n",
                one.node(),
                other.node()
            );
        }
        sections += "[@holed]\ntype = sqlite3\nmembers = one.db, missing/none.db\n";
        let server = |sections: &str| {
            let site = TestServer::site()
                .without("coverage_detail")
                .section(sections)
                .file("templates/covered.html", TEMPLATE)
                .file("one.db", "");
            keys.iter().fold(site, |site, (key, value)| site.server(key, value)).start()
        };
        let last = server(&sections);
        let next =
            |server: &TestServer| format!("[@next]\nmembers = 127.0.0.1:{}\nmember_timeout = 30\n", server.port());
        let middle = server(&next(&last));
        let first = server(&next(&middle));
        Chain { servers: [last, middle, first], members, seen: Mutex::default() }
    }

    fn asked(&self, hops: usize, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let reply = self.servers[hops].ask(method, path, headers, body.as_bytes());
        let heads: String = reply.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        self.seen.lock().unwrap().push_str(&format!("{heads}\n{}\n", reply.text()));
        reply
    }

    fn get(&self, hops: usize, page: &str, kind: &str, prefer: &str) -> Reply {
        let prefer = [("prefer", prefer)];
        let headers = if prefer[0].1.is_empty() { &[][..] } else { &prefer };
        self.asked(hops, "GET", &format!("/covered/{page}?kind={kind}&hops={hops}"), headers, "")
    }

    /// No reply has named a member, a server of the chain, or the file of a database.
    fn named_nobody(&self) {
        self.named_nobody_of(10_000);
    }

    fn named_nobody_of(&self, octets: usize) {
        let seen = self.seen.lock().unwrap();
        assert!(seen.len() > octets, "the replies were looked at");
        let nodes = self
            .members
            .iter()
            .map(Member::node)
            .chain(self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port())));
        for secret in
            nodes.chain(["none.db", "one.db", "missing/", "out of order", "no such composer"].map(str::to_owned))
        {
            let at = seen.find(&secret).map(|at| &seen[at.saturating_sub(300)..seen.len().min(at + 200)]);
            assert_eq!(at, None, "{secret}");
        }
    }
}

/// What the header says at the end of a chain of this length.
fn header(kind: &str, count: &str, hops: usize) -> String {
    match (kind, hops) {
        ("whole", 0) => "whole;ok=2;asked=2".to_owned(),
        ("whole", _) => "next;ok=1;asked=1;leaves_ok=2;leaves=2".to_owned(),
        ("gapped", 0) => "gapped;ok=1;asked=2;partial=1;leaves_ok=4;leaves=5".to_owned(),
        ("gapped", _) => "next;ok=0;asked=1;partial=1;leaves_ok=4;leaves=5".to_owned(),
        (_, 0) => format!("{kind};ok=1;asked=2;{count}=1"),
        (_, _) => "next;ok=0;asked=1;partial=1;leaves_ok=1;leaves=2".to_owned(),
    }
}

/// A body's coverage: is it complete, and who is missing?
fn told(coverage: &Value) -> (Value, Value) {
    (coverage["complete"].clone(), coverage["clusters"][0]["missing"][0]["reason"].clone())
}

const JSON_RPC: [(&str, &str); 2] = [("content-type", "application/json-rpc"), ("prefer", "coverage=body")];
const XML_RPC: [(&str, &str); 2] = [("content-type", "text/xml"), ("prefer", "coverage=body")];
