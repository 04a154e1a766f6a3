//! Tickets, by which a client resumes its session without a whole handshake, at any process of the instance and after
//! an upgrade: their keys are the supervisor's.
//!
//! A ticket is `key name (16) · nonce (12) · session, sealed`. The newest key seals, both open. Each key is made of the
//! supervisor's secret and of what clients' certificates were judged by: a resumed session is not verified again, so a
//! ticket of other authorities, or of a time when certificates were optional, must open nothing.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::server::ProducesTickets;
use serde::{Deserialize, Serialize};

/// How long a key seals; afterwards it opens for as long again. A stolen key opens what was recorded in this time.
pub(crate) const ROTATION: Duration = Duration::from_secs(6 * 60 * 60);
/// The keys that are kept.
const KEPT: usize = 2;
const NAME: usize = 16;
/// The longest ticket that is looked at: a session with a client's chain has some kilobytes.
const LONGEST: usize = 16 << 10;

/// A secret from which the keys of tickets are made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct TicketSecret([u8; 32]);

impl std::fmt::Debug for TicketSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TicketSecret")
    }
}

/// The secrets, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct TicketSecrets(Vec<TicketSecret>);

impl TicketSecrets {
    /// One secret, made now. None where the system has no random octets: there are no tickets then.
    pub(crate) fn made() -> TicketSecrets {
        let mut secrets = TicketSecrets::default();
        secrets.rotate();
        secrets
    }

    /// A new secret comes, the oldest goes.
    pub(crate) fn rotate(&mut self) {
        let mut secret = [0; 32];
        if SystemRandom::new().fill(&mut secret).is_ok() {
            self.0.insert(0, TicketSecret(secret));
            self.0.truncate(KEPT);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The secrets of a process, which change while it runs.
#[derive(Debug, Default)]
pub(crate) struct Tickets(RwLock<TicketSecrets>);

impl Tickets {
    pub(crate) fn of(secrets: TicketSecrets) -> Arc<Tickets> {
        Arc::new(Tickets(RwLock::new(secrets)))
    }

    pub(crate) fn set(&self, secrets: TicketSecrets) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = secrets;
    }

    pub(crate) fn rotate(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).rotate();
    }

    #[cfg(test)]
    pub(crate) fn are(&self, secrets: &TicketSecrets) -> bool {
        *self.0.read().unwrap_or_else(PoisonError::into_inner) == *secrets
    }

    /// Seals and opens the tickets of a configuration.
    pub(super) fn bound(self: &Arc<Tickets>, binding: [u8; 32]) -> Arc<BoundTickets> {
        Arc::new(BoundTickets { tickets: self.clone(), binding })
    }
}

/// Tickets that hold for one way to judge clients' certificates alone.
#[derive(Debug)]
pub(super) struct BoundTickets {
    tickets: Arc<Tickets>,
    /// The digest of the authorities, and whether a certificate is required.
    binding: [u8; 32],
}

/// What seals a ticket, and the name by which it is found again.
struct TicketKey {
    name: [u8; NAME],
    sealing: LessSafeKey,
}

impl BoundTickets {
    fn key(&self, secret: &TicketSecret) -> Option<TicketKey> {
        let pseudo_random = Salt::new(HKDF_SHA256, &self.binding).extract(&secret.0);
        let mut name = [0; NAME];
        let named = pseudo_random.expand(&[b"skitai ticket name"], HKDF_SHA256).ok()?;
        let mut whole = [0; 32];
        named.fill(&mut whole).ok()?;
        name.copy_from_slice(&whole[..NAME]);
        let sealing = pseudo_random.expand(&[b"skitai ticket key"], &CHACHA20_POLY1305).ok()?;
        Some(TicketKey { name, sealing: LessSafeKey::new(UnboundKey::from(sealing)) })
    }
}

impl ProducesTickets for BoundTickets {
    fn enabled(&self) -> bool {
        !self.tickets.0.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(ROTATION.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let secrets = self.tickets.0.read().unwrap_or_else(PoisonError::into_inner);
        let key = self.key(secrets.0.first()?)?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        let aad = Aad::from(key.name);
        key.sealing.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).ok()?;
        let ticket = [&key.name[..], &nonce, &sealed].concat();
        (ticket.len() <= LONGEST).then_some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME>().filter(|_| ticket.len() <= LONGEST)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let secrets = self.tickets.0.read().unwrap_or_else(PoisonError::into_inner);
        // A name is no secret.
        let key = secrets.0.iter().filter_map(|secret| self.key(secret)).find(|key| key.name == *name)?;
        let mut opened = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = key.sealing.open_in_place(nonce, Aad::from(key.name), &mut opened).ok()?.len();
        opened.truncate(length);
        Some(opened)
    }
}
