//! Exact decimals of any length, for sums and averages of integers and numerics.

use std::cmp::Ordering;
use std::fmt;

/// Decimal digits in one limb.
const DIGITS: usize = 9;
const BASE: u64 = 1_000_000_000;
/// PostgreSQL's limit of a quotient's digits after the point.
const MAX_SCALE: i64 = 1_000;
/// The least number of significant digits of a quotient in PostgreSQL.
const SIGNIFICANT: i64 = 16;
/// PostgreSQL counts the digits of a quotient in groups of four.
const GROUP: i64 = 4;

/// `coefficient / 10^scale`, with a sign. Trailing zeros are kept, as the server keeps them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decimal {
    negative: bool,
    /// The coefficient, lowest limb first, without zeros at the high end; zero has none.
    limbs: Vec<u32>,
    scale: usize,
}

impl Decimal {
    /// Reads `-12.340`; `None` for anything but digits with at most one point, and a sign.
    pub(crate) fn parse(text: &str) -> Option<Decimal> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let all: Vec<u8> = whole.bytes().chain(part.bytes()).collect();
        if all.is_empty() || !all.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let limb = |chunk: &[u8]| chunk.iter().fold(0, |limb, digit| limb * 10 + u32::from(digit - b'0'));
        let mut decimal = Decimal { negative, limbs: all.rchunks(DIGITS).map(limb).collect(), scale: part.len() };
        decimal.trim();
        Some(decimal)
    }

    /// The exact value of a double: every finite double is a finite decimal.
    pub(crate) fn of_double(number: f64) -> Option<Decimal> {
        // 1074 decimal places are enough for the smallest double; `format!` prints them exactly.
        let text = number.is_finite().then(|| format!("{number:.1074}"))?;
        let text = text.trim_end_matches('0');
        Decimal::parse(text.strip_suffix('.').unwrap_or(text))
    }

    pub(crate) fn of_whole(number: i128) -> Decimal {
        let mut rest = number.unsigned_abs();
        let mut limbs = Vec::new();
        while rest > 0 {
            // The remainder is below the base, which fits.
            limbs.push((rest % u128::from(BASE)) as u32);
            rest /= u128::from(BASE);
        }
        Decimal { negative: number < 0, limbs, scale: 0 }
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    /// The nearest double.
    pub(crate) fn to_double(&self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The integer value, if it fits into 64 bits and there are no digits after the point.
    pub(crate) fn to_whole(&self) -> Option<i64> {
        if self.scale == 0 { self.to_string().parse().ok() } else { None }
    }

    pub(crate) fn add(&mut self, other: &Decimal) {
        let mut other = other.clone();
        let scale = self.scale.max(other.scale);
        self.rescale(scale);
        other.rescale(scale);
        if self.negative == other.negative {
            add_limbs(&mut self.limbs, &other.limbs);
        } else if compare_limbs(&self.limbs, &other.limbs) == Ordering::Less {
            subtract_limbs(&mut other.limbs, &self.limbs);
            (self.limbs, self.negative) = (other.limbs, other.negative);
        } else {
            subtract_limbs(&mut self.limbs, &other.limbs);
        }
        self.trim();
    }

    /// The quotient with as many digits as PostgreSQL's `numeric / numeric` gives, rounded half away from zero. `None`
    /// for a divisor that is zero.
    pub(crate) fn divided(&self, divisor: &Decimal) -> Option<Decimal> {
        if divisor.is_zero() {
            return None;
        }
        let scale = self.quotient_scale(divisor);
        // (a / 10^s) / (b / 10^t) = (a · 10^(t + scale) / b) / 10^(s + scale); one more digit for rounding.
        let mut dividend = Decimal { negative: false, ..self.clone() };
        let shift = (divisor.scale + scale + 1).checked_sub(self.scale);
        let shift = shift.expect("the quotient has at least as many places as the dividend");
        multiply_by_power(&mut dividend.limbs, shift);
        let mut limbs = divide_limbs(&dividend.limbs, &divisor.limbs);
        let last = divide_by(&mut limbs, 10);
        if last >= 5 {
            add_limbs(&mut limbs, &[1]);
        }
        let mut quotient = Decimal { negative: self.negative != divisor.negative, limbs, scale };
        quotient.trim();
        Some(quotient)
    }

    /// PostgreSQL's rule (`select_div_scale`), so that an average has the same digits as on the server.
    fn quotient_scale(&self, divisor: &Decimal) -> usize {
        let (weight, first) = self.leading_group();
        let (other_weight, other_first) = divisor.leading_group();
        let quotient_weight = weight - other_weight - i64::from(first <= other_first);
        let scale = SIGNIFICANT - quotient_weight * GROUP;
        let least = self.scale.max(divisor.scale) as i64;
        usize::try_from(scale.max(least).min(MAX_SCALE.max(least))).unwrap_or(0)
    }

    /// The highest group of four digits that is not zero: its power of 10 000 and its value.
    fn leading_group(&self) -> (i64, u32) {
        let digits = self.digits();
        if self.is_zero() {
            return (0, 0);
        }
        let power = digits.len() as i64 - 1 - self.scale as i64;
        let weight = power.div_euclid(GROUP);
        let count = usize::try_from(power - weight * GROUP + 1).unwrap_or(1);
        let group = (0..count).fold(0, |group, at| {
            let digit = digits.as_bytes().get(at).map_or(0, |digit| digit - b'0');
            group * 10 + u32::from(digit)
        });
        (weight, group)
    }

    fn rescale(&mut self, scale: usize) {
        multiply_by_power(&mut self.limbs, scale - self.scale);
        self.scale = scale;
    }

    /// Removes zero limbs at the high end; zero gets no sign.
    fn trim(&mut self) {
        trim(&mut self.limbs);
        self.negative &= !self.limbs.is_empty();
    }

    /// The coefficient without leading zeros; empty for zero.
    fn digits(&self) -> String {
        let mut limbs = self.limbs.iter().rev();
        let mut text = limbs.next().map(u32::to_string).unwrap_or_default();
        limbs.for_each(|limb| text += &format!("{limb:09}"));
        text
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:0>width$}", self.digits(), width = self.scale + 1);
        let (whole, part) = digits.split_at(digits.len() - self.scale);
        let (sign, point) = (if self.negative { "-" } else { "" }, if self.scale > 0 { "." } else { "" });
        write!(f, "{sign}{whole}{point}{part}")
    }
}

impl Ord for Decimal {
    /// By value: 1.0 equals 1.00.
    fn cmp(&self, other: &Decimal) -> Ordering {
        match (self.negative, other.negative) {
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            _ => {}
        }
        let ordering = if self.scale == other.scale {
            compare_limbs(&self.limbs, &other.limbs)
        } else {
            let scale = self.scale.max(other.scale);
            let (mut mine, mut theirs) = (self.clone(), other.clone());
            mine.rescale(scale);
            theirs.rescale(scale);
            compare_limbs(&mine.limbs, &theirs.limbs)
        };
        if self.negative { ordering.reverse() } else { ordering }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Decimal) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

fn trim(limbs: &mut Vec<u32>) {
    while limbs.last() == Some(&0) {
        limbs.pop();
    }
}

fn compare_limbs(a: &[u32], b: &[u32]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

fn add_limbs(to: &mut Vec<u32>, from: &[u32]) {
    let mut carry = 0;
    let longest = to.len().max(from.len());
    to.resize(longest, 0);
    for (index, limb) in to.iter_mut().enumerate() {
        let sum = u64::from(*limb) + u64::from(from.get(index).copied().unwrap_or(0)) + carry;
        // Below the base, so the cast loses nothing.
        *limb = (sum % BASE) as u32;
        carry = sum / BASE;
    }
    if carry > 0 {
        to.push(carry as u32);
    }
}

/// `from -= what`; `what` is not larger.
fn subtract_limbs(from: &mut Vec<u32>, what: &[u32]) {
    let mut borrow = 0;
    for (index, limb) in from.iter_mut().enumerate() {
        let less = u64::from(what.get(index).copied().unwrap_or(0)) + borrow;
        borrow = u64::from(u64::from(*limb) < less);
        *limb = (u64::from(*limb) + borrow * BASE - less) as u32;
    }
    trim(from);
}

fn multiply_by(limbs: &mut Vec<u32>, factor: u64) {
    let mut carry = 0;
    for limb in limbs.iter_mut() {
        let product = u64::from(*limb) * factor + carry;
        *limb = (product % BASE) as u32;
        carry = product / BASE;
    }
    if carry > 0 {
        limbs.push(carry as u32);
    }
}

fn multiply_by_power(limbs: &mut Vec<u32>, power: usize) {
    if limbs.is_empty() {
        return;
    }
    // Whole limbs (nine digits) are inserted; only the remaining power needs a multiplication.
    multiply_by(limbs, 10_u64.pow(u32::try_from(power % DIGITS).unwrap_or(0)));
    limbs.splice(0..0, std::iter::repeat_n(0, power / DIGITS));
}

/// Divides by a small number in place and returns the remainder.
fn divide_by(limbs: &mut Vec<u32>, divisor: u64) -> u64 {
    let mut rest = 0;
    for limb in limbs.iter_mut().rev() {
        let part = rest * BASE + u64::from(*limb);
        *limb = (part / divisor) as u32;
        rest = part % divisor;
    }
    trim(limbs);
    rest
}

/// The integer quotient, limb by limb; each limb by binary search, which needs only comparison and subtraction.
fn divide_limbs(dividend: &[u32], divisor: &[u32]) -> Vec<u32> {
    if let [single] = divisor {
        let mut limbs = dividend.to_vec();
        divide_by(&mut limbs, u64::from(*single));
        return limbs;
    }
    let mut quotient = vec![0; dividend.len()];
    let mut rest: Vec<u32> = Vec::new();
    for (index, limb) in dividend.iter().enumerate().rev() {
        rest.insert(0, *limb);
        trim(&mut rest);
        let (mut low, mut high) = (0, BASE - 1);
        while low < high {
            let middle = (low + high).div_ceil(2);
            if compare_limbs(&times(divisor, middle), &rest) == Ordering::Greater {
                high = middle - 1;
            } else {
                low = middle;
            }
        }
        subtract_limbs(&mut rest, &times(divisor, low));
        quotient[index] = low as u32;
    }
    trim(&mut quotient);
    quotient
}

fn times(limbs: &[u32], factor: u64) -> Vec<u32> {
    let mut product = limbs.to_vec();
    multiply_by(&mut product, factor);
    trim(&mut product);
    product
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Decimal;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).expect("a decimal")
    }

    #[test]
    fn texts_keep_their_digits() {
        for text in ["0", "0.00", "-12.340", "123456789012345678901234567890.000000000000000001", "1000000000"] {
            assert_eq!(decimal(text).to_string(), text);
        }
        for text in ["", ".", "1e5", "NaN", "--1", "1.2.3", " 1"] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn quotients_have_the_servers_digits() {
        for (dividend, divisor, quotient) in [
            ("10", "4", "2.5000000000000000"),
            ("0", "3", "0.00000000000000000000"),
            ("1", "3", "0.33333333333333333333"),
            ("-2", "3", "-0.66666666666666666667"),
            ("100000", "7", "14285.714285714286"),
            ("1.5", "12345678901234567890123", "0.0000000000000000000001215000010935000100"),
        ] {
            assert_eq!(decimal(dividend).divided(&decimal(divisor)).expect("no zero").to_string(), quotient);
        }
        assert!(decimal("1").divided(&decimal("0.0")).is_none());
    }

    #[test]
    fn doubles_are_exact() {
        for number in [0.1, -2.5e-300, 1e22, 5e-324, f64::MAX] {
            assert_eq!(Decimal::of_double(number).expect("finite").to_double(), number);
        }
        assert!(Decimal::of_double(0.1).expect("finite") > decimal("0.1"), "the double is a little more");
    }

    proptest! {
        #[test]
        fn sums_are_those_of_whole_numbers(a in any::<i64>(), b in any::<i64>(), places in 0_usize..12) {
            let shifted = |number: i64| Decimal { scale: places, ..Decimal::of_whole(number.into()) };
            let mut sum = shifted(a);
            sum.add(&shifted(b));
            let expected = Decimal { scale: places, ..Decimal::of_whole(i128::from(a) + i128::from(b)) };
            prop_assert_eq!(sum.to_string(), expected.to_string());
            prop_assert_eq!(shifted(a).cmp(&shifted(b)), a.cmp(&b));
        }

        #[test]
        fn a_quotient_times_its_divisor_is_close(a in any::<i128>(), b in 1_i128..i128::MAX) {
            let (dividend, divisor) = (Decimal::of_whole(a), Decimal::of_whole(b));
            let quotient = dividend.divided(&divisor).expect("no zero").to_double();
            let expected = a as f64 / b as f64;
            prop_assert!((quotient - expected).abs() <= expected.abs() * 1e-12 + 1e-15);
        }
    }
}
