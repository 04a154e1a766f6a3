//! The id of a request, by which its lines in the logs of all servers that took part in it are found: `X-Request-Id`.
//!
//! A trusted proxy gives it. Where none does it is made, when it is needed for the first time: by a line of a log, a
//! call to a member, the handler, an error, or RPC. Whatever has it, the answer has it too: what a client reports is
//! found by it in the logs of this server, of its members, and of the proxies before it. A page that nobody logs and
//! that asks nobody needs none, which saves three of its allocations.

use std::cell::Cell;
use std::fmt;

use actix_web::http::header::{HeaderName, HeaderValue};
use ring::rand::{SecureRandom, SystemRandom};

use super::{Request, client};

/// The header.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken over, in octets.
const LONGEST: usize = 128;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// An id that is safe in a header and in a line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// Takes an id over if it is one.
    fn given(value: &HeaderValue) -> Option<RequestId> {
        let octets = value.as_bytes();
        let is_good = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_.:=+/@~".contains(octet);
        let fits = (1..=LONGEST).contains(&octets.len()) && octets.iter().all(is_good);
        fits.then(|| RequestId(value.clone()))
    }

    /// Makes an id of 32 hexadecimal digits. They are distinct, and no secret.
    pub(crate) fn new() -> RequestId {
        thread_local! {
            static SEED: Cell<u128> = Cell::new(seed());
        }
        let next = SEED.get().wrapping_add(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        SEED.set(next);
        let mixed = (next ^ (next >> 67)).wrapping_mul(0xda94_2042_e4dd_58b5_2545_f491_4f6c_dd1d);
        let octets = (mixed ^ (mixed >> 61)).to_be_bytes();
        let mut digits = [0; 32];
        for (pair, octet) in digits.chunks_exact_mut(2).zip(octets) {
            pair.copy_from_slice(&[DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]);
        }
        RequestId(HeaderValue::from_bytes(&digits).unwrap_or(HeaderValue::from_static("0")))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(crate) fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// Where the ids of a thread begin.
fn seed() -> u128 {
    let mut octets = [0; 16];
    // Without random octets the ids of two processes could be the same; they are for people who read logs.
    let _ = SystemRandom::new().fill(&mut octets);
    u128::from_ne_bytes(octets)
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Request {
    /// The id by which the logs have this request: that of a trusted proxy's `X-Request-Id`, else one that is made for
    /// it. The answer has it as `X-Request-Id`, and so have the calls to members.
    pub fn id(&self) -> &str {
        self.request_id().as_str()
    }

    pub(crate) fn request_id(&self) -> &RequestId {
        self.id.get_or_init(|| Box::new(self.given_id().unwrap_or_else(RequestId::new)))
    }

    /// The id that a trusted proxy gave.
    pub(crate) fn given_id(&self) -> Option<RequestId> {
        let proxies = self.proxies.as_deref()?;
        let value = self.headers.get(&X_REQUEST_ID)?;
        if client::is_trusted(proxies, client::canonical(self.peer?)) { RequestId::given(value) } else { None }
    }

    /// The id, if anything has needed it.
    pub(crate) fn known_id(&self) -> Option<&RequestId> {
        self.id.get().map(|id| &**id)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_distinct_and_plain() {
        let made: HashSet<String> = (0..10_000).map(|_| RequestId::new().to_string()).collect();
        assert_eq!(made.len(), 10_000);
        assert!(made.iter().all(|id| id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit())));
    }

    #[test]
    fn what_could_break_a_log_is_no_id() {
        let given = |text: &str| RequestId::given(&HeaderValue::from_str(text).expect("a value")).is_some();
        assert!(given("1-5759e988-bd862e3fe1be46a994272793") && given(&"x".repeat(128)));
        for bad in ["", "a b", "a\"b", "a,b", "{}", &"x".repeat(129)] {
            assert!(!given(bad), "{bad}");
        }
    }
}
