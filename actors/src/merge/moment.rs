//! Parses the texts of dates, times and intervals that `db::types::time` writes, into numbers that compare.

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// A date or timestamp as microseconds since 1970; i128, because a late date needs more than 64 bits. The infinities
/// are its minimum and maximum.
pub(crate) fn point(text: &str) -> Option<i128> {
    match text {
        "infinity" => return Some(i128::MAX),
        "-infinity" => return Some(i128::MIN),
        _ => {}
    }
    let (text, before_christ) = match text.strip_suffix(" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00"));
    let mut parts = date.split('-');
    let mut part = || parts.next()?.parse::<i64>().ok();
    let (year, month, day) = (part()?, part()?, part()?);
    let year = if before_christ { 1 - year } else { year };
    let (micros, zone) = time_of_day(time)?;
    let seconds = days(year, month, day) * SECONDS_PER_DAY + zone;
    Some(i128::from(seconds) * i128::from(MICROS_PER_SECOND) + i128::from(micros))
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Counts years from March, so that the leap day is the last of a year.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Microseconds since midnight, and the seconds to add for UTC (0 without a zone).
pub(crate) fn time_of_day(text: &str) -> Option<(i64, i64)> {
    let (time, zone) = match text.find(['+', '-']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let zone = match zone.split_at_checked(1) {
        Some((sign, offset)) => {
            let micros = clock(offset)?;
            let seconds = micros / MICROS_PER_SECOND;
            if sign == "+" { -seconds } else { seconds }
        }
        None => 0,
    };
    clock(time).map(|micros| (micros, zone))
}

/// `hh:mm[:ss[.ffffff]]` as microseconds.
fn clock(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut seconds = 0;
    for (part, unit) in whole.split(':').zip([3_600, 60, 1]) {
        seconds += part.parse::<i64>().ok()? * unit;
    }
    Some(seconds * MICROS_PER_SECOND + micros(fraction)?)
}

/// The fraction of a second, in microseconds.
fn micros(fraction: &str) -> Option<i64> {
    if fraction.is_empty() { Some(0) } else { format!("{fraction:0<6}").get(..6)?.parse().ok() }
}

/// An ISO 8601 interval, in the microseconds by which PostgreSQL compares: a month is 30 days, a day 24 hours.
pub(crate) fn interval(text: &str) -> Option<i128> {
    match text {
        "infinity" => return Some(i128::MAX),
        "-infinity" => return Some(i128::MIN),
        _ => {}
    }
    let (days, clock) = text.strip_prefix('P')?.split_once('T').unwrap_or((text.strip_prefix('P')?, ""));
    const DAY: i128 = (SECONDS_PER_DAY * MICROS_PER_SECOND) as i128;
    let second = i128::from(MICROS_PER_SECOND);
    let days = sum(days, &[('Y', 360 * DAY), ('M', 30 * DAY), ('D', DAY)])?;
    Some(days + sum(clock, &[('H', 3_600 * second), ('M', 60 * second), ('S', second)])?)
}

/// `-1Y2M`: numbers with their units, each with a sign of its own.
fn sum(mut text: &str, units: &[(char, i128)]) -> Option<i128> {
    let mut total = 0;
    while let Some(end) = text.find(|c: char| c.is_ascii_alphabetic()) {
        let (number, rest) = text.split_at(end);
        let mut rest = rest.chars();
        let letter = rest.next()?;
        text = rest.as_str();
        let unit = units.iter().find(|unit| unit.0 == letter)?.1;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let fraction = i128::from(micros(fraction)?);
        total += whole.parse::<i128>().ok()? * unit + if number.starts_with('-') { -fraction } else { fraction };
    }
    text.is_empty().then_some(total)
}

#[cfg(test)]
mod tests {
    use super::{interval, point, time_of_day};

    #[test]
    fn points_lie_in_their_order() {
        let points = [
            "-infinity",
            "4713-01-01 BC",
            "0044-03-15T12:00:00 BC",
            "0001-12-31T23:59:59.999999 BC",
            "0001-01-01",
            "1969-12-31T23:59:59",
            "1970-01-01T00:00:00+00:00",
            "1970-01-01T00:00:00.000001",
            "2024-02-29",
            "2024-03-01",
            "294276-12-31T23:59:59.999999",
            "infinity",
        ];
        for pair in points.windows(2) {
            assert!(point(pair[0]).expect("a point") < point(pair[1]).expect("a point"), "{pair:?}");
        }
        assert_eq!(point("1970-01-02"), Some(86_400_000_000));
        assert_eq!(point("soon"), None);
    }

    #[test]
    fn spans_and_times_are_their_microseconds() {
        assert_eq!(interval("P1Y-2M3DT-4H5M-0.5S"), Some(((303 * 86_400) - 4 * 3_600 + 300) * 1_000_000 - 500_000));
        assert_eq!(interval("PT0S"), Some(0));
        assert_eq!(interval("1 day"), None);
        assert_eq!(time_of_day("24:00:00"), Some((86_400_000_000, 0)));
        assert_eq!(time_of_day("12:00:00.5-03:30"), Some((43_200_500_000, 12_600)));
    }
}
