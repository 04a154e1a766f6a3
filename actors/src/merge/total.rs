//! Sums that do not depend on the distribution of the rows.
//!
//! Integers and numerics are summed exactly. So are doubles: the result is the double nearest to the true sum, whereas
//! a server that adds row by row returns one of many doubles close to it.

use super::class::Class;
use super::decimal::Decimal;
use super::key::Number;
use crate::wire::Value;

/// A running sum, and how many numbers it has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Total {
    count: u64,
    whole: i128,
    exact: Option<Decimal>,
    double: Option<Doubles>,
    /// NaN, or an infinity, if one was added.
    beyond: Option<f64>,
    /// NaN and the infinities came as numerics, which are returned as text.
    as_text: bool,
}

impl Total {
    pub(crate) fn add(&mut self, value: &Value) -> Option<()> {
        self.count += 1;
        match Number::of(value)? {
            // Overflow would need 2^64 numbers.
            Number::Whole(number) => self.whole += i128::from(number),
            Number::Exact(number) => match &mut self.exact {
                Some(sum) => sum.add(&number),
                None => self.exact = Some(number),
            },
            Number::Double(number) => {
                self.as_text |= matches!(value, Value::String(_));
                if number.is_finite() {
                    self.double.get_or_insert_default().add(number);
                } else {
                    // The sum of both infinities is NaN, and so is any sum with NaN.
                    self.beyond = Some(self.beyond.map_or(number, |beyond| beyond + number));
                }
            }
        }
        Some(())
    }

    /// The sum as in SQL: NULL if nothing was added.
    pub(crate) fn sum(&self) -> Value {
        if self.count == 0 {
            return Value::Nil;
        }
        if let Some(beyond) = self.beyond {
            return self.special(beyond);
        }
        if self.double.is_some() {
            return Value::Double(self.as_double());
        }
        let exact = self.as_exact();
        match exact.to_whole() {
            // A sum of numerics is a numeric; a sum of integers is an integer while it fits into 64 bits.
            Some(sum) if self.exact.is_none() => Value::Int(sum),
            _ => Value::String(exact.to_string()),
        }
    }

    /// The sum divided by a count. Integers and numerics give a numeric with PostgreSQL's digits; doubles, and all
    /// numbers of SQLite, give a double.
    pub(crate) fn over(&self, count: &Decimal, class: &Class) -> Value {
        if self.count == 0 || count.is_zero() {
            return Value::Nil;
        }
        if let Some(beyond) = self.beyond {
            return self.special(beyond);
        }
        if self.double.is_some() || (*class == Class::Own && self.exact.is_none()) {
            return Value::Double(self.as_double() / count.to_double());
        }
        self.as_exact().divided(count).map_or(Value::Nil, |quotient| Value::String(quotient.to_string()))
    }

    pub(crate) fn average(&self, class: &Class) -> Value {
        self.over(&Decimal::of_whole(self.count.into()), class)
    }

    /// The sum of counts, as a divisor; `None` if they are not exact numbers.
    pub(crate) fn divisor(&self) -> Option<Decimal> {
        (self.double.is_none() && self.beyond.is_none()).then(|| self.as_exact())
    }

    fn as_exact(&self) -> Decimal {
        let mut sum = Decimal::of_whole(self.whole);
        if let Some(exact) = &self.exact {
            sum.add(exact);
        }
        sum
    }

    fn as_double(&self) -> f64 {
        let mut sum = self.double.clone().unwrap_or_default();
        if self.whole != 0 || self.exact.is_some() {
            sum.add(self.as_exact().to_double());
        }
        sum.nearest()
    }

    fn special(&self, beyond: f64) -> Value {
        if !self.as_text {
            return Value::Double(beyond);
        }
        let text = if beyond.is_nan() {
            "NaN"
        } else if beyond > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        };
        Value::String(text.to_owned())
    }
}

/// Non-overlapping doubles whose sum is exact (Shewchuk's partials), smallest first.
#[derive(Clone, Debug, Default)]
struct Doubles(Vec<f64>);

impl Doubles {
    fn add(&mut self, mut number: f64) {
        let mut kept = 0;
        for index in 0..self.0.len() {
            let mut other = self.0[index];
            if number.abs() < other.abs() {
                std::mem::swap(&mut number, &mut other);
            }
            let high = number + other;
            let low = other - (high - number);
            if low != 0.0 {
                self.0[kept] = low;
                kept += 1;
            }
            number = high;
        }
        self.0.truncate(kept);
        self.0.push(number);
    }

    /// Rounds once. The lower partials decide ties.
    fn nearest(&self) -> f64 {
        let mut parts = self.0.iter().rev().copied();
        let Some(mut high) = parts.next() else { return 0.0 };
        let mut low = 0.0;
        while low == 0.0 {
            let Some(part) = parts.next() else { return high };
            let sum = high + part;
            low = part - (sum - high);
            high = sum;
        }
        let rest = parts.next().unwrap_or(0.0);
        if (low < 0.0 && rest < 0.0) || (low > 0.0 && rest > 0.0) {
            let twice = low * 2.0;
            let away = high + twice;
            if twice == away - high {
                high = away;
            }
        }
        high
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Class, Doubles, Total};
    use crate::wire::Value;

    fn total(values: &[Value]) -> Total {
        let mut total = Total::default();
        values.iter().for_each(|value| total.add(value).expect("a number"));
        total
    }

    #[test]
    fn sums_are_exact_and_keep_their_kind() {
        let huge = [Value::Int(i64::MAX), Value::Int(i64::MAX)];
        assert_eq!(total(&huge).sum(), Value::from("18446744073709551614"));
        assert_eq!(total(&[Value::Int(2), Value::Int(3)]).sum(), Value::Int(5));
        assert_eq!(total(&[Value::from("1.50"), Value::from("-1.5")]).sum(), Value::from("0.00"));
        assert_eq!(total(&[]).sum(), Value::Nil);
        assert_eq!(total(&[Value::Int(1), Value::Int(2)]).average(&Class::Number), Value::from("1.5000000000000000"));
        assert_eq!(total(&[Value::Int(1), Value::Int(2)]).average(&Class::Own), Value::Double(1.5));
        assert_eq!(total(&[Value::from("NaN"), Value::from("1")]).sum(), Value::from("NaN"));
        assert_eq!(total(&[Value::Double(f64::INFINITY), Value::Double(1.0)]).sum(), Value::Double(f64::INFINITY));
        assert!(Total::default().add(&Value::from("ten")).is_none());
    }

    #[test]
    fn doubles_are_summed_as_if_there_were_no_rounding() {
        let sum = |numbers: &[f64]| {
            let mut doubles = Doubles::default();
            numbers.iter().for_each(|number| doubles.add(*number));
            doubles.nearest()
        };
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[1e100, 1.0, -1e100]), 1.0);
        assert_eq!(sum(&[1e16, 1.0, 1e-16]), 10_000_000_000_000_002.0);
        assert_eq!(sum(&[]), 0.0);
    }

    proptest! {
        #[test]
        fn the_order_of_the_rows_does_not_matter(mut numbers in proptest::collection::vec(-1e30_f64..1e30, 0..40)) {
            let sum = |numbers: &[f64]| {
                let mut doubles = Doubles::default();
                numbers.iter().for_each(|number| doubles.add(*number));
                doubles.nearest()
            };
            let forward = sum(&numbers);
            numbers.reverse();
            prop_assert_eq!(forward, sum(&numbers));
            numbers.sort_by(f64::total_cmp);
            prop_assert_eq!(forward, sum(&numbers));
        }
    }
}
