//! `Range`: which part of a file is asked for (RFC 9110, 14).

/// What a range comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ranged {
    /// Everything: it is no range that we know, or several.
    Whole,
    Part {
        start: u64,
        length: u64,
    },
    /// It begins behind the end, or it is a list that nobody needs: 416.
    Unsatisfiable,
}

/// The most ranges of one list that may overlap.
const OVERLAPPING: usize = 2;

/// Reads the value of `Range` for a file of this length. Several ranges are answered with the whole file, and a list of
/// which more than two overlap is rejected (both allowed by RFC 9110, 14.2): it would be a cheap way to make a long
/// answer.
pub(super) fn read(value: &str, length: u64) -> Ranged {
    let Some((unit, set)) = value.split_once('=') else { return Ranged::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Ranged::Whole;
    }
    if !set.contains(',') {
        return one(set, length);
    }
    if deepest(set, length) > OVERLAPPING { Ranged::Unsatisfiable } else { Ranged::Whole }
}

/// The most ranges of a list in which one octet is.
fn deepest(set: &str, length: u64) -> usize {
    let parts = set.split(',').filter_map(|range| match one(range, length) {
        Ranged::Part { start, length } => Some((start, start + length)),
        Ranged::Whole | Ranged::Unsatisfiable => None,
    });
    // An end comes before a beginning at the same octet: those two do not overlap.
    let mut edges: Vec<_> = parts.flat_map(|(start, end)| [(start, true), (end, false)]).collect();
    edges.sort_unstable();
    let (mut depth, mut most) = (0_usize, 0);
    for (_, begins) in edges {
        depth = if begins { depth + 1 } else { depth - 1 };
        most = most.max(depth);
    }
    most
}

fn one(range: &str, length: u64) -> Ranged {
    let Some((first, last)) = range.trim().split_once('-') else { return Ranged::Whole };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => from(first, last.saturating_add(1).min(length), length),
        (Some(first), None) if last.is_empty() => from(first, length, length),
        (None, Some(suffix)) if first.is_empty() => match suffix.min(length) {
            0 => Ranged::Unsatisfiable,
            suffix => Ranged::Part { start: length - suffix, length: suffix },
        },
        _ => Ranged::Whole,
    }
}

fn from(first: u64, end: u64, length: u64) -> Ranged {
    if first >= length { Ranged::Unsatisfiable } else { Ranged::Part { start: first, length: end - first } }
}

/// A number of digits alone; one that is too large for us is the largest.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_ranges_that_overlap_is_rejected() {
        for list in
            ["0-1,4-5", "0-4,5-9", "0-,0-", "0-1,1-2,2-3", "0-5,5-0,5-9,a,-", "90-,91-,92-", "0-0,2-2,4-4,6-6,8-8", ","]
        {
            assert_eq!(read(&format!("bytes={list}"), 10), Ranged::Whole, "{list}");
        }
        let many = (0..1000).map(|last| format!("5-{last}")).collect::<Vec<_>>().join(",");
        for list in ["0-,0-,0-", "0-2, 1-3,\t2-4", "-9,-8,-7", "0-,5-0,5-1,5-2,5-5,5-6", &many] {
            assert_eq!(read(&format!("bytes={list}"), 10), Ranged::Unsatisfiable, "{list}");
        }
        assert_eq!(read("bytes=0-,0-,0-", 0), Ranged::Whole, "there is nothing to send twice");
    }

    #[test]
    fn a_part_is_one_of_the_file() {
        let part = |start, length| Ranged::Part { start, length };
        for (value, expected) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=2-4", part(2, 3)),
            ("bytes=5-", part(5, 5)),
            ("bytes=-3", part(7, 3)),
            ("bytes=-99", part(0, 10)),
            ("bytes=0-99999999999999999999999", part(0, 10)),
            ("BYTES=9-18446744073709551615", part(9, 1)),
            ("bytes = 1-1", part(1, 1)),
        ] {
            assert_eq!(read(value, 10), expected, "{value}");
        }
        for value in ["bytes=10-", "bytes=99-100", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(read(value, 10), Ranged::Unsatisfiable, "{value}");
        }
        assert_eq!(read("bytes=0-", 0), Ranged::Unsatisfiable);
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=4-2",
            "bytes=1-2,4-5",
            "bytes=+1-2",
            "bytes=1 -2",
            "bytes=1--2",
            "bytes=0x1-2",
            "lines=0-1",
            "bytes 0-1",
            "bytes=1-2-3",
            "=0-1",
            "bytes==0-1",
            "bytes=٣-٤",
        ] {
            assert_eq!(read(value, 10), Ranged::Whole, "{value}");
        }
    }
}
