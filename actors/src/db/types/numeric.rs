//! Numeric types beyond a machine word, and small special ones: numeric, money, bit strings, `"char"`.

use std::fmt::Write as _;

use super::bytes::ByteFields;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const MINUS_INFINITY: u16 = 0xF000;

/// The exact decimal text, with the trailing zeros of its scale, as the server prints it.
pub(super) fn numeric(field: &mut ByteFields<'_>) -> Option<String> {
    let count = i32::from(field.u16()?);
    let weight = i32::from(field.i16()?);
    let sign = field.u16()?;
    let scale = usize::from(field.u16()?);
    match sign {
        NAN => return Some("NaN".to_owned()),
        INFINITY => return Some("Infinity".to_owned()),
        MINUS_INFINITY => return Some("-Infinity".to_owned()),
        _ => {}
    }
    // Groups of four decimal digits; the first has the weight 10000^weight.
    let groups = (0..count).map(|_| field.u16().filter(|group| *group < 10_000)).collect::<Option<Vec<u16>>>()?;
    let group = |power: i32| usize::try_from(weight - power).ok().and_then(|index| groups.get(index)).copied();

    let mut text = String::with_capacity(groups.len() * 4 + scale + 3);
    if sign == NEGATIVE {
        text.push('-');
    }
    // Writing to a String cannot fail.
    let _ = write!(text, "{}", group(weight.max(0)).filter(|_| weight >= 0).unwrap_or(0));
    for power in (0..weight.max(0)).rev() {
        let _ = write!(text, "{:04}", group(power).unwrap_or(0));
    }
    if scale > 0 {
        text.push('.');
        let start = text.len();
        for power in 1.. {
            if text.len() - start >= scale {
                break;
            }
            let _ = write!(text, "{:04}", group(-power).unwrap_or(0));
        }
        text.truncate(start + scale);
    }
    Some(text)
}

/// Hundredths as a decimal. The server's own text has a currency sign that depends on its locale.
pub(super) fn money(hundredths: i64) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    let amount = hundredths.unsigned_abs();
    format!("{sign}{}.{:02}", amount / 100, amount % 100)
}

/// The double with the same shortest text as the single: 0.1 stays 0.1 and reads back as the same single.
pub(super) fn widened(single: f32) -> f64 {
    if single.is_finite() { single.to_string().parse().unwrap_or_else(|_| single.into()) } else { single.into() }
}

/// A bit string as zeros and ones.
pub(super) fn bits(field: &mut ByteFields<'_>) -> Option<String> {
    let length = usize::try_from(field.i32()?).ok()?;
    let raw = field.take(length.div_ceil(8))?;
    Some((0..length).map(|bit| if raw[bit / 8] & (0x80 >> (bit % 8)) == 0 { '0' } else { '1' }).collect())
}

/// `"char"`: one byte; as on the server, bytes above 127 become an octal escape, and zero an empty text.
pub(super) fn single_char(byte: u8) -> String {
    match byte {
        0 => String::new(),
        1..=127 => char::from(byte).to_string(),
        _ => format!("\\{byte:03o}"),
    }
}
