//! `rate` of `[mount /path]`: how many requests one client may send, such as `100/m burst 20 by header:X-Api-Key`.

use std::fmt;
use std::time::Duration;

use super::ini::Section;
use super::keys;
use super::reading::{Reading, find, parts};
use super::report::Problem;
use super::spelling::nearest;

/// A limit of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many requests.
    pub count: u64,
    /// In this time.
    pub per: Duration,
    /// So many of them at once, after a rest.
    pub burst: u64,
    /// Who is counted.
    pub by: RateKey,
}

/// What tells one client from another. Who lacks it is counted by address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateKey {
    /// The address of the real client, of IPv6 its /64.
    Address,
    /// A value of the session, such as the name of the user.
    Session(String),
    /// A header.
    Header(String),
}

/// Units of time, with their milliseconds.
const UNITS: [(&str, u64); 4] = [("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// The most requests of a rate: more are no limit.
const MOST: u64 = 1_000_000;

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = u64::try_from(self.per.as_millis()).unwrap_or(u64::MAX);
        let unit = UNITS.iter().find(|(_, of)| *of == milliseconds).map_or("?", |(unit, _)| unit);
        write!(f, "{}/{unit}", self.count)?;
        if self.burst != self.count {
            write!(f, " burst {}", self.burst)?;
        }
        match &self.by {
            RateKey::Address => Ok(()),
            RateKey::Session(name) => write!(f, " by session:{name}"),
            RateKey::Header(name) => write!(f, " by header:{name}"),
        }
    }
}

/// Reads `rate`: several have commas between them.
pub(super) fn rates(reading: &mut Reading<'_>, section: &Section) -> Option<Vec<Rate>> {
    let value = find(Some(section), &keys::RATE)?;
    if value.text.is_empty() {
        let problem = Problem::error(value.span(), "`rate` has no value").label("expected a rate such as `100/m`");
        reading.push(problem.help("remove the line, or write `rate = 100/m`"));
        return None;
    }
    let mut rates = Vec::new();
    for (text, range) in parts(&value.text) {
        match rate(text) {
            Ok(rate) => rates.push(rate),
            Err(expected) => {
                let problem = Problem::error(value.span_of(&range), "this is no rate").label(expected);
                reading.push(problem.help("write it as `100/m`, `10/s burst 50`, `1000/h by header:X-Api-Key`"));
            }
        }
    }
    Some(rates)
}

/// Reads one rate; an error says what was expected.
fn rate(text: &str) -> Result<Rate, String> {
    let mut words = text.split_whitespace();
    let (count, unit) =
        words.next().and_then(|word| word.split_once('/')).ok_or("expected a number, `/` and a unit")?;
    let count = whole(count)?;
    let unit = UNITS.iter().find(|(name, _)| *name == unit).ok_or("the units are s, m, h and d")?;
    let mut rate = Rate { count, per: Duration::from_millis(unit.1), burst: count, by: RateKey::Address };
    while let Some(word) = words.next() {
        let next = words.next();
        match (word, next) {
            ("burst", Some(burst)) => rate.burst = whole(burst)?,
            ("by", Some(by)) => rate.by = key(by)?,
            ("burst" | "by", None) => return Err(format!("expected something behind `{word}`")),
            _ => return Err("behind the unit stand `burst NUMBER` and `by KEY`".to_owned()),
        }
    }
    Ok(rate)
}

fn whole(text: &str) -> Result<u64, String> {
    let read = text.parse().ok().filter(|count| (1..=MOST).contains(count));
    read.ok_or_else(|| format!("expected a whole number from 1 to {MOST}"))
}

fn key(text: &str) -> Result<RateKey, String> {
    let named = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    match text.split_once(':') {
        None if text == "address" => Ok(RateKey::Address),
        Some(("session", name)) if !name.is_empty() => Ok(RateKey::Session(name.to_owned())),
        Some(("header", name)) if !name.is_empty() && named(name) => Ok(RateKey::Header(name.to_ascii_lowercase())),
        _ => {
            let word = text.split(':').next().unwrap_or_default();
            let near = nearest(word, ["address", "session", "header"]).map(|near| format!("; did you mean `{near}`?"));
            Err(format!("the keys are `address`, `session:NAME` and `header:NAME`{}", near.unwrap_or_default()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_it_is_shown() {
        for text in ["100/m", "10/s burst 50", "1000/h by header:x-api-key", "5/d burst 1 by session:username", "1/s"] {
            assert_eq!(rate(text).map(|rate| rate.to_string()).as_deref(), Ok(text));
        }
        assert_eq!(rate("3/s burst 3 by address").map(|rate| rate.to_string()).as_deref(), Ok("3/s"));
    }

    #[test]
    fn what_is_no_rate_says_what_was_expected() {
        for (text, expected) in [
            ("100", "`/` and a unit"),
            ("0/s", "from 1 to"),
            ("5/week", "s, m, h and d"),
            ("5/s burst", "behind `burst`"),
            ("5/s bursts 6", "`burst NUMBER`"),
            ("5/s by sesion:a", "did you mean `session`?"),
            ("5/s by header:", "`header:NAME`"),
        ] {
            let why = rate(text).expect_err(text);
            assert!(why.contains(expected), "{text}: {why}");
        }
    }
}
