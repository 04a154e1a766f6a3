use proptest::prelude::*;
use skitai_wire::Value;

use super::*;

fn outcome(reason: Reason) -> Outcome {
    match reason {
        Reason::Ok => Outcome::completed("10.0.0.7:1".into(), 1),
        other => Outcome::failed("10.0.0.7:1".into(), other, "secret of 10.0.0.7"),
    }
}

fn call(name: &str, outcomes: &[Outcome]) -> ClusterCoverage {
    let placed: Vec<Outcome> =
        outcomes.iter().zip(0..).map(|(outcome, index)| Outcome { index: Some(index), ..outcome.clone() }).collect();
    ClusterCoverage::of(name.into(), &placed, Coverage::of(outcomes), false)
}

fn report(name: &str, reasons: &[Reason]) -> CoverageReport {
    let outcomes: Vec<Outcome> = reasons.iter().copied().map(outcome).collect();
    CoverageReport { clusters: vec![call(name, &outcomes)] }
}

fn header(value: &str) -> Option<CoverageReport> {
    CoverageReport::from_header(value)
}

#[test]
fn every_reason_is_one_of_the_six_states() {
    use Reason::{Cancelled, Deadline, Fault, Ok, Refused, Unread};
    let gap = report("below", &[Ok, Refused]);
    let mut all: Vec<Outcome> = [Ok, Fault, Deadline, Unread, Cancelled, Refused].map(outcome).to_vec();
    all.push(outcome(Ok).with_report(gap));
    all.push(Outcome { code: 404, ..outcome(Ok) });
    let coverage = Coverage::of(&all);
    let leaves = Some(Leaves { asked: 9, ok: 2 });
    let expected = Coverage { asked: 8, ok: 1, partial: 1, failed: 2, timed_out: 2, cancelled: 1, not_sent: 1, leaves };
    assert_eq!(coverage, expected);
    let shown = "1 of 8 ok (1 partial, 2 failed, 2 timed out, 1 cancelled, 1 not sent); 2 of 9 leaves";
    assert_eq!((coverage.to_string().as_str(), coverage.good(), coverage.is_complete()), (shown, 2, false));
}

#[test]
fn a_partial_answer_counts_but_is_not_whole() {
    let partial = outcome(Reason::Ok).with_report(report("below", &[Reason::Ok, Reason::Deadline]));
    assert_eq!(
        (partial.is_ok(), partial.is_whole(), partial.status, partial.reason.word()),
        (true, false, Status::Completed, "partial")
    );
    assert!(partial.msg.contains("below: 1 of 2 ok (1 timed out)"), "{}", partial.msg);
    let coverage = Coverage::of(&[partial.clone(), outcome(Reason::Ok)]);
    let meets = [Rule::Quorum(2), Rule::Fraction(1.0), Rule::First(2), Rule::All, Rule::AllOrError]
        .map(|rule| coverage.meets(rule));
    assert_eq!(meets, [true, true, true, false, false]);
    // What is whole below is whole, and an error stays what it is.
    let whole = outcome(Reason::Ok).with_report(report("below", &[Reason::Ok, Reason::Ok]));
    assert!(whole.is_whole());
    assert_eq!(Coverage::of(&[whole, outcome(Reason::Ok)]).leaves, Some(Leaves { asked: 3, ok: 3 }));
    let failed = outcome(Reason::Fault).with_report(report("below", &[Reason::Ok, Reason::Deadline]));
    assert_eq!((failed.reason, failed.leaves()), (Reason::Fault, Leaves { asked: 2, ok: 0 }));
}

#[test]
fn what_a_caller_had_enough_of_is_no_gap() {
    use Reason::{Cancelled, Deadline, Ok, Refused};
    let outcomes = [Ok, Cancelled, Cancelled].map(outcome);
    assert!(!call("a", &outcomes).has_gap, "the first was wanted, and it came");
    assert!(call("a", &[outcome(Cancelled)]).has_gap, "nothing came");
    let outcomes = [Ok, Refused, Deadline].map(outcome);
    let enough = ClusterCoverage::of("a".into(), &outcomes, Coverage::of(&outcomes), true);
    let report = CoverageReport { clusters: vec![enough] };
    assert_eq!(
        (report.has_gap(), report.to_header().as_str()),
        (false, "a;ok=1;asked=3;timed_out=1;not_sent=1;enough")
    );
    assert!(!header(&report.to_header()).expect("our own").has_gap(), "the next server knows it, too");
    assert!(call("a", &outcomes).has_gap);
    assert!(call("a", &[]).has_gap, "a cluster without members says nothing");
}

#[test]
fn the_header_is_a_list_with_names_of_any_kind() {
    let mut report = report("mysearch", &[Reason::Ok, Reason::Refused, Reason::Ok]);
    report.merge(self::report("my db", &[Reason::Ok]));
    report.merge(self::report("städte", &[Reason::Ok]));
    report.merge(self::report("1st\"x\\", &[Reason::Ok]));
    let text = "mysearch;ok=2;asked=3;not_sent=1, \"my db\";ok=1;asked=1, %\"st%c3%a4dte\";ok=1;asked=1, \
                \"1st\\\"x\\\\\";ok=1;asked=1";
    assert_eq!(report.to_header(), text);
    let read = header(text).expect("our own form");
    let names: Vec<&str> = read.clusters.iter().map(|call| &*call.name).collect();
    assert_eq!(names, ["mysearch", "my db", "städte", "1st\"x\\"]);
    // Two calls to one cluster are added up, as are two lines that a proxy has joined.
    report.merge(self::report("mysearch", &[Reason::Deadline]));
    assert!(report.to_header().starts_with("mysearch;ok=2;asked=4;timed_out=1;not_sent=1, "));
    assert_eq!(
        header("a;ok=1;asked=1, a;ok=0;asked=1;failed=1").expect("a list").to_header(),
        "a;ok=1;asked=2;failed=1"
    );
    assert_eq!(CoverageReport::default().to_header(), "");
}

#[test]
fn a_report_of_very_many_clusters_is_added_up() {
    let items: Vec<String> = (0..20_000).map(|number| format!("c{number};ok=1;asked=2;failed=1")).collect();
    let read = header(&items.join(", ")).expect("a list");
    assert_eq!((read.clusters.len(), read.leaves()), (CLUSTERS + 1, Leaves { asked: 40_000, ok: 20_000 }));
    let last = read.clusters.last().map(|call| (&*call.name, call.coverage.asked));
    assert_eq!(last, Some((OTHERS, 2 * (20_000 - CLUSTERS))));
}

#[test]
fn a_gap_of_any_size_is_a_gap_one_tier_up() {
    for text in [
        "5 of 9223372036854775807 ok",
        "x;ok=0;asked=999999999999999, y;ok=0;asked=999999999999999",
        "x;ok=999999999999999;asked=999999999999999, x;ok=1;asked=999999999999999;failed=999999999999998",
        "x;ok=0;asked=999999999999999;leaves_ok=0;leaves=999999999999999, y;ok=1;asked=1;leaves_ok=9;leaves=999999999999999",
    ] {
        let read = header(text).unwrap_or_else(|| panic!("{text}"));
        assert!(read.has_gap(), "{text}");
        let above = CoverageReport { clusters: vec![call("above", &[outcome(Reason::Ok).with_report(read)])] };
        let sent = header(&above.to_header()).unwrap_or_else(|| panic!("{}", above.to_header()));
        assert!(sent.has_gap(), "{text}: {}", above.to_header());
        let in_body = CoverageReport::from_value(&above.to_value(CoverageDetail::Positions)).expect("our own");
        assert!(in_body.has_gap(), "{text}");
    }
    let large = Coverage { asked: usize::MAX, ok: usize::MAX, partial: usize::MAX, ..Coverage::default() };
    assert_eq!(large.good(), usize::MAX);
}

#[test]
fn what_a_member_writes_where_a_word_belongs_is_not_passed_on() {
    let text = r#"{"clusters":[{"cluster":"NAME","asked":1,"ok":0,"failed":1,"missing":[{"index":0,"reason":"<b>10.1.2.3</b>"}]}]}"#;
    let value = skitai_wire::json::parse_value(text.replace("NAME", &"n".repeat(500)).as_bytes()).expect("JSON");
    let read = CoverageReport::from_value(&value).expect("a report");
    assert_eq!((read.clusters[0].name.chars().count(), &*read.clusters[0].missing[0].reason), (65, "other"));
    assert_eq!(CoverageReport::from_end_event("data: 1\n\nevent: end\ndata: {}\n\n"), None);
}

#[test]
fn the_form_of_the_version_before_is_read() {
    for (text, counts, gap) in [
        ("3 of 3 ok", "unnamed;ok=3;asked=3", false),
        ("2 of 3 ok (1 not sent)", "unnamed;ok=2;asked=3;not_sent=1", true),
        (
            "1 of 6 ok (2 failed, 1 timed out, 1 cancelled, 1 not sent)",
            "unnamed;ok=1;asked=6;failed=2;timed_out=1;cancelled=1;not_sent=1",
            true,
        ),
    ] {
        let read = header(text).unwrap_or_else(|| panic!("{text} is not read"));
        assert_eq!((read.to_header().as_str(), read.has_gap()), (counts, gap), "{text}");
    }
}

#[test]
fn what_is_no_coverage_is_nothing() {
    for text in [
        "",
        "  ",
        "2 of 3",
        "3 of 2 ok",
        "2 of 3 ok (1 lost)",
        "-1 of 3 ok",
        "a",
        "a;ok=1",
        "a;asked=1",
        "a;ok=2;asked=1",
        "a;ok=-1;asked=1",
        "a;ok=1.5;asked=2",
        "a;ok=x;asked=2",
        "(a b);ok=1;asked=2",
        "1;ok=1;asked=1",
        "a;ok=1;asked=1,",
        "a;ok=1;asked=1;leaves=3",
        "a;ok=1;asked=1;leaves=3;leaves_ok=4",
        "a;ok=1;asked=1 b",
        "ä;ok=1;asked=1",
        "a;ok=9999999999999999;asked=9999999999999999",
    ] {
        assert_eq!(header(text), None, "{text:?}");
    }
    // A parameter of a later version is no reason to forget the rest.
    assert!(header("a;ok=1;asked=2;failed=1;later=\"x\"").is_some_and(|read| read.has_gap()));
    assert!(header("a;ok=1;asked=2").is_some_and(|read| read.has_gap()), "whatever became of the other");
}

#[test]
fn a_report_in_a_body_tells_names_or_positions() {
    let below = report("leaf", &[Reason::Ok, Reason::Refused]);
    let outcomes = [outcome(Reason::Ok), outcome(Reason::Ok).with_report(below), outcome(Reason::Deadline)];
    let report = CoverageReport { clusters: vec![call("mid", &outcomes)] };
    let names = report.to_value(CoverageDetail::Names);
    assert_eq!(CoverageReport::from_value(&names).as_ref(), Some(&report), "all of it travels");
    let positions = report.to_value(CoverageDetail::Positions);
    let text = String::from_utf8(skitai_wire::json::to_vec(&positions).expect("JSON")).expect("UTF-8");
    assert!(!text.contains("10.0.0.7") && !text.contains("secret"), "{text}");
    let expected = "{\"complete\":false,\"clusters\":[{\"cluster\":\"mid\",\"asked\":3,\"ok\":1,\"partial\":1,\"failed\":0,\"timed_out\":1,\
        \"cancelled\":0,\"not_sent\":0,\"leaves_ok\":2,\"leaves\":4,\"missing\":[{\"index\":1,\"reason\":\"partial\",\"coverage\":\
        {\"complete\":false,\"clusters\":[{\"cluster\":\"leaf\",\"asked\":2,\"ok\":1,\"partial\":0,\"failed\":0,\"timed_out\":0,\"cancelled\":0,\
        \"not_sent\":1,\"missing\":[{\"index\":1,\"reason\":\"refused\"}]}]}},{\"index\":2,\"reason\":\"deadline\"}]}]}";
    assert_eq!(text, expected);
    assert!(CoverageReport::from_value(&positions).expect("a report").has_gap());
}

#[test]
fn a_report_is_found_in_an_envelope_and_in_a_last_line() {
    let gap = report("a", &[Reason::Ok, Reason::Refused]).to_value(CoverageDetail::Names);
    let envelope = Value::from_pairs([("data", Value::Int(1)), ("coverage", gap.clone())]);
    assert!(CoverageReport::from_envelope(&envelope).is_some_and(|read| read.has_gap()));
    let three = Value::from_pairs([("data", Value::Int(1)), ("coverage", gap.clone()), ("page", Value::Int(2))]);
    for other in [gap.clone(), three, Value::from_pairs([("data", Value::Int(1)), ("coverage", Value::from("full"))])] {
        assert_eq!(CoverageReport::from_envelope(&other), None, "{other:?}");
    }
    let line = |value: &Value| String::from_utf8(skitai_wire::json::to_vec(value).expect("JSON")).expect("UTF-8");
    let last = format!("{{\"id\":1}}\n{}\n", line(&Value::from_pairs([("$coverage", gap)])));
    assert!(CoverageReport::from_last_line(&last).is_some_and(|read| read.has_gap()));
    let before = "{\"id\":1}\n{\"$coverage\":\"3 of 4 ok (1 failed)\",\"$missing\":[{\"node\":\"a:1\"}]}\n";
    assert!(CoverageReport::from_last_line(before).is_some_and(|read| read.has_gap()));
    for other in ["", "\n", "{\"$coverage\":1}", "{\"$coverage\":\"a;ok=1;asked=2\"}", "{\"$coverage\"", "{\"id\":1}"] {
        assert_eq!(CoverageReport::from_last_line(other), None, "{other:?}");
    }
}

#[test]
fn reports_within_reports_end_somewhere() {
    let mut value = report("leaf", &[Reason::Refused]).to_value(CoverageDetail::Names);
    for _ in 0..40 {
        let member =
            Value::from_pairs([("index", Value::Int(0)), ("reason", Value::from("partial")), ("coverage", value)]);
        let pairs = [
            ("cluster", Value::from("a")),
            ("asked", Value::Int(1)),
            ("ok", Value::Int(0)),
            ("partial", Value::Int(1)),
        ];
        let pairs = pairs.into_iter().chain([("missing", Value::List(vec![member]))]);
        value = Value::from_pairs([("clusters", Value::List(vec![Value::from_pairs(pairs)]))]);
    }
    let (mut read, mut tiers) = (Some(Arc::new(CoverageReport::from_value(&value).expect("its first tiers"))), 0);
    while let Some(report) = read {
        tiers += 1;
        read = report.clusters[0].missing.first().and_then(|member| member.report.clone());
    }
    assert_eq!(tiers, 8);
}

#[test]
fn a_crowd_of_missing_members_is_counted_and_not_all_described() {
    let report = report("crowd", &[Reason::Refused; 1_000]);
    let value = report.to_value(CoverageDetail::Positions);
    let call = &value["clusters"][0];
    assert_eq!(call["missing"].as_list().map(<[Value]>::len), Some(DESCRIBED));
    assert_eq!(call["undescribed"].as_i64(), Some(1_000 - DESCRIBED as i64));
}

/// What a server sends of this call, and its caller reads: by the header, or by the body.
fn sent(call: ClusterCoverage, by_body: bool) -> Outcome {
    let report = CoverageReport { clusters: vec![call] };
    let read = match by_body {
        true => CoverageReport::from_value(&report.to_value(CoverageDetail::Positions)),
        false => CoverageReport::from_header(&report.to_header()),
    };
    outcome(Reason::Ok).with_report(read.expect("our own form"))
}

#[test]
fn of_a_thousand_leaves_the_root_knows_the_one_that_is_dead() {
    for (dead, by_body) in [(0, false), (999, false), (437, true)] {
        let leaf = |number: usize| outcome(if number == dead { Reason::Refused } else { Reason::Ok });
        let node = |number: usize| {
            let leaves: Vec<Outcome> = (0..10).map(|each| leaf(10 * number + each)).collect();
            sent(call("leaves", &leaves), by_body)
        };
        let branch = |number: usize| {
            let nodes: Vec<Outcome> = (0..10).map(|each| node(10 * number + each)).collect();
            sent(call("nodes", &nodes), by_body)
        };
        let branches: Vec<Outcome> = (0..10).map(branch).collect();
        let root = CoverageReport { clusters: vec![call("branches", &branches)] };
        assert_eq!(root.to_header(), "branches;ok=9;asked=10;partial=1;leaves_ok=999;leaves=1000");
        assert_eq!(root.to_string(), "branches: 9 of 10 ok (1 partial); 999 of 1000 leaves");
        if by_body {
            let mut report = &root;
            for index in [4, 3, 7] {
                let missing = &report.clusters[0].missing;
                assert_eq!((missing.len(), missing[0].index), (1, Some(index)));
                report = missing[0].report.as_deref().unwrap_or(report);
            }
        }
    }
}

prop_compose! {
    fn reports()(calls in prop::collection::vec(
        ("[ -~é]{1,12}", prop::collection::vec(0usize..1_000, 6), any::<bool>(), any::<bool>()), 1..5))
        -> CoverageReport {
        let mut report = CoverageReport::default();
        for (name, n, deep, enough) in calls {
            let asked = n.iter().sum();
            let leaves = deep.then_some(Leaves { asked: asked * 3, ok: n[0] });
            let (timed_out, cancelled, not_sent) = (n[3], n[4], n[5]);
            let counts = Coverage { asked, ok: n[0], partial: n[1], failed: n[2], timed_out, cancelled, not_sent, leaves };
            report.add(ClusterCoverage::of(name.as_str().into(), [], counts, enough));
        }
        report
    }
}

proptest! {
    #[test]
    fn a_header_is_read_as_it_was_written(report in reports()) {
        prop_assert_eq!(CoverageReport::from_header(&report.to_header()), Some(report.clone()));
        prop_assert_eq!(CoverageReport::from_value(&report.to_value(CoverageDetail::Positions)), Some(report.clone()));
        let joined = format!("{}, {}", report.to_header(), report.to_header());
        let both = CoverageReport::from_header(&joined).map(|both| both.leaves().asked);
        prop_assert_eq!(both, Some(2 * report.leaves().asked));
    }

    #[test]
    fn no_header_makes_it_panic(text in "\\PC{0,60}") {
        let _ = CoverageReport::from_header(&text);
        let _ = CoverageReport::from_last_line(&text);
    }
}
