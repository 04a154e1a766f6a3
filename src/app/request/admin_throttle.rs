//! The time between two guesses at the password of `admin`, by address: some are free, because people mistype, and from
//! then on each wrong one doubles the wait. During a wait nothing is compared, so the right password does not help
//! either: guesses that are sent side by side gain nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong passwords without a wait.
const FREE: u32 = 3;
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
/// What is remembered of an address that is quiet for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);
/// Addresses that are remembered.
const ADDRESSES: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct LoginThrottle(Mutex<HashMap<IpAddr, Failures>>);

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
    wait: Duration,
}

impl LoginThrottle {
    /// How long this address has to wait; nothing if it may try.
    pub(crate) fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = known.get(&address)?;
        let left = failures.wait.saturating_sub(now.saturating_duration_since(failures.last));
        (!left.is_zero()).then_some(left)
    }

    /// A wrong password: returns how many there were, and the wait until the next.
    pub(crate) fn fail(&self, address: IpAddr, now: Instant) -> (u32, Duration) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |failures: &Failures| now.saturating_duration_since(failures.last) > FORGOTTEN;
        if known.len() >= ADDRESSES && !known.contains_key(&address) {
            known.retain(|_, failures| !is_old(failures));
            let least = known.iter().min_by_key(|(_, failures)| (failures.count, failures.last)).map(|(at, _)| *at);
            if let Some(least) = least.filter(|_| known.len() >= ADDRESSES) {
                known.remove(&least);
            }
        }
        let before = known.get(&address).filter(|failures| !is_old(failures)).map_or(0, |failures| failures.count);
        let count = before.saturating_add(1);
        let wait = match count.checked_sub(FREE) {
            None | Some(0) => Duration::ZERO,
            Some(doubled) => FIRST.saturating_mul(1 << (doubled - 1).min(16)).min(LONGEST),
        };
        known.insert(address, Failures { count, last: now, wait });
        (count, wait)
    }

    /// The right password.
    pub(crate) fn succeed(&self, address: IpAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&address);
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
        assert_eq!(throttle.0.lock().expect("whole").len(), ADDRESSES);
        assert!(throttle.wait(address(0), now).is_some());
    }
}
