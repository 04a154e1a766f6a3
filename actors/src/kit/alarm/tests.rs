use std::sync::{Arc, Mutex};
use std::task::Wake;

use super::*;

/// Later by the runtime's clock.
fn later(wait: Duration) -> Instant {
    tokio::time::Instant::now().into_std() + wait
}

/// Runs on a thread that has a wheel, with paused time.
fn kept<T>(test: impl Future<Output = T>) -> T {
    actix_rt::System::new().block_on(async {
        start_driver();
        tokio::time::pause();
        test.await
    })
}

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// Polls it once, for this task.
fn is_pending_for(alarm: &mut Alarm, task: &Arc<Woken>) -> bool {
    Pin::new(alarm).poll(&mut Context::from_waker(&Waker::from(task.clone()))).is_pending()
}

/// Polls it once, for a task of its own.
fn is_pending(alarm: &mut Alarm) -> bool {
    is_pending_for(alarm, &Arc::default())
}

/// How many are set.
fn left() -> usize {
    WHEEL.with(|wheel| {
        let inner = wheel.0.borrow();
        assert!(inner.slots.iter().map(Vec::len).sum::<usize>() == inner.entries.len() - inner.free.len());
        inner.entries.len() - inner.free.len()
    })
}

#[test]
fn it_goes_off_after_its_deadline_and_soon() {
    kept(async {
        for wait in [0, 1, 499, 500, 511, 512, 513, 530, 1_000, 9_999, 16_384, 16_400, 40_000, 3_600_000] {
            let deadline = later(Duration::from_millis(wait));
            Alarm::at(deadline).await;
            let late = tokio::time::Instant::now().into_std().checked_duration_since(deadline);
            let late = late.unwrap_or_else(|| panic!("{wait} ms: too early"));
            assert!(late <= TICK + Duration::from_millis(2), "{wait} ms: {late:?} late");
            assert_eq!(left(), 0);
        }
        let deadline = Instant::now().checked_sub(Duration::from_secs(100)).expect("the machine is older");
        Alarm::at(deadline).await;
    });
}

#[test]
fn all_go_off_in_the_order_of_their_ticks() {
    kept(async {
        let order = Arc::new(Mutex::new(Vec::new()));
        let all = (0..500_u64).map(|number| {
            let order = order.clone();
            // From 0.6 to 60 seconds, in no order.
            let alarm = Alarm::at(later(Duration::from_millis(600 + number * 7_919 % 500 * 119)));
            actix_rt::spawn(async move {
                alarm.await;
                order.lock().expect("nobody panics").push(number * 7_919 % 500);
            })
        });
        futures_util::future::join_all(all).await;
        let order = order.lock().expect("nobody panics");
        assert_eq!(order.len(), 500);
        assert!(order.is_sorted(), "{order:?}");
        assert_eq!(left(), 0);
    });
}

#[test]
fn what_is_dropped_leaves_nothing() {
    kept(async {
        let mut alarms: Vec<Alarm> =
            (0..300).map(|number| Alarm::at(later(Duration::from_millis(1_000 + number % 7 * 8)))).collect();
        assert!(alarms.iter_mut().all(is_pending));
        assert_eq!(left(), 300);
        // Every third, so that places move within their slots, then the others in turn.
        let mut at = 0;
        alarms.retain(|_| {
            at += 1;
            at % 3 != 0
        });
        assert_eq!(left(), 200);
        let again = until(later(Duration::from_secs(5)), std::future::ready(7)).await;
        assert_eq!((again, left()), (Some(7), 200));
        alarms.into_iter().rev().for_each(drop);
        assert_eq!(left(), 0);
        assert_eq!(until(later(Duration::from_secs(5)), std::future::pending::<()>()).await, None);
    });
}

#[test]
fn without_a_keeper_it_is_exact() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let deadline = later(Duration::from_secs(2));
        let mut alarm = Alarm::at(deadline);
        assert!(is_pending(&mut alarm));
        assert!(matches!(alarm.state, AlarmState::Exact(_)));
        alarm.await;
        assert!(tokio::time::Instant::now().into_std() >= deadline);
    });
}

#[test]
fn a_thread_may_have_one_runtime_after_the_other() {
    let mut kept_over = None;
    for _ in 0..3 {
        kept(async {
            if let Some(alarm) = kept_over.take() {
                // Set on the wheel of a runtime that is gone.
                assert_eq!(until(later(Duration::from_secs(9)), alarm).await, Some(()));
            }
            let mut alarm = Alarm::at(later(Duration::from_secs(3)));
            assert!(is_pending(&mut alarm));
            assert_eq!(left(), 1);
            kept_over = Some(alarm);
        });
    }
}

#[test]
fn another_thread_sets_it_anew() {
    let mut alarm = Alarm::at(Instant::now() + Duration::from_secs(1));
    kept(async { assert!(is_pending(&mut alarm)) });
    let thread = std::thread::spawn(move || kept(alarm));
    thread.join().expect("it goes off there");
}

#[test]
fn a_waker_may_be_the_end_of_another_alarm() {
    struct Holds(#[expect(dead_code, reason = "only dropped")] Mutex<Option<Alarm>>);
    impl Wake for Holds {
        fn wake(self: Arc<Self>) {}
    }
    kept(async {
        for goes_off in [false, true] {
            let mut inner = Alarm::at(later(Duration::from_secs(90)));
            assert!(is_pending(&mut inner));
            let waker = Waker::from(Arc::new(Holds(Mutex::new(Some(inner)))));
            let mut outer = Alarm::at(later(Duration::from_secs(1)));
            assert!(Pin::new(&mut outer).poll(&mut Context::from_waker(&waker)).is_pending());
            drop(waker);
            assert_eq!(left(), 2);
            if goes_off {
                tokio::time::sleep(Duration::from_secs(2)).await;
                assert_eq!(left(), 0);
            }
            drop(outer);
            assert_eq!(left(), 0);
        }
    });
}

#[test]
fn each_alarm_of_a_task_goes_off_by_itself() {
    kept(async {
        let in_millis = |millis| Alarm::at(later(Duration::from_millis(millis)));
        let task = Arc::<Woken>::default();
        let (mut first, mut late) = (in_millis(1_000), in_millis(9_000));
        assert!(is_pending_for(&mut first, &task) && is_pending_for(&mut late, &task));
        assert_eq!(left(), 2);
        tokio::time::sleep(Duration::from_millis(1_020)).await;
        assert_eq!((left(), task.0.load(Relaxed)), (1, 1));
        assert!(!is_pending_for(&mut first, &task), "its time has come");
        assert!(is_pending_for(&mut late, &task), "its time is yet to come");
        drop(first);
        assert_eq!(left(), 1);
        tokio::time::sleep(Duration::from_millis(8_000)).await;
        assert_eq!(task.0.load(Relaxed), 2);
        assert!(!is_pending_for(&mut late, &task));
    });
}

#[test]
fn it_wakes_whoever_polled_it_last() {
    kept(async {
        let (here, there) = (Arc::<Woken>::default(), Arc::<Woken>::default());
        let mut alarm = Alarm::at(later(TICK * 100));
        assert!(is_pending_for(&mut alarm, &here) && is_pending_for(&mut alarm, &there));
        assert_eq!(left(), 1);
        tokio::time::sleep(TICK * 102).await;
        assert_eq!((here.0.load(Relaxed), there.0.load(Relaxed), left()), (0, 1, 0));
        assert!(!is_pending_for(&mut alarm, &there));
    });
}

#[test]
fn short_waits_stay_exact() {
    kept(async {
        let task = Arc::<Woken>::default();
        let mut long = Alarm::at(later(Duration::from_millis(600)));
        assert!(is_pending_for(&mut long, &task));
        tokio::time::sleep(Duration::from_millis(400)).await;
        // Nearer than half a second, while others are set on the wheel.
        let deadline = later(Duration::from_millis(201));
        let mut short = Alarm::at(deadline);
        assert!(is_pending_for(&mut short, &task));
        assert!(matches!(short.state, AlarmState::Exact(_)), "{short:?}");
    });
}
