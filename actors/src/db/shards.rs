//! Which members of a cluster a statement goes to.

use std::cell::OnceCell;

use crate::balance::pick::{Ring, hash};
use crate::spec::{DbSpec, Spread};
use crate::wire::Value;

/// Selects the members that a statement goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shards {
    /// Every member.
    All,
    /// The member that `balance` picks; another one only if the first has certainly not seen the statement.
    One,
    /// This member alone, counted from 0 in the order of the configuration. No other member can stand in for it.
    At(usize),
    /// The member that owns this point of the hash ring, alone; see [`hash_key`].
    Of(u64),
}

impl From<Spread> for Shards {
    fn from(spread: Spread) -> Shards {
        match spread {
            Spread::All => Shards::All,
            Spread::One => Shards::One,
        }
    }
}

/// Hashes a key to a point on the ring that the members share. Rows are stored by this number, so it is the same for
/// the number 7 and the text "7", in every thread, process and machine, and in every version.
pub fn hash_key(key: &Value) -> u64 {
    match key {
        Value::Bytes(octets) => hash(&[octets]),
        key => hash(&[super::text::text(key).unwrap_or_default().as_bytes()]),
    }
}

/// The hash ring of a cluster, built at the first key.
#[derive(Debug, Default)]
pub(super) struct ShardRing(OnceCell<Ring>);

impl ShardRing {
    /// The member that owns this point; `None` if no member has a weight.
    pub(super) fn owner(&self, spec: &DbSpec, point: u64) -> Option<usize> {
        let weights = || spec.members.iter().map(|member| member.weight).collect::<Vec<u32>>();
        self.0.get_or_init(|| Ring::new(&weights())).of(point, |_| true)
    }
}

#[cfg(test)]
mod tests {
    use super::hash_key;
    use crate::wire::Value;

    #[test]
    fn a_key_keeps_its_place() {
        // Rows are stored by these numbers; another number would lose them.
        assert_eq!(hash_key(&Value::from("customer 7")), 11_471_421_836_017_381_049);
        assert_eq!(hash_key(&Value::Int(7)), hash_key(&Value::from("7")));
        assert_ne!(hash_key(&Value::Int(7)), hash_key(&Value::Int(8)));
    }
}
