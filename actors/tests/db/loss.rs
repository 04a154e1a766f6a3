//! Servers that are killed, stopped and restarted under load: what their callers see, and that all is well afterwards.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use skitai_actors::spec::{DbSpec, Spread};
use skitai_actors::wire::Value;
use skitai_actors::{Outcome, Reason};

use crate::server::{PASSWORD, Server};
use crate::{Cluster, bound, run, text};

/// Three servers for one test at a time, all of them up when it begins.
fn three() -> (MutexGuard<'static, ()>, &'static [Server; 3]) {
    static TURN: Mutex<()> = Mutex::new(());
    static THREE: OnceLock<[Server; 3]> = OnceLock::new();
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let three = THREE.get_or_init(Server::three);
    three.iter().for_each(Server::again);
    (turn, three)
}

fn cluster(three: &[Server; 3], change: impl FnOnce(&mut DbSpec)) -> Cluster {
    Cluster::with(three.iter().map(|server| server.member("postgres", "postgres", PASSWORD)).collect(), |spec| {
        spec.connect_timeout = Duration::from_millis(500);
        spec.rules.eject_time = Duration::from_millis(100);
        change(spec);
    })
}

/// What the callers of a fan-out saw of one member.
struct Seen {
    at: Instant,
    member: usize,
    reason: Reason,
    took: Duration,
}

/// Fan-outs that begin every 10 ms, as long as it is kept, each with so much time.
struct Load {
    seen: Rc<RefCell<Vec<Seen>>>,
    goes_on: Rc<Cell<bool>>,
}

impl Load {
    fn on(cluster: &Rc<Cluster>, time: Duration) -> Load {
        let load = Load { seen: Rc::default(), goes_on: Rc::new(Cell::new(true)) };
        let (cluster, seen, goes_on) = (cluster.clone(), load.seen.clone(), load.goes_on.clone());
        actix_rt::spawn(async move {
            while goes_on.get() {
                let (cluster, seen) = (cluster.clone(), seen.clone());
                actix_rt::spawn(async move {
                    let began = Instant::now();
                    let outcomes = cluster.ask(Spread::All, "SELECT 1 AS one", ()).all(began + time).await;
                    let took = began.elapsed();
                    for (member, Outcome { reason, .. }) in outcomes.into_iter().enumerate() {
                        seen.borrow_mut().push(Seen { at: Instant::now(), member, reason, took });
                    }
                });
                actix_rt::time::sleep(Duration::from_millis(10)).await;
            }
        });
        load
    }

    /// How the fan-outs ended for a member since then.
    fn reasons(&self, member: usize, since: Instant) -> Vec<Reason> {
        let seen = self.seen.borrow();
        seen.iter().filter(|seen| seen.member == member && seen.at >= since).map(|seen| seen.reason).collect()
    }

    async fn until(&self, what: &str, limit: Duration, is_so: impl AsyncFn() -> bool) -> Duration {
        let began = Instant::now();
        while !is_so().await {
            assert!(began.elapsed() < limit, "{what}: not within {limit:?}");
            actix_rt::time::sleep(Duration::from_millis(10)).await;
        }
        began.elapsed()
    }

    fn end(&self) {
        self.goes_on.set(false);
    }
}

fn pause(time: Duration) -> impl Future<Output = ()> {
    actix_rt::time::sleep(time)
}

/// The only outcomes that a lost server may have.
fn is_typed(reason: Reason) -> bool {
    matches!(reason, Reason::Ok | Reason::Refused | Reason::Reset | Reason::Closed | Reason::Connect | Reason::Ejected)
}

async fn state(cluster: &Cluster, member: usize) -> Value {
    cluster.known(member, "state").await
}

#[test]
fn a_killed_shard_is_left_out_and_its_neighbours_feel_nothing() {
    let (_turn, three) = three();
    run(async {
        let cluster = Rc::new(cluster(three, |spec| spec.rules.eject_time = Duration::from_secs(1)));
        let load = Load::on(&cluster, Duration::from_secs(5));
        pause(Duration::from_millis(500)).await;
        let began = Instant::now();
        three[1].kill();
        let out = async || state(&cluster, 1).await == text("ejected");
        let limit = bound(Duration::from_millis(500), Duration::from_secs(3));
        let took = load.until("the killed one is ejected", limit, out).await;
        println!("kill -9: ejected after {took:?}, {} failures before", load.reasons(1, began).len());
        // At once, for all of them; `dlb` does not meet it.
        for _ in 0..10 {
            let outcomes = cluster.all("SELECT 1", ()).await;
            assert_eq!(outcomes[1].reason, Reason::Ejected, "{}", outcomes[1].msg);
            assert!(outcomes[1].latency < bound(Duration::from_millis(50), Duration::from_secs(2)));
            let one = cluster.one("SELECT 1", ()).await;
            assert!(one.is_ok() && one.node != cluster.spec.members[1].node, "{}", one.msg);
        }
        let lost = load.reasons(1, began);
        assert!(lost.iter().all(|reason| is_typed(*reason)), "{lost:?}");
        actix_rt::task::spawn_blocking(|| three[1].up()).await.unwrap();
        let well = async || state(&cluster, 1).await == text("healthy");
        load.until("it is back", Duration::from_secs(5), well).await;
        let back = Instant::now();
        pause(Duration::from_millis(300)).await;
        load.end();
        assert!(load.reasons(1, back + Duration::from_millis(100)).iter().all(|reason| *reason == Reason::Ok));
        for member in [0, 2] {
            let reasons = load.reasons(member, began);
            assert!(reasons.iter().all(|reason| *reason == Reason::Ok), "member {member}: {reasons:?}");
        }
    });
}

#[test]
fn a_stopped_shard_costs_its_callers_time_only_until_it_is_ejected() {
    let (_turn, three) = three();
    run(async {
        let cluster = Rc::new(cluster(three, |spec| spec.rules.eject_time = Duration::from_millis(500)));
        let time = Duration::from_millis(300);
        let load = Load::on(&cluster, time);
        pause(Duration::from_millis(500)).await;
        let began = Instant::now();
        three[2].signal("-STOP");
        let out = async || state(&cluster, 2).await == text("ejected");
        // Its callers leave before a dial fails; the dials that continue without them report, one after the other.
        let told = cluster.spec.connect_timeout * cluster.spec.rules.eject_after;
        let limit = bound(told + Duration::from_secs(1), Duration::from_secs(6));
        let took = load.until("the stopped one is ejected", limit, out).await;
        println!("SIGSTOP: ejected after {took:?}, callers had {time:?}");
        // From now on a fan-out takes no longer than the others need, but for the one that tries.
        let outcomes = cluster.all("SELECT 1", ()).await;
        let at_once = bound(Duration::from_millis(50), Duration::from_secs(2));
        assert!(outcomes[2].latency < at_once, "{:?} {}", outcomes[2].latency, outcomes[2].msg);
        pause(Duration::from_millis(1_500)).await;
        let since = Instant::now() - Duration::from_millis(1_000);
        let waited = load.seen.borrow().iter().filter(|seen| seen.at >= since && seen.took >= time).count();
        let all = load.reasons(2, since).len();
        assert!(waited * 10 <= all.max(30) * 3, "{waited} of {all} still waited for the stopped one");
        three[2].signal("-CONT");
        let well = async || state(&cluster, 2).await == text("healthy");
        let took = load.until("it is back", bound(Duration::from_secs(3), Duration::from_secs(6)), well).await;
        println!("SIGCONT: back after {took:?}");
        let back = Instant::now() + Duration::from_millis(100);
        pause(Duration::from_millis(400)).await;
        load.end();
        let after = load.reasons(2, back);
        assert!(!after.is_empty() && after.iter().all(|reason| *reason == Reason::Ok), "{after:?}");
        for member in [0, 1] {
            assert!(load.reasons(member, began).iter().all(|reason| *reason == Reason::Ok));
        }
    });
}

#[test]
fn a_restarted_server_is_back_within_a_moment() {
    let (_turn, three) = three();
    run(async {
        let cluster = Rc::new(cluster(three, |_| {}));
        let load = Load::on(&cluster, Duration::from_secs(5));
        pause(Duration::from_millis(500)).await;
        let began = Instant::now();
        let restarted = actix_rt::task::spawn_blocking(|| {
            three[0].down();
            three[0].up();
            Instant::now()
        });
        let up = restarted.await.unwrap();
        pause(Duration::from_secs(4)).await;
        load.end();
        pause(Duration::from_millis(200)).await;
        let seen = load.seen.borrow();
        let of = |member| seen.iter().filter(move |seen| seen.member == member && seen.at >= began);
        let failed: Vec<&Seen> = of(0).filter(|seen| seen.reason != Reason::Ok).collect();
        assert!(!failed.is_empty(), "no statement noticed the restart");
        assert!(failed.iter().all(|seen| is_typed(seen.reason)), "an untyped failure");
        let last = failed.iter().map(|seen| seen.at).max().unwrap();
        let (outage, late) = (up - began, last.saturating_duration_since(up));
        println!(
            "restart at 100 calls a second: down for {outage:?}, errors for {late:?} after it was back; {} of {} calls failed",
            failed.len(),
            of(0).count()
        );
        let limit = bound(Duration::from_secs(1), Duration::from_secs(1).max(outage * 2));
        assert!(late <= limit, "failed for {late:?} after an outage of {outage:?}");
        assert!(of(1).chain(of(2)).all(|seen| seen.reason == Reason::Ok));
    });
}

#[test]
fn a_write_that_may_have_run_goes_to_no_other() {
    let (_turn, three) = three();
    run(async {
        let cluster = Rc::new(cluster(three, |_| {}));
        let made = cluster.all("CREATE TABLE IF NOT EXISTS wrote (n int)", ()).await;
        assert!(made.iter().all(Outcome::is_ok));
        for number in [1, 2] {
            let replies = cluster.ask(Spread::One, "INSERT INTO wrote SELECT $1 FROM pg_sleep(1)", (number,));
            pause(Duration::from_millis(200)).await;
            let busy =
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO wrote%' AND state = 'active'";
            let busy = cluster.all(busy, ()).await;
            let at = busy.iter().position(|outcome| crate::cell(outcome, 0, 0) == Value::Int(1)).unwrap();
            three[at].kill();
            let outcome = replies.all(Instant::now() + Duration::from_secs(5)).await.remove(0);
            assert!(matches!(outcome.reason, Reason::Closed | Reason::Reset), "{:?}", outcome.reason);
            assert_eq!((outcome.attempts, &outcome.node), (1, &cluster.spec.members[at].node));
            assert!(outcome.msg.contains("may have run"), "{}", outcome.msg);
            pause(Duration::from_millis(1_200)).await;
            let count = cluster.all("SELECT count(*) FROM wrote", ()).await;
            for (member, outcome) in count.iter().enumerate().filter(|(member, _)| *member != at) {
                assert_eq!(crate::cell(outcome, 0, 0), Value::Int(0), "member {member} has it");
            }
            actix_rt::task::spawn_blocking(move || three[at].up()).await.unwrap();
            let began = Instant::now();
            while !cluster.all("SELECT 1", ()).await[at].is_ok() {
                assert!(began.elapsed() < Duration::from_secs(8), "no recovery");
                pause(Duration::from_millis(20)).await;
            }
        }
    });
}
