//! Cross-site request forgery: a token that only pages of this site can know.
//!
//! A browser sends its cookies also with a request that another site starts. So each form of this site carries a token
//! that is bound to the visitor's session, and requests that change something are refused without it:
//!
//! ```
//! use skitai::prelude::*;
//!
//! let app = App::new("webapp").use_session(true).before_request(skitai::app::csrf).routes(routes![form, send]);
//!
//! #[route("/form", methods = ["GET"])]
//! async fn form() -> Page {
//!     Page::new("form.html").with_csrf() // <input type="hidden" name="csrf_token" value="{{ csrf_token }}">
//! }
//!
//! #[route("/send", methods = ["POST"])]
//! async fn send(text: String) -> String {
//!     text
//! }
//! ```
//!
//! The secret of a session is made at its first token and kept in the session. Each token is that secret under another
//! mask: equal tokens on two pages could be guessed byte by byte from the length of compressed responses. At sign-in
//! and sign-out call `was.session.clear()` first, so that older tokens become void.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

use super::Request;
use crate::app::error::{Error, Result};
use crate::app::was::{Face, Was};

/// The field of a form that carries the token.
pub(crate) const FIELD: &str = "csrf_token";
/// The header that carries the token in requests of scripts.
const HEADER: &str = "x-csrf-token";
/// The name of the session's value that holds the secret.
const SECRET_KEY: &str = "_csrf";
/// Length of a secret in bytes, too long to guess.
const LENGTH: usize = 24;

type Secret = [u8; LENGTH];

/// A hook that refuses requests that change something (every method but GET, HEAD, OPTIONS and TRACE) with 403 if they
/// lack the session's token. `App::new("webapp").use_session(true).before_request(skitai::app::csrf)`.
///
/// The token is read from the header `X-CSRF-Token`, else from the field `csrf_token` of a form. RPC in its own content
/// type passes, because a form of another site cannot send such a type; RPC sent as a form or as plain text needs the
/// token. Routes that change something should name their methods (`methods = ["POST"]`): a GET is not checked.
pub async fn csrf(was: Was) -> Result<()> {
    if matches!(was.request.method(), "GET" | "HEAD" | "OPTIONS" | "TRACE") {
        return Ok(());
    }
    if was.face() != Face::Web && !can_come_from_a_form(was.request.get_content_type()) {
        return Ok(());
    }
    match sent(&was.request) {
        Some(token) => was.csrf_verify(&token),
        None => Err(Error::new(
            403,
            format!("this needs the token of its page: the field `{FIELD}` of the form, or the header X-CSRF-Token"),
        )),
    }
}

/// The content types that a page of another site can send without a preflight request.
fn can_come_from_a_form(kind: Option<&str>) -> bool {
    const SIMPLE: [&str; 3] = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];
    kind.is_none_or(|kind| SIMPLE.iter().any(|simple| kind.eq_ignore_ascii_case(simple)))
}

/// The token as the client sent it.
fn sent(request: &Request) -> Option<String> {
    if let Some(token) = request.get_header(HEADER) {
        return Some(token.to_owned());
    }
    if let Some(token) = &request.form_token {
        return Some(token.to_string());
    }
    // Clients that send pairs without a content type mean a form.
    let kind = request.get_content_type().unwrap_or("application/x-www-form-urlencoded");
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return None;
    }
    let form = std::str::from_utf8(&request.body).ok()?;
    // The characters of a token need no escape in a form.
    form.split('&').find_map(|pair| pair.strip_prefix(FIELD)?.strip_prefix('=')).map(str::to_owned)
}

impl Was {
    /// Returns a token for a form of this visitor's session. Each call returns another one, and all stay valid as long
    /// as the session keeps its secret. An error if the app has no sessions.
    #[track_caller]
    pub fn csrf_token(&self) -> Result<String> {
        let secret = match secret(self) {
            Some(secret) => secret,
            None => {
                let secret = random()?;
                self.session.set(SECRET_KEY, URL_SAFE_NO_PAD.encode(secret))?;
                secret
            }
        };
        Ok(masked(&secret, &random()?))
    }

    /// Checks a token of this visitor's session, in constant time: an error with 403 if it is not valid.
    #[track_caller]
    pub fn csrf_verify(&self, token: &str) -> Result<()> {
        let is_good = secret(self).is_some_and(|secret| is_of(token, &secret));
        if is_good { Ok(()) } else { Err(Error::new(403, "the token is not one of this session: load the page anew")) }
    }
}

fn secret(was: &Was) -> Option<Secret> {
    let encoded: String = was.session.get(SECRET_KEY)?;
    URL_SAFE_NO_PAD.decode(encoded).ok()?.try_into().ok()
}

fn random() -> Result<Secret> {
    let mut bytes = [0; LENGTH];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::internal("the system gives no random numbers"))?;
    Ok(bytes)
}

/// Encodes the mask and the masked secret.
fn masked(secret: &Secret, mask: &Secret) -> String {
    let under: Secret = std::array::from_fn(|at| secret[at] ^ mask[at]);
    URL_SAFE_NO_PAD.encode([mask.as_slice(), &under].concat())
}

fn is_of(token: &str, secret: &Secret) -> bool {
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) else { return false };
    let Some((mask, under)) = bytes.split_first_chunk::<LENGTH>() else { return false };
    let Ok(under) = Secret::try_from(under) else { return false };
    let unmasked: Secret = std::array::from_fn(|at| under[at] ^ mask[at]);
    unmasked.ct_eq(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_a_secret_differ_and_are_of_it_alone() {
        let (one, other) = (random().expect("random"), random().expect("random"));
        let tokens = [masked(&one, &random().expect("random")), masked(&one, &random().expect("random"))];
        assert_ne!(tokens[0], tokens[1]);
        for token in &tokens {
            assert!(is_of(token, &one));
            assert!(!is_of(token, &other));
            assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')), "{token}");
        }
        let token = &tokens[0];
        for wrong in ["", "A", "é", &token[1..], &token[..token.len() - 2], &format!("{token}AAAA"), &"A".repeat(64)] {
            assert!(!is_of(wrong, &one), "{wrong:?}");
        }
    }

    #[test]
    fn what_a_form_can_send_is_known() {
        for kind in [None, Some("text/plain"), Some("Multipart/Form-Data"), Some("application/x-www-form-urlencoded")] {
            assert!(can_come_from_a_form(kind), "{kind:?}");
        }
        for kind in ["text/xml", "application/json", "application/json-rpc", "application/xml"] {
            assert!(!can_come_from_a_form(Some(kind)), "{kind}");
        }
    }
}
