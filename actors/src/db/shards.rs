//! Which members of a cluster a statement goes to.

use std::cell::OnceCell;

use crate::balance::pick::{Ring, hash};
use crate::spec::{DbSpec, Spread};
use crate::wire::Value;

/// Whom a statement goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shards {
    /// Every member.
    All,
    /// The one with the least to do; another one only where the first has certainly not seen the statement.
    One,
    /// This member alone, counted from 0 in the order of the configuration. There is no other that could stand in for
    /// it.
    At(usize),
    /// The member whose share of a circle has this place, alone; see [`place`].
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

/// The place of a key on the circle that is shared out among the members. The same for the number 7, a text "7" and
/// every thread, process and machine, today and after an update: rows are stored by it.
pub fn hash_key(key: &Value) -> u64 {
    match key {
        Value::Bytes(octets) => hash(&[octets]),
        key => hash(&[super::text::text(key).unwrap_or_default().as_bytes()]),
    }
}

/// The circle of a cluster, made when the first key is asked for.
#[derive(Debug, Default)]
pub(super) struct ShardRing(OnceCell<Ring>);

impl ShardRing {
    /// Whose place this is; `None` for a cluster without members of any weight.
    pub(super) fn owner(&self, spec: &DbSpec, place: u64) -> Option<usize> {
        let weights = || spec.members.iter().map(|member| member.weight).collect::<Vec<u32>>();
        self.0.get_or_init(|| Ring::new(&weights())).of(place, |_| true)
    }
}

#[cfg(test)]
mod tests {
    use super::hash_key;
    use crate::wire::Value;

    #[test]
    fn a_key_keeps_its_place() {
        // Rows lie where these numbers say; another number would lose them.
        assert_eq!(hash_key(&Value::from("customer 7")), 11_471_421_836_017_381_049);
        assert_eq!(hash_key(&Value::Int(7)), hash_key(&Value::from("7")));
        assert_ne!(hash_key(&Value::Int(7)), hash_key(&Value::Int(8)));
    }
}
