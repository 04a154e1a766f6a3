//! Network addresses in PostgreSQL's order: the family, the network's bits, the prefix length, the whole address.

use std::cmp::Ordering;
use std::net::IpAddr;

/// An address with its prefix length. IPv4 sorts before IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Net {
    address: IpAddr,
    bits: u8,
}

/// Reads `10.0.0.0/8`; without a prefix length the whole address counts.
pub(crate) fn net(text: &str) -> Option<Net> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    Some(Net { address, bits: bits.unwrap_or(if address.is_ipv4() { 32 } else { 128 }) })
}

/// The bits of the address, left-aligned, so that both families compare alike.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Ord for Net {
    fn cmp(&self, other: &Net) -> Ordering {
        let (mine, theirs) = (bits(self.address), bits(other.address));
        let common = u32::from(self.bits.min(other.bits));
        let network = |bits: u128| bits.checked_shr(128 - common).unwrap_or(0);
        (self.address.is_ipv6().cmp(&other.address.is_ipv6()))
            .then_with(|| network(mine).cmp(&network(theirs)))
            .then_with(|| self.bits.cmp(&other.bits))
            .then_with(|| mine.cmp(&theirs))
    }
}

impl PartialOrd for Net {
    fn partial_cmp(&self, other: &Net) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
