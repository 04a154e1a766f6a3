//! Consistent hashing: each member owns many points on a circle; a key belongs to the next point. When a member leaves,
//! its keys go to others, and all other keys stay.
//!
//! All threads and processes agree: the hash is FNV-1a, mixed, without a seed.

/// Points per weight. 160 keep the shares of ten members within about 10 % of their weights (Ketama's figure).
const POINTS: u64 = 160;
/// The heaviest member has at most this times [`POINTS`] points.
const HEAVIEST: u32 = 100;

/// The circle of one cluster.
#[derive(Clone, Debug)]
pub struct Ring {
    /// The position of each point and the index of its member, sorted.
    points: Vec<(u64, u32)>,
}

impl Ring {
    /// The circle of members with these weights, identified by their position in the configuration.
    pub fn new(weights: &[u32]) -> Ring {
        let seeds: Vec<u64> = (0..weights.len() as u64).map(|index| mixed(index + 1)).collect();
        Ring::seeded(weights, &seeds)
    }

    /// As [`new`](Ring::new), identified by these numbers: a member that keeps its number keeps its keys.
    pub fn seeded(weights: &[u32], seeds: &[u64]) -> Ring {
        let common = weights.iter().copied().fold(0, divisor).max(1);
        let heaviest = (weights.iter().copied().max().unwrap_or(0) / common).max(1);
        let mut points = Vec::new();
        for ((index, weight), seed) in (0u32..).zip(weights).zip(seeds) {
            let weight = u64::from(weight / common);
            // Scaled down if one member is very heavy: more points would cost memory and gain nothing.
            let scale = u64::from(heaviest.max(HEAVIEST));
            let count = (weight * POINTS * u64::from(HEAVIEST)).div_ceil(scale);
            points.extend((0..count).map(|nth| (mixed(seed.wrapping_add(nth)), index)));
        }
        points.sort_unstable();
        Ring { points }
    }

    /// The first eligible member at or after the key's position.
    pub fn of(&self, key: u64, is_eligible: impl Fn(usize) -> bool) -> Option<usize> {
        let begin = self.points.partition_point(|point| point.0 < key);
        let from_there = self.points[begin..].iter().chain(&self.points[..begin]);
        // Skips further points of the member that was refused last, without asking again.
        let mut refused = None;
        from_there.map(|point| point.1).find_map(|index| {
            if refused == Some(index) {
                return None;
            }
            refused = Some(index);
            Some(index as usize).filter(|index| is_eligible(*index))
        })
    }
}

fn divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { divisor(b, a % b) }
}

/// The position of a key on the circle.
pub fn hash(parts: &[&[u8]]) -> u64 {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    for byte in parts.iter().flat_map(|part| part.iter().chain(&[0xFF])) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
    }
    mixed(hash)
}

/// The finish of splitmix64: every bit of the input reaches every bit of the output.
pub(crate) fn mixed(number: u64) -> u64 {
    let mut mixed = number;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: u64 = 20_000;

    fn key(nth: u64) -> u64 {
        hash(&[b"/rpc2", nth.to_string().as_bytes()])
    }

    fn owners(ring: &Ring, without: Option<usize>) -> Vec<usize> {
        (0..KEYS).map(|nth| ring.of(key(nth), |index| Some(index) != without).expect("one is left")).collect()
    }

    #[test]
    fn a_tenth_of_the_keys_moves_with_a_tenth_of_the_members() {
        let ring = Ring::new(&[1; 10]);
        let all = owners(&ring, None);
        for gone in 0..10 {
            let rest = owners(&ring, Some(gone));
            let moved = all.iter().zip(&rest).filter(|(before, after)| before != after).count();
            assert!(moved as f64 <= KEYS as f64 * 0.12, "{moved} keys moved without member {gone}");
            let strayed = all.iter().zip(&rest).any(|(before, after)| *before != gone && before != after);
            assert!(!strayed, "a key of another member moved");
            assert!(moved as f64 >= KEYS as f64 * 0.08, "member {gone} has {moved} keys");
        }
    }

    #[test]
    fn weights_are_shares_of_the_keys() {
        let ring = Ring::new(&[2, 6]);
        let heavy = owners(&ring, None).into_iter().filter(|index| *index == 1).count() as f64 / KEYS as f64;
        assert!((0.70..0.80).contains(&heavy), "{heavy}");
        let huge = Ring::new(&[1, 1_000_000, 0]);
        assert!(huge.points.len() < 20_000 && huge.points.iter().all(|point| point.1 < 2));
    }

    #[test]
    fn a_member_that_moves_in_the_list_keeps_its_keys() {
        let before = Ring::seeded(&[1; 3], &[hash(&[b"a"]), hash(&[b"b"]), hash(&[b"c"])]);
        let after = Ring::seeded(&[1; 2], &[hash(&[b"b"]), hash(&[b"c"])]);
        let kept = |(before, after): (&usize, &usize)| *before == 0 || *before == after + 1;
        assert!(owners(&before, None).iter().zip(&owners(&after, None)).all(kept));
    }

    #[test]
    fn parts_of_a_key_do_not_run_together() {
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
    }
}
