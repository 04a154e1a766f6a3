//! Rows of shards, merged, against one database that holds them all.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use skitai_actors::Outcome;
use skitai_actors::merge::{Aggregate, Merged, avg, avg_of, count, count_of, max, min, sum};
use skitai_actors::wire::Value;

use crate::{Cluster, cell, run, server, text};

/// One row: the shard it lies on, and a literal for each of the columns.
type Row = (usize, Vec<String>);

/// A column's type, and literals of it that are alike often enough to tie.
fn columns() -> Vec<(&'static str, &'static str, BoxedStrategy<String>)> {
    let quoted =
        |values: &'static [&'static str]| prop::sample::select(values).prop_map(|value| format!("'{value}'")).boxed();
    vec![
        ("i", "int8", prop_oneof![(-3_i64..3).boxed(), any::<i64>().boxed()].prop_map(|i| format!("'{i}'")).boxed()),
        ("s", "int4", any::<i32>().prop_map(|i| format!("'{i}'")).boxed()),
        (
            "n",
            "numeric",
            prop_oneof![
                8 => (any::<i64>(), 0_usize..12).prop_map(|(i, places)| {
                    let digits = format!("{:0>width$}", i.unsigned_abs(), width = places + 1);
                    let (whole, part) = digits.split_at(digits.len() - places);
                    format!("'{}{whole}.{part}'", if i < 0 { "-" } else { "" }).replace(".'", "'")
                }),
                2 => prop::sample::select(&["1", "1.0", "1.000", "0", "-0.0000001", "1e40", "1e-40"][..])
                    .prop_map(|n| format!("'{n}'")),
            ]
            .boxed(),
        ),
        ("x", "numeric", quoted(&["NaN", "Infinity", "-Infinity", "1", "1.0", "-5"])),
        ("f", "float8", quoted(&["NaN", "Infinity", "-Infinity", "0", "-0", "0.1", "1e300", "-1e-300", "2.5"])),
        ("r", "float4", quoted(&["0.1", "1e30", "-2.5", "16777216"])),
        ("b", "bool", quoted(&["t", "f"])),
        ("t", "text COLLATE \"C\"", quoted(&["", "a", "B", "b", "aa", "Ä", "ä", "10", "9", "日本"])),
        ("c", "char(4)", quoted(&["", "a", "b ", "B"])),
        ("d", "date", quoted(&["infinity", "-infinity", "2024-02-29", "2023-12-31", "0044-03-15 BC", "5874897-12-31"])),
        (
            "w",
            "timestamptz",
            quoted(&[
                "infinity",
                "2024-02-29 12:00+05",
                "2024-02-29 07:00+00",
                "1969-12-31 23:59:59.999999+00",
                "0001-01-01 00:00+00 BC",
            ]),
        ),
        ("h", "time", quoted(&["24:00", "00:00", "12:34:56.000001", "12:34:56"])),
        ("z", "timetz", quoted(&["12:00+02", "10:00+00", "12:00:00.5-03:30", "24:00-15:59"])),
        (
            "v",
            "interval",
            quoted(&["1 month", "30 days", "720 hours", "-1 year 2 days", "0.5 seconds", "1 mon -1 day"]),
        ),
        (
            "u",
            "uuid",
            quoted(&[
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A12",
                "00000000-0000-0000-0000-000000000000",
            ]),
        ),
        ("a", "bytea", quoted(&["\\x", "\\x00", "\\x00ff", "\\xff"])),
        (
            "o",
            "inet",
            quoted(&["10.0.0.1", "10.0.0.1/8", "10.0.0.0/8", "9.255.255.255", "::1", "::1/64", "2001:db8::/32"]),
        ),
        ("m", "mood", quoted(&["so so", "happy", "angry"])),
        ("l", "int4[]", quoted(&["{}", "{1}", "{1,2}", "{1,NULL}", "{{1,2}}", "{{1},{2}}", "{0,9,9}"])),
        ("p", "pair", quoted(&["(1,a)", "(1,)", "(,a)", "(0,b)"])),
        ("g", "varbit", quoted(&["", "0", "1", "10", "0001", "000"])),
        ("k", "pg_lsn", quoted(&["0/0", "16/B374D848", "1/0", "A/0"])),
        ("y", "money", quoted(&["1.10", "-1.10", "9", "10"])),
    ]
}

/// What does not come out of a sort alone: an order by one or two columns, with directions and a place for NULLs.
#[derive(Debug)]
struct Dataset {
    rows: Vec<Row>,
    order: Vec<(usize, bool, Option<bool>)>,
    top: usize,
}

fn datasets(count: usize) -> impl Strategy<Value = Dataset> {
    let values: Vec<BoxedStrategy<String>> = columns()
        .into_iter()
        .map(|(_, _, values)| prop_oneof![1 => Just("NULL".to_owned()), 6 => values].boxed())
        .collect();
    let row = (0..3_usize, values);
    let term = (0..count, any::<bool>(), any::<Option<bool>>());
    (prop::collection::vec(row, 0..14), prop::collection::vec(term, 1..3), 0..6_usize)
        .prop_map(|(rows, order, top)| Dataset { rows, order, top })
}

impl Dataset {
    /// The order in our spelling and in SQL's; the row's number makes both of them whole.
    fn order(&self) -> (String, String) {
        let (mut ours, mut theirs) = (String::new(), String::new());
        for (column, descending, nulls) in &self.order {
            let name = columns()[*column].0;
            let nulls = nulls.map_or("", |first| if first { " nulls first" } else { " nulls last" });
            // Half of the terms in the one spelling, half in the other.
            let (minus, desc) = match descending {
                true if nulls.is_empty() => ("-", ""),
                true => ("", " desc"),
                false => ("", ""),
            };
            write!(ours, "{minus}{name}{desc}{nulls}, ").unwrap();
            write!(theirs, "{name}{}{nulls}, ", if *descending { " desc" } else { "" }).unwrap();
        }
        (ours + "id", theirs + "id")
    }
}

/// One statement's rows on the three shards and on the whole.
struct Databases {
    cluster: Cluster,
}

const TYPES: [&str; 2] = [
    "CREATE TYPE mood AS ENUM ('happy', 'so so', 'angry')",
    "CREATE TYPE pair AS (number int, word text COLLATE \"C\")",
];

impl Databases {
    async fn new() -> Databases {
        let cluster = Cluster::of(vec![server::shared().database().await]);
        let mut table = String::from("CREATE TABLE data (batch int, shard int, id int");
        for (name, ty, _) in columns() {
            write!(table, ", {name} {ty}").unwrap();
        }
        for sql in [TYPES[0], TYPES[1], &(table + ")"), "CREATE INDEX ON data (batch)"] {
            let outcome = cluster.one(sql.to_owned(), ()).await;
            assert!(outcome.is_ok(), "{sql}: {}", outcome.msg);
        }
        Databases { cluster }
    }

    /// All datasets in a few statements.
    async fn fill(&self, datasets: &[Dataset]) {
        for (chunk, some) in datasets.chunks(100).enumerate() {
            let mut values = Vec::new();
            for (place, dataset) in some.iter().enumerate() {
                for (id, (shard, literals)) in dataset.rows.iter().enumerate() {
                    values.push(format!("({}, {shard}, {id}, {})", chunk * 100 + place, literals.join(", ")));
                }
            }
            let outcome = self.cluster.one(format!("INSERT INTO data VALUES {}", values.join(",\n")), ()).await;
            assert!(outcome.is_ok(), "{}", outcome.msg);
        }
    }

    async fn rows(&self, sql: String) -> Outcome {
        let outcome = self.cluster.one(sql.clone(), ()).await;
        assert!(outcome.is_ok(), "{sql}: {}", outcome.msg);
        outcome
    }

    /// The three shards' rows of a batch, as a statement to three members would bring them.
    async fn merged(&self, batch: usize) -> Merged {
        let names: Vec<&str> = columns().iter().map(|column| column.0).collect();
        let mut outcomes = Vec::new();
        for shard in 0..3 {
            let names = names.join(", ");
            let sql =
                format!("SELECT id, {names} FROM data WHERE batch = {batch} AND shard = {shard} ORDER BY id DESC");
            outcomes.push(self.rows(sql).await);
        }
        Merged::of(outcomes).unwrap()
    }
}

fn ids(rows: &[Value]) -> Vec<i64> {
    rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

/// Equal, where NaN is NaN.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => a == b || (a.is_nan() && b.is_nan()),
        (a, b) => a == b,
    }
}

#[test]
fn a_thousand_datasets_are_merged_as_one_database_would_answer() {
    run(async {
        let databases = Databases::new().await;
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let strategy = datasets(columns().len());
        let datasets: Vec<Dataset> = (0..1_000).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
        databases.fill(&datasets).await;
        for (batch, dataset) in datasets.iter().enumerate() {
            let merged = databases.merged(batch).await;
            let (ours, theirs) = dataset.order();
            let expected = databases.rows(format!("SELECT id FROM data WHERE batch = {batch} ORDER BY {theirs}")).await;
            let expected = ids(expected.data.as_list().unwrap());
            if dataset.rows.is_empty() {
                continue;
            }
            let sorted = merged.clone().sorted_by(&ours).unwrap();
            assert_eq!(ids(sorted.rows()), expected, "batch {batch}: {ours} of {dataset:?}");
            let top = merged.clone().top(dataset.top, &ours).unwrap();
            assert_eq!(ids(top.rows()), expected[..dataset.top.min(expected.len())], "batch {batch}: top of {ours}");
            aggregates(&databases, batch, &merged).await;
            let by = columns()[dataset.order[0].0].0;
            groups(&databases, batch, &merged, by).await;
        }
    });
}

/// Every aggregate that has one right answer.
async fn aggregates(databases: &Databases, batch: usize, merged: &Merged) {
    let mut ours: Vec<Aggregate> = vec![count(), count_of("n")];
    let mut theirs = "count(*), count(n)".to_owned();
    for column in ["i", "s", "n", "x"] {
        ours.extend([sum(column), avg(column)]);
        // A sum of 64-bit numbers is a numeric there, whatever it comes to.
        write!(theirs, ", sum({column}), avg({column})").unwrap();
    }
    for column in ["i", "s", "n", "x", "f", "r", "t", "d", "w", "h", "z", "v", "o", "m", "l", "y"] {
        ours.extend([min(column), max(column)]);
        write!(theirs, ", min({column}), max({column})").unwrap();
    }
    let expected = databases.rows(format!("SELECT {theirs} FROM data WHERE batch = {batch}")).await;
    let row = merged.aggregate(&ours).unwrap();
    for (place, aggregate) in ours.iter().enumerate() {
        let (mine, theirs) = (&row.as_map().unwrap().0[place].1, cell(&expected, 0, place));
        let mine = match (mine, &theirs) {
            (Value::Int(mine), Value::String(_)) => text(&mine.to_string()),
            (mine, _) => mine.clone(),
        };
        // Equal values may be written differently (1 and 1.0; a month and 30 days): then the server decides.
        let alike = same(&mine, &theirs) || equal(databases, &mine, &theirs).await;
        assert!(alike, "batch {batch}: {aggregate:?} is {mine:?}, not {theirs:?}");
    }
}

async fn equal(databases: &Databases, a: &Value, b: &Value) -> bool {
    for ty in ["numeric", "interval"] {
        let outcome = databases.cluster.one(format!("SELECT $1::{ty} = $2::{ty}"), (a.clone(), b.clone())).await;
        if outcome.is_ok() {
            return cell(&outcome, 0, 0) == Value::Bool(true);
        }
    }
    false
}

async fn groups(databases: &Databases, batch: usize, merged: &Merged, by: &str) {
    let sql =
        format!("SELECT count(*), sum(n), max(s) AS most FROM data WHERE batch = {batch} GROUP BY {by} ORDER BY {by}");
    let expected = databases.rows(sql).await;
    let groups = merged.group_by(by, [count(), sum("n"), max("s").named("most")]).unwrap();
    assert_eq!(groups.rows().len(), expected.data.len(), "batch {batch}: groups of {by}");
    for (place, group) in groups.rows().iter().enumerate() {
        let mine: Vec<&Value> = ["count", "sum", "most"].iter().map(|name| &group[*name]).collect();
        let theirs: Vec<Value> = (0..3).map(|column| cell(&expected, place, column)).collect();
        assert_eq!(mine, theirs.iter().collect::<Vec<_>>(), "batch {batch}: group {place} of {by}");
    }
}

#[test]
fn what_each_shard_counted_is_summed() {
    run(async {
        let databases = Databases::new().await;
        let outcome = |count: i32, sum: &'static str| {
            databases.rows(format!("SELECT {count}::int8 AS count, {sum}::numeric AS sum"))
        };
        let merged = Merged::of([outcome(2, "3.5").await, outcome(0, "NULL").await, outcome(5, "10").await]).unwrap();
        assert_eq!(merged.value(sum("count")).unwrap(), Value::Int(7));
        assert_eq!(merged.value(avg_of("sum", "count")).unwrap(), text("1.9285714285714286"));
    });
}

#[test]
fn what_cannot_be_merged_says_why() {
    run(async {
        let databases = Databases::new().await;
        let rows = async |sql: &str| databases.rows(sql.to_owned()).await;
        let one = Merged::of([rows("SELECT 1 AS a, '{}'::jsonb AS j, 'x' AS t").await]).unwrap();
        let said = |error: Result<_, skitai_actors::merge::Unmergeable>| {
            let error: skitai_actors::merge::Unmergeable = error.map(|_: Value| ()).unwrap_err();
            error.to_string()
        };
        let sorted = |order: &str| one.clone().sorted_by(order).map(|_| Value::Nil);
        assert_eq!(said(sorted("b")), "there is no column `b`; the rows have a, j, t");
        assert!(said(sorted("j")).contains("jsonb"));
        assert!(said(one.value(sum("t"))).contains("no numbers"));
        let other = [rows("SELECT 1 AS a").await, rows("SELECT 2 AS b").await];
        assert!(said(Merged::of(other).map(|_| Value::Nil)).contains("disagree"));
        let other = Merged::of([rows("SELECT 1 AS a").await, rows("SELECT 'x' AS a").await]).unwrap();
        let error = said(other.sorted_by("a").map(|_| Value::Nil));
        assert!(error.contains("column `a` is int4") && error.contains("text"), "{error}");
        let other = Merged::of([rows("SELECT 1 AS a").await, rows("SELECT 2.5 AS a").await]).unwrap();
        assert_eq!(other.value(sum("a")).unwrap(), text("3.5"), "numbers of different types are numbers");
    });
}
