//! The login of the user `admin`: whether a request has its password, and for whom the admin pages are.
//!
//! Only who asks has it judged: the server's own pages and handlers, behind everything that keeps a request out. A
//! login that nobody asks for, such as that of an app's own user `admin`, costs nothing and is no guess.
//!
//! A password is compared by its digest, in constant time. A hash is computed off the event loop, a few at a time and
//! one for an address, until somebody has proven it: from then on it is compared by the digest as well. Both are behind
//! the [throttle](super::admin_throttle). A request is judged once, however often it is asked.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
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

use super::Request;
use super::admin_throttle::{GuessNews, LoginThrottle};
use super::neighbours::counted_as;
use crate::app::was::{Face, RequestContext};
use crate::app::{Error, Result};
use crate::config::PasswordHash;
use crate::observe::counts::{Counts, TurnedAway};

/// Hashes that are computed at a time.
const AT_ONCE: usize = 2;
/// How long a login waits until one may be computed for it. Who has waited in vain has to come again.
const PATIENCE: Duration = Duration::from_secs(2);
const AGAIN_IN: u32 = 1;
const USER: &[u8] = b"admin:";

/// The password of `admin`, and who has guessed at it.
pub(crate) struct AdminLogin {
    /// The digest of user and password; of a hash, once somebody has proven it.
    known: OnceLock<Vec<u8>>,
    hash: Option<PasswordHash>,
    throttle: LoginThrottle,
    computing: Arc<Semaphore>,
    /// The addresses for which one is computed, or waits for it.
    busy: Mutex<HashSet<IpAddr>>,
    /// One of them is free again.
    freed: Notify,
}

/// What became of a request's login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdminVerdict {
    Admitted,
    /// There is no login of `admin`, or it is wrong.
    Refused,
    /// Nothing was compared, because too many were wrong before: so many seconds are left.
    Wait(u32),
    /// Nothing was compared, because others are being computed.
    Busy,
}

/// The right to compute a hash for an address.
struct Turn {
    login: Arc<AdminLogin>,
    address: IpAddr,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.login.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.address);
        self.login.freed.notify_waiters();
    }
}

impl std::fmt::Debug for AdminLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminLogin(***)")
    }
}

impl AdminLogin {
    /// Of a password, or of the hash of one.
    pub(crate) fn of(password: &Secret) -> AdminLogin {
        let hash = PasswordHash::read(&password.0).ok();
        let known = OnceLock::new();
        if hash.is_none() {
            let _ = known.set(digest_of(&[USER, password.0.as_bytes()].concat()));
        }
        AdminLogin {
            known,
            hash,
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

    /// Judges a request.
    async fn judge(self: &Arc<Self>, request: &Request, counts: &Counts) -> AdminVerdict {
        let Some(given) = credentials(request) else { return AdminVerdict::Refused };
        let address = address(request);
        let verdict = match self.compared(address, &given) {
            Some(verdict) => verdict,
            None => Box::pin(self.computed(address, given)).await,
        };
        if verdict != AdminVerdict::Admitted {
            counts.turned_away(TurnedAway::Login);
        }
        verdict
    }

    /// Judges a request without a wait; `None` if a hash would have to be computed.
    fn compared(&self, address: IpAddr, given: &[u8]) -> Option<AdminVerdict> {
        let now = Instant::now();
        if let Some(wait) = self.throttle.wait(address, now) {
            return Some(AdminVerdict::Wait(seconds(wait)));
        }
        // Whoever has another password than the known one has a wrong one, whatever its hash.
        self.known.get()?;
        Some(match self.is_known(given) {
            true => {
                self.throttle.succeed(address);
                AdminVerdict::Admitted
            }
            false => self.refused(address, now),
        })
    }

    fn is_known(&self, credentials: &[u8]) -> bool {
        let given = digest_of(credentials);
        self.known.get().is_some_and(|known| given.ct_eq(known).into())
    }

    fn refused(&self, address: IpAddr, now: Instant) -> AdminVerdict {
        let (count, wait) = self.throttle.fail(address, now);
        let next = match wait.as_secs() {
            0 => "at once".to_owned(),
            seconds => format!("in {seconds} s"),
        };
        tracing::warn!(
            from = %address,
            "a wrong password for `admin`, {count} in a row; the next one is looked at {next}"
        );
        AdminVerdict::Refused
    }

    /// Computes the hash of what a request brings, when it is its turn.
    async fn computed(self: &Arc<Self>, address: IpAddr, given: Vec<u8>) -> AdminVerdict {
        let Some(hash) = self.hash.clone() else { return AdminVerdict::Refused };
        let Ok(turn) = timeout(PATIENCE, self.turn(address)).await else { return AdminVerdict::Busy };
        // Others of this address may have guessed meanwhile, or somebody has proven it.
        if let Some(verdict) = self.compared(address, &given) {
            return verdict;
        }
        // To its end, whoever hangs up: else one could guess without being counted, and compute more at a time.
        let computed = move || {
            let login = &turn.login;
            match hash.is_of(&given[USER.len()..]) {
                true => {
                    let _ = login.known.set(digest_of(&given));
                    login.throttle.succeed(address);
                    AdminVerdict::Admitted
                }
                false => login.refused(address, Instant::now()),
            }
        };
        tokio::task::spawn_blocking(computed).await.unwrap_or(AdminVerdict::Refused)
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

/// `admin:password` of an `Authorization`; `None` if it is nobody's or somebody else's.
fn credentials(request: &Request) -> Option<Vec<u8>> {
    let (scheme, encoded) = request.get_header("authorization")?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    STANDARD.decode(encoded.trim()).ok().filter(|decoded| decoded.starts_with(USER))
}

/// By which guesses are counted: all clients at Unix sockets are one.
fn address(request: &Request) -> IpAddr {
    request.get_remote_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), counted_as)
}

impl RequestContext {
    /// True if the request carries the login of the user `admin` (`admin_password`), as Basic authorization. After some
    /// wrong passwords from an address it is false for a time, whatever comes from there.
    pub async fn is_admin(&self) -> bool {
        self.admin_verdict().await == AdminVerdict::Admitted
    }

    async fn admin_verdict(&self) -> AdminVerdict {
        let (services, request) = (self.services(), &self.request);
        let Some(admin) = &services.site.admin else { return AdminVerdict::Refused };
        *request.login.get_or_init(Arc::default).get_or_init(|| admin.judge(request, &services.counts)).await
    }

    /// The same without a wait: false for a login whose hash would have to be computed.
    pub(crate) fn is_known_admin(&self) -> bool {
        let (services, request) = (self.services(), &self.request);
        let Some(admin) = &services.site.admin else { return false };
        let login = request.login.get_or_init(Arc::default);
        let judged = || {
            let given = credentials(request)?;
            let verdict = admin.compared(address(request), &given)?;
            if verdict != AdminVerdict::Admitted {
                services.counts.turned_away(TurnedAway::Login);
            }
            let _ = login.set(verdict);
            Some(verdict)
        };
        login.get().copied().or_else(judged) == Some(AdminVerdict::Admitted)
    }

    /// Lets the user `admin` see a page of the server's own; `what` is said to everybody else. A password that would
    /// come in clear text is not asked for, except on this machine or where the configuration says so.
    pub(crate) async fn require_admin(&self, what: &str) -> Result<()> {
        let is_safe = self.request.is_secure() || self.request.is_local();
        if !is_safe && !self.services().site.server.admin_clear {
            return Err(Error::new(
                403,
                "the password of `admin` would come in clear text: come over TLS (a proxy that says so is one of \
                 `trusted_proxies`) or from this machine, or write `admin_clear = yes`",
            ));
        }
        match self.admin_verdict().await {
            AdminVerdict::Admitted => Ok(()),
            AdminVerdict::Wait(wait) => {
                Err(Error::new(429, "too many wrong passwords came from your address").retry_after(wait))
            }
            AdminVerdict::Busy => {
                Err(Error::new(503, "other logins of `admin` are being looked at").retry_after(AGAIN_IN))
            }
            AdminVerdict::Refused => {
                if self.face() == Face::Web {
                    self.response.update("www-authenticate", "Basic realm=\"status\", charset=\"UTF-8\"");
                }
                Err(Error::new(401, what))
            }
        }
    }
}
