//! Members found by their names come and go while calls are under way. The name server is the test; the
//! members are at several addresses of this machine and at one port, as behind a name.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use skitai_actors::cluster::{Cluster, Discovery, Prober, Roster};
use skitai_actors::dns::names::{Looking, Names};
use skitai_actors::kit::{ActorRef, Admission, Report, report::ActorReport};
use skitai_actors::spec::{Balance, Check, CheckKind, ClusterSpec, Rules, Spread};
use skitai_actors::wire::Value;
use skitai_actors::{Outcome, Reason, Status};

use crate::member::{After, Member, answer, closed_port, fine, member, member_at, xml};
use crate::{Started, after, call, eventually, in_system, spec};

/// A name server for one name.
#[derive(Debug)]
struct Book {
    page: Mutex<Result<Vec<IpAddr>, String>>,
    asked: AtomicUsize,
}

impl Book {
    fn saying(hosts: &[u8]) -> Arc<Book> {
        let book = Book { page: Mutex::new(Ok(Vec::new())), asked: AtomicUsize::new(0) };
        book.now(hosts);
        Arc::new(book)
    }

    fn now(&self, hosts: &[u8]) {
        *self.page.lock().unwrap() = Ok(hosts.iter().map(|host| IpAddr::from([127, 0, 0, *host])).collect());
    }

    fn torn(&self, why: &str) {
        *self.page.lock().unwrap() = Err(why.to_owned());
    }
}

impl Names for Book {
    fn look_up(&self, _: &str) -> Looking {
        self.asked.fetch_add(1, SeqCst);
        let said = self.page.lock().unwrap().clone();
        Box::pin(async move { said.map_err(io::Error::other) })
    }
}

const PERIOD: Duration = Duration::from_millis(20);

/// A cluster of the name `member.test`, which only this name server knows.
fn named(port: u16) -> ClusterSpec {
    let mut spec = ClusterSpec { discover: Some(PERIOD), ..spec(&[port]) };
    spec.members[0].host = "member.test".to_owned();
    spec.members[0].node = format!("member.test:{port}").into();
    spec
}

fn started(spec: ClusterSpec, book: &Arc<Book>) -> (Started, Discovery) {
    let cluster = Started::new(spec);
    let discovery = Discovery::start(&cluster.roster, book.clone()).unwrap();
    (cluster, discovery)
}

/// Waits until the cluster has this many members.
async fn has(cluster: &Started, count: usize) {
    let is_so = || cluster.roster.lineup().members().iter().filter(|member| member.address.is_some()).count() == count;
    eventually(&format!("there are not {count} members"), is_so).await;
}

fn nodes(outcomes: &[Outcome]) -> Vec<String> {
    outcomes.iter().map(|outcome| outcome.node.rsplit(' ').next().unwrap().to_owned()).collect()
}

/// A member that answers with its own name, at 127.0.0.`host`; at a free port if none is given.
fn at(host: u8, port: u16) -> Member {
    member_at(&format!("127.0.0.{host}:{port}"), move |stream, _| {
        answer(stream, "200 OK", "content-type: text/xml\r\n", &xml(&format!("I am {host}")));
        After::KeepAlive
    })
}

async fn told(cluster: &Started) -> Value {
    let deadline = after(1_000);
    let slots = vec![ActorReport(Value::Nil)];
    cluster.post.ask(Report, slots, None, deadline).all(deadline).await.remove(0).0
}

#[test]
fn every_address_of_a_name_is_a_member_that_comes_and_goes() {
    in_system(async {
        let one = at(1, 0);
        let (two, three) = (at(2, one.port), at(3, one.port));
        let book = Book::saying(&[2, 1]);
        let (cluster, _discovery) = started(named(one.port), &book);
        has(&cluster, 2).await;
        let outcomes = cluster.all(call()).await;
        assert_eq!(nodes(&outcomes), ["(127.0.0.1)", "(127.0.0.2)"]);
        assert_eq!(*outcomes[0].node, format!("member.test:{} (127.0.0.1)", one.port));
        assert_eq!(outcomes[1].data, Value::String("I am 2".to_owned()));
        // It is dialled by its address and addressed by its name.
        let host = format!("host: member.test:{}", one.port);
        assert!(two.seen.heard()[0].head.lines().any(|line| line == host), "{:?}", two.seen.heard());

        book.now(&[1, 2, 3]);
        has(&cluster, 3).await;
        assert_eq!(nodes(&cluster.all(call()).await), ["(127.0.0.1)", "(127.0.0.2)", "(127.0.0.3)"]);
        assert_eq!(
            (one.seen.connections(), two.seen.connections()),
            (1, 1),
            "a member that stays keeps its connection"
        );

        book.now(&[3, 2]);
        has(&cluster, 2).await;
        assert_eq!(nodes(&cluster.all(call()).await), ["(127.0.0.2)", "(127.0.0.3)"]);
        eventually("the connection to the one that left is closed", || one.seen.eofs() == 1).await;
        assert_eq!((one.seen.requests(), two.seen.requests(), three.seen.requests()), (2, 3, 2));
    });
}

#[test]
fn one_that_joins_others_begins_with_a_small_share() {
    in_system(async {
        let one = at(1, 0);
        let _two = at(2, one.port);
        let book = Book::saying(&[1]);
        let (cluster, _discovery) = started(named(one.port), &book);
        has(&cluster, 1).await;
        book.now(&[1, 2]);
        has(&cluster, 2).await;
        let told = told(&cluster).await;
        let weights: Vec<f64> = told
            .get("members")
            .unwrap()
            .as_list()
            .unwrap()
            .iter()
            .map(|member| member.get("shared").unwrap().get("weight_in_force").unwrap().as_f64().unwrap())
            .collect();
        assert!(weights[0] == 1.0 && weights[1] < 0.2, "{weights:?}");
    });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the member's own thread is slow, not an event loop")]
fn who_leaves_finishes_what_he_has() {
    in_system(async {
        let slow = member(|stream, _| {
            thread::sleep(Duration::from_millis(300));
            answer(stream, "200 OK", "content-type: text/xml\r\n", &xml("late"));
            After::KeepAlive
        });
        let _other = at(2, slow.port);
        let book = Book::saying(&[1]);
        let (cluster, _discovery) = started(named(slow.port), &book);
        has(&cluster, 1).await;
        let deadline = after(2_000);
        let under_way = cluster.ask(Spread::All, call(), deadline);
        eventually("it is asked", || slow.seen.requests() == 1).await;
        book.now(&[2]);
        while nodes(&cluster.all(call()).await) != ["(127.0.0.2)"] {
            assert!(Instant::now() < deadline, "the new list is not used");
        }
        let outcomes = under_way.all(deadline).await;
        assert_eq!(nodes(&outcomes), ["(127.0.0.1)"], "its slots are those it began with");
        assert_eq!(outcomes[0].data, Value::String("late".to_owned()));
    });
}

#[test]
fn a_name_server_that_fails_changes_nothing_and_is_told_of() {
    in_system(async {
        let one = at(1, 0);
        let _two = at(2, one.port);
        let book = Book::saying(&[1, 2]);
        let (cluster, _discovery) = started(named(one.port), &book);
        has(&cluster, 2).await;
        book.torn("the server is on fire");
        let asked = book.asked.load(SeqCst);
        eventually("it is asked again", || book.asked.load(SeqCst) > asked + 2).await;
        assert!(cluster.all(call()).await.iter().all(Outcome::is_ok));
        let name = |told: &Value| told.get("shared").unwrap().get("discovery").unwrap().as_list().unwrap()[0].clone();
        let failing = name(&told(&cluster).await);
        assert_eq!(failing.get("failing_for").unwrap().as_str(), Some("the server is on fire"));
        assert!(failing.get("failing_since").unwrap().as_i64().unwrap() > 0, "{failing:?}");
        assert_eq!(failing.get("addresses").unwrap().as_list().unwrap().len(), 2);
        // An empty page is a failure as well: a cluster without members is of no use.
        book.now(&[]);
        eventually("it is asked again", || book.asked.load(SeqCst) > asked + 6).await;
        assert_eq!(cluster.all(call()).await.len(), 2);
        book.now(&[2, 1]);
        eventually("it is asked again", || book.asked.load(SeqCst) > asked + 9).await;
        assert_eq!(name(&told(&cluster).await).get("failing_since"), Some(&Value::Nil));
    });
}

#[test]
fn a_name_nobody_knows_is_a_member_that_is_not_there() {
    in_system(async {
        let book = Book::saying(&[]);
        book.torn("no such name");
        let mut spec = named(closed_port());
        spec.members[0].host = "nobody.invalid".to_owned();
        let (cluster, _discovery) = started(spec, &book);
        eventually("it is asked", || book.asked.load(SeqCst) > 1).await;
        let outcomes = cluster.all(call()).await;
        assert_eq!(outcomes.len(), 1);
        assert_eq!((outcomes[0].status, outcomes[0].reason), (Status::NotConnected, Reason::Dns), "{outcomes:?}");
        // Found at last, it is a member like any other.
        let there = fine("here");
        let (cluster, _discovery) = started(named(there.port), &book);
        eventually("it is asked", || book.asked.load(SeqCst) > 3).await;
        book.now(&[1]);
        has(&cluster, 1).await;
        assert!(cluster.one(call()).await.is_ok());
    });
}

#[test]
fn what_is_known_of_a_member_survives_the_coming_and_going_of_others() {
    in_system(async {
        // No server is at 127.0.0.1.
        let two = at(2, 0);
        let _three = at(3, two.port);
        let book = Book::saying(&[1, 2]);
        let rules = Rules { eject_after: 2, eject_time: Duration::from_secs(60), ..Rules::default() };
        let (cluster, _discovery) = started(ClusterSpec { rules, ..named(two.port) }, &book);
        has(&cluster, 2).await;
        for _ in 0..2 {
            assert_eq!(cluster.all(call()).await[0].reason, Reason::Refused);
        }
        assert_eq!(cluster.all(call()).await[0].reason, Reason::Ejected);
        book.now(&[1, 2, 3]);
        has(&cluster, 3).await;
        let reasons: Vec<Reason> = cluster.all(call()).await.iter().map(|outcome| outcome.reason).collect();
        assert_eq!(reasons, [Reason::Ejected, Reason::Ok, Reason::Ok]);
        // The last one is never ejected, so it is asked again.
        book.now(&[1]);
        has(&cluster, 1).await;
        assert_eq!(cluster.all(call()).await[0].reason, Reason::Refused);
        let told = told(&cluster).await;
        assert_eq!(told.get("shared").unwrap().get("out").unwrap().as_i64(), Some(0), "{told:?}");
    });
}

#[test]
fn checks_follow_the_members() {
    in_system(async {
        let one = at(1, 0);
        let two = at(2, one.port);
        let book = Book::saying(&[1]);
        let check = Some(Check { kind: CheckKind::Http("/".to_owned()), interval: Duration::from_millis(30) });
        let (cluster, _discovery) = started(ClusterSpec { check, ..named(one.port) }, &book);
        let _prober = Prober::start(&cluster.roster).unwrap();
        eventually("the first is asked", || one.seen.requests() > 2).await;
        assert_eq!(two.seen.requests(), 0);
        book.now(&[2]);
        eventually("the second is asked", || two.seen.requests() > 2).await;
        let asked = one.seen.requests();
        eventually("the second is asked on", || two.seen.requests() > 6).await;
        assert!(one.seen.requests() <= asked + 1, "the one that left is still asked");
    });
}

#[test]
fn keys_stay_with_their_members() {
    in_system(async {
        let one = at(1, 0);
        let (_two, _three) = (at(2, one.port), at(3, one.port));
        let book = Book::saying(&[1, 2, 3]);
        let (cluster, _discovery) = started(ClusterSpec { balance: Balance::Hash, ..named(one.port) }, &book);
        has(&cluster, 3).await;
        let mut owners = Vec::new();
        for key in 0..20 {
            owners.push(cluster.one(call().key(key.to_string())).await.data);
        }
        book.now(&[2, 3]);
        has(&cluster, 2).await;
        for (key, owner) in owners.iter().enumerate() {
            let now = cluster.one(call().key(key.to_string())).await.data;
            assert!(now == *owner || *owner == Value::String("I am 1".to_owned()), "{owner:?} became {now:?}");
        }
    });
}

#[test]
fn calls_and_changes_at_the_same_time_lose_nothing() {
    in_system(async {
        let one = at(1, 0);
        let _others = [at(2, one.port), at(3, one.port)];
        let book = Book::saying(&[1]);
        let discover = Some(Duration::from_millis(2));
        let roster = Roster::new(ClusterSpec { discover, ..named(one.port) });
        let _discovery = Discovery::start(&roster, book.clone()).unwrap();
        // Two actors, as on two threads; each sees the lists in its own order.
        let threads = [(); 2].map(|()| Started::of(roster.clone(), Admission::default()));
        eventually("it is found", || roster.lineup().members()[0].address.is_some()).await;
        let mut lists = std::collections::BTreeSet::new();
        let pages: [&[u8]; 5] = [&[1, 2, 3], &[2], &[1, 3], &[3, 2], &[1]];
        for round in 0..300 {
            book.now(pages[round / 7 % pages.len()]);
            let deadline = after(5_000);
            let before = roster.lineup();
            let all = threads[round % 2].ask(Spread::All, call(), deadline);
            // The list may have changed since: the slots are those of the moment of the call.
            let single = threads[1 - round % 2].ask(Spread::One, call(), deadline);
            let outcomes = all.all(deadline).await;
            assert!(outcomes.iter().all(Outcome::is_ok), "{outcomes:?}");
            let expected: Vec<_> = before.members().iter().map(|member| member.node.clone()).collect();
            assert_eq!(outcomes.iter().map(|outcome| outcome.node.clone()).collect::<Vec<_>>(), expected);
            assert!(single.all(deadline).await[0].is_ok());
            lists.insert(nodes(&outcomes));
        }
        assert!(lists.len() >= 4, "the list hardly changed: {lists:?}");
        let outstanding = || {
            (0..roster.lineup().members().len())
                .map(|index| {
                    let lineup = roster.lineup();
                    lineup.health().candidate(index, lineup.health().now(), false).outstanding
                })
                .sum::<usize>()
        };
        assert_eq!(outstanding(), 0, "a call was counted in and not out");
    });
}

#[test]
fn an_actor_that_is_made_anew_knows_the_members_of_now() {
    in_system(async {
        let one = at(1, 0);
        let _two = at(2, one.port);
        let book = Book::saying(&[1, 2]);
        let roster = Roster::new(named(one.port));
        let _discovery = Discovery::start(&roster, book).unwrap();
        eventually("it is found", || roster.lineup().members().len() == 2).await;
        let deadline = after(1_000);
        let report = |actor: &ActorRef<Cluster>| actor.ask(Report, vec![ActorReport(Value::Nil)], None, deadline);
        let cluster = Started::of(roster, Admission::default());
        let told = report(&cluster.post).all(deadline).await.remove(0).0;
        assert_eq!(told.get("members").unwrap().as_list().unwrap().len(), 2);
    });
}
