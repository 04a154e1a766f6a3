//! Which members are asked, how often, and on what machine.

use std::collections::VecDeque;

use skitai_actors::balance::pick::Dice;

pub(crate) const MICROS: u64 = 1_000_000;
/// How long a scene lasts.
pub(crate) const LENGTH: u64 = 180 * MICROS;
/// Between two calls.
const PERIOD: u64 = MICROS / 1_000;
/// The same where there are three members.
const TRIO_PERIOD: u64 = MICROS / 200;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    Healthy,
    Slow,
    /// Ill in every other five seconds; the number shifts them against each other.
    Flapping(u64),
    Refusing,
    BlackHole,
    /// Needs about this long, however many it works on.
    Roomy(u64),
    /// As a healthy one, but one answer in twenty takes a second more.
    Stalling,
}

/// Which members are asked, how often, and on what machine.
pub(crate) struct Scene {
    pub(crate) natures: Vec<Nature>,
    /// Requests a member works on at a time.
    pub(crate) slots: usize,
    pub(crate) period: u64,
    /// When everything stands still: from and until, in order.
    pub(crate) pauses: VecDeque<(u64, u64)>,
}

impl Scene {
    pub(crate) fn many(count: usize) -> Scene {
        let tenth = count / 10;
        let nature = |index: usize| match index.checked_div(tenth) {
            Some(0) => Nature::Slow,
            Some(1) => Nature::Flapping(index as u64 * 1_234_567),
            Some(2) if index.is_multiple_of(2) => Nature::Refusing,
            Some(2) => Nature::BlackHole,
            _ => Nature::Healthy,
        };
        let slots = if count == 1 { 16 } else { 4 };
        Scene { natures: (0..count).map(nature).collect(), slots, period: PERIOD, pauses: VecDeque::new() }
    }

    pub(crate) fn stalling(count: usize) -> Scene {
        let natures = vec![Nature::Stalling; count];
        Scene { natures, slots: usize::MAX, period: PERIOD, pauses: VecDeque::new() }
    }

    pub(crate) fn trio(has_slow: bool, is_busy: bool) -> Scene {
        let mut natures = vec![Nature::Roomy(20_000); 2];
        natures.extend(has_slow.then_some(Nature::Roomy(200_000)));
        let pauses = if is_busy { pauses() } else { VecDeque::new() };
        Scene { natures, slots: usize::MAX, period: TRIO_PERIOD, pauses }
    }
}

/// The pauses of a busy machine.
fn pauses() -> VecDeque<(u64, u64)> {
    let dice = Dice::seeded(5);
    let (mut pauses, mut end) = (VecDeque::new(), 0);
    while end < LENGTH {
        let begin = end + dice.below(400_000);
        // Every fifteenth is a long one.
        let long = if dice.below(15) == 0 { 100_000 + dice.below(400_000) } else { 5_000 + dice.below(55_000) };
        end = begin + long;
        pauses.push_back((begin, end));
    }
    pauses
}
