//! How the members of a cluster are chosen and judged.

use skitai_actors::spec::{Balance, Check, CheckKind, Rules};

use super::*;

#[test]
fn members_are_judged_by_the_figures_of_their_cluster() {
    let text = "[@a]\nmembers = one, two\n[@b]\nmembers = one, two\nbalance = round_robin\nretries = 2\nhedge = yes\n\
                eject_after = 3\neject_time = 400\nmax_ejected = 100\nslow_start = 0\ncheck = http:/alive?a=b\n\
                check_interval = 500ms\n[@c]\nmembers = one\ncheck = rpc\n";
    let clusters = loaded(text).clusters;
    let [Declared::Http(a), Declared::Http(b), Declared::Http(c)] = clusters.as_slice() else { panic!("{clusters:?}") };
    assert_eq!((a.balance, a.rules, &a.check, a.retries, a.hedge), (Balance::Ewma, Rules::default(), &None, 0, false));
    assert_eq!((b.balance, b.retries, b.hedge), (Balance::RoundRobin, 2, true));
    let seconds = Duration::from_secs;
    let expected = Rules {
        eject_after: 3,
        eject_time: seconds(400),
        eject_time_max: seconds(400),
        max_ejected: 100,
        slow_start: seconds(0),
        ..Rules::default()
    };
    assert_eq!(b.rules, expected);
    let page = CheckKind::Http("/alive?a=b".to_owned());
    assert_eq!(b.check, Some(Check { kind: page, interval: Duration::from_millis(500) }));
    assert_eq!(c.check, Some(Check { kind: CheckKind::Rpc("/RPC2".to_owned()), interval: seconds(5) }));
}
