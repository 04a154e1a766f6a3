//! The eight methods of UserLand's validator for XML-RPC servers, written from its public description.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use skitai::prelude::*;

pub(crate) fn package() -> Package {
    Package::at("/validator1")
        .routes(routes![array_of_structs, count_the_entities, easy_struct, echo_struct])
        .routes(routes![many_types, moderate_size_array, nested_struct, simple_struct_return])
}

#[derive(Clone, Copy, Deserialize)]
struct Stooges {
    moe: i64,
    larry: i64,
    curly: i64,
}

impl Stooges {
    fn sum(self) -> i64 {
        self.moe + self.larry + self.curly
    }
}

/// The sum of all that is curly.
#[route("/arrayOfStructsTest")]
async fn array_of_structs(structs: Vec<Json<Stooges>>) -> i64 {
    structs.iter().map(|stooges| stooges.0.curly).sum()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entities {
    ct_left_angle_brackets: usize,
    ct_right_angle_brackets: usize,
    ct_ampersands: usize,
    ct_apostrophes: usize,
    ct_quotes: usize,
}

/// How often each character stands there that XML has an entity for.
#[route("/countTheEntities")]
async fn count_the_entities(text: String) -> Entities {
    let count = |wanted| text.matches(wanted).count();
    Entities {
        ct_left_angle_brackets: count('<'),
        ct_right_angle_brackets: count('>'),
        ct_ampersands: count('&'),
        ct_apostrophes: count('\''),
        ct_quotes: count('"'),
    }
}

/// The sum of the three numbers.
#[route("/easyStructTest")]
async fn easy_struct(stooges: Json<Stooges>) -> i64 {
    stooges.0.sum()
}

/// The structure itself.
#[route("/echoStructTest")]
async fn echo_struct(value: Value) -> Value {
    value
}

/// One value of each type, as they came.
#[route("/manyTypesTest")]
async fn many_types(
    number: i64,
    truth: bool,
    text: String,
    wide: f64,
    when: Value,
    octets: Value,
) -> (i64, bool, String, f64, Value, Value) {
    (number, truth, text, wide, when, octets)
}

/// The first of many texts, and the last.
#[route("/moderateSizeArrayCheck")]
async fn moderate_size_array(texts: Vec<String>) -> String {
    let end = |text: Option<&String>| text.cloned().unwrap_or_default();
    end(texts.first()) + &end(texts.last())
}

/// Years of months of days.
type Calendar = HashMap<String, HashMap<String, HashMap<String, Stooges>>>;

/// The sum of the first of April 2000 in a calendar of years, months and days.
#[route("/nestedStructTest")]
async fn nested_struct(calendar: Json<Calendar>) -> Result<i64> {
    let day = calendar.0.get("2000").and_then(|year| year.get("04")?.get("01"));
    day.map(|day| day.sum()).ok_or_else(|| Error::new(404, "the calendar has no first of April 2000"))
}

/// The number ten, a hundred and a thousand times.
#[route("/simpleStructReturnTest")]
async fn simple_struct_return(number: i64) -> Map {
    let times = |factor: i64| Value::from(number * factor);
    Map(vec![("times10".into(), times(10)), ("times100".into(), times(100)), ("times1000".into(), times(1000))])
}
