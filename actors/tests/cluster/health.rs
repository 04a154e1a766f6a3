//! Members that fail, are ejected and readmitted; and what must not eject one.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use skitai_actors::cluster::Prober;
use skitai_actors::spec::{Check, CheckKind};
use skitai_actors::wire::Value;
use skitai_actors::{Reason, Status};

use super::member::{After, Member, answer, closed_port, fine, hanging, member, xml};
use super::*;

/// Short times; two failures eject.
fn hasty() -> Rules {
    Rules { eject_after: 2, eject_time: Duration::from_millis(300), ..Rules::default() }
}

fn judged(rules: Rules, ports: &[u16]) -> Started {
    Started::new(ClusterSpec { rules, ..spec(ports) })
}

/// A member that closes instead of answering while the switch is on.
fn moody() -> (Member, Arc<AtomicBool>) {
    let is_ill = Arc::new(AtomicBool::new(true));
    let mood = is_ill.clone();
    let there = member(move |stream, _| {
        if mood.load(SeqCst) {
            return After::Close;
        }
        answer(stream, "200 OK", "content-type: text/xml\r\n", &xml("well"));
        After::KeepAlive
    });
    (there, is_ill)
}

impl Started {
    /// A value of the member's report, under `shared`.
    async fn shared(&self, index: usize) -> Value {
        let deadline = after(1_000);
        let told = self.post.reporter().report(deadline).all(deadline).await.remove(0).0;
        let members = told.get("members").and_then(Value::as_list).unwrap();
        members[index].get("shared").unwrap().clone()
    }

    pub(super) async fn word(&self, index: usize, name: &str) -> String {
        self.shared(index).await.get(name).and_then(Value::as_str).unwrap_or("-").to_owned()
    }
}

#[test]
fn a_refusing_member_is_ejected_and_answered_for_at_once() {
    in_system(async {
        let there = fine("a");
        let cluster = judged(hasty(), &[there.port, closed_port()]);
        for _ in 0..2 {
            assert_eq!(cluster.all(call()).await[1].reason, Reason::Refused);
        }
        let begun = Instant::now();
        let outcomes = cluster.all(call()).await;
        assert!(begun.elapsed() < bound(Duration::from_millis(100), Duration::from_secs(5)));
        assert!(outcomes[0].is_ok());
        let ejected = &outcomes[1];
        assert_eq!((ejected.status, ejected.reason), (Status::NotConnected, Reason::Ejected));
        assert_eq!((ejected.attempts, &*ejected.node), (0, &*cluster.roster.spec().members[1].node));
        assert!(ejected.msg.contains("refused") && ejected.msg.contains("tried again in"), "{}", ejected.msg);
        // lb does not even try it.
        for _ in 0..20 {
            assert_eq!(cluster.one(call()).await.attempts, 1);
        }
        assert_eq!(cluster.word(1, "state").await, "ejected");
        assert_eq!(cluster.word(1, "ejected_for").await, "refused");
        assert_eq!(cluster.shared(1).await.get("ejections"), Some(&Value::Int(1)));
        assert_eq!(cluster.word(0, "state").await, "healthy");
    });
}

#[test]
fn an_ejected_member_gets_no_connection() {
    in_system(async {
        let ((ill, _), well) = (moody(), fine("a"));
        let cluster = judged(hasty(), &[ill.port, well.port]);
        for _ in 0..20 {
            cluster.all(call()).await;
        }
        assert_eq!((ill.seen.requests(), well.seen.requests()), (2, 20));
        assert_eq!(ill.seen.connections(), 2);
    });
}

#[test]
fn one_live_call_readmits_a_member_that_recovered() {
    in_system(async {
        let ((there, is_ill), other) = (moody(), fine("a"));
        let cluster = judged(hasty(), &[there.port, other.port]);
        for _ in 0..3 {
            cluster.all(call()).await;
        }
        assert_eq!(cluster.word(0, "state").await, "ejected");
        // Its time is over and it still fails: the trial ejects it again, for longer. No caller of `lb` waits a second.
        until("one caller meets it again", async || cluster.one(call()).await.reason == Reason::Closed).await;
        assert!(cluster.one(call()).await.is_ok(), "the next one does not");
        assert_eq!(cluster.shared(0).await.get("ejections"), Some(&Value::Int(2)));
        is_ill.store(false, SeqCst);
        until("a caller meets it well", async || {
            assert!(cluster.one(call()).await.is_ok());
            cluster.word(0, "state").await == "healthy"
        })
        .await;
        assert_eq!(cluster.word(0, "readmitted_for").await, "answered");
        let weight = cluster.shared(0).await.get("weight_in_force").and_then(Value::as_f64).unwrap();
        assert!((0.09..0.3).contains(&weight), "a slow start from a tenth: {weight}");
        assert!(cluster.all(call()).await.iter().all(Outcome::is_ok));
    });
}

#[test]
fn the_last_member_is_never_ejected() {
    in_system(async {
        let (there, is_ill) = moody();
        let cluster = judged(Rules { max_ejected: 100, ..hasty() }, &[there.port]);
        for _ in 0..10 {
            assert_eq!(cluster.all(call()).await[0].reason, Reason::Closed);
        }
        is_ill.store(false, SeqCst);
        assert!(cluster.all(call()).await[0].is_ok());
        assert_eq!(there.seen.requests(), 11);

        // Of two members one stays, however often it fails.
        let cluster = judged(Rules { max_ejected: 100, ..hasty() }, &[closed_port(), closed_port()]);
        for _ in 0..10 {
            cluster.all(call()).await;
        }
        let reasons = cluster.all(call()).await.into_iter().map(|outcome| outcome.reason).collect::<Vec<_>>();
        assert!(reasons.contains(&Reason::Ejected) && reasons.contains(&Reason::Refused), "{reasons:?}");
    });
}

#[test]
fn half_of_the_members_stay() {
    in_system(async {
        let cluster = judged(hasty(), &[closed_port(), closed_port(), closed_port(), closed_port()]);
        for _ in 0..5 {
            cluster.all(call()).await;
        }
        let outcomes = cluster.all(call()).await;
        let ejected = outcomes.iter().filter(|outcome| outcome.reason == Reason::Ejected).count();
        assert_eq!(ejected, 2, "{outcomes:?}");
        // `lb` asks ejected members if no other is left.
        let outcome = cluster.one(call()).await;
        assert_eq!((outcome.reason, outcome.attempts), (Reason::Refused, 4));
    });
}

#[test]
fn impatience_faults_and_departures_eject_nobody() {
    in_system(async {
        let fault = member(|stream, _| {
            answer(stream, "500 Internal Server Error", "", "the method failed");
            After::KeepAlive
        });
        let slow = hanging();
        let cluster = judged(hasty(), &[slow.port, fault.port]);
        for _ in 0..5 {
            let deadline = after(30);
            let outcomes = cluster.ask(Spread::All, call(), deadline).all(deadline).await;
            assert_eq!((outcomes[0].reason, outcomes[1].reason), (Reason::Deadline, Reason::HttpStatus));
        }
        let replies: Vec<_> = (0..5).map(|_| cluster.ask(Spread::All, call(), after(5_000))).collect();
        eventually("they arrive", || slow.seen.requests() == 10).await;
        drop(replies);
        eventually("they left", || slow.seen.eofs() == 10).await;
        for index in [0, 1] {
            assert_eq!(cluster.word(index, "state").await, "healthy");
            assert_eq!(cluster.shared(index).await.get("failures_in_a_row"), Some(&Value::Int(0)));
            assert_eq!(cluster.shared(index).await.get("outstanding"), Some(&Value::Int(0)));
        }
    });
}

#[test]
fn silence_for_the_members_whole_time_ejects_and_a_slow_drip_does_not() {
    in_system(async {
        let dripping = member(|stream, _| {
            drop(std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\n"));
            After::AwaitEof
        });
        let (silent, well) = (hanging(), fine("a"));
        let member_timeout = Duration::from_millis(100);
        let ports = [silent.port, dripping.port, well.port, well.port];
        let cluster = Started::new(ClusterSpec { member_timeout, rules: hasty(), ..spec(&ports) });
        for _ in 0..3 {
            cluster.all(call()).await;
        }
        assert_eq!(
            (cluster.word(0, "state").await, cluster.word(0, "ejected_for").await),
            ("ejected".to_owned(), "silent".to_owned())
        );
        assert_eq!(cluster.word(1, "state").await, "healthy");
    });
}

#[test]
fn workers_share_what_they_know() {
    in_system(async {
        let (ill, _) = moody();
        let well = fine("a");
        let first = judged(hasty(), &[ill.port, well.port]);
        let second = Started::of(first.roster.clone(), Admission::default());
        first.all(call()).await;
        second.all(call()).await;
        assert_eq!(first.all(call()).await[0].reason, Reason::Ejected);
        assert_eq!(second.all(call()).await[0].reason, Reason::Ejected);
        assert_eq!(ill.seen.requests(), 2);
    });
}

#[test]
fn who_asks_to_be_left_alone_is() {
    in_system(async {
        let busy = member(|stream, _| {
            answer(stream, "429 Too Many Requests", "Retry-After: 60\r\n", "");
            After::KeepAlive
        });
        let well = fine("a");
        let cluster = Started::new(spec(&[busy.port, well.port]));
        let mut refused = 0;
        for _ in 0..50 {
            refused += usize::from(!cluster.one(call()).await.is_ok());
        }
        assert!(refused <= 1, "{refused} were refused");
        assert_eq!(busy.seen.requests(), refused);
        // `map` still asks all members: it is not ejected.
        let outcomes = cluster.all(call()).await;
        assert_eq!((outcomes[0].code, outcomes[1].is_ok()), (429, true));
        assert_eq!(cluster.word(0, "state").await, "healthy");
        let held = cluster.shared(0).await.get("held_for_s").and_then(Value::as_i64).unwrap();
        assert!((55..=60).contains(&held), "{held}");
    });
}

#[test]
fn who_refuses_quickly_attracts_nothing() {
    in_system(async {
        let busy = member(|stream, _| {
            answer(stream, "429 Too Many Requests", "", "");
            After::KeepAlive
        });
        let members = [fine("a"), fine("b")];
        for ports in [vec![members[0].port, busy.port, members[1].port], vec![members[0].port, busy.port]] {
            let cluster = Started::new(spec(&ports));
            let before = busy.seen.requests();
            let deadline = after(5_000);
            for _ in 0..40 {
                let many: Vec<_> = (0..10).map(|_| cluster.ask(Spread::One, call(), deadline)).collect();
                for replies in many {
                    replies.all(deadline).await;
                }
            }
            let share = (busy.seen.requests() - before) as f64 / 400.0;
            assert!(share < 0.15, "{share} of {} members", ports.len());
        }
    });
}

async fn checked(kind: CheckKind) {
    let is_ill = Arc::new(AtomicBool::new(false));
    let mood = is_ill.clone();
    let there = member(move |stream, heard| {
        if mood.load(SeqCst) {
            return After::Close;
        }
        let fault = "<?xml version='1.0'?><methodResponse><fault><value><struct><member><name>faultCode</name>\
             <value><int>1</int></value></member><member><name>faultString</name><value><string>no such method</string>\
             </value></member></struct></value></fault></methodResponse>";
        let body = if heard.head.starts_with("POST") { fault } else { "alive" };
        answer(stream, "200 OK", "content-type: text/xml\r\n", body);
        After::KeepAlive
    });
    let well = fine("a");
    let rules = Rules { eject_time: Duration::from_millis(100), ..Rules::default() };
    let check = Some(Check { kind, interval: Duration::from_millis(200) });
    let cluster = Started::new(ClusterSpec { rules, check, ..spec(&[there.port, well.port]) });
    let prober = Prober::start(&cluster.roster).unwrap();
    eventually("it is asked", || there.seen.requests() >= 3).await;
    assert_eq!(cluster.word(0, "state").await, "healthy");
    is_ill.store(true, SeqCst);
    until("a check finds out", async || cluster.word(0, "state").await != "healthy").await;
    assert_eq!(cluster.word(0, "ejected_for").await, "check_failed");
    // Its time is over before the fourth check from here, but it gets no trial call.
    let asked = there.seen.requests();
    eventually("the checks go on", || there.seen.requests() >= asked + 4).await;
    assert_eq!(cluster.all(call()).await[0].reason, Reason::Ejected);
    is_ill.store(false, SeqCst);
    until("a check sees it recover", async || cluster.word(0, "state").await == "healthy").await;
    assert_eq!(cluster.word(0, "readmitted_for").await, "checks_passed");
    drop(prober);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let asked = there.seen.requests();
    // Three intervals.
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(there.seen.requests(), asked, "the checks end with the prober");
}

#[test]
fn checks_by_http_and_rpc_eject_and_readmit() {
    in_system(checked(CheckKind::Http("/alive".to_owned())));
    in_system(checked(CheckKind::Rpc("/RPC2".to_owned())));
}

#[test]
fn a_check_by_tcp_wants_a_connection_alone() {
    in_system(async {
        let there = hanging();
        let rules = Rules { fall: 2, ..hasty() };
        let check = Some(Check { kind: CheckKind::Tcp, interval: Duration::from_millis(200) });
        let cluster = Started::new(ClusterSpec { rules, check, ..spec(&[there.port, closed_port()]) });
        let _prober = Prober::start(&cluster.roster).unwrap();
        until("the missing member is ejected", async || cluster.word(1, "state").await == "ejected").await;
        eventually("it is asked", || there.seen.connections() >= 5).await;
        assert_eq!(cluster.word(0, "state").await, "healthy");
        assert_eq!(there.seen.requests(), 0);
    });
}

/// A server may close idle connections just when many calls arrive: each call fails, but the server is healthy.
#[test]
fn connections_that_end_of_old_age_eject_nobody_and_new_ones_do() {
    in_system(async {
        let hurried = Arc::new(AtomicBool::new(false));
        let hurry = hurried.clone();
        // Answers the first request of a connection and closes at the second, at once if `hurry` is set.
        let there = super::member::on_sockets(move |mut stream, _| {
            let mut reader = std::io::BufReader::new(stream.try_clone().unwrap());
            if super::member::read_request(&mut reader).is_some() && !hurry.load(SeqCst) {
                answer(&mut stream, "200 OK", "content-type: text/xml\r\n", &xml("well"));
                super::member::read_request(&mut reader);
            }
        });
        let well = fine("a");
        let cluster = judged(hasty(), &[there.port, well.port]);
        let all_at_once = async || {
            let deadline = after(2_000);
            let asked: Vec<_> = (0..8).map(|_| cluster.ask(Spread::All, call(), deadline)).collect();
            let mut failed = 0;
            for replies in asked {
                failed += usize::from(replies.all(deadline).await[0].reason == Reason::Closed);
            }
            failed
        };
        for _ in 0..3 {
            assert_eq!(all_at_once().await, 0, "each on a connection of its own");
            assert_eq!(all_at_once().await, 8, "each on a used one");
            assert_eq!(cluster.word(0, "state").await, "healthy");
        }
        hurried.store(true, SeqCst);
        all_at_once().await;
        all_at_once().await;
        assert_eq!(cluster.word(0, "state").await, "ejected");
    });
}
