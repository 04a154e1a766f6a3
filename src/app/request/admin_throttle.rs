//! The time between two guesses at the password of `admin`, by address: some are free, because people mistype, and from
//! then on each wrong one doubles the wait. During a wait nothing is compared, so the right password does not help
//! either: guesses that are sent side by side gain nothing.
//!
//! Where there are other processes, they are told of each, and what they tell is counted as well.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;

/// Wrong passwords without a wait.
const FREE: u32 = 3;
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
/// What is remembered of an address that is quiet for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);
/// Addresses that are remembered.
const ADDRESSES: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct LoginThrottle {
    known: Mutex<HashMap<IpAddr, Failures>>,
    /// Who tells the other processes.
    news: OnceLock<Sender<(IpAddr, GuessNews)>>,
}

/// What one process tells the others of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct GuessNews {
    /// The right password came, and what was before does not count.
    is_cleared: bool,
    /// Wrong ones since then, or since the last message.
    wrong: u32,
    /// As many as the process knows of in a row: one that began later catches up by it.
    count: u32,
}

impl GuessNews {
    /// This and what came after it as one.
    pub(crate) fn then(self, next: GuessNews) -> GuessNews {
        match next.is_cleared {
            true => next,
            false => GuessNews { wrong: self.wrong.saturating_add(next.wrong), count: next.count, ..self },
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
    wait: Duration,
}

impl LoginThrottle {
    /// From now on what is noted is told.
    pub(crate) fn tell_by(&self, news: Sender<(IpAddr, GuessNews)>) {
        let _ = self.news.set(news);
    }

    /// How long this address has to wait; nothing if it may try.
    pub(crate) fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = known.get(&address)?;
        let left = failures.wait.saturating_sub(now.saturating_duration_since(failures.last));
        (!left.is_zero()).then_some(left)
    }

    /// A wrong password: returns how many there were, and the wait until the next.
    pub(crate) fn fail(&self, address: IpAddr, now: Instant) -> (u32, Duration) {
        let (count, wait) = self.add(address, 1, 0, now);
        self.told(address, GuessNews { is_cleared: false, wrong: 1, count });
        (count, wait)
    }

    /// The right password.
    pub(crate) fn succeed(&self, address: IpAddr) {
        if self.clear(address) {
            self.told(address, GuessNews { is_cleared: true, ..GuessNews::default() });
        }
    }

    /// What another process tells.
    pub(crate) fn heard(&self, address: IpAddr, news: GuessNews, now: Instant) {
        if news.is_cleared {
            self.clear(address);
        }
        if news.wrong > 0 {
            self.add(address, news.wrong, news.count, now);
        }
    }

    /// Adds wrong passwords; there were at least so many in all.
    fn add(&self, address: IpAddr, wrong: u32, at_least: u32, now: Instant) -> (u32, Duration) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |failures: &Failures| now.saturating_duration_since(failures.last) > FORGOTTEN;
        if known.len() >= ADDRESSES && !known.contains_key(&address) {
            known.retain(|_, failures| !is_old(failures));
            let least = known.iter().min_by_key(|(_, failures)| (failures.count, failures.last)).map(|(at, _)| *at);
            if let Some(least) = least.filter(|_| known.len() >= ADDRESSES) {
                known.remove(&least);
            }
        }
        let before = known.get(&address).filter(|failures| !is_old(failures)).map_or(0, |failures| failures.count);
        let count = before.saturating_add(wrong).max(at_least);
        let wait = match count.checked_sub(FREE) {
            None | Some(0) => Duration::ZERO,
            Some(doubled) => FIRST.saturating_mul(1 << (doubled - 1).min(16)).min(LONGEST),
        };
        known.insert(address, Failures { count, last: now, wait });
        (count, wait)
    }

    /// Forgets an address, and says whether it was known.
    fn clear(&self, address: IpAddr) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&address).is_some()
    }

    fn told(&self, address: IpAddr, news: GuessNews) {
        // Where more wait than there is room for, the other processes miss some of them.
        if let Some(to) = self.news.get() {
            let _ = to.try_send((address, news));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(nth: u32) -> IpAddr {
        Ipv4Addr::from_bits(nth).into()
    }

    #[test]
    fn the_wait_grows_and_ends_with_the_right_one() {
        let (throttle, now, one) = (LoginThrottle::default(), Instant::now(), address(1));
        let waits: Vec<u64> = (0..14).map(|_| throttle.fail(one, now).1.as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(throttle.wait(one, now + Duration::from_secs(299)), Some(Duration::from_secs(1)));
        assert_eq!(throttle.wait(one, now + Duration::from_secs(300)), None);
        assert_eq!(throttle.wait(address(2), now), None);
        throttle.succeed(one);
        assert_eq!((throttle.wait(one, now), throttle.fail(one, now).0), (None, 1));
    }

    #[test]
    fn a_flood_of_addresses_takes_no_memory_and_frees_nobody() {
        let (throttle, now) = (LoginThrottle::default(), Instant::now());
        for nth in std::iter::repeat_n(0, 20).chain(1..20_000) {
            throttle.fail(address(nth), now);
        }
        assert_eq!(throttle.known.lock().expect("whole").len(), ADDRESSES);
        assert!(throttle.wait(address(0), now).is_some());
    }

    #[test]
    fn what_one_process_is_told_counts_in_the_others() {
        let (one, other, now, guesser) =
            (LoginThrottle::default(), LoginThrottle::default(), Instant::now(), address(1));
        let (sender, mut news) = tokio::sync::mpsc::channel(16);
        one.tell_by(sender);
        let mut pass_on = || {
            let told = std::iter::from_fn(|| news.try_recv().ok());
            let told = told.map(|(_, news)| news).reduce(GuessNews::then).expect("something is told");
            other.heard(guesser, told, now);
        };
        for _ in 0..3 {
            one.fail(guesser, now);
        }
        pass_on();
        assert_eq!((other.wait(guesser, now), other.fail(guesser, now).0), (None, 4), "the next one is the fourth");
        one.fail(guesser, now);
        pass_on();
        assert_eq!(other.fail(guesser, now).0, 6);
        // The right password clears it everywhere, and what comes behind it counts anew.
        one.succeed(guesser);
        one.fail(guesser, now);
        pass_on();
        assert_eq!(other.fail(guesser, now).0, 2);
        let late = LoginThrottle::default();
        late.heard(guesser, GuessNews { is_cleared: false, wrong: 1, count: 9 }, now);
        assert_eq!(late.fail(guesser, now).0, 10, "who began later catches up");
        // Nobody is told of what nobody had guessed at.
        one.succeed(address(2));
        assert!(news.try_recv().is_err());
    }
}
