//! Parses single values: flags, numbers, durations, sizes, addresses, secrets.
//!
//! Each function returns the value, or a text that says what was expected.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use super::keys::KeyKind;
use super::outside::Outside;

/// `yes`, `no` and their kin.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "1" | "true" | "on" => Ok(true),
        "no" | "0" | "false" | "off" => Ok(false),
        _ => Err("expected `yes` or `no`".to_owned()),
    }
}

/// A whole number, a duration in milliseconds or a size in bytes, within the limits of its kind.
pub(super) fn number(text: &str, kind: KeyKind) -> Result<u64, String> {
    match kind {
        KeyKind::Count { min, max } => {
            let why = format!("expected a whole number from {min} to {max}");
            text.parse().ok().filter(|n| (min..=max).contains(n)).ok_or(why)
        }
        KeyKind::Time { min, max } => {
            let why = || "expected a duration: seconds, or a number with `ms`, `s`, `m`, `h` or `d`".to_owned();
            let (number, unit) = split_unit(text);
            let milliseconds = match unit.as_str() {
                "" | "s" => 1000,
                "ms" => 1,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(why()),
            };
            let read = scaled(number, milliseconds).ok_or_else(why)?;
            within(read, min, max, show_time)
        }
        KeyKind::Size { min, max } => {
            let why = || "expected a size: bytes, or a number with `k` or `m`".to_owned();
            let (number, unit) = split_unit(text);
            let bytes = match unit.as_str() {
                "" | "b" => 1,
                "k" | "kb" | "kib" => 1024,
                "m" | "mb" | "mib" => 1024 * 1024,
                _ => return Err(why()),
            };
            let read = scaled(number, bytes).ok_or_else(why)?;
            within(read, min, max, show_size)
        }
        KeyKind::Flag
        | KeyKind::Address
        | KeyKind::Text
        | KeyKind::Secret
        | KeyKind::Secrets
        | KeyKind::Networks
        | KeyKind::Addresses
        | KeyKind::Rates
        | KeyKind::Phrase
        | KeyKind::Mode
        | KeyKind::File
        | KeyKind::Members
        | KeyKind::Type => Err("expected no number".to_owned()),
    }
}

/// A time of at most a day, as a configuration would have it: seconds, or a number with `ms`, `s`, `m`, `h`, `d`.
pub(crate) fn read_time(text: &str) -> Result<Duration, String> {
    number(text, KeyKind::Time { min: 1, max: 24 * 60 * 60 * 1000 }).map(duration)
}

pub(super) fn duration(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// An address to listen on; an empty text means all interfaces.
pub(super) fn address(text: &str) -> Result<Option<IpAddr>, String> {
    match text {
        "" | "*" => Ok(None),
        "localhost" => Ok(Some(Ipv4Addr::LOCALHOST.into())),
        _ => {
            let bare = text.strip_prefix('[').and_then(|inside| inside.strip_suffix(']')).unwrap_or(text);
            let why = "expected an IP address such as 127.0.0.1, or nothing for all interfaces";
            bare.parse().map(Some).map_err(|_| why.to_owned())
        }
    }
}

/// Permissions in octal, such as `0660` or `027`.
pub(super) fn mode(text: &str) -> Result<u32, String> {
    let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    let read = if is_octal { u32::from_str_radix(text, 8).ok() } else { None };
    read.filter(|mode| *mode <= 0o777).ok_or_else(|| "expected permissions in octal, such as 0660".to_owned())
}

/// A secret: the text itself, `env:NAME` or `file:PATH`. Error texts never contain it.
pub(super) fn secret(text: &str, base: &Path, outside: &Outside<'_>) -> Result<String, String> {
    if let Some(name) = text.strip_prefix("env:") {
        let name = name.trim();
        return match (outside.env)(name) {
            Some(value) if !value.is_empty() => Ok(value),
            Some(_) => Err(format!("the environment variable `{name}` is empty")),
            None => Err(format!("the environment variable `{name}` is not set")),
        };
    }
    if let Some(path) = text.strip_prefix("file:") {
        let path = base.join(path.trim());
        return match outside.read(&path) {
            Ok(content) => {
                let value = content.trim_end_matches(['\r', '\n']);
                if value.is_empty() {
                    return Err(format!("the file {} is empty", path.display()));
                }
                Ok(value.to_owned())
            }
            Err(why) => Err(format!("the file {} cannot be read: {why}", path.display())),
        };
    }
    Ok(text.to_owned())
}

fn split_unit(text: &str) -> (&str, String) {
    let at = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    (&text[..at], text[at..].trim().to_ascii_lowercase())
}

/// Converts `1.5` of a unit; `None` if it is not a number or overflows.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // Six digits are finer than any unit here, and keep the product in range.
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 6 {
        return None;
    }
    let digits = u32::try_from(fraction.len()).ok()?;
    let part = fraction.parse::<u64>().ok()?.checked_mul(unit)? / 10u64.pow(digits);
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(part)
}

fn within(read: u64, min: u64, max: u64, show: fn(u64) -> String) -> Result<u64, String> {
    if (min..=max).contains(&read) { Ok(read) } else { Err(format!("expected {} to {}", show(min), show(max))) }
}

fn show_time(milliseconds: u64) -> String {
    match milliseconds {
        0 => "0".to_owned(),
        n if n % 3_600_000 == 0 => format!("{}h", n / 3_600_000),
        n if n % 1000 == 0 => format!("{}s", n / 1000),
        n => format!("{n}ms"),
    }
}

fn show_size(bytes: u64) -> String {
    match bytes {
        n if n % (1024 * 1024) == 0 => format!("{}m", n / (1024 * 1024)),
        n if n % 1024 == 0 => format!("{}k", n / 1024),
        n => n.to_string(),
    }
}
