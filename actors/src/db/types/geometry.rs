//! Points, lines and figures as text that the server can read back; and the lexemes of a text search.

use std::fmt::Write as _;

use super::bytes::ByteFields;
use crate::db::text::double;

fn number(field: &mut ByteFields<'_>) -> Option<String> {
    Some(double(f64::from_bits(field.u64()?)))
}

/// `(1,2)`
pub(super) fn point(field: &mut ByteFields<'_>) -> Option<String> {
    Some(format!("({},{})", number(field)?, number(field)?))
}

/// `{1,2,3}`: the coefficients of Ax + By + C = 0.
pub(super) fn line(field: &mut ByteFields<'_>) -> Option<String> {
    Some(format!("{{{},{},{}}}", number(field)?, number(field)?, number(field)?))
}

/// `[(1,2),(3,4)]`
pub(super) fn segment(field: &mut ByteFields<'_>) -> Option<String> {
    Some(format!("[{},{}]", point(field)?, point(field)?))
}

/// `(3,4),(1,2)`: two corners, the upper right one first.
pub(super) fn rectangle(field: &mut ByteFields<'_>) -> Option<String> {
    Some(format!("{},{}", point(field)?, point(field)?))
}

/// `<(1,2),3>`
pub(super) fn circle(field: &mut ByteFields<'_>) -> Option<String> {
    Some(format!("<{},{}>", point(field)?, number(field)?))
}

/// `((1,2),(3,4))`, or in square brackets if the path is open.
pub(super) fn path(field: &mut ByteFields<'_>) -> Option<String> {
    let closed = field.u8()? != 0;
    let points = points(field)?;
    Some(if closed { format!("({points})") } else { format!("[{points}]") })
}

pub(super) fn polygon(field: &mut ByteFields<'_>) -> Option<String> {
    Some(format!("({})", points(field)?))
}

fn points(field: &mut ByteFields<'_>) -> Option<String> {
    let count = usize::try_from(field.i32()?).ok()?;
    // Not `with_capacity(count)`: the count comes from the server and is not checked against the bytes.
    let points = (0..count).map(|_| point(field)).collect::<Option<Vec<_>>>()?;
    Some(points.join(","))
}

/// `'cat':3A 'fat':2`: the lexemes of a document with their positions and weights.
pub(super) fn words(field: &mut ByteFields<'_>) -> Option<String> {
    let count = usize::try_from(field.i32()?).ok()?;
    let mut text = String::new();
    for place in 0..count {
        let word = std::str::from_utf8(field.until_nul()?).ok()?;
        let places = field.u16()?;
        if place > 0 {
            text.push(' ');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "'{}'", word.replace('\\', "\\\\").replace('\'', "''"));
        for nth in 0..places {
            // Two bits of weight, fourteen of position. D, the least weight, is not written.
            let position = field.u16()?;
            let weight = ["", "C", "B", "A"][usize::from(position >> 14)];
            let _ = write!(text, "{}{}{weight}", if nth == 0 { ':' } else { ',' }, position & 0x3FFF);
        }
    }
    Some(text)
}
