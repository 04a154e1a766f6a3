//! Which member gets the next call: pure code, so that it can be simulated and exchanged.
//!
//! Power of two choices: two members are drawn, each with a chance in proportion to its weight, and the one with fewer
//! calls in flight per weight gets the call; the first drawn wins a tie. An idle cluster is thus loaded by weight, a
//! busy one by what its members get done, and no two workers run after the same idle member at once, as they would
//! with "the least loaded of all".

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// What the choice knows of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Share of the load. 0: only where nobody else is left.
    pub(super) weight: u32,
    /// Calls in flight.
    pub(super) outstanding: usize,
    /// May not be chosen: tried already for this call.
    pub(super) is_barred: bool,
}

/// The index of the member to ask, or `None` when all are barred. `candidate` is asked for the indices below `count`,
/// more than once each; `draw(n)` gives a number below n.
pub(super) fn choose(
    count: usize,
    candidate: impl Fn(usize) -> Candidate,
    mut draw: impl FnMut(u64) -> u64,
) -> Option<usize> {
    let weight_of = |index: usize| match candidate(index) {
        Candidate { is_barred: true, .. } => 0,
        Candidate { weight, .. } => u64::from(weight),
    };
    let total: u64 = (0..count).map(weight_of).sum();
    if total == 0 {
        // Members of weight 0 are a reserve; with nobody else left they are all alike.
        let reserve = || (0..count).filter(|index| !candidate(*index).is_barred);
        let nth = draw(reserve().count().max(1) as u64);
        return reserve().nth(usize::try_from(nth).unwrap_or(0));
    }
    let first = drawn(count, weight_of, draw(total))?;
    let others = total - weight_of(first);
    if others == 0 {
        return Some(first);
    }
    let without_first = |index: usize| if index == first { 0 } else { weight_of(index) };
    let second = drawn(count, without_first, draw(others))?;
    let (a, b) = (candidate(first), candidate(second));
    // a.outstanding / a.weight <= b.outstanding / b.weight, without dividing.
    let first_is_freer = a.outstanding as u64 * u64::from(b.weight) <= b.outstanding as u64 * u64::from(a.weight);
    Some(if first_is_freer { first } else { second })
}

/// The index on whose stretch of the weights the number falls.
fn drawn(count: usize, weight_of: impl Fn(usize) -> u64, mut number: u64) -> Option<usize> {
    (0..count).find(|index| {
        let weight = weight_of(*index);
        let is_hit = number < weight;
        number = number.saturating_sub(weight);
        is_hit
    })
}

/// Numbers good enough to spread load (splitmix64), seeded anew for each cluster of each worker.
pub(super) struct Dice(Cell<u64>);

impl Dice {
    pub(super) fn new() -> Dice {
        Dice(Cell::new(RandomState::new().hash_one(0)))
    }

    /// A number below `limit`; 0 for a limit of 0.
    pub(super) fn below(&self, limit: u64) -> u64 {
        let state = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(state);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        // The high half of the product maps evenly onto the limit, without a division.
        ((u128::from(mixed) * u128::from(limit)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests;
