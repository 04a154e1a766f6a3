//! The sealed cookie: a session that its holder can neither read nor change, and that expires at the server's time.
//!
//! `base64url(version | nonce | AES-256-GCM(payload))`. The cookie's name and the version are authenticated with it, so
//! one cookie cannot be passed off as another. The payload contains its own expiry, because `Max-Age` is only advice to
//! a browser: a stolen cookie must expire too.
//!
//! Nonces are random; 96 bits are safe for 2^32 sealings under one key. Replace `securekey` well before that (the old
//! key becomes a previous key): at a thousand sealings a second it takes seven weeks, at one a second a century.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A session as every actix-session back end keeps it: names and JSON texts.
pub type State = HashMap<String, String>;

/// Maximum length of a sealed value in bytes. Browsers silently drop a cookie of more than 4 096 bytes, name and
/// attributes included; 296 bytes are left for those.
pub const LIMIT: usize = 3_800;

/// The format of the sealed bytes, stored as their first byte. Another number is another format, not a newer payload.
const VERSION: u8 = 1;

/// Separates this key from others derived from the same `securekey`.
const PURPOSE: &[u8] = b"skitai sealed session cookie, AES-256-GCM, 1";

/// How far the clocks of two machines may differ, in seconds, before a cookie counts as issued in the future.
const SKEW: u64 = 60;

/// A cookie is renewed after a tenth of its life: often enough to extend it in time, seldom enough to be cheap.
const RENEWED_AFTER: u64 = 10;

/// Length of a session's identity in random bytes.
const SID_LEN: usize = 12;

/// Why a cookie was not opened. None of these is an error of the site: the visitor has no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// Not a sealed cookie of ours: from another server, of an old format, truncated, or garbage.
    Foreign,
    /// Sealed with an unknown key or for another cookie, or changed afterwards.
    Forged,
    /// It has expired.
    Expired,
    /// Issued in the future: the clock of one machine is wrong.
    Future,
    /// Sealed by us, but this version cannot read its content.
    Malformed,
}

impl Refusal {
    const ALL: [Refusal; 5] =
        [Refusal::Foreign, Refusal::Forged, Refusal::Expired, Refusal::Future, Refusal::Malformed];

    /// The word used in logs and on the status page.
    pub fn word(self) -> &'static str {
        match self {
            Refusal::Foreign => "foreign",
            Refusal::Forged => "forged",
            Refusal::Expired => "expired",
            Refusal::Future => "future",
            Refusal::Malformed => "malformed",
        }
    }
}

/// A session that does not fit into a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the session is too large for a cookie: {size} bytes sealed, {limit} is the limit; keep less in it (an id rather \
     than the record), or use a server-side session store"
)]
pub struct TooLarge {
    /// Sealed size in bytes.
    pub size: usize,
    /// Maximum in bytes.
    pub limit: usize,
}

/// Why a session could not be sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSealed {
    /// It does not fit.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// A value of it cannot be put into a cookie as it is.
    #[error("the session's value {0:?} is not a JSON text")]
    NotJson(String),
    /// Nothing is sealed without a nonce.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

/// A session as a back end returns it: the content of an opened cookie, or of an entry on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Names and JSON texts.
    pub data: State,
    /// The session's identity, constant from its first save to its end, if the back end has one.
    pub sid: Option<String>,
    /// True if the session should be saved again even if nothing in it changed. For a cookie: a tenth of its life has
    /// passed, or a previous key sealed it.
    pub needs_renewal: bool,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    v: u8,
    /// Issued at, in seconds since 1970.
    iat: u64,
    /// Expires at, in seconds since 1970; in that second it is no longer valid.
    exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    // Raw: the JSON texts are embedded as they are, not escaped into strings.
    data: BTreeMap<String, Box<RawValue>>,
}

/// Seals and opens. Shared by the threads of a process.
pub struct Sealer {
    current: LessSafeKey,
    previous: Vec<LessSafeKey>,
    random: SystemRandom,
    refused: [AtomicU64; Refusal::ALL.len()],
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("previous", &self.previous.len()).finish_non_exhaustive()
    }
}

impl Sealer {
    /// Seals with `current`, and opens cookies sealed with `current` or one of `previous`. The keys are texts of any
    /// length, from which the cipher keys are derived; the configuration checks that they are long enough.
    pub fn new(current: &[u8], previous: &[Vec<u8>]) -> Sealer {
        Sealer {
            current: stretched(current),
            previous: previous.iter().map(|key| stretched(key)).collect(),
            random: SystemRandom::new(),
            refused: Default::default(),
        }
    }

    /// Seals a session for the cookie `name`, valid for `ttl` from `now`. A session without an identity gets one.
    pub fn seal(
        &self,
        name: &str,
        sid: Option<String>,
        data: &State,
        ttl: Duration,
        now: SystemTime,
    ) -> Result<String, NotSealed> {
        let sid = match sid {
            Some(sid) => sid,
            None => URL_SAFE_NO_PAD.encode(self.random_bytes::<SID_LEN>()?),
        };
        let raw = |(name, text): (&String, &String)| match RawValue::from_string(text.clone()) {
            Ok(raw) => Ok((name.clone(), raw)),
            Err(_) => Err(NotSealed::NotJson(name.clone())),
        };
        let data = data.iter().map(raw).collect::<Result<_, _>>()?;
        let iat = seconds(now);
        let payload = Payload { v: VERSION, iat, exp: iat.saturating_add(ttl.as_secs()), sid: Some(sid), data };
        let mut bytes = serde_json::to_vec(&payload).expect("names and JSON texts are always serialisable");

        let nonce = self.random_bytes::<NONCE_LEN>()?;
        let aad = Aad::from(bound_to(name));
        self.current
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut bytes)
            .expect("a payload is far below the cipher's limit of 64 GiB");
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + bytes.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.append(&mut bytes);
        let cookie = URL_SAFE_NO_PAD.encode(sealed);
        match cookie.len() {
            size if size > LIMIT => Err(TooLarge { size, limit: LIMIT }.into()),
            _ => Ok(cookie),
        }
    }

    /// Opens a cookie that a client sent, at `now`. Refusals are counted by reason.
    pub fn open(&self, name: &str, cookie: &str, now: SystemTime) -> Result<Opened, Refusal> {
        let opened = self.unseal(name, cookie, seconds(now));
        if let Err(refusal) = opened {
            self.refused[refusal as usize].fetch_add(1, Relaxed);
        }
        opened
    }

    /// The number of cookies refused for this reason.
    pub fn refused(&self, refusal: Refusal) -> u64 {
        self.refused[refusal as usize].load(Relaxed)
    }

    /// All refusals with their counts.
    pub(super) fn refusals(&self) -> impl Iterator<Item = (Refusal, u64)> {
        Refusal::ALL.into_iter().map(|refusal| (refusal, self.refused(refusal)))
    }

    fn unseal(&self, name: &str, cookie: &str, now: u64) -> Result<Opened, Refusal> {
        if cookie.len() > LIMIT {
            return Err(Refusal::Foreign);
        }
        let sealed = URL_SAFE_NO_PAD.decode(cookie).map_err(|_| Refusal::Foreign)?;
        let [VERSION, rest @ ..] = sealed.as_slice() else { return Err(Refusal::Foreign) };
        let Some((nonce, body)) = rest.split_first_chunk::<NONCE_LEN>() else { return Err(Refusal::Foreign) };

        let keys = std::iter::once(&self.current).chain(&self.previous);
        let (index, plain) = keys
            .enumerate()
            .find_map(|(index, key)| {
                // Decryption works in place and destroys the input if it fails, so every key gets its own copy.
                let mut body = body.to_vec();
                let nonce = Nonce::assume_unique_for_key(*nonce);
                let len = key.open_in_place(nonce, Aad::from(bound_to(name)), &mut body).ok()?.len();
                body.truncate(len);
                Some((index, body))
            })
            .ok_or(Refusal::Forged)?;

        let payload: Payload = serde_json::from_slice(&plain).map_err(|_| Refusal::Malformed)?;
        if payload.v != VERSION || payload.exp < payload.iat {
            return Err(Refusal::Malformed);
        }
        if payload.iat > now.saturating_add(SKEW) {
            return Err(Refusal::Future);
        }
        if now >= payload.exp {
            return Err(Refusal::Expired);
        }
        let (age, life) = (now.saturating_sub(payload.iat), payload.exp - payload.iat);
        Ok(Opened {
            data: payload.data.into_iter().map(|(name, raw)| (name, String::from(Box::<str>::from(raw)))).collect(),
            sid: payload.sid,
            needs_renewal: index > 0 || age >= life / RENEWED_AFTER,
        })
    }

    fn random_bytes<const N: usize>(&self) -> Result<[u8; N], NotSealed> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes).map_err(|_| NotSealed::NoRandomness)?;
        Ok(bytes)
    }
}

/// Derives a cipher key from a configured text of any length.
fn stretched(text: &[u8]) -> LessSafeKey {
    let prk = Salt::new(HKDF_SHA256, b"").extract(text);
    let okm = prk.expand(&[PURPOSE], &AES_256_GCM).expect("32 bytes are within what HKDF can give");
    LessSafeKey::new(UnboundKey::from(okm))
}

/// The data authenticated beside the payload.
fn bound_to(name: &str) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(name.as_bytes());
    bytes
}

/// Whole seconds since 1970. A clock before 1970 counts as 1970, to which every cookie is from the future.
fn seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
