//! How the members of a cluster are discovered, chosen and ejected.

use skitai_actors::spec::{Authority, Balance, Check, CheckKind, Encoding, Login, Rules};

use super::*;

#[test]
fn members_are_judged_by_the_figures_of_their_cluster() {
    let text = "[@a]\nmembers = one, two\n[@b]\nmembers = one, two\nbalance = round_robin\nretries = 2\nhedge = yes\n\
                eject_after = 3\neject_time = 400\nmax_ejected = 100\nslow_start = 0\ncheck = http:/alive?a=b\n\
                check_interval = 500ms\ncheck_rise = 4\ncheck_fall = 1\n[@c]\nmembers = one\ncheck = rpc\n";
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
        rise: 4,
        fall: 1,
    };
    assert_eq!(b.rules, expected);
    let page = CheckKind::Http("/alive?a=b".to_owned());
    assert_eq!(b.check, Some(Check { kind: page, interval: Duration::from_millis(500) }));
    assert_eq!(c.check, Some(Check { kind: CheckKind::Rpc("/RPC2".to_owned()), interval: seconds(5) }));
}

#[test]
fn databases_are_chosen_as_their_cluster_says() {
    for (line, balance) in [
        ("", Balance::Least),
        ("balance = least\n", Balance::Least),
        ("balance = ewma\n", Balance::Ewma),
        ("balance = p2c\n", Balance::P2c),
        ("balance = round_robin\n", Balance::RoundRobin),
    ] {
        let clusters = loaded(&format!("[@a]\ntype = sqlite3\nmembers = one.db, two.db\n{line}")).clusters;
        let [Declared::Db(spec)] = clusters.as_slice() else { panic!("{clusters:?}") };
        assert_eq!(spec.balance, balance, "{line}");
    }
}

#[test]
fn members_are_reached_as_their_cluster_says() {
    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/actors/src/http/origin/authority.pem");
    let text = format!(
        "[@a]\nmembers = one\n[@b]\nmembers = one\ndiscover = dns\n[@c]\nmembers = one\ndiscover = dns\n\
         discover_interval = 2m\nssl = yes\nca_file = {ca}\nencoding = gzip\nlogin = env:LOGIN\n"
    );
    let env = |name: &str| (name == "LOGIN").then(|| "anna:a:b".to_owned());
    let settings = parse("site.conf", &text, Path::new("/site"), &env).expect("it is a good conf").settings;
    let [Declared::Http(a), Declared::Http(b), Declared::Http(c)] = settings.clusters.as_slice() else { panic!() };
    assert_eq!((a.discover, &a.authority, a.encoding, &a.login), (None, &None, Encoding::Identity, &None));
    assert_eq!((b.discover, c.discover), (Some(Duration::from_secs(10)), Some(Duration::from_secs(120))));
    assert_eq!(c.authority, Some(Authority::read(ca.as_ref()).expect("it is an authority")));
    assert_eq!(c.encoding, Encoding::Gzip);
    assert_eq!(c.login, Some(Login { user: "anna".to_owned(), password: Secret("a:b".to_owned()) }));
}

#[test]
fn verification_cannot_be_turned_off() {
    let report = parsed("[@a]\nmembers = one\nssl = yes\ntls_verify = no\n").expect_err("there is no such key");
    assert!(messages(&report).iter().any(|message| message.contains("tls_verify")), "{report}");
}

#[test]
fn streams_have_a_part_of_each_threads_connections() {
    let section = |more: &str| format!("[server]\nthreads = 2\n[@d]\nmembers = db/shop/web/secret{more}\n");
    let streams = |more: &str| match &loaded(&section(more)).clusters[..] {
        [Declared::Db(spec)] => (spec.connections, spec.stream_share, spec.streams()),
        other => panic!("{other:?}"),
    };
    assert_eq!(streams(""), (5, 50, 2));
    assert_eq!(streams("\nconnections = 40\nstream_share = 25"), (20, 25, 5));
    // One connection always remains for statements; a single connection serves both.
    assert_eq!(streams("\nstream_share = 100"), (5, 100, 4));
    assert_eq!(streams("\nconnections = 2\nstream_share = 1"), (1, 1, 1));
    for wrong in ["0", "101", "half"] {
        let report = parsed(&section(&format!("\nstream_share = {wrong}"))).expect_err("it is no share");
        assert!(report.to_string().contains("stream_share"), "{report}");
    }
}
