//! A value as a sort key, in PostgreSQL's order.

use std::cmp::Ordering;

use super::class::Class;
use super::decimal::Decimal;
use super::{moment, network};
use crate::wire::Value;

/// The sort key of a value that is not NULL. Keys of different kinds meet only in SQLite, which sorts numbers before
/// texts before blobs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SortKey {
    Bool(bool),
    Number(Number),
    Text(Box<str>),
    Bytes(Box<[u8]>),
    /// Microseconds, or the index of an enum's label.
    Count(i128),
    /// A time of day with a zone: the moment in UTC first, then the zone.
    Zoned(i64, i64),
    Net(network::Net),
    List(List),
    /// The fields of a composite, in their order.
    Fields(Vec<Nullable>),
}

/// A value inside another one: NULL is greater than everything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nullable(pub(crate) Option<SortKey>);

impl Ord for Nullable {
    fn cmp(&self, other: &Nullable) -> Ordering {
        match (&self.0, &other.0) {
            (Some(mine), Some(theirs)) => mine.cmp(theirs),
            (mine, theirs) => mine.is_none().cmp(&theirs.is_none()),
        }
    }
}

impl PartialOrd for Nullable {
    fn partial_cmp(&self, other: &Nullable) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// An array: compared item by item, then by length, then by dimensions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct List {
    items: Vec<Nullable>,
    dimensions: usize,
    sizes: Vec<usize>,
}

/// A number of any numeric type. NaN equals itself and is greater than all others, as in PostgreSQL.
#[derive(Clone, Debug)]
pub(crate) enum Number {
    Whole(i64),
    Double(f64),
    Exact(Decimal),
}

impl Number {
    /// `None` if the value is not a number.
    pub(crate) fn of(value: &Value) -> Option<Number> {
        Some(match value {
            Value::Int(number) => Number::Whole(*number),
            Value::UInt(number) => Number::Exact(Decimal::of_whole((*number).into())),
            Value::Double(number) => Number::Double(*number),
            Value::String(text) => match text.as_str() {
                "NaN" => Number::Double(f64::NAN),
                "Infinity" => Number::Double(f64::INFINITY),
                "-Infinity" => Number::Double(f64::NEG_INFINITY),
                text => Number::Exact(Decimal::parse(text)?),
            },
            _ => return None,
        })
    }

    /// Its exact value; `None` for NaN and the infinities.
    fn exact(&self) -> Option<Decimal> {
        match self {
            Number::Whole(number) => Some(Decimal::of_whole((*number).into())),
            Number::Double(number) => Decimal::of_double(*number),
            Number::Exact(number) => Some(number.clone()),
        }
    }

    /// −1 and 1 for the infinities, 2 for NaN, 0 for all others.
    fn beyond(&self) -> i8 {
        match self {
            Number::Double(number) if number.is_nan() => 2,
            Number::Double(number) if number.is_infinite() => number.signum() as i8,
            _ => 0,
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        match (self, other) {
            (Number::Whole(mine), Number::Whole(theirs)) => mine.cmp(theirs),
            (Number::Exact(mine), Number::Exact(theirs)) => mine.cmp(theirs),
            (mine, theirs) if mine.beyond() != 0 || theirs.beyond() != 0 => mine.beyond().cmp(&theirs.beyond()),
            (Number::Double(mine), Number::Double(theirs)) => mine.partial_cmp(theirs).unwrap_or(Ordering::Equal),
            (mine, theirs) => mine.exact().cmp(&theirs.exact()),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

/// The key of a value; `None` if the value does not match its column's class.
pub(crate) fn key(class: &Class, value: &Value) -> Option<Nullable> {
    if value.is_nil() {
        return Some(Nullable(None));
    }
    let text = || value.as_str();
    let key = match class {
        Class::Own => own(value)?,
        Class::Bool => SortKey::Bool(value.as_bool()?),
        Class::Number => SortKey::Number(Number::of(value)?),
        Class::Text => SortKey::Text(text()?.into()),
        Class::Padded => SortKey::Text(text()?.trim_end_matches(' ').into()),
        Class::Bytes => SortKey::Bytes(value.as_bytes()?.into()),
        Class::Date | Class::Timestamp => SortKey::Count(moment::point(text()?)?),
        Class::Time => SortKey::Count(moment::time_of_day(text()?)?.0.into()),
        Class::TimeTz => {
            let (micros, zone) = moment::time_of_day(text()?)?;
            SortKey::Zoned(micros + zone * 1_000_000, zone)
        }
        Class::Interval => SortKey::Count(moment::interval(text()?)?),
        Class::Inet => SortKey::Net(network::net(text()?)?),
        Class::Lsn => {
            let (high, low) = text()?.split_once('/')?;
            let half = |digits: &str| u32::from_str_radix(digits, 16).ok();
            SortKey::Count(i128::from(half(high)?) << 32 | i128::from(half(low)?))
        }
        Class::Enum(labels) => {
            let label = text()?;
            SortKey::Count(labels.iter().position(|known| known == label)? as i128)
        }
        Class::Array(class) => {
            let mut list = List { items: Vec::new(), dimensions: 0, sizes: Vec::new() };
            flatten(class, value, 0, &mut list)?;
            list.dimensions = list.sizes.len();
            SortKey::List(list)
        }
        Class::Composite(classes) => {
            let pairs = &value.as_map()?.0;
            let keys = classes.iter().zip(pairs).map(|(class, (_, value))| key(class, value));
            SortKey::Fields(keys.collect::<Option<_>>()?)
        }
        Class::None(_) => return None,
    };
    Some(Nullable(Some(key)))
}

fn own(value: &Value) -> Option<SortKey> {
    Some(match value {
        Value::Bool(truth) => SortKey::Bool(*truth),
        Value::Int(_) | Value::UInt(_) | Value::Double(_) => SortKey::Number(Number::of(value)?),
        Value::String(text) | Value::DateTime(text) => SortKey::Text(text.as_str().into()),
        Value::Bytes(octets) => SortKey::Bytes(octets.as_slice().into()),
        Value::Nil | Value::List(_) | Value::Map(_) => return None,
    })
}

/// Collects the items of a nested array, and the length of each dimension.
fn flatten(class: &Class, value: &Value, depth: usize, into: &mut List) -> Option<()> {
    let items = value.as_list()?;
    if into.sizes.len() == depth && !items.is_empty() {
        into.sizes.push(items.len());
    }
    for item in items {
        match item {
            Value::List(_) => flatten(class, item, depth + 1, into)?,
            item => into.items.push(key(class, item)?),
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::{Class, Nullable, Number, SortKey, key};
    use crate::wire::Value;

    #[test]
    fn numbers_of_all_kinds_are_one_line() {
        let texts = ["-Infinity", "-1e300", "-0.5", "0", "9007199254740993", "1e300", "Infinity", "NaN"];
        let number = |text: &str| match text.parse::<i64>() {
            Ok(number) => Number::Whole(number),
            Err(_) => Number::Double(text.parse().expect("a double")),
        };
        for pair in texts.windows(2) {
            assert!(number(pair[0]) < number(pair[1]), "{pair:?}");
        }
        // 2^53 + 1 is no double: compared as doubles, the two would be equal.
        assert!(Number::Whole(9_007_199_254_740_993) > Number::Double(9_007_199_254_740_992.0));
        assert_eq!(Number::Double(-0.0), Number::Whole(0));
        assert_eq!(Number::of(&Value::from("1.0")), Number::of(&Value::from("1.000")));
    }

    #[test]
    fn what_is_not_of_its_column_has_no_key() {
        assert_eq!(key(&Class::Number, &Value::from("ten")), None);
        assert_eq!(key(&Class::Bool, &Value::Int(1)), None);
        assert_eq!(key(&Class::Own, &Value::List(Vec::new())), None);
        assert_eq!(key(&Class::Number, &Value::Nil), Some(Nullable(None)));
        assert_eq!(key(&Class::Lsn, &Value::from("1/F")), Some(Nullable(Some(SortKey::Count((1 << 32) + 15)))));
    }
}
