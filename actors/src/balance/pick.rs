//! Which member gets the next call: pure code, so that it can be simulated and exchanged.
//!
//! Power of two choices: two members are drawn, each with a probability in proportion to its weight, and the one with
//! fewer calls in flight per weight gets the call; the first one wins a tie. An idle cluster is thus loaded by weight,
//! a busy one by the throughput of its members, and threads do not all choose the same idle member, as they would with
//! "the least loaded of all". The default also compares the expected latencies (`latency_estimate`);
//! `docs/decisions/0010-balancing.md` compares the strategies.
//!
//! - `ring`: the points of consistent hashing.

mod ring;

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::latency_estimate::LatencyEstimate;
use crate::outcome::course::PickedBy;
use crate::spec::Balance;

pub use ring::{Ring, hash};

/// What the choice knows about a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Effective weight. 0: used only if no other member is left.
    pub weight: u32,
    /// Calls in flight.
    pub outstanding: usize,
    /// Expected latency. Read only by [`Balance::Ewma`].
    pub estimate: LatencyEstimate,
    /// Ejected, or asked for a pause by `Retry-After`: used only if no other member is left.
    pub is_out: bool,
    /// Never chosen: already tried for this call.
    pub is_barred: bool,
}

/// Random draws before a linear scan of the weights. With equal weights the first draw succeeds.
const DRAWS: usize = 16;

/// The chooser of one thread.
#[derive(Debug)]
pub struct Picker {
    balance: Balance,
    /// The effective weight of a member of weight 1.
    full: u64,
    /// The effective weights of members without penalty or slow start.
    nominal: Box<[u64]>,
    heaviest: u64,
    dice: Dice,
    /// Round robin: the credit of each member.
    credit: RefCell<Vec<i64>>,
    ring: Option<Ring>,
}

impl Picker {
    /// For members with these weights; `full` is the effective weight of a member of weight 1.
    pub fn new(balance: Balance, weights: &[u32], full: u32, dice: Dice) -> Picker {
        Picker::of(balance, weights, full, dice, || Ring::new(weights))
    }

    /// As [`new`](Picker::new), for a list of members that changes: consistent hashing identifies them by these
    /// numbers.
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

    /// How a member is picked, for the record of a call.
    pub(crate) fn way(&self) -> PickedBy {
        match self.balance {
            Balance::P2c => PickedBy::LessLoadedOfTwo,
            Balance::Ewma => PickedBy::SoonerOfTwo,
            Balance::Least => PickedBy::LeastLoaded,
            Balance::RoundRobin => PickedBy::InTurn,
            Balance::Hash => PickedBy::Key,
        }
    }

    /// True if the choice needs the hash of the caller's key.
    pub fn wants_key(&self) -> bool {
        self.balance == Balance::Hash
    }

    /// True if the choice reads [`Candidate::estimate`].
    pub fn wants_estimate(&self) -> bool {
        self.balance == Balance::Ewma
    }

    /// The index of the member to call, or `None` when all are barred. Members that are out are used only if no other
    /// is left. `candidate` is called for the indices below the number of weights, more than once each.
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

    /// Members of weight 0 are a reserve, drawn evenly when no other is left.
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
        // Of two members both are always drawn: a penalised one must not win each time because it is idle.
        let is_better =
            !self.is_ramping(second, candidate(second)) && !is_first_better(candidate(first), candidate(second));
        Some(if is_better { second } else { first })
    }

    /// True with the probability of the weight's missing part: penalty or slow start, which a comparison of loads
    /// cannot see.
    fn is_ramping(&self, index: usize, one: Candidate) -> bool {
        let nominal = self.nominal[index];
        u64::from(one.weight) < nominal && self.dice.below(nominal) >= u64::from(one.weight)
    }

    /// Whether `one` is expected to answer no later than `other`. Latencies within a factor of two count as equal: then
    /// weights and calls in flight decide, not the last millisecond.
    fn is_sooner(&self, one: Candidate, other: Candidate) -> bool {
        let (a, b) = (u64::from(one.estimate.micros), u64::from(other.estimate.micros));
        // An unknown latency counts as average. If it counted as fast, a member that never answers would be the
        // fastest.
        let is_known = a > 0 && b > 0;
        if is_known && (a > b * 2 || b > a * 2) {
            return is_less_loaded(predicted_cost(one), predicted_cost(other));
        }
        let load = |one: Candidate| (one.outstanding as u64 * self.full + u64::from(one.weight), u64::from(one.weight));
        is_less_loaded(load(one), load(other))
    }

    /// Draws a member in proportion to the weights.
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
        // Starts at a random member, so that the first of the list does not win every tie.
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

    /// Smooth weighted round robin: each member gains its weight, the one with the most credit is chosen and pays the
    /// total. The order is even for uneven weights too.
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

/// The predicted time for one more call, in microseconds, as a fraction: the expected latency, and beyond the capacity
/// proportionally longer, as if the member ran the calls one after the other.
fn predicted_cost(one: Candidate) -> (u64, u64) {
    let room = u64::from(one.estimate.room).max(1);
    let calls = (one.outstanding as u64 + 1).max(room);
    (u64::from(one.estimate.micros).saturating_mul(calls), room)
}

/// a.0 / a.1 <= b.0 / b.1, without dividing.
fn is_less_loaded(a: (u64, u64), b: (u64, u64)) -> bool {
    u128::from(a.0) * u128::from(b.1) <= u128::from(b.0) * u128::from(a.1)
}

/// Random numbers good enough to spread load (splitmix64).
#[derive(Debug)]
pub struct Dice(Cell<u64>);

impl Dice {
    /// A random seed, for each cluster of each thread.
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

impl Dice {
    /// The time ±10 %, so that many do not act in step.
    pub(crate) fn jittered(&self, time: Duration) -> Duration {
        time.mul_f64((900 + self.below(201)) as f64 / 1_000.0)
    }
}

impl Default for Dice {
    fn default() -> Dice {
        Dice::new()
    }
}

#[cfg(test)]
mod tests;
