//! What a form of the server's own pages must bring to change something: a token, and the word of the browser that it
//! comes from this site.
//!
//! A browser sends a Basic login along with whatever another site starts, as it does with cookies; and these pages have
//! no sessions. So the token is bound to the login itself: the site's key signs the moment and the login, and every
//! process can check it. A new password makes it void.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::Request;
use crate::app::error::{Error, Result};
use crate::app::was::RequestContext;

/// How long a token holds, in seconds: a page may stay open over a working day.
const LIFETIME: u64 = 12 * 60 * 60;
/// The seconds, random octets and the signature, in octets.
const TIME: usize = 8;
const NONCE: usize = 16;
const SIGNATURE: usize = 32;

/// The key that signs tokens. It follows from the site's `securekey`, so all processes have the same.
#[derive(Clone)]
pub(crate) struct ActKey(hmac::Key);

impl std::fmt::Debug for ActKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ActKey(***)")
    }
}

impl ActKey {
    pub(crate) fn of(securekey: &[u8]) -> ActKey {
        // Not the key itself: it seals sessions.
        let own = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, securekey), b"tokens of acts");
        ActKey(hmac::Key::new(hmac::HMAC_SHA256, own.as_ref()))
    }

    fn token(&self, login: &str, now: u64) -> Option<String> {
        let mut head = [0; TIME + NONCE];
        head[..TIME].copy_from_slice(&now.to_be_bytes());
        // Random, so that equal tokens on two pages cannot be guessed from the length of compressed answers.
        SystemRandom::new().fill(&mut head[TIME..]).ok()?;
        let signature = hmac::sign(&self.0, &[&head, login.as_bytes()].concat());
        Some(URL_SAFE_NO_PAD.encode([&head, signature.as_ref()].concat()))
    }

    fn is_of(&self, token: &str, login: &str, now: u64) -> bool {
        let Ok(octets) = URL_SAFE_NO_PAD.decode(token) else { return false };
        let Some((head, signature)) = octets.split_at_checked(TIME + NONCE) else { return false };
        if signature.len() != SIGNATURE {
            return false;
        }
        let made = head.first_chunk::<TIME>().map_or(0, |time| u64::from_be_bytes(*time));
        // A clock that goes back a little does not matter; a token of the future is nobody's.
        let is_fresh = made <= now.saturating_add(60) && now.saturating_sub(made) <= LIFETIME;
        is_fresh && hmac::verify(&self.0, &[head, login.as_bytes()].concat(), signature).is_ok()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn login(request: &Request) -> &str {
    request.get_header("authorization").unwrap_or_default()
}

impl RequestContext {
    /// A token for the forms of a page that this login sees: their field `csrf_token`.
    pub(crate) fn act_token(&self) -> Result<String> {
        let token = self.services().site.act_key.token(login(&self.request), now());
        token.ok_or_else(|| Error::internal("the system gives no random numbers"))
    }

    /// Whether this request may change something, as far as a page of this site must have started it.
    pub(crate) fn check_act(&self, token: Option<&str>) -> Result<()> {
        self.check_origin()?;
        match token {
            None => Err(Error::new(403, "this needs the token of its page: the field `csrf_token` of the form")),
            Some(token) if self.services().site.act_key.is_of(token, login(&self.request), now()) => Ok(()),
            Some(_) => Err(Error::new(403, "the token is not one of this login, or is too old: load the page anew")),
        }
    }

    /// What the browser says of where the request comes from. A program says nothing, and has a token.
    fn check_origin(&self) -> Result<()> {
        let refused = || Err(Error::new(403, "a page of another site has sent this: nothing is done"));
        if self.request.get_header("sec-fetch-site").is_some_and(|site| site != "same-origin") {
            return refused();
        }
        let Some(origin) = self.request.get_header("origin") else { return Ok(()) };
        // The scheme is left out: a proxy that speaks TLS for us need not be one that we trust.
        let from = origin.split_once("://").map(|(_, authority)| authority);
        match (from, self.request.host()) {
            (Some(from), Some(host)) if from.eq_ignore_ascii_case(host) => Ok(()),
            _ => refused(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_login_one_key_and_some_hours() {
        let (key, other) = (ActKey::of(b"one key of the site"), ActKey::of(b"another key of the site"));
        let tokens = [(); 2].map(|()| key.token("Basic YWRtaW4=", 1_000_000).expect("random"));
        assert_ne!(tokens[0], tokens[1]);
        let is_good = |key: &ActKey, token: &str, login: &str, now| key.is_of(token, login, now);
        for token in &tokens {
            assert!(is_good(&key, token, "Basic YWRtaW4=", 1_000_000 + LIFETIME));
            assert!(!is_good(&key, token, "Basic YWRtaW4=", 1_000_001 + LIFETIME), "too old");
            assert!(!is_good(&key, token, "Basic YWRtaW4=", 1_000_000 - 61), "of the future");
            assert!(!is_good(&key, token, "Basic dmlld2Vy", 1_000_000), "another login");
            assert!(!is_good(&other, token, "Basic YWRtaW4=", 1_000_000), "another site");
        }
        let token = &tokens[0];
        for wrong in ["", "A", "é", &token[1..], &token[..token.len() - 2], &format!("{token}AAAA"), &"A".repeat(75)] {
            assert!(!is_good(&key, wrong, "Basic YWRtaW4=", 1_000_000), "{wrong:?}");
        }
    }
}
