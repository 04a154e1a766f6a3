//! Whose turn it is: the member with the fewest outstanding statements for its weight, ties by chance.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// What is known of one member's load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) outstanding: usize,
    pub(super) weight: u32,
}

impl Load {
    /// Statements per unit of weight with one more added, compared without a division: a heavier member that idles goes
    /// before a lighter one that idles. A weight of 0 counts as 1.
    fn is_less_than(self, other: Load) -> Option<bool> {
        let cost = |load: Load, weight: u32| (load.outstanding as u64 + 1) * u64::from(weight.max(1));
        let (mine, theirs) = (cost(self, other.weight), cost(other, self.weight));
        (mine != theirs).then_some(mine < theirs)
    }
}

/// Picks, with a source of chance of its own: all workers starting at the same member would be no balance.
#[derive(Debug)]
pub(super) struct Picker {
    seed: Cell<u64>,
}

impl Picker {
    pub(super) fn new() -> Picker {
        Picker { seed: Cell::new(RandomState::new().hash_one(0) | 1) }
    }

    /// The index of the least loaded candidate; `None` entries are out of the question.
    pub(super) fn pick(&self, candidates: impl Iterator<Item = Option<Load>>) -> Option<usize> {
        let mut best: Option<(usize, Load)> = None;
        let mut ties = 1;
        for (index, load) in candidates.enumerate() {
            let Some(load) = load else { continue };
            let better = match best.map(|(_, best)| load.is_less_than(best)) {
                None => true,
                Some(Some(less)) => less,
                // The n-th of n equals takes the place with a chance of 1/n, which is fair to all of them.
                Some(None) => {
                    ties += 1;
                    if self.roll(ties) == 0 {
                        best = Some((index, load));
                    }
                    continue;
                }
            };
            if better {
                best = Some((index, load));
                ties = 1;
            }
        }
        best.map(|(index, _)| index)
    }

    /// A number below `sides` (xorshift: fairness here needs no secrecy).
    fn roll(&self, sides: u64) -> u64 {
        let mut seed = self.seed.get();
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        self.seed.set(seed);
        (seed >> 16) % sides
    }
}

#[cfg(test)]
mod tests {
    use super::{Load, Picker};

    fn picks(loads: &[Option<(usize, u32)>]) -> Vec<usize> {
        let picker = Picker::new();
        let mut counts = vec![0; loads.len()];
        for _ in 0..3_000 {
            let load = |load: &Option<(usize, u32)>| load.map(|(outstanding, weight)| Load { outstanding, weight });
            counts[picker.pick(loads.iter().map(load)).expect("there is a candidate")] += 1;
        }
        counts
    }

    #[test]
    fn the_least_loaded_for_its_weight() {
        assert_eq!(picks(&[Some((2, 1)), Some((1, 1)), Some((3, 1))]), [0, 3_000, 0]);
        assert_eq!(picks(&[Some((3, 1)), Some((4, 2)), Some((9, 1))]), [0, 3_000, 0]);
        assert_eq!(picks(&[None, Some((9, 1)), None]), [0, 3_000, 0]);
    }

    #[test]
    fn ties_are_shared_fairly() {
        let counts = picks(&[Some((1, 1)), Some((1, 1)), Some((5, 1)), Some((1, 1))]);
        assert_eq!(counts[2], 0);
        for index in [0, 1, 3] {
            assert!((800..1_200).contains(&counts[index]), "{counts:?}");
        }
    }

    #[test]
    fn nobody_to_pick() {
        assert_eq!(Picker::new().pick([None, None].into_iter()), None);
    }
}
