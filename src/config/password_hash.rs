//! A hash in the place of `admin_password`: `$pbkdf2-sha256$i=600000$SALT$HASH`, in the PHC string format. Who reads
//! the conf learns no password then. PBKDF2, because ring has it, which is in the tree for everything else that is
//! sealed.

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::pbkdf2;
use ring::rand::{SecureRandom, SystemRandom};

const NAME: &str = "pbkdf2-sha256";
/// Rounds of a new hash: what OWASP recommends for SHA-256 (2023), some 0.2 s.
const ROUNDS: u32 = 600_000;
/// Fewer can be searched, more keep a core busy for minutes.
const FEWEST: u32 = 1_000;
const MOST: u32 = 20_000_000;
/// Octets of a new salt and of a hash.
const SALT: usize = 16;
const HASH: usize = 32;

/// The hash of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    rounds: NonZeroU32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(***)")
    }
}

impl PasswordHash {
    /// Whether a text is meant as a hash, of this kind or another.
    pub(crate) fn is_meant(text: &str) -> bool {
        ["$pbkdf2", "$argon2", "$scrypt", "$2a$", "$2b$", "$2y$", "$5$", "$6$"]
            .iter()
            .any(|begin| text.starts_with(begin))
    }

    /// Reads a hash; an error says what was expected.
    pub fn read(text: &str) -> Result<PasswordHash, &'static str> {
        let form = "expected `$pbkdf2-sha256$i=ROUNDS$SALT$HASH`";
        let mut parts = text.split('$').skip(1);
        if parts.next() != Some(NAME) {
            return Err("of hashes only `$pbkdf2-sha256$…` is read");
        }
        let rounds = parts.next().ok_or(form)?;
        let rounds: u32 = rounds.strip_prefix("i=").unwrap_or(rounds).parse().map_err(|_| form)?;
        let rounds = NonZeroU32::new(rounds).filter(|rounds| (FEWEST..=MOST).contains(&rounds.get()));
        // Python's passlib writes `.` for `+`.
        let octets = |text: Option<&str>| {
            STANDARD_NO_PAD.decode(text.unwrap_or("").replace('.', "+").trim_end_matches('=')).ok()
        };
        let salt = octets(parts.next()).filter(|salt| salt.len() >= 8).ok_or("expected a salt of 8 bytes or more")?;
        let hash = octets(parts.next()).filter(|hash| hash.len() == HASH).ok_or("expected a hash of 32 bytes")?;
        if parts.next().is_some() {
            return Err(form);
        }
        Ok(PasswordHash { rounds: rounds.ok_or("expected 1 000 to 20 000 000 rounds")?, salt, hash })
    }

    /// Makes the hash of a password. Takes long, on purpose.
    pub fn of(password: &str) -> PasswordHash {
        let mut salt = vec![0; SALT];
        SystemRandom::new().fill(&mut salt).expect("the operating system has random bytes");
        let rounds = NonZeroU32::new(ROUNDS).expect("it is not 0");
        let mut hash = vec![0; HASH];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &mut hash);
        PasswordHash { rounds, salt, hash }
    }

    /// Whether it is the hash of this password. Takes as long as [`of`](PasswordHash::of), so not on an event loop.
    pub(crate) fn is_of(&self, password: &[u8]) -> bool {
        pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, self.rounds, &self.salt, password, &self.hash).is_ok()
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (salt, hash) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(&self.hash));
        write!(f, "${NAME}$i={}${salt}${hash}", self.rounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Python: `hashlib.pbkdf2_hmac("sha256", b"correct horse", b"0123456789abcdef", 1000)`.
    const OF_PYTHON: &str = "$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4M";

    #[test]
    fn a_hash_of_pythons_is_the_same() {
        let hash = PasswordHash::read(OF_PYTHON).expect("a hash");
        assert!(hash.is_of(b"correct horse") && !hash.is_of(b"correct hors") && !hash.is_of(b""));
        assert_eq!(hash.to_string(), OF_PYTHON);
        assert_eq!(PasswordHash::read(&OF_PYTHON.replace("i=", "")).as_ref(), Ok(&hash));
    }

    #[test]
    fn what_is_no_hash_says_what_was_expected() {
        for (text, expected) in [
            ("$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", "only `$pbkdf2-sha256$…`"),
            ("$pbkdf2-sha256$i=x$a$b", "ROUNDS"),
            ("$pbkdf2-sha256$i=1$MDEyMzQ1Njc4OWFiY2RlZg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "1 000 to"),
            ("$pbkdf2-sha256$i=1000$MDE$AAAA", "salt"),
            ("$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$AAAA", "32 bytes"),
        ] {
            assert!(PasswordHash::is_meant(text));
            assert!(PasswordHash::read(text).expect_err(text).contains(expected), "{text}");
        }
        assert!(!PasswordHash::is_meant("$ecret-of-mine"));
    }
}
