//! Every kind of gap, in every place where it has to be said, by one server and at the end of a chain of three.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use serde_json::{Value, json};

use super::{Chain, JSON_RPC, KINDS, XML_RPC, header, told};
use crate::harness::{Reply, call, eventually};
use crate::status::tree;

/// One cell of the table: a kind of gap, a place where it has to be said, and the length of the chain.
struct Sheet<'c> {
    chain: &'c Chain,
    kind: &'static str,
    hops: usize,
    /// What the header has to say, and what a body has to say of completeness and of the first missing member.
    header: String,
    body: (Value, Value),
    /// The cells in which something was wrong.
    wrong: Vec<String>,
}

impl Sheet<'_> {
    fn cell(&mut self, place: &str, check: impl FnOnce(&Sheet<'_>)) {
        if catch_unwind(AssertUnwindSafe(|| check(self))).is_err() {
            self.wrong.push(format!("{} × {place} × {} hops", self.kind, self.hops));
        }
    }

    fn is_whole(&self) -> bool {
        self.kind == "whole"
    }

    fn get(&self, page: &str, prefer: &str) -> Reply {
        self.chain.get(self.hops, page, self.kind, prefer)
    }

    fn post(&self, headers: &[(&str, &str)], body: &str) -> Reply {
        self.chain.asked(self.hops, "POST", "/", headers, body)
    }

    fn call(&self, method: &str, id: usize) -> Value {
        json!({"jsonrpc": "2.0", "method": method, "params": [self.kind, self.hops], "id": id})
    }

    fn has_header(&self, reply: &Reply) {
        assert_eq!(reply.header("x-coverage"), self.header, "{:?}\n{}", reply.headers, reply.text());
    }

    fn has_body(&self, coverage: &Value) {
        assert_eq!(told(coverage), self.body, "{coverage}");
    }
}

/// Every place for one kind at one length of the chain; the cells in which something was wrong.
fn every_place(chain: &Chain, kind: &'static str, count: &str, word: &str, hops: usize) -> Vec<String> {
    let body = match (kind, hops) {
        ("whole", _) => (json!(true), Value::Null),
        (_, 0) => (json!(false), json!(word)),
        _ => (json!(false), json!("partial")),
    };
    let mut sheet = Sheet { chain, kind, hops, header: header(kind, count, hops), body, wrong: Vec::new() };
    let word = sheet.body.1.as_str().unwrap_or("-").to_owned();
    sheet.cell("header", |sheet| {
        let data = sheet.get("data", "").expect_code(200);
        sheet.has_header(&data);
        assert_eq!(data.header("vary"), "Prefer");
        assert!(data.json().is_array());
        sheet.has_header(&sheet.get("ignored", "").expect_code(200));
    });
    sheet.cell("page", |sheet| sheet.has_header(&sheet.get("page", "").expect_code(200)));
    sheet.cell("template", |sheet| {
        let shown = sheet.get("page", "").expect_code(200).text();
        assert!(shown.starts_with(&format!("{} ", sheet.body.0)), "{shown}");
        assert_eq!(shown.contains(&format!("[{}] {word}", usize::from(sheet.hops == 0))), !sheet.is_whole(), "{shown}");
    });
    sheet.cell("envelope", |sheet| {
        let envelope = sheet.get("data", "coverage=body").expect_code(200);
        sheet.has_body(&envelope.json()["coverage"]);
        assert_eq!(envelope.header("preference-applied"), "coverage=body");
        assert_eq!(envelope.json()["data"], sheet.get("data", "").json());
        sheet.has_body(&sheet.get("enveloped", "").expect_code(200).json()["coverage"]);
    });
    sheet.cell("JSON-RPC", |sheet| {
        let reply = sheet.post(&JSON_RPC, &sheet.call("covered.data", 1).to_string());
        sheet.has_header(&reply);
        sheet.has_body(&reply.json()["coverage"]);
        assert_eq!(reply.json()["result"], sheet.get("data", "").json());
        let plain = sheet.post(&JSON_RPC[..1], &sheet.call("covered.data", 1).to_string());
        sheet.has_header(&plain);
        assert!(plain.json().get("coverage").is_none(), "nobody has asked for it");
    });
    // Every other call of the batch is whole: each entry tells of its own.
    sheet.cell("batch", |sheet| {
        let whole = |id| json!({"jsonrpc": "2.0", "method": "covered.data", "params": ["whole", sheet.hops], "id": id});
        let batch: Vec<Value> =
            (0..64).map(|id| if id % 2 == 0 { sheet.call("covered.data", id) } else { whole(id) }).collect();
        let reply = sheet.post(&JSON_RPC, &json!(batch).to_string());
        let entries = reply.json();
        assert_eq!(entries.as_array().map(Vec::len), Some(64));
        for (entry, id) in entries.as_array().unwrap().iter().zip(0..) {
            let expected = if id % 2 == 0 { sheet.body.clone() } else { (json!(true), Value::Null) };
            assert_eq!((told(&entry["coverage"]), &entry["id"]), (expected, &json!(id)), "{entry}");
        }
        let lines = reply.header_all("x-coverage");
        assert_eq!(lines.len(), 1, "{lines:?}");
        let asked = match (sheet.is_whole(), sheet.hops) {
            (true, 0) => ";asked=128",
            (false, 0) => ";asked=64",
            _ => "next;",
        };
        assert!(
            lines[0].contains(asked) && lines[0].matches(";ok=").count() == 1 + usize::from(asked == ";asked=64"),
            "{lines:?}"
        );
        assert_eq!(
            lines[0].contains(&format!("{count}=32")) || lines[0].contains("partial=32"),
            !sheet.is_whole(),
            "{lines:?}"
        );
    });
    sheet.cell("XML-RPC", |sheet| {
        let params = [sheet.kind.to_owned(), format!("<int>{}</int>", sheet.hops)];
        let reply = sheet.post(&XML_RPC, &call::xml("covered.data", &params.each_ref().map(|param| &**param)));
        sheet.has_header(&reply);
        assert!(reply.text().contains("<methodResponse>") && !reply.text().contains("<fault>"), "{}", reply.text());
    });
    sheet.cell("multicall", |sheet| {
        let entry = format!(
            "<struct><member><name>methodName</name><value>covered.data</value></member><member><name>params</name>\
             <value><array><data><value>{}</value><value><int>{}</int></value></data></array></value></member></struct>",
            sheet.kind, sheet.hops
        );
        let calls = format!("<array><data><value>{entry}</value></data></array>");
        let reply = sheet.post(&XML_RPC, &call::xml("system.multicall", &[&calls]));
        sheet.has_header(&reply);
        let complete = u8::from(sheet.is_whole());
        let said = format!("<member><name>complete</name><value><boolean>{complete}</boolean></value></member>");
        assert!(reply.text().contains(&said), "{}", reply.text());
        assert_eq!(reply.text().contains(&format!(">{word}<")), !sheet.is_whole(), "{}", reply.text());
    });
    let last = |text: String| -> Value { serde_json::from_str(text.trim_end().lines().last().unwrap()).unwrap() };
    sheet.cell("NDJSON", |sheet| {
        let line = last(sheet.get("lines", "").expect_code(200).text());
        match sheet.is_whole() {
            true => assert!(line.get("$coverage").is_none() && line["reason"] == "ok", "{line}"),
            false => sheet.has_body(&line["$coverage"]),
        }
        sheet.has_body(&last(sheet.get("lines", "coverage=body").expect_code(200).text())["$coverage"]);
    });
    sheet.cell("SSE", |sheet| {
        let text = sheet.get("events", "").expect_code(200).text();
        let end = text.split("\n\n").find(|event| event.starts_with("event: end\n")).expect("an end");
        let data = end.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
        sheet.has_body(&serde_json::from_str(data).unwrap());
    });
    sheet.cell("consent", |sheet| {
        let (consented, refused) = (sheet.get("consented", ""), sheet.get("refused", "allow-partial"));
        let allowed = sheet.get("consented", "allow-partial").expect_code(200);
        let over_rpc = |prefer| {
            let headers = [("content-type", "application/json-rpc"), ("prefer", prefer)];
            sheet.post(&headers, &sheet.call("covered.consented", 1).to_string()).json()
        };
        if sheet.is_whole() {
            assert_eq!((consented.code, refused.code, &over_rpc("x")["error"]), (200, 200, &Value::Null));
            return;
        }
        for reply in [&consented, &refused] {
            assert_eq!(reply.code, 503, "{}", reply.text());
            sheet.has_header(reply);
            assert!(reply.text().contains("the answer is incomplete: "), "{}", reply.text());
        }
        assert!(consented.text().contains("Prefer: allow-partial") && !refused.text().contains("Prefer"));
        assert_eq!(allowed.header("preference-applied"), "allow-partial");
        assert_eq!(over_rpc("x")["error"]["code"], -32503);
        assert!(over_rpc("allow-partial")["result"].is_array());
    });
    sheet.cell("log", |sheet| {
        let lines = || sheet.chain.servers[sheet.hops].log().matches(&format!("data?kind={}&", sheet.kind)).count();
        let before = lines();
        sheet.get("data", "").expect_code(200);
        match sheet.is_whole() {
            true => assert_eq!((before, lines()), (0, 0)),
            false => eventually("its line in the log", || (lines() > before).then_some(())),
        }
    });
    sheet.cell("status", |sheet| {
        let counted = || tree(&sheet.chain.servers[sheet.hops])["requests"]["partial"].as_u64().unwrap();
        let before = counted();
        sheet.get("data", "").expect_code(200);
        assert_eq!(counted() > before, !sheet.is_whole());
    });
    sheet.wrong
}

#[test]
fn every_gap_is_told_in_every_place_through_a_chain_and_names_nobody() {
    let chain = Chain::start();
    // The control: what is whole is said to be whole, in the same places.
    let mut wrong: Vec<String> =
        [0, 2].into_iter().flat_map(|hops| every_place(&chain, "whole", "", "ok", hops)).collect();
    let all = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (kind, count, word) in KINDS {
            let (chain, all) = (&chain, &all);
            scope.spawn(move || {
                for hops in [0, 2] {
                    all.lock().unwrap().extend(every_place(chain, kind, count, word, hops));
                }
            });
        }
    });
    wrong.extend(all.into_inner().unwrap());
    assert_eq!(wrong, Vec::<String>::new(), "{} of {} cells", wrong.len(), 13 * 2 * (1 + KINDS.len()));
    chain.named_nobody();
    let next = tree(&chain.servers[2])["clusters"]["next"].to_string();
    assert!(next.contains("\"partial\":") && !next.contains("\"partial\":0"), "{next}");
}
