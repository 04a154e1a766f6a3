//! Figures and moments as people read them. All moments are UTC, as those of the log.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::prelude::*;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// A text of the status. Where processes do not agree it is a list of what they say.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Nil => String::new(),
        Value::List(several) => several.iter().map(text).collect::<Vec<_>>().join(", "),
        value => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    }
}

/// A number of the status; 0 for none. Of several the largest.
pub(super) fn number(value: &Value) -> i64 {
    match value {
        Value::List(several) => several.iter().map(number).max().unwrap_or(0),
        value => value.as_f64().map_or(0, |number| number as i64),
    }
}

/// The same with what stands behind the point; `None` for none.
pub(super) fn measure(value: &Value) -> Option<f64> {
    match value {
        Value::List(several) => several.iter().filter_map(measure).reduce(f64::max),
        value => value.as_f64(),
    }
}

/// `1,204,518`
pub(super) fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        grouped.push('−');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `3 calls`, `1 call`
pub(super) fn of(number: i64, one: &str, several: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { several })
}

/// Milliseconds in three digits or so: `0.42 ms`, `18 ms`, `1.25 s`.
pub(super) fn millis(millis: f64) -> String {
    match millis {
        0.0 => "0 ms".to_owned(),
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms if ms < 60_000.0 => format!("{:.2} s", ms / 1_000.0),
        ms => span((ms / 1_000.0) as i64),
    }
}

/// How often a second.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        0.0 => "0".to_owned(),
        rate if rate < 10.0 => format!("{rate:.1}"),
        rate => count(rate.round() as i64),
    }
}

/// A part of a whole, in percent.
pub(super) fn percent(part: f64, whole: f64) -> String {
    match part / whole * 100.0 {
        share if !share.is_finite() || share == 0.0 => "0 %".to_owned(),
        share if share < 0.1 => "< 0.1 %".to_owned(),
        share if share < 10.0 => format!("{share:.1} %"),
        share => format!("{share:.0} %"),
    }
}

/// `12.4 MiB`
pub(super) fn bytes(number: i64) -> String {
    let mut rest = number as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if rest < 1_024.0 {
            return if unit == "B" || rest >= 100.0 {
                format!("{rest:.0} {unit}")
            } else {
                format!("{rest:.1} {unit}")
            };
        }
        rest /= 1_024.0;
    }
    format!("{rest:.1} TiB")
}

/// A number of seconds: `59 s`, `12 min`, `3 h 12 min`, `4 d 2 h`.
pub(super) fn span(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / DAY, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A moment as people say it at `now`: the time, with the day if it was another one. Both in seconds since 1970.
pub(super) fn moment(at: i64, now: i64) -> String {
    let Ok(then) = time::OffsetDateTime::from_unix_timestamp(at) else { return String::new() };
    let (hour, minute, second) = then.to_hms();
    let clock = format!("{hour:02}:{minute:02}:{second:02}");
    match at.div_euclid(DAY) == now.div_euclid(DAY) {
        true => clock,
        false => format!("{} {clock}", day(then)),
    }
}

fn day(at: time::OffsetDateTime) -> String {
    let (year, month, day) = at.to_calendar_date();
    format!("{year:04}-{:02}-{day:02}", u8::from(month))
}

/// The latest of the moments that the processes say, in seconds since 1970.
pub(super) fn latest(value: &Value) -> Option<i64> {
    match value {
        Value::List(several) => several.iter().filter_map(latest).max(),
        value => value.as_i64(),
    }
}

/// The time in seconds since 1970.
pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().cast_signed()
}

/// The beginning of a long text.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_have_their_units() {
        assert_eq!([0, 7, 1_204, 1_204_518, -1_000].map(count), ["0", "7", "1,204", "1,204,518", "−1,000"]);
        let times = [0.0, 0.421, 9.994, 18.2, 999.6, 1_254.0, 90_000.0].map(millis);
        assert_eq!(times, ["0 ms", "0.42 ms", "9.99 ms", "18 ms", "1000 ms", "1.25 s", "1 min"]);
        assert_eq!([0.0, 0.25, 9.96, 1_204.4].map(rate), ["0", "0.2", "10.0", "1,204"]);
        assert_eq!(
            [(0.0, 0.0), (1.0, 5_000.0), (1.0, 40.0), (3.0, 4.0)].map(|(a, b)| percent(a, b)),
            ["0 %", "< 0.1 %", "2.5 %", "75 %"]
        );
        assert_eq!([12, 1_536, 13_000_000, 5 << 40].map(bytes), ["12 B", "1.5 KiB", "12.4 MiB", "5.0 TiB"]);
        assert_eq!([59, 720, 11_520, 352_800].map(span), ["59 s", "12 min", "3 h 12 min", "4 d 2 h"]);
    }

    #[test]
    fn a_moment_of_another_day_has_its_day() {
        let at = 1_790_000_000;
        assert_eq!(
            (moment(at, at + 60), moment(at, at + DAY)),
            ("14:13:20".to_owned(), "2026-09-21 14:13:20".to_owned())
        );
        assert_eq!((moment(0, 0), moment(0, DAY)), ("00:00:00".to_owned(), "1970-01-01 00:00:00".to_owned()));
    }

    #[test]
    fn what_processes_say_differently_is_all_told() {
        let several = Value::List(vec![Value::from("ejected"), Value::from("healthy")]);
        assert_eq!(text(&several), "ejected, healthy");
        assert_eq!(latest(&Value::List(vec![Value::Int(4), Value::Int(9)])), Some(9));
        assert_eq!((measure(&Value::Nil), number(&Value::Nil)), (None, 0));
        assert_eq!((shortened("한글이다", 2), shortened("ab", 2)), ("한글…".to_owned(), "ab".to_owned()));
    }
}
