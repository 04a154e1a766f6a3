//! A thousand filters that panic, at random, while others wait: each fails its own call and no other.

use std::panic::resume_unwind;
use std::time::{Duration, Instant};

use skitai_actors::Reason;
use skitai_actors::balance::pick::Dice;
use skitai_actors::cluster::Call;
use skitai_actors::spec::Spread;

use crate::member::{closed_port, fine, hanging};
use crate::{Started, after, call, eventually, in_system, spec};

#[test]
fn a_thousand_panics_leave_nobody_stuck() {
    in_system(async {
        let (well, silent) = (fine("a"), hanging());
        let cluster = Started::new(spec(&[well.port, silent.port, closed_port()]));
        let dice = Dice::seeded(17);
        let mut panics = 0;
        while panics < 1_000 {
            let deadline = after(1_000);
            let round: Vec<(bool, _)> = (0..300)
                .map(|_| {
                    let is_ill = dice.below(2) == 0;
                    let lineup = cluster.roster.lineup();
                    let slots = lineup.slots(Spread::All);
                    let call = Call { lineup, spread: Spread::All, request: call() };
                    let filter = move |_: &mut _| {
                        if is_ill {
                            // Without the panic hook, which writes a backtrace each time.
                            resume_unwind(Box::new("on purpose"));
                        }
                    };
                    (is_ill, cluster.post.ask(call, slots, Some(Box::new(filter)), deadline))
                })
                .collect();
            for (is_ill, replies) in round {
                let outcomes = replies.all(deadline).await;
                assert!(Instant::now() < deadline + Duration::from_millis(300), "a call is stuck");
                let reasons: Vec<Reason> = outcomes.iter().map(|outcome| outcome.reason).collect();
                if is_ill {
                    panics += reasons.iter().filter(|reason| **reason == Reason::FilterPanic).count();
                    assert_eq!(reasons[0], Reason::FilterPanic, "{outcomes:?}");
                } else {
                    assert_eq!(reasons[0], Reason::Ok, "{outcomes:?}");
                    assert!(!reasons.contains(&Reason::FilterPanic), "{outcomes:?}");
                }
            }
        }
        eventually("what was stopped is gone", || cluster.post.gauges().in_flight() == 0).await;
        assert_eq!(cluster.post.gauges().restarts(), 0);
    });
}
