//! The login of the user `admin`: whether a request has its password, and for whom the admin pages are.
//!
//! Only who asks has it judged: the server's own pages and handlers, behind everything that keeps a request out. A
//! login that nobody asks for, such as that of an app's own user `admin`, costs nothing and is no guess. How it is
//! judged is the matter of [`basic_login`](super::basic_login). A request is judged once, however often it is asked.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use skitai_actors::spec::Secret;

use super::Request;
use super::basic_login::{BasicLogin, LoginVerdict, credentials_of};
use super::neighbours::counted_as;
use crate::app::was::{Face, RequestContext};
use crate::app::{Error, Result};
use crate::observe::counts::{Counts, TurnedAway};

/// Who has waited in vain has to come again.
const AGAIN_IN: u32 = 1;
const ADMIN: &str = "admin";
const USER: &[u8] = b"admin:";

/// The login of `admin` by a password, or by the hash of one.
pub(crate) fn of_admin(password: &Secret) -> BasicLogin {
    BasicLogin::of(vec![(ADMIN.to_owned(), password.clone())])
}

/// Judges a request.
async fn judge(login: &Arc<BasicLogin>, request: &Request, counts: &Counts) -> LoginVerdict {
    let Some(given) = credentials(request) else { return LoginVerdict::Refused };
    let verdict = login.judge(address(request), given).await;
    if verdict != LoginVerdict::Admitted {
        counts.turned_away(TurnedAway::Login);
    }
    verdict
}

/// `admin:password` of an `Authorization`; `None` if it is nobody's or somebody else's.
fn credentials(request: &Request) -> Option<Vec<u8>> {
    credentials_of(request.get_header("authorization")?).filter(|decoded| decoded.starts_with(USER))
}

/// By which guesses are counted: all clients at Unix sockets are one.
fn address(request: &Request) -> IpAddr {
    request.get_remote_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), counted_as)
}

impl RequestContext {
    /// True if the request carries the login of the user `admin` (`admin_password`), as Basic authorization. After some
    /// wrong passwords from an address it is false for a time, whatever comes from there.
    pub async fn is_admin(&self) -> bool {
        self.admin_verdict().await == LoginVerdict::Admitted
    }

    async fn admin_verdict(&self) -> LoginVerdict {
        let (services, request) = (self.services(), &self.request);
        let Some(admin) = &services.site.admin else { return LoginVerdict::Refused };
        *request.login.get_or_init(Arc::default).get_or_init(|| judge(admin, request, &services.counts)).await
    }

    /// The same without a wait: false for a login whose hash would have to be computed.
    pub(crate) fn is_known_admin(&self) -> bool {
        let (services, request) = (self.services(), &self.request);
        let Some(admin) = &services.site.admin else { return false };
        let login = request.login.get_or_init(Arc::default);
        let judged = || {
            let given = credentials(request)?;
            let verdict = admin.compared(address(request), &given)?;
            if verdict != LoginVerdict::Admitted {
                services.counts.turned_away(TurnedAway::Login);
            }
            let _ = login.set(verdict);
            Some(verdict)
        };
        login.get().copied().or_else(judged) == Some(LoginVerdict::Admitted)
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
            LoginVerdict::Admitted => Ok(()),
            LoginVerdict::Wait(wait) => {
                Err(Error::new(429, "too many wrong passwords came from your address").retry_after(wait))
            }
            LoginVerdict::Busy => {
                Err(Error::new(503, "other logins of `admin` are being looked at").retry_after(AGAIN_IN))
            }
            LoginVerdict::Refused => {
                if self.face() == Face::Web {
                    self.response.update("www-authenticate", "Basic realm=\"status\", charset=\"UTF-8\"");
                }
                Err(Error::new(401, what))
            }
        }
    }
}
