//! A k-way merge of sorted rows from many shards; it holds at most one row of each shard.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Unmergeable;
use super::order::SortOrder;
use super::table::{Keys, Sorting, Table};
use crate::wire::Value;

/// The next row of every shard, sorted. After a row was taken, its shard must bring the next one, or have ended, before
/// another row is taken.
#[derive(Debug)]
pub(crate) struct SortedMerge {
    order: String,
    sorting: Sorting,
    /// Sorted in reverse: the next row to take is the last.
    rows: Vec<NextRow>,
    /// For each shard, how many rows it brought, and the keys of its last row.
    brought: Vec<(u64, Option<Keys>)>,
}

#[derive(Debug)]
struct NextRow {
    shard: usize,
    keys: Keys,
    row: Value,
}

/// Checks the syntax of an order before there are rows.
pub(crate) fn checked(order: &str) -> Result<(), Unmergeable> {
    SortOrder::parse(order).map(drop)
}

impl SortedMerge {
    /// For this many shards; the table must know their columns.
    pub(crate) fn new(table: &Table, order: &str, shards: usize) -> Result<SortedMerge, Unmergeable> {
        let sorting = Sorting::new(table, order)?;
        let brought = (0..shards).map(|_| (0, None)).collect();
        Ok(SortedMerge { order: order.to_owned(), sorting, rows: Vec::with_capacity(shards), brought })
    }

    /// Adds the next row of a shard that has none here. An error if the row sorts before the shard's previous one.
    pub(crate) fn bring(&mut self, shard: usize, node: &Arc<str>, row: Value) -> Result<(), Unmergeable> {
        let keys = self.sorting.keys(&row)?;
        let (count, last) = &mut self.brought[shard];
        if last.take().is_some_and(|last| self.sorting.compare(&last, &keys) == Ordering::Greater) {
            return Err(Unmergeable::Disorder { node: node.clone(), row: *count, order: self.order.clone() });
        }
        *count += 1;
        // Equal rows are sorted by the order of the members.
        let goes_after = |other: &NextRow| {
            self.sorting.compare(&other.keys, &keys).then(other.shard.cmp(&shard)) == Ordering::Greater
        };
        let place = self.rows.partition_point(goes_after);
        self.rows.insert(place, NextRow { shard, keys, row });
        Ok(())
    }

    /// Takes the first row and returns it with its shard.
    pub(crate) fn take(&mut self) -> Option<(usize, Value)> {
        let NextRow { shard, keys, row } = self.rows.pop()?;
        self.brought[shard].1 = Some(keys);
        Some((shard, row))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{SortedMerge, Unmergeable, checked};
    use crate::merge::Table;
    use crate::outcome::columns::{Column, ColumnType};
    use crate::wire::Value;

    /// Merges three shards of pairs `(a, b)` by an order.
    fn merged(order: &str, shards: [&[(i64, i64)]; 3]) -> Result<Vec<(i64, i64)>, Unmergeable> {
        let mut table = Table::empty();
        let column = |name: &str| Column::new(name.into(), ColumnType::Sqlite(None));
        table.learn(&[column("a"), column("b")].into(), &"first".into()).unwrap();
        let mut line = SortedMerge::new(&table, order, 3)?;
        let mut shards = shards.map(|rows| rows.iter());
        let mut bring = |line: &mut SortedMerge, shard: usize| {
            let node = Arc::from(format!("shard {shard}"));
            let row = shards[shard].next().map(|(a, b)| Value::from_pairs([("a", (*a).into()), ("b", (*b).into())]));
            row.map_or(Ok(()), |row| line.bring(shard, &node, row))
        };
        for shard in 0..3 {
            bring(&mut line, shard)?;
        }
        let mut rows = Vec::new();
        while let Some((shard, row)) = line.take() {
            rows.push((row["a"].as_i64().unwrap(), row["b"].as_i64().unwrap()));
            bring(&mut line, shard)?;
        }
        Ok(rows)
    }

    #[test]
    fn shards_in_order_are_one_line_in_order() {
        let shards: [&[_]; 3] = [&[(5, 0), (3, 0), (3, 1)], &[], &[(9, 2), (3, 2), (1, 2)]];
        let expected = vec![(9, 2), (5, 0), (3, 0), (3, 1), (3, 2), (1, 2)];
        assert_eq!(merged("-a", shards), Ok(expected), "equal ones in the order of the members");
        assert_eq!(merged("a", [&[], &[], &[]]), Ok(vec![]));
    }

    #[test]
    fn a_shard_out_of_order_is_named() {
        let error = merged("-a", [&[(5, 0)], &[(4, 1), (3, 1), (7, 1)], &[]]).unwrap_err();
        assert_eq!(error, Unmergeable::Disorder { node: "shard 1".into(), row: 2, order: "-a".to_owned() });
        assert!(error.to_string().contains("COLLATE \"C\""), "{error}");
    }

    #[test]
    fn an_order_is_looked_at_before_there_are_rows() {
        assert!(checked("a, -b").is_ok());
        assert!(matches!(checked("a down"), Err(Unmergeable::Order { .. })));
        assert!(matches!(merged("c", [&[], &[], &[]]), Err(Unmergeable::NoColumn { .. })));
    }
}
