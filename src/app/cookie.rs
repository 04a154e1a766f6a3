//! Cookies: those the client sent, and those to be set. Nothing is parsed or allocated until one is asked for.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Cookies in and out. Reads see what was set in the same request.
#[derive(Debug, Default)]
pub struct Cookies {
    // The header lines as sent; a clone of one is a reference count.
    sent: Vec<HeaderValue>,
    changed: Mutex<Vec<Cookie<'static>>>,
}

impl Cookies {
    pub(crate) fn of(headers: &HeaderMap) -> Cookies {
        Cookies { sent: headers.get_all(header::COOKIE).cloned().collect(), changed: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Cookie<'static>>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of a cookie: as set in this request, else as sent by the client.
    pub fn get(&self, name: &str) -> Option<String> {
        if let Some(cookie) = self.lock().iter().find(|cookie| cookie.name() == name) {
            return (cookie.max_age() != Some(time::Duration::ZERO)).then(|| decoded(cookie.value()));
        }
        self.sent.iter().find_map(|line| {
            // Scripts set cookies with any text in them; one such must not hide the others of its line.
            String::from_utf8_lossy(line.as_bytes()).split(';').find_map(|pair| {
                let (known, value) = pair.split_once('=')?;
                (known.trim() == name).then(|| decoded(value.trim().trim_matches('"')))
            })
        })
    }

    /// Sets a cookie for the time the browser runs: path `/`, SameSite=Lax.
    pub fn set(&self, name: &str, value: &str) {
        self.put(Cookie::new(name.to_owned(), encoded(value)));
    }

    /// Sets a cookie for a time.
    pub fn set_for(&self, name: &str, value: &str, life: Duration) {
        let mut cookie = Cookie::new(name.to_owned(), encoded(value));
        cookie.set_max_age(time::Duration::try_from(life).unwrap_or(time::Duration::MAX));
        self.put(cookie);
    }

    /// Tells the client to forget a cookie.
    pub fn delete(&self, name: &str) {
        let mut cookie = Cookie::new(name.to_owned(), String::new());
        cookie.set_max_age(time::Duration::ZERO);
        self.put(cookie);
    }

    fn put(&self, mut cookie: Cookie<'static>) {
        // A `;` or `=` in a name would set attributes, or another cookie.
        if HeaderName::try_from(cookie.name()).is_err() {
            tracing::error!("the cookie name {:?} is not valid HTTP; the cookie was not set", cookie.name());
            return;
        }
        if cookie.path().is_none() {
            cookie.set_path("/");
        }
        if cookie.same_site().is_none() {
            cookie.set_same_site(SameSite::Lax);
        }
        let mut cookies = self.lock();
        cookies.retain(|known| known.name() != cookie.name());
        cookies.push(cookie);
    }

    /// Sets the session's cookie: sealed, and out of reach of scripts.
    pub(crate) fn put_session(&self, name: &str, value: String, life: Duration) {
        let mut cookie = Cookie::new(name.to_owned(), value);
        cookie.set_max_age(time::Duration::try_from(life).unwrap_or(time::Duration::MAX));
        cookie.set_http_only(true);
        self.put(cookie);
    }

    pub(crate) fn take(&self) -> Vec<Cookie<'static>> {
        std::mem::take(&mut *self.lock())
    }
}

fn decoded(value: &str) -> String {
    percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned()
}

/// A cookie's value may hold neither blanks nor quotes, commas, semicolons or backslashes (RFC 6265, 4.1.1).
fn encoded(value: &str) -> String {
    const RESERVED: &percent_encoding::AsciiSet =
        &percent_encoding::CONTROLS.add(b' ').add(b'"').add(b',').add(b';').add(b'\\').add(b'%');
    percent_encoding::utf8_percent_encode(value, RESERVED).to_string()
}
