//! What keeps a client at its member: a key of its own for the cluster's ring, or a sealed cookie of ours.
//!
//! The cookie names the member that answered first. It is sealed, because it would tell addresses within the network,
//! and a client that could write it would choose its member. It holds for as long as its member is in; then the client
//! gets another one, and the cookie of that.

use std::time::{Duration, SystemTime};

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderValue};
use skitai_actors::session::{Sealer, State};

use crate::app::request::cookie::Cookie;
use crate::app::{Request, SameSite};
use crate::config::Affinity;

/// Our cookie.
const COOKIE: &str = "MEMBER";
/// The name of the member within it.
const NODE: &str = "node";
/// How long a cookie holds. A browser that is closed forgets it before that.
const LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// What is known of a request before its member is chosen.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// For a cluster that chooses by a key.
    pub(super) key: Option<Box<str>>,
    /// The member of the cookie.
    pub(super) node: Option<Box<str>>,
    /// The cookie is about to expire, or sealed with an older key.
    is_old: bool,
}

/// A cookie for a client, as soon as its member is known.
#[derive(Debug)]
pub(super) struct Keeper<'s> {
    sealer: &'s Sealer,
    /// The cookie as the seal is bound to it: one of another cluster opens nothing.
    name: String,
}

impl Keeper<'_> {
    /// For the mounts of a cluster.
    pub(super) fn of<'s>(sealer: &'s Sealer, cluster: &str) -> Keeper<'s> {
        Keeper { sealer, name: format!("{COOKIE}@{cluster}") }
    }

    /// What keeps the client of a request.
    pub(super) fn look(&self, request: &Request, affinity: Option<&Affinity>) -> Kept {
        let by_key = |own: Option<&str>| Kept { key: Some(own_or_address(request, own)), ..Kept::default() };
        match affinity {
            None => Kept::default(),
            Some(Affinity::Address) => by_key(None),
            Some(Affinity::Cookie(name)) => by_key(cookie(request, name)),
            Some(Affinity::Header(name)) => by_key(request.get_header(name)),
            Some(Affinity::Sealed) => {
                cookie(request, COOKIE).and_then(|sealed| self.opened(sealed)).unwrap_or_default()
            }
        }
    }

    fn opened(&self, sealed: &str) -> Option<Kept> {
        let mut opened = self.sealer.open(&self.name, sealed, SystemTime::now()).ok()?;
        let node: String = serde_json::from_str(&opened.data.remove(NODE)?).ok()?;
        Some(Kept { node: Some(node.into()), is_old: opened.needs_renewal, key: None })
    }

    /// Tells the client who its member is, unless it knows.
    pub(super) fn tell(&self, reply: &mut HttpResponse, node: &str, kept: &Kept, request: &Request, mount: &str) {
        if kept.node.as_deref() == Some(node) && !kept.is_old {
            return;
        }
        let data: State = [(NODE.to_owned(), serde_json::json!(node).to_string())].into_iter().collect();
        let Ok(sealed) = self.sealer.seal(&self.name, None, &data, LIFE, SystemTime::now()) else { return };
        let path = if mount.is_empty() { "/" } else { mount };
        let cookie = Cookie::new(COOKIE, sealed).path(path).http_only(true).same_site(SameSite::Lax);
        if let Ok(line) = cookie.secure(request.is_secure()).line()
            && let Ok(line) = HeaderValue::try_from(line)
        {
            reply.headers_mut().append(header::SET_COOKIE, line);
        }
    }
}

fn own_or_address(request: &Request, own: Option<&str>) -> Box<str> {
    match own {
        Some(own) => own.into(),
        None => request.get_remote_addr().map_or_else(Box::default, |address| address.to_string().into()),
    }
}

/// The first cookie of this name, as it was sent. Of several paths the longest comes first (RFC 6265, 5.4).
fn cookie<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    let lines = request.headers.get_all(header::COOKIE).filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}
