//! Logins by Basic authorization (RFC 7617): that of `admin`, and those of a forward proxy.
//!
//! A password is compared by its digest, in constant time. A hash is computed off the event loop, a few at a time and
//! one for an address, until somebody has proven it: from then on it is compared by the digest as well. Both are behind
//! the [throttle](super::admin_throttle). A user who is not known is treated as the first one with a wrong password, so
//! that the time tells nobody who is.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use skitai_actors::spec::Secret;
use subtle::ConstantTimeEq;
use tokio::sync::mpsc::Sender;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::admin_throttle::{GuessNews, LoginThrottle};
use crate::config::PasswordHash;
use crate::observe::log::one_line;
use crate::observe::seldom::Seldom;

/// Hashes that are computed at a time.
const AT_ONCE: usize = 2;
/// How long a login waits until one may be computed for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest name of a user that a log shows, in characters.
const SHOWN: usize = 40;
/// Anybody can cause them; of one address the throttle keeps them rare.
static GUESSES: Seldom = Seldom::new(20);

/// Users with their passwords, and who has guessed at them.
pub(crate) struct BasicLogin {
    /// At least one.
    users: Vec<KnownUser>,
    throttle: LoginThrottle,
    computing: Arc<Semaphore>,
    /// The addresses for which one is computed, or waits for it.
    busy: Mutex<HashSet<IpAddr>>,
    /// One of them is free again.
    freed: Notify,
}

struct KnownUser {
    name: String,
    /// The digest of user and password; of a hash, once somebody has proven it.
    known: OnceLock<Vec<u8>>,
    hash: Option<PasswordHash>,
}

/// What became of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginVerdict {
    Admitted,
    /// It is wrong, or none.
    Refused,
    /// Nothing was compared, because too many were wrong before: so many seconds are left.
    Wait(u32),
    /// Nothing was compared, because others are being computed.
    Busy,
}

/// The right to compute a hash for an address.
struct Turn {
    login: Arc<BasicLogin>,
    address: IpAddr,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.login.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.address);
        self.login.freed.notify_waiters();
    }
}

impl std::fmt::Debug for BasicLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BasicLogin(***)")
    }
}

impl KnownUser {
    fn of(name: String, password: &Secret) -> KnownUser {
        let hash = PasswordHash::read(&password.0).ok();
        let known = OnceLock::new();
        if hash.is_none() {
            let _ = known.set(digest_of(format!("{name}:{}", password.0).as_bytes()));
        }
        KnownUser { name, known, hash }
    }
}

impl BasicLogin {
    /// Of users with passwords, or the hashes of these; at least one.
    pub(crate) fn of(users: Vec<(String, Secret)>) -> BasicLogin {
        BasicLogin {
            users: users.into_iter().map(|(name, password)| KnownUser::of(name, &password)).collect(),
            throttle: LoginThrottle::default(),
            computing: Arc::new(Semaphore::new(AT_ONCE)),
            busy: Mutex::default(),
            freed: Notify::new(),
        }
    }

    /// From now on wrong passwords are told, for the other processes.
    pub(crate) fn tell_by(&self, news: Sender<(IpAddr, GuessNews)>) {
        self.throttle.tell_by(news);
    }

    /// Another process tells of one.
    pub(crate) fn heard(&self, address: IpAddr, news: GuessNews, now: Instant) {
        self.throttle.heard(address, news, now);
    }

    /// Judges `user:password` from an address.
    pub(crate) async fn judge(self: &Arc<Self>, address: IpAddr, given: Vec<u8>) -> LoginVerdict {
        match self.compared(address, &given) {
            Some(verdict) => verdict,
            None => Box::pin(self.computed(address, given)).await,
        }
    }

    /// The user that these credentials are of; the first one for any other, and whether it is meant.
    fn user(&self, given: &[u8]) -> Option<(&KnownUser, bool)> {
        let name = given.split(|&octet| octet == b':').next().unwrap_or_default();
        let meant = self.users.iter().find(|user| user.name.as_bytes() == name);
        meant.map(|user| (user, true)).or_else(|| self.users.first().map(|user| (user, false)))
    }

    /// Judges credentials without a wait; `None` if a hash would have to be computed.
    pub(super) fn compared(&self, address: IpAddr, given: &[u8]) -> Option<LoginVerdict> {
        let now = Instant::now();
        if let Some(wait) = self.throttle.wait(address, now) {
            return Some(LoginVerdict::Wait(seconds(wait)));
        }
        // Whoever has another password than the known one has a wrong one, whatever its hash.
        let Some((user, is_meant)) = self.user(given) else { return Some(LoginVerdict::Refused) };
        let known = user.known.get()?;
        let is_equal: bool = digest_of(given).ct_eq(known).into();
        Some(match is_equal && is_meant {
            true => self.admitted(address),
            false => self.refused(address, given, now),
        })
    }

    fn admitted(&self, address: IpAddr) -> LoginVerdict {
        // Of several users one could guess at another's password, and clear the count by its own.
        if self.users.len() == 1 {
            self.throttle.succeed(address);
        }
        LoginVerdict::Admitted
    }

    fn refused(&self, address: IpAddr, given: &[u8], now: Instant) -> LoginVerdict {
        let (count, wait) = self.throttle.fail(address, now);
        if let Some(tail) = GUESSES.tail(now) {
            let name = given.split(|&octet| octet == b':').next().unwrap_or_default();
            let name: String = String::from_utf8_lossy(name).chars().take(SHOWN).collect();
            let next = match wait.as_secs() {
                0 => "at once".to_owned(),
                seconds => format!("in {seconds} s"),
            };
            tracing::warn!(
                from = %address,
                "a wrong password for `{}`, {count} in a row; the next one is looked at {next}{tail}",
                one_line(&name)
            );
        }
        LoginVerdict::Refused
    }

    /// Computes the hash of what a request brings, when it is its turn.
    async fn computed(self: &Arc<Self>, address: IpAddr, given: Vec<u8>) -> LoginVerdict {
        let hash = self.user(&given).and_then(|(user, is_meant)| Some((user.hash.clone()?, is_meant)));
        let Some((hash, is_meant)) = hash else { return LoginVerdict::Refused };
        let Ok(turn) = timeout(PATIENCE, self.turn(address)).await else { return LoginVerdict::Busy };
        // Others of this address may have guessed meanwhile, or somebody has proven it.
        if let Some(verdict) = self.compared(address, &given) {
            return verdict;
        }
        // To its end, whoever hangs up: else one could guess without being counted, and compute more at a time.
        let computed = move || {
            let login = &turn.login;
            let password = given.iter().position(|&octet| octet == b':').map_or(&given[..0], |at| &given[at + 1..]);
            if !(hash.is_of(password) && is_meant) {
                return login.refused(address, &given, Instant::now());
            }
            if let Some((user, _)) = login.user(&given) {
                let _ = user.known.set(digest_of(&given));
            }
            login.admitted(address)
        };
        tokio::task::spawn_blocking(computed).await.unwrap_or(LoginVerdict::Refused)
    }

    /// Waits until no other login of this address is computed, and there is room.
    async fn turn(self: &Arc<Self>, address: IpAddr) -> Turn {
        loop {
            // Made before the look, so that nothing is missed after it.
            let freed = self.freed.notified();
            if self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(address) {
                break;
            }
            freed.await;
        }
        // Held from here on, because the wait may be given up.
        let mut turn = Turn { login: self.clone(), address, _permit: None };
        turn._permit = self.computing.clone().acquire_owned().await.ok();
        turn
    }
}

/// Whole seconds after which a wait is over.
fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1)
}

fn digest_of(octets: &[u8]) -> Vec<u8> {
    digest(&SHA256, octets).as_ref().to_vec()
}

/// `user:password` of the value of an `Authorization`; `None` if it is of another kind.
pub(crate) fn credentials_of(value: &str) -> Option<Vec<u8>> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    STANDARD.decode(encoded.trim()).ok().filter(|decoded| decoded.contains(&b':'))
}
