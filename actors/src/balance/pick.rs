//! Which member gets the next call: pure code, so that it can be simulated and exchanged.
//!
//! Power of two choices: two members are drawn, each with a chance in proportion to its weight, and the one with fewer
//! calls in flight per weight gets the call; the first drawn wins a tie. An idle cluster is thus loaded by weight, a
//! busy one by what its members get done, and no two threads run after the same idle member at once, as they would with
//! "the least loaded of all". The default also looks at how fast the two are (`pace`);
//! `docs/decisions/0010-balancing.md` compares the ways.
//!
//! - `ring`: the points of consistent hashing.

mod ring;

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};

use super::latency_estimate::LatencyEstimate;
use crate::spec::Balance;

pub use ring::{Ring, hash};

/// What the choice knows of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Share of the load now in force. 0: only where nobody else is left.
    pub weight: u32,
    /// Calls in flight.
    pub outstanding: usize,
    /// How soon it is expected to answer. Only asked for by [`Balance::Ewma`].
    pub pace: LatencyEstimate,
    /// Ejected, or it asked to be left alone: only where nobody else is left.
    pub is_out: bool,
    /// May not be chosen: tried already for this call.
    pub is_barred: bool,
}

/// Draws before the weights are looked at one by one. Of members of like weight the first draw hits.
const DRAWS: usize = 16;

/// One thread's way of choosing.
#[derive(Debug)]
pub struct Picker {
    balance: Balance,
    /// The weight in force of a member of weight 1.
    full: u64,
    /// The weights in force of trusted members.
    nominal: Box<[u64]>,
    heaviest: u64,
    dice: Dice,
    /// Round robin: what each member has to its credit.
    credit: RefCell<Vec<i64>>,
    ring: Option<Ring>,
}

impl Picker {
    /// For members of these weights; `full` is the weight in force of a member of weight 1.
    pub fn new(balance: Balance, weights: &[u32], full: u32, dice: Dice) -> Picker {
        Picker::of(balance, weights, full, dice, || Ring::new(weights))
    }

    /// The same for members that come and go: the keys of consistent hashing go by these numbers.
    pub fn seeded(balance: Balance, weights: &[u32], seeds: &[u64], full: u32, dice: Dice) -> Picker {
        Picker::of(balance, weights, full, dice, || Ring::seeded(weights, seeds))
    }

    fn of(balance: Balance, weights: &[u32], full: u32, dice: Dice, ring: impl FnOnce() -> Ring) -> Picker {
        let nominal: Box<[u64]> = weights.iter().map(|weight| u64::from(*weight) * u64::from(full)).collect();
        let heaviest = nominal.iter().copied().max().unwrap_or(0);
        let ring = (balance == Balance::Hash).then(ring);
        Picker {
            balance,
            full: full.into(),
            nominal,
            heaviest,
            dice,
            credit: RefCell::new(vec![0; weights.len()]),
            ring,
        }
    }

    /// True where the choice needs the hash of the caller's key.
    pub fn wants_key(&self) -> bool {
        self.balance == Balance::Hash
    }

    /// True where the choice looks at [`Candidate::pace`].
    pub fn wants_pace(&self) -> bool {
        self.balance == Balance::Ewma
    }

    /// The index of the member to ask, or `None` when all are barred. Members that are out are asked where nobody else
    /// is left. `candidate` is asked for the indices below the number of weights, more than once each.
    pub fn pick(&self, key: u64, candidate: impl Fn(usize) -> Candidate) -> Option<usize> {
        let within = |index: usize| {
            let candidate = candidate(index);
            Candidate { is_barred: candidate.is_barred || candidate.is_out, ..candidate }
        };
        self.among(key, &within).or_else(|| self.among(key, &candidate))
    }

    fn among(&self, key: u64, candidate: &impl Fn(usize) -> Candidate) -> Option<usize> {
        let chosen = match self.balance {
            Balance::P2c => self.of_two(candidate, |one, other| is_less_loaded(load(one), load(other))),
            Balance::Ewma => self.of_two(candidate, |one, other| self.is_sooner(one, other)),
            Balance::Least => self.least(candidate),
            Balance::RoundRobin => self.next_in_turn(candidate),
            Balance::Hash => self.ring.as_ref()?.of(key, |index| {
                let candidate = candidate(index);
                !candidate.is_barred && candidate.weight > 0
            }),
        };
        chosen.or_else(|| self.reserve(candidate))
    }

    /// Members of weight 0 are a reserve; with nobody else left they are all alike.
    fn reserve(&self, candidate: &impl Fn(usize) -> Candidate) -> Option<usize> {
        let reserve = || (0..self.count()).filter(|index| !candidate(*index).is_barred);
        let nth = self.dice.below(reserve().count() as u64);
        reserve().nth(usize::try_from(nth).unwrap_or(0))
    }

    fn of_two(
        &self,
        candidate: &impl Fn(usize) -> Candidate,
        is_first_better: impl Fn(Candidate, Candidate) -> bool,
    ) -> Option<usize> {
        let first = self.drawn(candidate, None)?;
        let Some(second) = self.drawn(candidate, Some(first)) else { return Some(first) };
        // Of two members both are always drawn: a distrusted one must not win each time because it is idle.
        let is_better =
            !self.is_ramping(second, candidate(second)) && !is_first_better(candidate(first), candidate(second));
        Some(if is_better { second } else { first })
    }

    /// True as often as a member's share of its own weight is not in force: a comparison of loads does not see it.
    fn is_ramping(&self, index: usize, one: Candidate) -> bool {
        let nominal = self.nominal[index];
        u64::from(one.weight) < nominal && self.dice.below(nominal) >= u64::from(one.weight)
    }

    /// Whether `one` promises to answer no later than `other`. Within a factor of two the paces are alike, so that
    /// weights and calls in flight decide there, not the last millisecond.
    fn is_sooner(&self, one: Candidate, other: Candidate) -> bool {
        let (a, b) = (u64::from(one.pace.micros), u64::from(other.pace.micros));
        // An unknown member is like any other: were it thought quick, one that never answers would be the quickest.
        let is_known = a > 0 && b > 0;
        if is_known && (a > b * 2 || b > a * 2) {
            return is_less_loaded(predicted_cost(one), predicted_cost(other));
        }
        let load = |one: Candidate| (one.outstanding as u64 * self.full + u64::from(one.weight), u64::from(one.weight));
        is_less_loaded(load(one), load(other))
    }

    /// A member, drawn in proportion to the weights.
    fn drawn(&self, candidate: &impl Fn(usize) -> Candidate, not: Option<usize>) -> Option<usize> {
        let weight_of = |index: usize| match candidate(index) {
            _ if Some(index) == not => 0,
            Candidate { is_barred: true, .. } => 0,
            Candidate { weight, .. } => u64::from(weight),
        };
        for _ in 0..DRAWS {
            let index = self.dice.below(self.count() as u64) as usize;
            if self.count() > 2 && self.dice.below(self.heaviest) < weight_of(index) {
                return Some(index);
            }
        }
        let total = (0..self.count()).map(weight_of).sum();
        let mut number = self.dice.below(total);
        (0..self.count()).find(|index| {
            let weight = weight_of(*index);
            let is_hit = number < weight;
            number = number.saturating_sub(weight);
            is_hit
        })
    }

    fn least(&self, candidate: &impl Fn(usize) -> Candidate) -> Option<usize> {
        // Begun anywhere, so that the first of the list does not win every tie.
        let begin = self.drawn(candidate, None)?;
        let load = |index: usize| load(candidate(index));
        let mut best = begin;
        for index in (0..self.count()).map(|offset| (begin + offset) % self.count()) {
            let Candidate { is_barred, weight, .. } = candidate(index);
            if !is_barred
                && weight > 0
                && !is_less_loaded(load(best), load(index))
                && !self.is_ramping(index, candidate(index))
            {
                best = index;
            }
        }
        Some(best)
    }

    /// Each member gains its weight, the richest is chosen and pays for all: the order is even also among uneven
    /// weights.
    fn next_in_turn(&self, candidate: &impl Fn(usize) -> Candidate) -> Option<usize> {
        let mut credit = self.credit.borrow_mut();
        let (mut total, mut richest) = (0, None);
        for index in 0..credit.len() {
            let Candidate { weight, is_barred, .. } = candidate(index);
            if is_barred || weight == 0 {
                continue;
            }
            credit[index] += i64::from(weight);
            total += i64::from(weight);
            if richest.is_none_or(|other: usize| credit[index] > credit[other]) {
                richest = Some(index);
            }
        }
        credit[richest?] -= total;
        richest
    }

    fn count(&self) -> usize {
        self.credit.borrow().len()
    }
}

/// Calls in flight per weight.
fn load(one: Candidate) -> (u64, u64) {
    (one.outstanding as u64, u64::from(one.weight))
}

/// When it would answer one more call, in microseconds, as a fraction: its pace, and beyond the calls that it bore at
/// that pace longer in proportion, as if it worked on them one after the other.
fn predicted_cost(one: Candidate) -> (u64, u64) {
    let room = u64::from(one.pace.room).max(1);
    let calls = (one.outstanding as u64 + 1).max(room);
    (u64::from(one.pace.micros).saturating_mul(calls), room)
}

/// a.0 / a.1 <= b.0 / b.1, without dividing.
fn is_less_loaded(a: (u64, u64), b: (u64, u64)) -> bool {
    u128::from(a.0) * u128::from(b.1) <= u128::from(b.0) * u128::from(a.1)
}

/// Numbers good enough to spread load (splitmix64).
#[derive(Debug)]
pub struct Dice(Cell<u64>);

impl Dice {
    /// Seeded anew for each cluster of each thread.
    pub fn new() -> Dice {
        Dice::seeded(RandomState::new().hash_one(0))
    }

    /// The same numbers for the same seed.
    pub fn seeded(seed: u64) -> Dice {
        Dice(Cell::new(seed))
    }

    /// A number below `limit`; 0 for a limit of 0.
    pub fn below(&self, limit: u64) -> u64 {
        let state = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(state);
        // The high half of the product maps evenly onto the limit, without a division.
        ((u128::from(ring::mixed(state)) * u128::from(limit)) >> 64) as u64
    }
}

impl Default for Dice {
    fn default() -> Dice {
        Dice::new()
    }
}

#[cfg(test)]
mod tests;
