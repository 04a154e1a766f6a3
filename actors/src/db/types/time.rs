//! Timestamps and intervals as ISO 8601 / RFC 3339 text, which the server reads back to the same microsecond.
//!
//! Years before 1 end in ` BC`, as PostgreSQL writes them in text and in JSON. Timestamps with a zone are given in UTC,
//! because the server stores no zone.

use std::fmt::Write as _;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// Days from 1970-01-01 to PostgreSQL's day zero, 2000-01-01.
const DAY_ZERO: i64 = 10_957;

/// Microseconds from 1970 to PostgreSQL's zero.
const EPOCH_MICROS: i64 = DAY_ZERO * MICROS_PER_DAY;

/// A moment in the form of a `timestamptz`, to the microsecond.
pub(in crate::db) fn moment(at: std::time::SystemTime) -> String {
    let since = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX) - EPOCH_MICROS, "+00:00")
}

/// Year (astronomical: 0 is 1 BC), month and day of a day counted from 2000-01-01, proleptic Gregorian.
fn civil(days: i64) -> (i64, i64, i64) {
    // Eras of 400 years that begin on 1 March, so that the leap day is the last day of a year.
    let shifted = days + DAY_ZERO + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// The text of the date, and the suffix of the whole text for years before 1.
fn day_text(days: i64) -> (String, &'static str) {
    let (year, month, day) = civil(days);
    let (year, suffix) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    (format!("{year:04}-{month:02}-{day:02}"), suffix)
}

fn fraction(micros: i64) -> String {
    if micros == 0 {
        return String::new();
    }
    let text = format!(".{micros:06}");
    text.trim_end_matches('0').to_owned()
}

pub(super) fn date(days: i32) -> String {
    match days {
        i32::MAX => "infinity".to_owned(),
        i32::MIN => "-infinity".to_owned(),
        _ => {
            let (text, suffix) = day_text(days.into());
            text + suffix
        }
    }
}

/// Microseconds since midnight; 24:00:00 is a distinct value.
pub(super) fn time(micros: i64) -> String {
    let seconds = micros / MICROS_PER_SECOND;
    let rest = fraction(micros % MICROS_PER_SECOND);
    format!("{:02}:{:02}:{:02}{rest}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `west`: seconds west of UTC.
pub(super) fn timetz(micros: i64, west: i32) -> String {
    let sign = if west > 0 { '-' } else { '+' };
    let offset = west.unsigned_abs();
    let mut text = format!("{}{sign}{:02}:{:02}", time(micros), offset / 3600, offset / 60 % 60);
    if !offset.is_multiple_of(60) {
        // Writing to a String cannot fail.
        let _ = write!(text, ":{:02}", offset % 60);
    }
    text
}

pub(super) fn timestamp(micros: i64, zone: &str) -> String {
    match micros {
        i64::MAX => "infinity".to_owned(),
        i64::MIN => "-infinity".to_owned(),
        _ => {
            let (day, suffix) = day_text(micros.div_euclid(MICROS_PER_DAY));
            format!("{day}T{}{zone}{suffix}", time(micros.rem_euclid(MICROS_PER_DAY)))
        }
    }
}

/// The server's `iso_8601` style: every part has its own sign, and zero parts are omitted.
pub(super) fn interval(micros: i64, days: i32, months: i32) -> String {
    match (micros, days, months) {
        (i64::MAX, i32::MAX, i32::MAX) => return "infinity".to_owned(),
        (i64::MIN, i32::MIN, i32::MIN) => return "-infinity".to_owned(),
        (0, 0, 0) => return "PT0S".to_owned(),
        _ => {}
    }
    let part = |number: i64, unit: char| if number == 0 { String::new() } else { format!("{number}{unit}") };
    let mut text = String::from("P");
    text += &part((months / 12).into(), 'Y');
    text += &part((months % 12).into(), 'M');
    text += &part(days.into(), 'D');
    if micros != 0 {
        let seconds = micros / MICROS_PER_SECOND;
        text.push('T');
        text += &part(seconds / 3600, 'H');
        text += &part(seconds / 60 % 60, 'M');
        let (seconds, micros) = (seconds % 60, micros % MICROS_PER_SECOND);
        if seconds != 0 || micros != 0 {
            let sign = if seconds < 0 || micros < 0 { "-" } else { "" };
            // Writing to a String cannot fail.
            let _ = write!(text, "{sign}{}{}S", seconds.unsigned_abs(), fraction(micros.abs()));
        }
    }
    text
}
