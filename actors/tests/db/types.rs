//! Every column type against the server's own text or JSON of the value.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use skitai_actors::wire::{Map, Value};

use crate::{Cluster, cell, get, rows, run, server, text};

/// How a decoded value is compared with the server's.
#[derive(Clone, Copy)]
enum Like {
    /// Its text is `::text`, but for the `T` and the full offset of ISO 8601.
    Text,
    /// It is `to_jsonb` of the value.
    Json,
    /// Only the way back is held against it: sent as a parameter it is the same value to the server.
    Back,
}
use Like::{Back, Json, Text};

const CASES: &[(&str, &str, Like)] = &[
    ("bool", "true", Json),
    ("bool", "false", Json),
    ("int2", "-32768", Json),
    ("int4", "-2147483648", Json),
    ("int8", "9223372036854775807", Json),
    ("int8", "-9223372036854775808", Json),
    ("float4", "0.1", Json),
    ("float4", "'NaN'", Back),
    ("float8", "0.1", Json),
    ("float8", "1e300", Json),
    ("float8", "-5e-324", Json),
    ("float8", "'Infinity'", Back),
    ("float8", "'-Infinity'", Back),
    ("numeric", "0", Text),
    ("numeric", "0.00", Text),
    ("numeric", "-0.000012300", Text),
    ("numeric", "123456789012345678901234567890.123456789012345678900", Text),
    ("numeric", "10000", Text),
    ("numeric", "100000000", Text),
    ("numeric", "0.0001", Text),
    ("numeric", "1e-30", Text),
    ("numeric", "1e60", Text),
    ("numeric", "'NaN'", Text),
    ("numeric", "'Infinity'", Text),
    ("numeric", "'-Infinity'", Text),
    ("text", "'Grüße \"x\" \\ ''y'''", Text),
    ("text", "''", Text),
    ("varchar", "'x'", Text),
    ("char(3)", "'x'", Back),
    ("name", "'pg_class'", Text),
    ("\"char\"", "'x'", Text),
    ("xml", "'<a/>'", Text),
    ("bytea", "'\\x00ff10'", Back),
    ("bytea", "''", Back),
    ("date", "'2024-02-29'", Text),
    ("date", "'0001-01-01'", Text),
    ("date", "'0044-03-15 BC'", Text),
    ("date", "'4713-01-01 BC'", Text),
    ("date", "'5874897-12-31'", Text),
    ("date", "'infinity'", Text),
    ("date", "'-infinity'", Text),
    ("time", "'00:00'", Text),
    ("time", "'24:00'", Text),
    ("time", "'12:34:56.789'", Text),
    ("timetz", "'12:34:56.000001+05:30'", Text),
    ("timetz", "'12:34:56-03:15:30'", Text),
    ("timetz", "'12:00+00'", Back),
    ("timestamp", "'2024-02-29 12:34:56.7'", Text),
    ("timestamp", "'1999-12-31 23:59:59.999999'", Text),
    ("timestamp", "'0044-03-15 12:00 BC'", Text),
    ("timestamp", "'294276-12-31 23:59:59.999999'", Text),
    ("timestamp", "'infinity'", Text),
    ("timestamp", "'-infinity'", Text),
    ("timestamptz", "'2024-07-01 12:34:56.123+02'", Text),
    ("timestamptz", "'0044-03-15 12:00+00 BC'", Text),
    ("timestamptz", "'infinity'", Text),
    ("interval", "'1 year 2 mons -3 days 04:05:06.789'", Text),
    ("interval", "'-1 year -2 mons +3 days -04:05:06.789'", Text),
    ("interval", "'-0.5 seconds'", Text),
    ("interval", "'0'", Text),
    ("interval", "'100 hours'", Text),
    ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", Text),
    ("json", "'{\"a\": [1, 2.5, \"x\", null, true], \"b\": {}}'", Json),
    ("jsonb", "'{\"a\": [1, 2.5, \"x\", null, true], \"b\": {}}'", Json),
    ("jsonb", "'[]'", Json),
    ("jsonb", "'\"just text\"'", Json),
    ("jsonpath", "'$.a[*]'", Text),
    ("int4[]", "'{}'", Json),
    ("int4[]", "'{1,NULL,3}'", Json),
    ("int4[]", "'{{1,2},{3,4}}'", Json),
    ("text[]", "'{\"a,b\",\"c\\\"d\",\"NULL\",NULL,\"\"}'", Json),
    ("numeric[]", "'{1.10,NaN}'", Back),
    ("timestamptz[]", "'{\"2024-01-01 00:00+00\"}'", Json),
    ("jsonb[]", "array['{\"a\":1}'::jsonb]", Back),
    ("mood", "'so so'", Text),
    ("mood[]", "'{sad,\"so so\"}'", Json),
    ("pair", "row(1,'x y')", Json),
    ("pair", "row(null,'')", Json),
    ("pair[]", "array[row(1,'a')::pair, null]", Json),
    ("posint", "7", Json),
    ("inet", "'192.168.0.1'", Json),
    ("inet", "'192.168.0.1/24'", Text),
    ("inet", "'2001:db8::1'", Json),
    ("cidr", "'10.0.0.0/8'", Text),
    ("cidr", "'2001:db8::/32'", Text),
    ("macaddr", "'08:00:2b:01:02:03'", Text),
    ("macaddr8", "'08:00:2b:01:02:03:04:05'", Text),
    ("bit(11)", "'10101010101'", Text),
    ("varbit", "''", Text),
    ("varbit", "'1'", Text),
    ("oid", "4294967295", Text),
    ("regclass", "'pg_class'", Back),
    ("xid8", "'18446744073709551615'", Text),
    ("pg_lsn", "'16/B374D848'", Text),
    ("tid", "'(42,7)'", Text),
    ("money", "'-1234.56'", Back),
    ("int4range", "'[1,10)'", Text),
    ("int4range", "'empty'", Text),
    ("int4range", "'(,5)'", Text),
    ("numrange", "'(1.5,2.50]'", Text),
    ("daterange", "'[2024-01-01,2024-02-01)'", Text),
    ("tsrange", "'[2024-01-01 10:00,infinity]'", Back),
    ("tstzrange", "'[2024-01-01 10:00+00,)'", Back),
    ("textrange", "'[\"a b\",\"c\"\"d\")'", Back),
    ("int4multirange", "'{[1,3),[5,7)}'", Text),
    ("int4multirange", "'{}'", Text),
    ("int4range[]", "'{\"[1,3)\",empty,NULL}'", Back),
    ("numeric", "'NaN'::numeric", Text),
    ("int2vector", "'1 2 3'", Json),
    ("point", "'(1,-2.5)'", Text),
    ("line", "'{1,-1,0.5}'", Text),
    ("lseg", "'[(1,2),(3,4)]'", Text),
    ("box", "'(3,4),(1,2)'", Text),
    ("path", "'[(1,2),(3,4.25)]'", Text),
    ("path", "'((1,2),(3,4))'", Text),
    ("polygon", "'((0,0),(0,1),(1,1))'", Text),
    ("circle", "'<(1,2),3>'", Text),
    ("point[]", "'{\"(1,2)\",NULL}'", Back),
    ("tsvector", "'a fat:2A,4 \"it''s\":7C \"b\\\\c\"'", Text),
    ("citext", "'Grüße'", Text),
    ("ltree", "'Top.Science'", Text),
    ("hstore", "'a=>1, b=>NULL, \"c d\"=>\"x\"'", Json),
    ("datemultirange", "'{[2024-01-01,2024-01-02)}'", Text),
];

async fn cluster() -> Cluster {
    let cluster = Cluster::of(vec![server::shared().database().await]);
    for sql in [
        "CREATE TYPE mood AS ENUM ('sad', 'so so')",
        "CREATE TYPE pair AS (number int, \"the text\" text)",
        "CREATE DOMAIN posint AS int CHECK (value > 0)",
        "CREATE TYPE textrange AS RANGE (subtype = text)",
        "CREATE EXTENSION citext",
        "CREATE EXTENSION ltree",
        "CREATE EXTENSION hstore",
    ] {
        let outcome = cluster.one(sql, ()).await;
        assert!(outcome.is_ok(), "{sql}: {}", outcome.msg);
    }
    cluster
}

/// A value in the server's spelling of `::text`.
fn server_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        // The server leaves out minutes of an offset that are zero.
        Value::DateTime(text) => {
            let text = text.replace('T', " ");
            match text.split_once("+00:00") {
                Some((head, tail)) => format!("{head}+00{tail}"),
                None => text,
            }
        }
        other => panic!("no text form: {other:?}"),
    }
}

/// JSON has no points in time.
fn as_json(value: &Value) -> Value {
    match value {
        Value::DateTime(text) => Value::String(text.clone()),
        Value::List(items) => Value::List(items.iter().map(as_json).collect()),
        Value::Map(map) => Value::Map(Map(map.0.iter().map(|(name, value)| (name.clone(), as_json(value))).collect())),
        other => other.clone(),
    }
}

#[test]
fn every_type_is_what_the_server_says() {
    run(async {
        let cluster = cluster().await;
        for (ty, expression, like) in CASES {
            let typed = format!("({expression})::{ty}");
            let sql = format!("SELECT {typed} AS v, {typed}::text AS t, to_jsonb({typed}) AS j");
            let outcome = cluster.one(sql, ()).await;
            assert!(outcome.is_ok(), "{typed}: {}", outcome.msg);
            let (value, text, json) = (cell(&outcome, 0, 0), cell(&outcome, 0, 1), cell(&outcome, 0, 2));
            assert!(
                !matches!(&value, Value::Map(map) if map.get("$type").is_some()),
                "{typed} is not decoded: {value:?}"
            );
            match like {
                Text => assert_eq!(Value::String(server_text(&value)), text, "{typed}"),
                Json => assert_eq!(as_json(&value), json, "{typed}"),
                Back => {}
            }
            // And back: what was read is, as a parameter, the same value to the server. Composites go as JSON, which
            // is no literal of theirs; money's text is a numeric, json has no equality.
            let back = match *ty {
                "pair" | "pair[]" | "hstore" | "int2vector" => continue,
                // An order of their own, by area or length, makes some of these equal that are not.
                "point" | "line" | "lseg" | "box" | "path" | "polygon" | "circle" | "point[]" => {
                    format!("SELECT $1::{ty}::text = {typed}::text")
                }
                "json" | "xml" | "jsonpath" => {
                    format!("SELECT $1::{ty}::text::jsonb::text = {typed}::text::jsonb::text")
                }
                "money" => format!("SELECT $1::numeric::money = {typed}"),
                _ => format!("SELECT $1::{ty} IS NOT DISTINCT FROM {typed}"),
            };
            // A text for a JSON place is taken as a JSON document, so a JSON string does not go back as it came.
            if matches!(*ty, "xml" | "jsonpath" | "tid") || expression.contains("just text") {
                continue;
            }
            assert_eq!(
                cluster.value(back, (value.clone(),)).await,
                Value::Bool(true),
                "{typed}: {value:?} is not read back"
            );
        }
    });
}

#[test]
fn rows_read_into_a_type_are_the_rows_one_looks_at() {
    run(async {
        let cluster = cluster().await;
        let every: Vec<String> = CASES
            .iter()
            .enumerate()
            .map(|(at, (ty, expression, _))| format!("({expression})::{ty} AS c{at}"))
            .collect();
        let sql = format!(
            "SELECT {}, NULL::int AS none, 1 AS twice, 2 AS twice FROM generate_series(1, 3)",
            every.join(", ")
        );
        let ask = async || {
            let outcome = cluster.one(sql.clone(), ()).await;
            assert!(outcome.is_ok(), "{}", outcome.msg);
            outcome
        };
        // As text: a NaN is not equal to itself.
        let looked_at = format!("{:?}", ask().await.data.into_list());
        assert_eq!(looked_at.matches("\"twice\"").count(), 6);
        assert_eq!(format!("{:?}", ask().await.data.rows::<Value>().unwrap()), looked_at);
        let outcome = ask().await;
        assert_eq!((outcome.data.len(), format!("{:?}", outcome.data.clone().into_list())), (3, looked_at.clone()));
        assert_eq!(format!("{:?}", outcome.data.rows::<Value>().unwrap()), looked_at, "and after they were looked at");
        let mut outcome = ask().await;
        outcome.data.retain(|row| row["none"] == 1);
        assert!(outcome.data.rows::<Value>().unwrap().is_empty());

        let rows = cluster.one("SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, NULL", ()).await.data;
        assert_eq!(rows.clone().rows::<BTreeMap<String, Value>>().unwrap()[1]["b"], Value::Nil);
        let error = rows.rows::<BTreeMap<String, i64>>().unwrap_err();
        assert_eq!(error.to_string(), "b: invalid type: string \"x\", expected i64");
    });
}

/// A type with fields of its own.
#[derive(Debug, Deserialize, PartialEq)]
struct Pair {
    a: i64,
    b: Option<String>,
}

/// The same, written by hand: it knows names and no order.
#[derive(Debug, PartialEq)]
struct ByName(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for ByName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ByName, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = ByName;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names and values")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ByName, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(ByName(pairs))
            }
        }
        deserializer.deserialize_struct("ByName", &["a", "b"], Names)
    }
}

#[test]
fn a_type_finds_its_fields_wherever_they_stand() {
    run(async {
        let cluster = cluster().await;
        let pair = |a, b: Option<&str>| Pair { a, b: b.map(str::to_owned) };
        let two = [pair(1, Some("x")), pair(2, None)];
        for columns in ["a, b", "b, a", "a, 7 AS c, b", "b, a, a AS d"] {
            let sql = format!("SELECT {columns} FROM (VALUES (1::bigint, 'x'), (2, NULL)) AS rows(a, b)");
            let data = cluster.one(sql, ()).await.data;
            assert_eq!(data.clone().rows::<Pair>().unwrap(), two, "{columns}, after it was looked at");
            assert_eq!(data.rows::<Pair>().unwrap(), two, "{columns}");
        }
        assert_eq!(cluster.one("SELECT 3 AS a", ()).await.data.rows::<Pair>().unwrap(), [pair(3, None)]);
        let rows = || cluster.one("SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, 'y'", ());
        let by_name = rows().await.data.rows::<ByName>().unwrap();
        let known = |a, b: &str| ByName(vec![("a".to_owned(), Value::Int(a)), ("b".to_owned(), b.into())]);
        assert_eq!(by_name, [known(1, "x"), known(2, "y")]);
        let error = async |sql: &'static str| cluster.one(sql, ()).await.data.rows::<Pair>().unwrap_err().to_string();
        assert_eq!(
            error("SELECT 1 AS a, 'x' AS b UNION ALL SELECT NULL, 'y'").await,
            "a: invalid type: unit value, expected i64"
        );
        assert_eq!(error("SELECT 1 AS a, 2 AS b").await, "b: invalid type: integer `2`, expected a string");
        assert_eq!(error("SELECT 'x' AS b").await, "missing field `a`");
        assert!(error("SELECT 1 AS a, 2 AS a, 'x' AS b").await.contains("duplicate field `a`"));
        /// Its list of names is as long as the columns, and is not one name for each field.
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "it cannot be made")]
        struct Renamed {
            #[serde(alias = "a")]
            b: i64,
            c: i64,
        }
        let twice = cluster.one("SELECT 1 AS a, 2 AS b, 3 AS c", ()).await.data.rows::<Renamed>().unwrap_err();
        assert_eq!(twice.to_string(), "duplicate field `b`");
        // More than lie in their place, and each of them.
        let many = cluster.one("SELECT i AS a, i::text AS b FROM generate_series(1::bigint, 100) AS i", ()).await.data;
        let many = many.rows::<Pair>().unwrap();
        assert!(many.len() == 100 && (1..).zip(&many).all(|(a, row)| *row == pair(a, Some(&a.to_string()))));
    });
}

#[test]
fn the_exact_forms_are_pinned() {
    run(async {
        let cluster = cluster().await;
        let cases = [
            ("'-1234.56'::money", text("-1234.56")),
            ("1e20::numeric", text("100000000000000000000")),
            ("'2024-07-01 12:34:56.5+02'::timestamptz", Value::DateTime("2024-07-01T10:34:56.5+00:00".to_owned())),
            ("'2024-07-01'::date", Value::DateTime("2024-07-01".to_owned())),
            ("'12:00+05:30'::timetz", Value::DateTime("12:00:00+05:30".to_owned())),
            ("'\\x00ff'::bytea", Value::Bytes(vec![0, 255])),
            ("null::int4", Value::Nil),
            ("row(1, 'x'::text)", Value::from_pairs([("f1", Value::Int(1)), ("f2", text("x"))])),
            ("'[2024-01-01 10:00,)'::tsrange", text("[2024-01-01T10:00:00,)")),
            ("'{\"n\": 12345678901234567890123}'::jsonb", Value::from_pairs([("n", text("12345678901234567890123"))])),
            ("'{\"n\": 0.12345678901234567890}'::jsonb", Value::from_pairs([("n", text("0.12345678901234567890"))])),
            ("'{\"n\": 9223372036854775807}'::jsonb", Value::from_pairs([("n", Value::Int(i64::MAX))])),
            ("'1e400'::jsonb", text(&format!("1{}", "0".repeat(400)))),
            ("pg_sleep(0)", Value::Nil),
            (
                "'cat & dog'::tsquery",
                Value::from_pairs([
                    ("$type", text("tsquery")),
                    ("hex", text("000000030202010000646f670001000063617400")),
                ]),
            ),
        ];
        for (expression, expected) in cases {
            assert_eq!(cluster.value(format!("SELECT {expression}"), ()).await, expected, "{expression}");
        }
        let Value::Double(nan) = cluster.value("SELECT 'NaN'::float8", ()).await else { panic!("not a double") };
        assert!(nan.is_nan());
        // A document nested deeper than the stack should follow is still there, as text or as lists.
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        assert_eq!(cluster.value("SELECT $1::json", (deep.clone(),)).await, text(&deep));
    });
}

#[test]
fn thousands_of_random_values_agree_with_the_server() {
    run(async {
        let cluster = cluster().await;
        for (ty, expression) in [
            ("numeric", "round((random()::numeric - 0.5) * (10::numeric ^ (i % 60)), i % 37)"),
            ("timestamp", "timestamp '2000-01-01' + (random() - 0.3) * 20000 * interval '365 days'"),
            ("timestamptz", "timestamptz '2000-01-01 00:00+00' + (random() - 0.3) * 20000 * interval '365 days'"),
            ("date", "date '0001-01-01' + ((random() - 0.3) * 2000000)::int"),
            ("time", "time '00:00' + random() * interval '24 hours'"),
            (
                "interval",
                "make_interval(months => ((random()-0.5)*1000)::int, days => ((random()-0.5)*1000)::int, \
                 secs => ((random()-0.5)*1000000)::int) + interval '1 microsecond' * (((random()-0.5)*10000000)::int)",
            ),
            ("inet", "('::'::inet + (random() * 9e18)::int8)"),
            ("uuid", "gen_random_uuid()"),
            ("varbit", "(random() * 1e9)::int::bit(31)::varbit"),
        ] {
            let sql = format!(
                "SELECT v, v::text AS t, v IS NOT DISTINCT FROM NULL AS n FROM (SELECT ({expression})::{ty} AS v FROM generate_series(1, 2000) i) s"
            );
            let outcome = cluster.one(sql, ()).await;
            assert!(outcome.is_ok(), "{ty}: {}", outcome.msg);
            assert_eq!(rows(&outcome).len(), 2000);
            for row in rows(&outcome) {
                let (value, expected) = (get(row, "v"), get(row, "t"));
                let told = match (ty, &expected) {
                    // ::text of an address always has its length; the type's own output has not.
                    ("inet", Value::String(text)) => Value::String(text.trim_end_matches("/128").to_owned()),
                    _ => expected,
                };
                assert_eq!(Value::String(server_text(&value)), told, "{ty}");
            }
        }
    });
}

#[test]
fn many_rows_of_the_databases_own_types_do_not_stall() {
    run(async {
        let cluster = Cluster::with(vec![server::shared().database().await], |spec| {
            spec.member_timeout = std::time::Duration::from_secs(5);
        });
        cluster.all("CREATE TYPE mood AS ENUM ('sad', 'merry')", ()).await;
        // A text made at run time: the driver learns the type while the rows already come.
        let many = |column: &str| format!("SELECT i, 'merry'::mood AS {column} FROM generate_series(1, 20000) AS i");
        for (turn, column) in ["a", "b", "c"].into_iter().enumerate() {
            let outcome = cluster.one(many(column), ()).await;
            assert!(outcome.is_ok(), "turn {turn}: {}", outcome.msg);
            assert_eq!((rows(&outcome).len(), cell(&outcome, 19_999, 1)), (20_000, text("merry")));
        }
    });
}
