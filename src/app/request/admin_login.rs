//! The login of the user `admin`: whether a request has its password, and for whom the admin pages are.
//!
//! A password is compared by its digest, in constant time. A hash is computed off the event loop, before the request
//! comes to a handler ([`AdminLogin::prove`]), a few at a time; who has proven it once is known by the digest then.
//! Both are behind the [throttle](super::admin_throttle). A request is judged once, however often it is asked.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use skitai_actors::spec::Secret;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;

use super::Request;
use super::admin_throttle::{GuessNews, LoginThrottle};
use super::neighbours::counted_as;
use crate::app::was::{Face, RequestContext};
use crate::app::{Error, Result};
use crate::config::PasswordHash;
use crate::observe::counts::{Counts, TurnedAway};

/// Hashes that are computed at a time. Who comes beyond has to come again.
const AT_ONCE: usize = 2;
const AGAIN_IN: u32 = 1;
const USER: &[u8] = b"admin:";

/// The password of `admin`, and who has guessed at it.
pub(crate) struct AdminLogin {
    /// The digest of user and password; of a hash, once somebody has proven it.
    known: OnceLock<Vec<u8>>,
    hash: Option<PasswordHash>,
    throttle: LoginThrottle,
    computing: Semaphore,
}

/// What became of a request's login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdminVerdict {
    Admitted,
    /// There is no login of `admin`, or it is wrong.
    Refused,
    /// Nothing was compared, because too many were wrong before: so many seconds are left.
    Wait(u32),
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
        AdminLogin { known, hash, throttle: LoginThrottle::default(), computing: Semaphore::new(AT_ONCE) }
    }

    /// From now on wrong passwords are told, for the other processes.
    pub(crate) fn tell_by(&self, news: Sender<(IpAddr, GuessNews)>) {
        self.throttle.tell_by(news);
    }

    /// Another process tells of one.
    pub(crate) fn heard(&self, address: IpAddr, news: GuessNews, now: Instant) {
        self.throttle.heard(address, news, now);
    }

    /// Whether its password is compared by a hash, which takes long.
    pub(crate) fn has_hash(&self) -> bool {
        self.hash.is_some()
    }

    /// Judges a request before it is copied for each of many calls: one guess is one.
    pub(crate) fn judge_once(&self, request: &Request, counts: &Counts) {
        if request.get_header("authorization").is_some() {
            request.login.get_or_init(|| self.judge(request, counts));
        }
    }

    /// Judges a request.
    fn judge(&self, request: &Request, counts: &Counts) -> AdminVerdict {
        let Some(credentials) = credentials(request) else { return AdminVerdict::Refused };
        let (address, now) = (address(request), Instant::now());
        if let Some(wait) = self.throttle.wait(address, now) {
            counts.turned_away(TurnedAway::Login);
            return AdminVerdict::Wait(seconds(wait));
        }
        if self.is_known(&credentials) {
            self.throttle.succeed(address);
            return AdminVerdict::Admitted;
        }
        counts.turned_away(TurnedAway::Login);
        self.refused(address, now)
    }

    fn is_known(&self, credentials: &[u8]) -> bool {
        let given = digest_of(credentials);
        self.known.get().is_some_and(|known| given.ct_eq(known).into())
    }

    fn refused(&self, address: IpAddr, now: Instant) -> AdminVerdict {
        let (count, wait) = self.throttle.fail(address, now);
        tracing::warn!(
            from = %address,
            "a wrong password for `admin`, the {count}. in a row; the next one is looked at in {} s",
            wait.as_secs()
        );
        AdminVerdict::Refused
    }

    /// Computes the hash of what a request brings, and notes what came of it in the request.
    pub(crate) async fn prove(&self, request: &Request, counts: &Counts) {
        let (Some(hash), Some(given)) = (&self.hash, credentials(request)) else { return };
        if self.is_known(&given) {
            return;
        }
        let verdict = self.computed(hash, &given, request).await;
        if verdict != AdminVerdict::Admitted {
            counts.turned_away(TurnedAway::Login);
        }
        let _ = request.login.set(verdict);
    }

    async fn computed(&self, hash: &PasswordHash, given: &[u8], request: &Request) -> AdminVerdict {
        let address = address(request);
        if let Some(wait) = self.throttle.wait(address, Instant::now()) {
            return AdminVerdict::Wait(seconds(wait));
        }
        let Ok(_permit) = self.computing.try_acquire() else { return AdminVerdict::Wait(AGAIN_IN) };
        let (hash, password) = (hash.clone(), given[USER.len()..].to_vec());
        let computed = tokio::task::spawn_blocking(move || hash.is_of(&password)).await;
        if computed.is_ok_and(|is_right| is_right) {
            let _ = self.known.set(digest_of(given));
            self.throttle.succeed(address);
            AdminVerdict::Admitted
        } else {
            self.refused(address, Instant::now())
        }
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
    pub fn is_admin(&self) -> bool {
        self.admin_verdict() == AdminVerdict::Admitted
    }

    fn admin_verdict(&self) -> AdminVerdict {
        let services = self.services();
        let judged = || services.site.admin.as_ref().map(|admin| admin.judge(&self.request, &services.counts));
        *self.request.login.get_or_init(|| judged().unwrap_or(AdminVerdict::Refused))
    }

    /// Lets the user `admin` see a page of the server's own; `what` is said to everybody else. A password that would
    /// come in clear text is not asked for, except on this machine or where the configuration says so.
    pub(crate) fn require_admin(&self, what: &str) -> Result<()> {
        let is_safe = self.request.is_secure() || self.request.is_local();
        if !is_safe && !self.services().site.server.admin_clear {
            return Err(Error::new(
                403,
                "the password of `admin` would come in clear text: come over TLS (a proxy that says so is one of \
                 `trusted_proxies`) or from this machine, or write `admin_clear = yes`",
            ));
        }
        match self.admin_verdict() {
            AdminVerdict::Admitted => Ok(()),
            AdminVerdict::Wait(wait) => {
                Err(Error::new(429, "too many wrong passwords came from your address").retry_after(wait))
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
