//! Cookies: those the client sent, and those to set. Nothing is parsed or allocated before the first use.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use actix_web::cookie::{self as wire, time};
use actix_web::http::header::{self, HeaderMap, HeaderValue};

use crate::app::error::{Error, Result};

/// The longest cookie, name and attributes included, in bytes. Browsers silently drop longer ones.
const LIMIT: usize = 4_096;

/// Whether a browser sends the cookie with requests that another site starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// When the visitor follows a link, but not with forms that another site posts.
    #[default]
    Lax,
    /// Always. Browsers accept it only together with `secure`.
    None,
}

/// A cookie to set: `Cookie::new("lang", "ko").max_age(secs(86_400)).path("/shop")`.
///
/// By default it lasts until the browser is closed, is sent to every path of this host and to no other host, has
/// `SameSite=Lax`, and is open to scripts and to plain HTTP.
#[derive(Clone, Debug)]
pub struct Cookie {
    name: String,
    value: String,
    max_age: Option<Duration>,
    expires: Option<SystemTime>,
    path: String,
    domain: Option<String>,
    same_site: SameSite,
    http_only: bool,
    secure: bool,
}

impl Cookie {
    /// Creates a cookie with this value. Any text may be a value: characters that a cookie cannot hold are
    /// percent-encoded.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Cookie {
        Cookie {
            name: name.into(),
            value: value.into(),
            max_age: None,
            expires: None,
            path: "/".to_owned(),
            domain: None,
            same_site: SameSite::default(),
            http_only: false,
            secure: false,
        }
    }

    /// Makes the client delete a cookie. A cookie that was set with a path or a domain needs the same here.
    pub fn expired(name: impl Into<String>) -> Cookie {
        Cookie::new(name, "").max_age(Duration::ZERO)
    }

    /// Sets how long the client keeps it, in whole seconds; zero deletes it.
    #[must_use]
    pub fn max_age(mut self, life: Duration) -> Cookie {
        self.max_age = Some(life);
        self
    }

    /// Sets when the client deletes it. `max_age` takes precedence.
    #[must_use]
    pub fn expires(mut self, at: SystemTime) -> Cookie {
        self.expires = Some(at);
        self
    }

    /// Restricts it to this path and everything below. Default: `/`.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Cookie {
        self.path = path.into();
        self
    }

    /// Extends it to this domain and all its subdomains. Default: this host alone.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Cookie {
        self.domain = Some(domain.into());
        self
    }

    /// Sets whether it is sent with requests from other sites. Default: [`SameSite::Lax`].
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Cookie {
        self.same_site = same_site;
        self
    }

    /// Hides it from scripts. Default: no.
    #[must_use]
    pub fn http_only(mut self, on: bool) -> Cookie {
        self.http_only = on;
        self
    }

    /// Restricts it to TLS; over plain HTTP a browser does not even store it. Default: no.
    #[must_use]
    pub fn secure(mut self, on: bool) -> Cookie {
        self.secure = on;
        self
    }

    fn is_gone(&self) -> bool {
        match (self.max_age, self.expires) {
            (Some(life), _) => life.as_secs() == 0,
            (None, Some(at)) => at <= SystemTime::now(),
            (None, None) => false,
        }
    }

    /// The header line, or the reason why a browser would reject the cookie.
    pub(crate) fn line(&self) -> std::result::Result<String, String> {
        // A `;` or `=` in a name would set attributes, or another cookie.
        if self.name.is_empty() || !self.name.bytes().all(is_of_token) {
            return Err("its name must be of letters, digits and !#$%&'*+-.^_`|~".to_owned());
        }
        let is_plain = |text: &str| !text.contains(';') && !text.contains(|c: char| c.is_control() || !c.is_ascii());
        if !self.path.starts_with('/') || !is_plain(&self.path) {
            return Err("its path must begin with `/` and be of ASCII without `;`".to_owned());
        }
        let is_of_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        if self.domain.as_ref().is_some_and(|domain| domain.is_empty() || !domain.bytes().all(is_of_host)) {
            return Err("its domain must be the name of a host".to_owned());
        }
        if self.same_site == SameSite::None && !self.secure {
            return Err("with SameSite=None browsers take it only if it is secure".to_owned());
        }
        // Browsers compare these prefixes without regard to case.
        let name = self.name.to_ascii_lowercase();
        if name.starts_with("__secure-") && !self.secure {
            return Err("browsers take a name with `__Secure-` only if it is secure".to_owned());
        }
        if name.starts_with("__host-") && (!self.secure || self.domain.is_some() || self.path != "/") {
            return Err(
                "browsers take a name with `__Host-` only if it is secure, of path `/` and without a domain".to_owned()
            );
        }
        let line = self.on_the_wire().to_string();
        match line.len() {
            length if length > LIMIT => {
                Err(format!("it is {length} bytes long, and browsers keep none above {LIMIT}: keep less in it"))
            }
            _ => Ok(line),
        }
    }

    fn on_the_wire(&self) -> wire::Cookie<'_> {
        let mut cookie = wire::Cookie::new(&*self.name, encoded(&self.value));
        cookie.set_path(&*self.path);
        cookie.set_same_site(match self.same_site {
            SameSite::Strict => wire::SameSite::Strict,
            SameSite::Lax => wire::SameSite::Lax,
            SameSite::None => wire::SameSite::None,
        });
        if let Some(domain) = &self.domain {
            cookie.set_domain(&**domain);
        }
        if let Some(life) = self.max_age {
            cookie.set_max_age(time::Duration::seconds(life.as_secs().min(i64::MAX as u64).cast_signed()));
        }
        if let Some(at) = self.expires {
            // A time beyond the calendar becomes the last date.
            let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
            let since = i64::try_from(since).unwrap_or(i64::MAX).min(LAST_SECOND);
            cookie.set_expires(
                time::OffsetDateTime::from_unix_timestamp(since).unwrap_or(time::OffsetDateTime::UNIX_EPOCH),
            );
        }
        if self.http_only {
            cookie.set_http_only(true);
        }
        if self.secure {
            cookie.set_secure(true);
        }
        cookie
    }
}

/// The characters of a token (RFC 9110, 5.6.2), of which a name consists.
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The end of the year 9999, in seconds since 1970: a date in HTTP has four digits for the year.
const LAST_SECOND: i64 = 253_402_300_799;

/// Cookies in and out. Reads see cookies that were set in the same request.
#[derive(Debug, Default)]
pub struct Cookies {
    // The header lines as sent; cloning one increments a reference count.
    sent: Vec<HeaderValue>,
    changed: Mutex<Vec<Changed>>,
}

#[derive(Debug)]
struct Changed {
    name: String,
    /// `None` to make the client delete it.
    value: Option<String>,
    /// Path and domain: one name may be set for several of them.
    of: (String, Option<String>),
    line: String,
}

impl Changed {
    fn of(cookie: Cookie, line: String) -> Changed {
        let value = (!cookie.is_gone()).then_some(cookie.value);
        Changed { name: cookie.name, value, of: (cookie.path, cookie.domain), line }
    }
}

impl Cookies {
    pub(crate) fn of(headers: &HeaderMap) -> Cookies {
        Cookies { sent: headers.get_all(header::COOKIE).cloned().collect(), changed: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Changed>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of a cookie: as set in this request, else as the client sent it. Malformed parts of a sent value are
    /// kept as they are; `%XX` that is not UTF-8 becomes `U+FFFD`.
    pub fn get(&self, name: &str) -> Option<String> {
        if let Some(changed) = self.lock().iter().rev().find(|changed| changed.name == name) {
            return changed.value.clone();
        }
        let mut found = None;
        self.each_sent(|known, value| {
            if known == name {
                found = Some(decoded(value));
            }
            found.is_none()
        });
        found
    }

    /// The values of the first cookies of this name that the client sent. A site on a parent domain, or an older path,
    /// may have set others of the name, and which of them a browser sends first says nothing (RFC 6265, 4.2.2).
    pub(crate) fn sent_of(&self, name: &str) -> Vec<String> {
        /// Each of them costs a decryption.
        const TRIED: usize = 4;
        let mut found = Vec::new();
        self.each_sent(|known, value| {
            if known == name {
                found.push(decoded(value));
            }
            found.len() < TRIED
        });
        found
    }

    /// True when there is a cookie of this name.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Names and values of all cookies, with values as [`get`](Cookies::get) returns them: those sent in their order,
    /// then those set.
    pub fn items(&self) -> Vec<(String, String)> {
        let changed = self.lock();
        // Of several that were set with one name, the last one counts. A client chooses how many cookies it sends, so
        // they are not compared each with each.
        let set: HashMap<&str, &Changed> = changed.iter().map(|changed| (changed.name.as_str(), changed)).collect();
        let mut seen = HashSet::new();
        let mut items = Vec::new();
        self.each_sent(|name, value| {
            if !seen.contains(name) {
                seen.insert(name.to_owned());
                let value = set.get(name).map_or_else(|| Some(decoded(value)), |changed| changed.value.clone());
                items.extend(value.map(|value| (name.to_owned(), value)));
            }
            true
        });
        for Changed { name, .. } in &*changed {
            if seen.insert(name.clone())
                && let Some(value) = set.get(name.as_str()).and_then(|changed| changed.value.clone())
            {
                items.push((name.clone(), value));
            }
        }
        items
    }

    /// Sets a cookie until the browser is closed, with the defaults of [`Cookie`]. Any text may be a value.
    ///
    /// # Errors
    /// If the name is not a token, or the cookie is too long for a browser.
    #[track_caller]
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        self.put(Cookie::new(name, value))
    }

    /// Sets a cookie for a time, in whole seconds.
    #[track_caller]
    pub fn set_for(&self, name: &str, value: &str, life: Duration) -> Result<()> {
        self.put(Cookie::new(name, value).max_age(life))
    }

    /// Makes the client delete a cookie of path `/`. For another path or a domain:
    /// `put(Cookie::expired(name).path(…))`.
    #[track_caller]
    pub fn delete(&self, name: &str) -> Result<()> {
        self.put(Cookie::expired(name))
    }

    /// Makes the client delete every cookie it sent, and discards those set in this request. It does not touch the
    /// session (see [`Session::clear`](crate::app::Session::clear)), nor cookies of a domain or of other paths than
    /// `/`, because a client does not send those attributes.
    pub fn clear(&self) {
        self.lock().clear();
        let sent = self.items().into_iter().map(|(name, _)| name).filter(|name| name != super::session::COOKIE);
        // A sent name that is not a token cannot be set, and so cannot be deleted either.
        let gone = sent.filter_map(|name| {
            let cookie = Cookie::expired(name);
            let line = cookie.line().ok()?;
            Some(Changed::of(cookie, line))
        });
        let gone: Vec<Changed> = gone.collect();
        *self.lock() = gone;
    }

    /// Sets a cookie as built. It replaces one of the same name, path and domain.
    #[track_caller]
    pub fn put(&self, cookie: Cookie) -> Result<()> {
        let line = match cookie.line() {
            Ok(line) => line,
            Err(why) => return Err(Error::internal(format!("the cookie {:?} cannot be set: {why}", cookie.name))),
        };
        self.keep(cookie, line);
        Ok(())
    }

    fn keep(&self, cookie: Cookie, line: String) {
        let changed = Changed::of(cookie, line);
        let mut all = self.lock();
        all.retain(|known| (&known.name, &known.of) != (&changed.name, &changed.of));
        all.push(changed);
    }

    /// Sets the session's cookie, or deletes it if there is no value. It is sealed, hidden from scripts, and restricted
    /// to TLS if the client used TLS. The session store has checked its length.
    pub(crate) fn put_session(&self, name: &str, value: Option<String>, life: Duration, secure: bool) {
        let life = if value.is_some() { life } else { Duration::ZERO };
        let cookie = Cookie::new(name, value.unwrap_or_default()).max_age(life).http_only(true).secure(secure);
        let line = cookie.on_the_wire().to_string();
        self.keep(cookie, line);
    }

    /// The header lines of the cookies to set.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lock()).into_iter().map(|changed| changed.line).collect()
    }

    /// Passes every pair to `look`, as it was sent, until `look` returns false.
    fn each_sent(&self, mut look: impl FnMut(&str, &str) -> bool) {
        for line in &self.sent {
            // Scripts set cookies with any text; one bad cookie must not hide the others on its line.
            for pair in String::from_utf8_lossy(line.as_bytes()).split(';') {
                // A piece without `=` has no name and cannot be asked for.
                let Some((name, value)) = pair.split_once('=') else { continue };
                if !look(name.trim(), value.trim().trim_matches('"')) {
                    return;
                }
            }
        }
    }
}

fn decoded(value: &str) -> String {
    percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned()
}

/// Percent-encodes what a cookie's value may not hold: blanks, quotes, commas, semicolons, backslashes (RFC 6265,
/// 4.1.1).
fn encoded(value: &str) -> String {
    const RESERVED: &percent_encoding::AsciiSet =
        &percent_encoding::CONTROLS.add(b' ').add(b'"').add(b',').add(b';').add(b'\\').add(b'%');
    percent_encoding::utf8_percent_encode(value, RESERVED).to_string()
}

#[cfg(test)]
mod tests;
