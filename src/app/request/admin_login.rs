//! The logins of the server's own pages: `admin`, who may act, and `viewer`, who may look; and for whom a page is.
//!
//! Only who asks has it judged: the server's own pages and handlers, behind everything that keeps a request out. A
//! login that nobody asks for, such as that of an app's own user `admin`, costs nothing and is no guess. How it is
//! judged is the matter of [`basic_login`](super::basic_login). A request is judged once, however often it is asked.
//! Each of the two has its own throttle, so that whoever has one password cannot clear the guesses at the other.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use skitai_actors::spec::Secret;

use super::Request;
use super::basic_login::{BasicLogin, LoginVerdict, credentials_of};
use super::neighbours::counted_as;
use crate::app::site::Site;
use crate::app::was::{Face, RequestContext};
use crate::app::{Error, Result};
use crate::observe::counts::{Counts, TurnedAway};

/// Who has waited in vain has to come again.
const AGAIN_IN: u32 = 1;

/// What somebody may do on the server's own pages. The second one may do what the first one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The user `viewer`: sees the status, the figures and the methods, and changes nothing.
    Viewer,
    /// The user `admin`: acts, too.
    Admin,
}

impl Role {
    /// The name of its user, and the word in the audit log.
    pub fn word(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Admin => "admin",
        }
    }

    /// The login of a user with this role, by a password or by the hash of one.
    pub(crate) fn login(self, password: &Secret) -> BasicLogin {
        BasicLogin::of(vec![(self.word().to_owned(), password.clone())])
    }
}

/// A login that a request claims to have.
struct Claim<'r> {
    role: Role,
    login: &'r Arc<BasicLogin>,
    given: Vec<u8>,
}

impl<'r> Claim<'r> {
    /// `user:password` of an `Authorization`; `None` if it is nobody's, or of somebody whom these pages do not know.
    fn of(request: &Request, site: &'r Site) -> Option<Claim<'r>> {
        let given = credentials_of(request.get_header("authorization")?)?;
        let name = given.split(|&octet| octet == b':').next()?;
        let role = [Role::Admin, Role::Viewer].into_iter().find(|role| role.word().as_bytes() == name)?;
        let login = match role {
            Role::Admin => site.admin.as_ref()?,
            Role::Viewer => site.viewer.as_ref()?,
        };
        Some(Claim { role, login, given })
    }
}

/// Judges a claim.
async fn judge(claim: Option<Claim<'_>>, request: &Request, counts: &Counts) -> LoginVerdict {
    let Some(claim) = claim else { return LoginVerdict::Refused };
    let verdict = claim.login.judge(address(request), claim.given).await;
    if verdict != LoginVerdict::Admitted {
        counts.turned_away(TurnedAway::Login);
    }
    verdict
}

/// By which guesses are counted: all clients at Unix sockets are one.
fn address(request: &Request) -> IpAddr {
    request.get_remote_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), counted_as)
}

impl RequestContext {
    /// True if the request carries the login of the user `admin` (`admin_password`), as Basic authorization. After some
    /// wrong passwords from an address it is false for a time, whatever comes from there.
    pub async fn is_admin(&self) -> bool {
        self.role().await == Some(Role::Admin)
    }

    /// What the request may do on the server's own pages, by its login: the user `admin` (`admin_password`) or `viewer`
    /// (`viewer_password`), as Basic authorization. An app may have pages of its own for them:
    ///
    /// ```
    /// # use skitai::prelude::*;
    /// # use skitai::app::Role;
    /// #[route("/figures")]
    /// async fn figures(was: Was) -> Result<&'static str> {
    ///     match was.role().await {
    ///         Some(Role::Admin | Role::Viewer) => Ok("the figures"),
    ///         None => Err(Error::new(403, "for `admin` and `viewer`")),
    ///     }
    /// }
    /// ```
    pub async fn role(&self) -> Option<Role> {
        let claimed = Claim::of(&self.request, &self.services().site)?.role;
        (self.login_verdict().await == LoginVerdict::Admitted).then_some(claimed)
    }

    async fn login_verdict(&self) -> LoginVerdict {
        let (services, request) = (self.services(), &self.request);
        let judged = || judge(Claim::of(request, &services.site), request, &services.counts);
        *request.login.get_or_init(Arc::default).get_or_init(judged).await
    }

    /// The same as [`is_admin`](RequestContext::is_admin) without a wait: false for a login whose hash would have to be
    /// computed.
    pub(crate) fn is_known_admin(&self) -> bool {
        let (services, request) = (self.services(), &self.request);
        let Some(claim) = Claim::of(request, &services.site).filter(|claim| claim.role == Role::Admin) else {
            return false;
        };
        let login = request.login.get_or_init(Arc::default);
        let judged = || {
            let verdict = claim.login.compared(address(request), &claim.given)?;
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
        match self.require_viewer(what).await? {
            Role::Admin => Ok(()),
            Role::Viewer => {
                Err(Error::new(403, "the user `viewer` may look and change nothing: come as the user `admin`"))
            }
        }
    }

    /// The same for the user `viewer` as well; says which of the two it is.
    pub(crate) async fn require_viewer(&self, what: &str) -> Result<Role> {
        let is_safe = self.request.is_secure() || self.request.is_local();
        if !is_safe && !self.services().site.server.admin_clear {
            return Err(Error::new(
                403,
                "the password of `admin` would come in clear text: come over TLS (a proxy that says so is one of \
                 `trusted_proxies`) or from this machine, or write `admin_clear = yes`",
            ));
        }
        match self.login_verdict().await {
            LoginVerdict::Admitted => self.role().await.ok_or_else(|| Error::new(401, what)),
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
