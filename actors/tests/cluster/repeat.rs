//! Retries and hedges: which calls may be sent twice, to which member, and at what cost.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use skitai_actors::Reason;

use super::member::{After, Member, answer, closed_port, closing, fine, member, xml};
use super::*;

/// A cluster that repeats and never ejects, so that each test is about repetition alone.
fn repeating(retries: u32, hedge: bool, ports: &[u16]) -> Started {
    let rules = Rules { max_ejected: 0, ..Rules::default() };
    Started::new(ClusterSpec { retries, hedge, rules, ..spec(ports) })
}

fn broken() -> Member {
    member(|stream, _| {
        answer(stream, "503 Service Unavailable", "", "");
        After::KeepAlive
    })
}

#[test]
fn only_an_idempotent_call_goes_to_another_member() {
    in_system(async {
        let (bad, good) = (closing(), fine("a"));
        let cluster = repeating(3, false, &[bad.port, good.port]);
        let mut attempts = HashMap::new();
        for _ in 0..20 {
            let outcome = cluster.one(call().idempotent()).await;
            assert!(outcome.is_ok(), "{outcome:?}");
            *attempts.entry(outcome.attempts).or_insert(0) += 1;
        }
        assert!(attempts.contains_key(&2), "the bad one was never drawn: {attempts:?}");
        // Not idempotent: a call that reached the bad one stays there. Its penalty makes it rare.
        let (before, asked) = (bad.seen.requests(), good.seen.requests());
        let mut failed = 0;
        for _ in 0..60 {
            let outcome = cluster.one(call()).await;
            assert_eq!(outcome.attempts, 1);
            failed += usize::from(outcome.reason == Reason::Closed);
        }
        assert_eq!((bad.seen.requests() - before, good.seen.requests() - asked), (failed, 60 - failed));
    });
}

#[test]
fn without_retries_nothing_is_repeated() {
    in_system(async {
        let members = [closing(), closing()];
        let cluster = repeating(0, false, &[members[0].port, members[1].port]);
        let outcome = cluster.one(call().idempotent()).await;
        assert_eq!((outcome.reason, outcome.attempts), (Reason::Closed, 1));
        assert_eq!(members[0].seen.requests() + members[1].seen.requests(), 1);
    });
}

#[test]
fn no_member_is_asked_twice_for_one_call() {
    in_system(async {
        let members = [broken(), broken(), broken()];
        let ports: Vec<u16> = members.iter().map(|member| member.port).collect();
        let cluster = repeating(10, false, &ports);
        let outcome = cluster.one(call().idempotent()).await;
        assert_eq!((outcome.code, outcome.attempts), (503, 3));
        assert_eq!(members.each_ref().map(|member| member.seen.requests()), [1, 1, 1]);
        // One retry is two members.
        let cluster = repeating(1, false, &ports);
        assert_eq!(cluster.one(call().idempotent()).await.attempts, 2);
    });
}

#[test]
fn what_may_have_run_is_told_also_when_the_rest_was_unreachable() {
    in_system(async {
        let bad = closing();
        let cluster = repeating(5, false, &[bad.port, closed_port()]);
        for _ in 0..5 {
            let outcome = cluster.one(call().idempotent()).await;
            assert_eq!((outcome.reason, outcome.attempts), (Reason::Closed, 2), "{outcome:?}");
        }
    });
}

#[test]
fn when_all_fail_the_extra_requests_stay_within_the_budget() {
    in_system(async {
        let members = [broken(), broken(), broken(), broken()];
        let ports: Vec<u16> = members.iter().map(|member| member.port).collect();
        let cluster = repeating(3, false, &ports);
        let begun = Instant::now();
        let deadline = after(10_000);
        for _ in 0..20 {
            let many: Vec<_> = (0..20).map(|_| cluster.ask(Spread::One, call().idempotent(), deadline)).collect();
            for replies in many {
                assert_eq!(replies.all(deadline).await[0].code, 503);
            }
        }
        let seconds = begun.elapsed().as_secs() as usize + 2;
        let asked: usize = members.iter().map(|member| member.seen.requests()).sum();
        assert!(asked > 400, "nothing was retried");
        assert!(asked <= 480 + 10 * seconds, "{asked} requests for 400 calls in {seconds} s");
    });
}

/// Answers at once, but for so many requests, whichever member they meet: those it keeps waiting.
fn stalling(stalls: &Arc<AtomicUsize>) -> Member {
    let stalls = stalls.clone();
    member(move |stream, _| {
        if stalls.try_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            return After::AwaitEof;
        }
        answer(stream, "200 OK", "content-type: text/xml\r\n", &xml("a"));
        After::KeepAlive
    })
}

/// How many requests each of these members has seen.
fn asked(members: &[Member]) -> Vec<usize> {
    members.iter().map(|member| member.seen.requests()).collect()
}

/// Enough answers for a quantile, and for a budget of forty that a busy machine does not use up.
const ANSWERS: usize = 200;

/// So many members that share their stalls, in a cluster that hedges and has met them while they were well.
async fn hedging(count: usize) -> (Started, Vec<Member>, Arc<AtomicUsize>) {
    let stalls = Arc::new(AtomicUsize::new(0));
    let members: Vec<Member> = (0..count).map(|_| stalling(&stalls)).collect();
    let ports: Vec<u16> = members.iter().map(|member| member.port).collect();
    let cluster = repeating(0, true, &ports);
    for _ in 0..ANSWERS {
        assert!(cluster.one(call().idempotent()).await.is_ok());
    }
    (cluster, members, stalls)
}

#[test]
fn a_late_call_goes_to_a_second_member_and_the_loser_is_closed() {
    in_system(async {
        let (cluster, members, stalls) = hedging(2).await;
        stalls.store(1, SeqCst);
        let begun = Instant::now();
        let outcome = cluster.one(call().idempotent()).await;
        assert!(outcome.is_ok(), "{outcome:?}");
        assert!(begun.elapsed() < bound(Duration::from_millis(500), Duration::from_secs(2)), "{outcome:?}");
        assert_eq!(outcome.attempts, 2);
        let eofs = || members[0].seen.eofs() + members[1].seen.eofs();
        eventually("the loser sees the end", || eofs() >= 1).await;

        // A call that is not idempotent waits.
        stalls.store(1, SeqCst);
        let deadline = after(200);
        let outcomes = cluster.ask(Spread::One, call(), deadline).all(deadline).await;
        assert_eq!((outcomes[0].reason, outcomes[0].attempts), (Reason::Deadline, 1));
    });
}

#[test]
fn a_call_that_is_late_twice_goes_to_a_third_member_and_no_further() {
    in_system(async {
        let (cluster, members, stalls) = hedging(4).await;
        // Five times, so that the choice would meet a member that was tried. Each needs two hedges of the budget.
        for _ in 0..5 {
            let (before, eofs) = (asked(&members), members.iter().map(|member| member.seen.eofs()).sum::<usize>());
            stalls.store(2, SeqCst);
            let outcome = cluster.one(call().idempotent()).await;
            assert!(outcome.is_ok(), "two members of four stall: {outcome:?}");
            assert_eq!(outcome.attempts, 3);
            let times = asked(&members).iter().zip(&before).map(|(now, before)| now - before).collect::<Vec<_>>();
            assert!(times.iter().all(|times| *times <= 1) && times.iter().sum::<usize>() == 3, "{times:?}");
            let closed = || members.iter().map(|member| member.seen.eofs()).sum::<usize>();
            eventually("both losers see the end", || closed() >= eofs + 2).await;
        }
        // Three that stall are waited for; the fourth would have answered.
        let before: usize = asked(&members).iter().sum();
        stalls.store(3, SeqCst);
        let deadline = after(500);
        let outcomes = cluster.ask(Spread::One, call().idempotent(), deadline).all(deadline).await;
        assert_eq!((outcomes[0].reason, outcomes[0].attempts), (Reason::Deadline, 3));
        assert_eq!(asked(&members).iter().sum::<usize>() - before, 3);
    });
}

#[test]
fn when_all_stall_the_hedges_stay_within_the_budget() {
    in_system(async {
        let (cluster, members, stalls) = hedging(4).await;
        let before: usize = asked(&members).iter().sum();
        stalls.store(usize::MAX, SeqCst);
        let begun = Instant::now();
        for _ in 0..10 {
            let deadline = after(150);
            let many: Vec<_> = (0..20).map(|_| cluster.ask(Spread::One, call().idempotent(), deadline)).collect();
            for replies in many {
                assert_eq!(replies.all(deadline).await[0].reason, Reason::Deadline);
            }
        }
        let (seconds, extra) =
            (begun.elapsed().as_secs() as usize + 2, asked(&members).iter().sum::<usize>() - before - 200);
        assert!(extra > 0, "nothing was hedged");
        assert!(extra <= (ANSWERS + 200) / 5 + 10 * seconds, "{extra} more for 200 calls in {seconds} s");
    });
}

#[test]
fn a_trial_call_is_not_hedged_because_it_has_to_decide() {
    in_system(async {
        let (answers, fails, hangs) = (0, 1, 2);
        let mood = Arc::new(AtomicUsize::new(answers));
        let told = mood.clone();
        let moody = member(move |stream, _| {
            match told.load(SeqCst) {
                mood if mood == answers => answer(stream, "200 OK", "content-type: text/xml\r\n", &xml("a")),
                mood if mood == fails => answer(stream, "503 Service Unavailable", "", ""),
                _ => return After::AwaitEof,
            }
            After::KeepAlive
        });
        let other = fine("b");
        let rules = Rules { eject_after: 1, eject_time: Duration::from_millis(200), ..Rules::default() };
        let member_timeout = Duration::from_millis(300);
        // Not by pace, which would rather leave a member alone that was slow once.
        let balance = Balance::P2c;
        let spec = ClusterSpec { hedge: true, balance, rules, member_timeout, ..spec(&[moody.port, other.port]) };
        let cluster = Started::new(spec);
        for _ in 0..ANSWERS {
            assert!(cluster.one(call().idempotent()).await.is_ok());
        }
        mood.store(fails, SeqCst);
        until("the failing one is met", async || cluster.one(call().idempotent()).await.code == 503).await;
        mood.store(hangs, SeqCst);
        let before = moody.seen.requests();
        until("its trial", async || {
            let outcome = cluster.one(call().idempotent()).await;
            let is_trial = moody.seen.requests() > before;
            let expected = if is_trial { (Reason::Deadline, 1) } else { (Reason::Ok, 1) };
            assert_eq!((outcome.reason, outcome.attempts), expected, "{outcome:?}");
            is_trial
        })
        .await;
    });
}

#[test]
fn the_same_key_meets_the_same_member() {
    in_system(async {
        let members = [fine("a"), fine("b"), fine("c")];
        let ports: Vec<u16> = members.iter().map(|member| member.port).collect();
        let cluster = Started::new(ClusterSpec { balance: Balance::Hash, ..spec(&ports) });
        let mut homes = HashMap::new();
        for nth in 0..60 {
            let key = format!("user-{}", nth % 20);
            let node = cluster.one(call().key(key.clone())).await.node;
            let home = homes.entry(key).or_insert_with(|| node.clone());
            assert_eq!(*home, node);
        }
        let used: std::collections::HashSet<_> = homes.values().collect();
        assert!(used.len() > 1, "all keys have one home");
        // Without a key the call itself is one.
        let first = cluster.one(call()).await.node;
        for _ in 0..5 {
            assert_eq!(cluster.one(call()).await.node, first);
        }
    });
}
