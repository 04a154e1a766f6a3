use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::*;
use crate::{Error, json};

fn row() -> Value {
    Value::from_pairs([
        ("name", Value::from("Bonn")),
        ("population", Value::from(330_000)),
        ("area", Value::from(141.06)),
        ("tags", Value::from(["a", "b"])),
        ("name", Value::from("the second")),
    ])
}

#[test]
fn an_app_reads_a_row() {
    let row = row();
    assert!(row["population"] >= 100_000);
    assert!(row["name"] == "Bonn");
    assert!(row["area"] < 200.0 && row["area"] > 141);
    assert!(row["tags"][1] == "b" && row["tags"][2].is_nil());
    assert!(row["missing"]["deeper"][3].is_nil());
    assert_eq!(row["name"].partial_cmp(&1), None, "text and numbers have no order");
    assert_eq!(row["name"].as_str(), Some("Bonn"));
    assert_eq!((row["population"].as_i64(), row["area"].as_i64()), (Some(330_000), None));
    assert_eq!(row["population"].as_f64(), Some(330_000.0));
    assert_eq!(row["tags"].as_list().map(<[Value]>::len), Some(2));
    assert_eq!((row.len(), row["tags"].len(), row["name"].len()), (5, 2, 0));
    assert!(Value::Nil.into_list().is_empty());
    assert_eq!(Value::from(1).into_list(), [Value::Int(1)]);
    assert_eq!(Value::from([1, 2]).into_list(), [Value::Int(1), Value::Int(2)]);
    let mut rows = Value::from(vec![row, Value::from_pairs([("population", Value::from(5))])]);
    rows.retain(|row| row["population"] >= 100_000);
    assert_eq!(rows.len(), 1);
}

#[test]
fn numbers_compare_by_size_whatever_their_kind() {
    let big = 9_007_199_254_740_993_i64; // 2^53 + 1, which no double is
    assert!(Value::Int(big) > 9_007_199_254_740_992.0);
    assert!(Value::Double(9_007_199_254_740_992.0) < big);
    assert!(Value::UInt(u64::MAX) > i64::MAX && Value::UInt(u64::MAX) == u64::MAX);
    assert!(Value::Double(1.0) == 1 && Value::Int(1) == 1.0 && 1 == Value::Int(1) && 2.0 > Value::Int(1));
    assert!(Value::Double(-0.5) < 0 && Value::Double(-0.5) > -1);
    assert!(Value::Double(f64::INFINITY) > i64::MAX && Value::Double(f64::NEG_INFINITY) < i64::MIN);
    let nan = f64::NAN;
    assert!(Value::Double(nan) != nan && Value::Double(nan).partial_cmp(&1).is_none());
    let (text, own) = (Value::String("a".into()), String::from("a"));
    assert!("b" > text && own == text);
    assert_eq!(text, own);
    assert_eq!(Value::Bool(true), true);

    let mut values = [Value::Double(2.5), Value::Int(3), Value::Int(-1), Value::UInt(u64::MAX), Value::Double(1e30)];
    values.sort_by(|a, b| a.partial_cmp(b).expect("all are numbers"));
    assert_eq!(values, [Value::Int(-1), Value::Double(2.5), Value::Int(3), Value::UInt(u64::MAX), Value::Double(1e30)]);
    assert!(Value::Int(1) != Value::Double(1.0) && Value::Int(1) < Value::Double(1.0), "an order that agrees with ==");
    assert!(Value::from(["a", "b"]) < Value::from(["a", "c"]));
    assert_eq!(Value::from("a").partial_cmp(&Value::Nil), None);
}

#[test]
fn usual_types_become_values() {
    assert_eq!(Value::from(u64::MAX), Value::UInt(u64::MAX));
    assert_eq!(Value::from(7_u64), Value::Int(7));
    assert_eq!(Value::from(usize::MAX), Value::UInt(u64::MAX));
    assert_eq!(Value::from(None::<&str>), Value::Nil);
    assert_eq!(Value::from(Some("a")), Value::from("a"));
    assert_eq!(Value::from(vec![Some(1), None]), Value::List(vec![Value::Int(1), Value::Nil]));
    assert_eq!(Value::from(Bytes(vec![1])), Value::Bytes(vec![1]));
    assert_eq!(Value::from(DateTime("x".into())), Value::DateTime("x".into()));
    assert_eq!(Value::from(BTreeMap::from([("a", 1)])), Value::from_pairs([("a", Value::Int(1))]));
    assert_eq!(Value::from(HashMap::from([(String::from("a"), 1)]))["a"], Value::Int(1));
    assert_eq!((1..3).collect::<Value>(), Value::from([1, 2]));
    for (value, kind) in [
        (Value::Nil, "nil"),
        (true.into(), "bool"),
        (u64::MAX.into(), "int"),
        (0.5.into(), "double"),
        ("".into(), "string"),
        (DateTime::default().into(), "datetime"),
        (Bytes::default().into(), "bytes"),
        (Value::List(vec![]), "list"),
        (Map::default().into(), "map"),
    ] {
        assert_eq!(value.kind(), kind);
    }
}

#[test]
fn a_value_shows_as_json() {
    let value = Value::from_pairs([
        ("a", Value::from(vec![Value::Nil, Value::from(1.0), Value::from(f64::NAN), Value::from(u64::MAX)])),
        ("b", Value::Bytes(b"hello".to_vec())),
        ("c", Value::DateTime("20260102T03:04:05".into())),
        ("d", Value::from("\"\u{1}")),
    ]);
    assert_eq!(
        value.to_string(),
        r#"{"a":[null,1.0,null,18446744073709551615],"b":"aGVsbG8=","c":"20260102T03:04:05","d":"\"\u0001"}"#
    );
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct City {
    name: String,
    population: u32,
    area: Option<f64>,
    #[serde(default)]
    founded: Option<DateTime>,
    flag: Bytes,
    extra: Value,
    shape: Shape,
    places: (i8, String),
    by_year: BTreeMap<u16, f32>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Line(i32, i32),
    Box { w: i32 },
}

fn city(shape: Shape) -> City {
    City {
        name: "Bonn".into(),
        population: 330_000,
        area: Some(141.0),
        founded: Some(DateTime("00120101T00:00:00".into())),
        flag: Bytes(vec![0, 255]),
        extra: Value::from(vec![Value::DateTime("x".into()), Value::Bytes(vec![1]), Value::UInt(u64::MAX)]),
        shape,
        places: (-1, "a".into()),
        by_year: BTreeMap::from([(1990, 0.5), (2000, 1.5)]),
    }
}

#[test]
fn own_types_go_into_values_and_back() {
    for shape in [Shape::Point, Shape::Circle(1.0), Shape::Line(1, 2), Shape::Box { w: 3 }] {
        let city = city(shape);
        let value = to_value(&city).unwrap();
        assert_eq!(value["founded"].kind(), "datetime");
        assert_eq!(value["flag"].kind(), "bytes");
        assert_eq!(value["extra"], city.extra, "values within keep their kinds");
        assert_eq!(value["by_year"]["1990"], Value::Double(0.5));
        assert_eq!(from_value::<City>(value.clone()).unwrap(), city);
        // The same through XML, which keeps all kinds except the one it cannot express, and JSON, which turns some into
        // text.
        let city = City { extra: Value::from([1, 2]), ..city };
        let xml = crate::xmlrpc::write_response(&city).unwrap();
        let read = crate::xmlrpc::parse_response(&xml, &crate::Limits::default()).unwrap().unwrap();
        assert_eq!(read, to_value(&city).unwrap());
        assert_eq!(from_value::<City>(read).unwrap(), city);
        let text = json::to_vec(&city).unwrap();
        assert_eq!(from_value::<City>(json::parse_value(&text).unwrap()).unwrap(), city);
        assert_eq!(serde_json::from_slice::<City>(&text).unwrap(), city);
    }
}

#[test]
fn reading_is_lenient_only_where_nothing_is_lost() {
    assert_eq!(from_value::<i64>(Value::Double(3.0)).unwrap(), 3);
    assert_eq!(from_value::<f64>(Value::Int(3)).unwrap(), 3.0);
    assert_eq!(from_value::<u64>(Value::UInt(u64::MAX)).unwrap(), u64::MAX);
    assert_eq!(from_value::<String>(Value::DateTime("x".into())).unwrap(), "x");
    assert_eq!(from_value::<DateTime>(Value::from("x")).unwrap(), DateTime("x".into()));
    assert_eq!(from_value::<Bytes>(Value::from("AAE")).unwrap(), Bytes(vec![0, 1]));
    assert_eq!(from_value::<Vec<u8>>(Value::Bytes(vec![1, 2])).unwrap(), [1, 2]);
    assert_eq!(from_value::<Option<i32>>(Value::Nil).unwrap(), None);
    assert_eq!(from_value::<()>(Value::Nil), Ok(()));
    assert_eq!(from_value::<Value>(Value::DateTime("x".into())).unwrap(), Value::DateTime("x".into()));
    let ip: std::net::IpAddr = from_value(Value::from("::1")).unwrap();
    assert!(ip.is_loopback());

    let table: [(Result<(), Error>, &str); 12] = [
        (from_value::<i64>(Value::Double(3.5)).map(drop), "floating point"),
        (from_value::<i64>(Value::Double(1e300)).map(drop), "floating point"),
        (from_value::<f64>(Value::Int(i64::MAX)).map(drop), "a number a double holds exactly"),
        (from_value::<f64>(Value::UInt(u64::MAX)).map(drop), "a number a double holds exactly"),
        (from_value::<u8>(Value::Int(256)).map(drop), "expected u8"),
        (from_value::<u8>(Value::Int(-1)).map(drop), "expected u8"),
        (from_value::<i64>(Value::from("3")).map(drop), "invalid type: string \"3\", expected i64"),
        (from_value::<bool>(Value::Int(1)).map(drop), "expected a boolean"),
        (from_value::<String>(Value::Int(1)).map(drop), "expected a string"),
        (from_value::<String>(Value::Nil).map(drop), "expected a string"),
        (from_value::<(i8, i8)>(Value::from([1, 2, 3])).map(drop), "invalid length 3"),
        (from_value::<Shape>(Value::from("Oval")).map(drop), "unknown variant `Oval`"),
    ];
    for (error, message) in table {
        let error = error.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn an_error_names_the_field() {
    #[derive(Debug, Deserialize)]
    struct Answer {
        #[serde(rename = "rows")]
        _rows: Vec<City>,
    }
    let mut bad = to_value(&city(Shape::Line(1, 2))).unwrap();
    let Value::Map(map) = &mut bad else { panic!("a struct is a map") };
    map.0[1].1 = Value::from("many");
    let good = to_value(&city(Shape::Point)).unwrap();
    let answer = Value::from_pairs([("rows", Value::from(vec![good, bad.clone()]))]);
    let error = from_value::<Answer>(answer).unwrap_err();
    assert_eq!(error.path, "rows[1].population");
    assert_eq!(error.to_string(), "rows[1].population: invalid type: string \"many\", expected u32");
    let Value::Map(map) = &mut bad else { panic!("a struct is a map") };
    map.0.remove(1);
    let error = from_value::<Vec<City>>(Value::from(vec![bad])).unwrap_err();
    assert_eq!(error.to_string(), "[0]: missing field `population`");
    let error =
        from_value::<Vec<Shape>>(Value::from(vec![Value::from_pairs([("Line", Value::from([1]))])])).unwrap_err();
    assert_eq!(error.path, "[0].Line");

    let error = to_value(&BTreeMap::from([("a", [u128::MAX])])).unwrap_err();
    assert_eq!(error.path, "a[0]");
    let long = from_value::<i32>(Value::from("x".repeat(10_000))).unwrap_err();
    assert!(long.to_string().len() < 300, "{long}");
}

#[test]
fn json_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(json::parse_value(nested(64).as_bytes()).is_ok());
    for depth in [65, 200, 100_000] {
        assert!(json::parse_value(nested(depth).as_bytes()).unwrap_err().message.contains("nested more than 64"));
    }
    let error = json::parse_value(b"[1,\n 2, x]").unwrap_err();
    assert_eq!(error.offset, Some(8), "{error}");
    assert!(json::parse_value(b"1 2").is_err());
    assert!(json::parse_value(b"").is_err());
    assert_eq!(json::parse_value(b" {\"a\": 1, \"a\": 2} ").unwrap().len(), 2);
    assert!(json::to_vec(&BTreeMap::from([((1, 2), 3)])).is_err());
}

#[test]
fn fields_are_read_as_the_map_they_would_make() {
    #[derive(Debug, Deserialize)]
    struct Named(#[expect(dead_code, reason = "shown in what is compared")] BTreeMap<String, Value>);

    /// The same fields with borrowed texts.
    struct Lent(Vec<(Arc<str>, Value)>);
    impl Fields for Lent {
        fn count(&self) -> usize {
            self.0.len()
        }
        fn name(&self, at: usize) -> &str {
            &self.0[at].0
        }
        fn take(&mut self, at: usize) -> Field<'_> {
            match &mut self.0[at].1 {
                Value::String(text) => Field::Text(text),
                value => Field::Value(std::mem::take(value)),
            }
        }
    }

    fn both<T: serde::de::DeserializeOwned + fmt::Debug>(value: &Value) -> String {
        let Value::Map(Map(pairs)) = value.clone() else { panic!("no map: {value}") };
        let (made, unmade) = (from_value::<T>(value.clone()), from_fields::<T>(pairs.clone()));
        assert_eq!(format!("{made:?}"), format!("{unmade:?}"));
        assert_eq!(format!("{made:?}"), format!("{:?}", from_fields::<T>(Lent(pairs))), "texts lent");
        format!("{unmade:?}")
    }

    let whole = to_value(&city(Shape::Line(1, 2))).unwrap();
    assert!(both::<City>(&whole).starts_with("Ok(City"));
    assert!(both::<Option<City>>(&whole).starts_with("Ok(Some(City"));
    assert!(both::<Value>(&whole).contains("datetime") || both::<Value>(&whole).contains("DateTime"));
    assert!(both::<HashMap<String, serde::de::IgnoredAny>>(&Value::from_pairs([("a", Value::Nil)])).contains("\"a\""));
    assert!(both::<Named>(&row()).contains("the second"), "a map keeps the last of two of one name");
    assert!(both::<BTreeMap<i64, bool>>(&Value::from_pairs([("-7", Value::Bool(true))])).contains("-7: true"));
    assert!(both::<Shape>(&Value::from_pairs([("Circle", Value::Int(1))])).contains("Circle(1.0)"));
    assert!(both::<serde::de::IgnoredAny>(&whole).starts_with("Ok"));
    assert!(both::<City>(&row()).contains("duplicate field `name`"), "a type keeps neither");
    assert!(both::<City>(&Value::from_pairs([("area", Value::Nil)])).contains("missing field `name`"));
    assert!(
        both::<City>(&Value::from_pairs([("name", Value::Int(1))])).contains("path: \"name\""),
        "and the field is named"
    );
    for error in [both::<i64>(&whole), both::<f32>(&whole), both::<Vec<u8>>(&whole), both::<String>(&whole)] {
        assert!(error.contains("invalid type: map"), "{error}");
    }
    assert!(both::<Shape>(&whole).contains("variant"));
    let texts = Value::from_pairs([("a", Value::from("Point")), ("b", Value::from("AAE="))]);
    assert!(both::<BTreeMap<String, Shape>>(&texts).contains("unknown variant `AAE=`"));
    assert!(both::<BTreeMap<String, Option<DateTime>>>(&texts).starts_with("Ok"));
    assert!(both::<BTreeMap<String, Value>>(&texts).contains("String(\"Point\")"));
    assert!(both::<BTreeMap<String, serde::de::IgnoredAny>>(&texts).starts_with("Ok"));
    assert!(both::<BTreeMap<String, i64>>(&texts).contains("string \\\"Point\\\", expected i64"));
    for read in [both::<BTreeMap<String, Bytes>>(&texts), both::<BTreeMap<String, Vec<u8>>>(&texts)] {
        assert!(!read.is_empty());
    }
}
