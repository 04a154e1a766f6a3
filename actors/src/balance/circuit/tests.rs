use super::*;
use crate::outcome::{Reason, Status};

const SECOND: Duration = Duration::from_secs(1);

/// A member and its surroundings.
struct Case {
    rules: Rules,
    has_checks: bool,
    now: Duration,
    places: u32,
    circuit: Circuit,
}

impl Case {
    fn new() -> Case {
        Case { rules: Rules::default(), has_checks: false, now: SECOND, places: 1, circuit: Circuit::default() }
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Circuit, &mut CircuitContext<'_>) -> T) -> T {
        let places = &mut self.places;
        let mut take_place = || {
            let is_free = *places > 0;
            *places = places.saturating_sub(1);
            is_free
        };
        // The middle of the jitter.
        let mut draw = |_| 100;
        let context = &mut CircuitContext {
            rules: &self.rules,
            has_checks: self.has_checks,
            now: self.now,
            take_place: &mut take_place,
            draw: &mut draw,
        };
        act(&mut self.circuit, context)
    }

    fn ends(&mut self, call: CallKind, judged: Judged) -> Option<Change> {
        self.with(|circuit, context| circuit.call_ended(call, judged, context))
    }

    fn fails(&mut self) -> Option<Change> {
        self.ends(CallKind::Regular, REFUSED)
    }

    fn check(&mut self, is_passed: bool) -> Option<Change> {
        self.with(|circuit, context| circuit.checked(is_passed, context))
    }

    fn admit(&mut self) -> Admitted {
        self.with(|circuit, context| circuit.admit(context).0)
    }

    /// Fails until it is ejected; returns for how long.
    fn eject(&mut self) -> Duration {
        for _ in 0..10 {
            if let Some(Change::Ejected { time, .. }) = self.fails() {
                return time;
            }
        }
        panic!("not ejected: {:?}", self.circuit)
    }
}

const REFUSED: Judged = Judged::Failed(EjectReason::Refused);

#[test]
fn five_failures_in_a_row_eject() {
    let mut case = Case::new();
    for _ in 0..4 {
        assert_eq!(case.fails(), None);
    }
    assert_eq!(case.ends(CallKind::Regular, Judged::Good), None);
    assert_eq!(case.circuit.failures(), 0);
    for _ in 0..4 {
        assert_eq!(case.fails(), None);
    }
    // A neutral outcome neither counts nor resets the count.
    assert_eq!(case.ends(CallKind::Regular, Judged::Neutral), None);
    assert_eq!(case.fails(), Some(Change::Ejected { why: EjectReason::Refused, time: SECOND * 10 }));
    assert_eq!((case.circuit.state(), case.admit()), (CircuitState::Ejected, Admitted::No));
    // A late answer to a call made before decides nothing.
    assert_eq!(case.ends(CallKind::Regular, Judged::Good), None);
    assert_eq!(case.circuit.state(), CircuitState::Ejected);
}

#[test]
fn after_its_time_one_trial_call_decides() {
    let mut case = Case::new();
    case.eject();
    case.now += SECOND * 9;
    assert_eq!(case.admit(), Admitted::No);
    case.now += SECOND;
    assert_eq!(case.admit(), Admitted::Trial);
    assert_eq!((case.circuit.state(), case.admit()), (CircuitState::Probing, Admitted::No));
    // The caller gave up: the next call may be the trial.
    assert_eq!(case.ends(CallKind::Trial, Judged::Neutral), None);
    assert_eq!(case.admit(), Admitted::Trial);
    let failed = case.ends(CallKind::Trial, Judged::Failed(EjectReason::Silent));
    assert_eq!(failed, Some(Change::Ejected { why: EjectReason::Silent, time: SECOND * 20 }));
    case.now += SECOND * 20;
    assert_eq!(case.admit(), Admitted::Trial);
    assert_eq!(case.ends(CallKind::Trial, Judged::Good), Some(Change::Readmitted(ReadmitReason::Answered)));
    assert_eq!(
        (case.circuit.state(), case.admit(), case.circuit.ejections()),
        (CircuitState::Healthy, Admitted::Yes, 2)
    );
}

#[test]
fn ejections_double_up_to_the_longest_and_a_healthy_span_forgives() {
    let mut case = Case::new();
    let mut times = vec![case.eject().as_secs()];
    for _ in 0..6 {
        case.now = case.circuit.until();
        assert_eq!(case.admit(), Admitted::Trial);
        case.ends(CallKind::Trial, REFUSED);
        times.push((case.circuit.until() - case.now).as_secs());
    }
    assert_eq!(times, [10, 20, 40, 80, 160, 300, 300]);
    let readmit = |case: &mut Case| {
        case.now = case.circuit.until();
        case.admit();
        case.ends(CallKind::Trial, Judged::Good);
        case.places = 1;
    };
    readmit(&mut case);
    case.now += SECOND * 299;
    assert_eq!(case.eject(), SECOND * 300);
    readmit(&mut case);
    case.now += SECOND * 300;
    assert_eq!(case.eject(), SECOND * 10);
}

#[test]
fn without_a_place_a_member_stays_and_it_is_said_once() {
    let mut case = Case { places: 0, ..Case::new() };
    let said: Vec<_> = (0..20).filter_map(|_| case.fails()).collect();
    assert_eq!(said, [Change::Spared(EjectReason::Refused)]);
    assert_eq!((case.circuit.state(), case.admit(), case.circuit.spared()), (CircuitState::Healthy, Admitted::Yes, 16));
    // As soon as there is a place, the next failure takes it.
    case.places = 1;
    assert!(matches!(case.fails(), Some(Change::Ejected { .. })));
}

#[test]
fn checks_eject_and_readmit() {
    let mut case = Case { has_checks: true, ..Case::new() };
    assert_eq!((case.check(false), case.check(false), case.check(true)), (None, None, None));
    assert_eq!((case.check(false), case.check(false)), (None, None));
    assert_eq!(case.check(false), Some(Change::Ejected { why: EjectReason::CheckFailed, time: SECOND * 10 }));
    // Passed checks during the ejection count, but do not shorten it.
    assert_eq!((case.check(true), case.check(true), case.check(true)), (None, None, None));
    case.now += SECOND * 10;
    assert_eq!(case.admit(), Admitted::No, "no live call meets a member that is checked");
    assert_eq!(case.check(true), Some(Change::Readmitted(ReadmitReason::ChecksPassed)));
    assert_eq!(case.admit(), Admitted::Yes);
    // It begins with a tenth of its weight, and the status page says when and why.
    let slow = Rules { slow_start: SECOND * 10, ..case.rules };
    let ramp = |after: u32| case.circuit.ramp(&slow, case.now + SECOND * after);
    assert_eq!((ramp(0), ramp(5), ramp(10)), (10, 55, FULL));
    assert_eq!(case.circuit.readmitted(), Some((case.now, ReadmitReason::ChecksPassed)));
}

#[test]
fn a_member_that_stays_away_is_readmitted_by_the_second_good_check() {
    let mut case = Case { has_checks: true, ..Case::new() };
    case.eject();
    case.now += SECOND * 10;
    assert_eq!(case.check(false), Some(Change::Probing));
    case.now += SECOND * 3_600;
    assert_eq!((case.check(false), case.check(true)), (None, None));
    assert_eq!(case.check(true), Some(Change::Readmitted(ReadmitReason::ChecksPassed)));
}

#[test]
fn the_jitter_stays_within_a_tenth() {
    for (drawn, millis) in [(0, 9_000), (100, 10_000), (200, 11_000)] {
        let mut case = Case::new();
        let mut take_place = || true;
        let mut draw = |limit| {
            assert_eq!(limit, 201);
            drawn
        };
        let context = &mut CircuitContext {
            rules: &case.rules,
            has_checks: false,
            now: case.now,
            take_place: &mut take_place,
            draw: &mut draw,
        };
        for _ in 0..5 {
            case.circuit.call_ended(CallKind::Regular, REFUSED, context);
        }
        assert_eq!(case.circuit.until() - case.now, Duration::from_millis(millis));
    }
}

#[test]
fn a_readmitted_member_begins_with_a_tenth() {
    let shares = [0, 1, 5, 9, 10, 99].map(|age| ramp(SECOND * age, SECOND * 10));
    assert_eq!(shares, [10, 19, 55, 91, 100, 100]);
    assert_eq!(ramp(Duration::ZERO, Duration::ZERO), FULL);
    assert_eq!(Circuit::default().ramp(&Rules::default(), Duration::ZERO), FULL, "a new cluster has no new members");
}

#[test]
fn what_counts_against_a_member() {
    let failed = Judged::Failed;
    let table = [
        (Reason::Ok, 200, false, Judged::Good),
        (Reason::Refused, 0, false, failed(EjectReason::Refused)),
        (Reason::ConnectTimeout, 0, false, failed(EjectReason::ConnectTimeout)),
        (Reason::Connect, 0, false, failed(EjectReason::Unreachable)),
        (Reason::Dns, 0, false, failed(EjectReason::Unreachable)),
        (Reason::Tls, 0, false, failed(EjectReason::Tls)),
        (Reason::Reset, 0, false, failed(EjectReason::Reset)),
        (Reason::Closed, 0, false, failed(EjectReason::Closed)),
        (Reason::Deadline, 0, true, failed(EjectReason::Silent)),
        (Reason::Deadline, 0, false, Judged::Neutral),
        (Reason::Cancelled, 0, false, Judged::Neutral),
        (Reason::NoPermit, 0, false, Judged::Neutral),
        (Reason::Ejected, 0, false, Judged::Neutral),
        (Reason::Malformed, 200, false, Judged::Neutral),
        (Reason::Internal, 0, false, Judged::Neutral),
        (Reason::Fault, 200, false, Judged::Good),
        (Reason::TooLarge, 200, false, Judged::Good),
        (Reason::FilterPanic, 200, false, Judged::Good),
        // An RPC call: the method's error, a wrong path, a gateway without a server behind it.
        (Reason::HttpStatus, 500, false, Judged::Good),
        (Reason::HttpStatus, 404, false, Judged::Good),
        (Reason::HttpStatus, 429, false, Judged::Good),
        (Reason::HttpStatus, 503, false, failed(EjectReason::ServerError)),
    ];
    for (reason, code, was_silent, expected) in table {
        assert_eq!(judge(reason, reason.status(), code, was_silent), expected, "{reason:?} {code}");
    }
    let page = |code| judge(Reason::HttpStatus, Status::Completed, code, false);
    assert_eq!((page(404), page(429), page(301)), (Judged::Good, Judged::Good, Judged::Good));
    assert_eq!((page(500), page(503)), (failed(EjectReason::ServerError), failed(EjectReason::ServerError)));
}

/// Each kind of failure reports it at its own limit, not at every failure while the count of the other stays at its.
#[test]
fn a_member_that_is_spared_is_reported_once_for_calls_and_once_for_checks() {
    let mut case = Case { places: 0, has_checks: true, ..Case::new() };
    let is_spared = |change: Option<Change>| matches!(change, Some(Change::Spared(_)));
    assert_eq!((0..3).filter(|_| is_spared(case.check(false))).count(), 1);
    assert_eq!((0..10).filter(|_| is_spared(case.fails())).count(), 1);
    assert_eq!((0..10).filter(|_| is_spared(case.check(false))).count(), 0);
    assert_eq!(case.circuit.spared(), 17);
}
