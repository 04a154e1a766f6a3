//! Rows as they come, in every form in which they can leave.

use serde::{Deserialize, Serialize};
use skitai::prelude::*;
use skitai::sql::{count, max, sum};

pub(crate) fn package() -> Package {
    Package::new().routes(routes![rows, rows_added, rows_grouped, rows_filtered])
}

/// A statement's rows straight to the client. `order` merges them in it; without one they come as they arrive.
#[route("/rows", deadline = 600)]
async fn rows(
    was: Was,
    cluster: String,
    sql: String,
    #[arg(default = "ndjson")] format: String,
    order: Option<String>,
    #[arg(default = false)] strict: bool,
    #[arg(default = 30.0)] patience: f64,
) -> Result<Streaming> {
    let statement = was.dmap(&cluster).patience(secs(patience));
    let statement = if strict { statement.all_or_error() } else { statement };
    let rows = statement.rows(sql, ());
    let rows = match order {
        Some(order) => rows.sorted_by(&order),
        None => rows,
    };
    match format.as_str() {
        "csv" => rows.csv().await,
        "json" => rows.json().await,
        _ => rows.ndjson().await,
    }
}

#[derive(Debug, Deserialize, Serialize)]
struct City {
    name: String,
    population: i64,
}

/// Reads cities one by one, as a type of its own, and says what became of each shard.
#[route("/rows-added")]
async fn rows_added(was: Was, cluster: String) -> Result<Value> {
    let sql = "SELECT name, population FROM cities";
    let mut cities = was.dmap(&cluster).rows(sql, ()).of::<City>();
    let mut people = 0;
    while let Some(city) = cities.next().await {
        people += city?.population;
    }
    let read = cities.outcomes().flatten().filter_map(|outcome| outcome.affected).sum::<u64>();
    let again: Value = was.dmap(&cluster).rows(sql, ()).aggregate([count(), sum("population")]).await?;
    Ok(Value::from_pairs([
        ("people", people.into()),
        ("read", read.cast_signed().into()),
        ("coverage", cities.coverage().to_string().into()),
        ("again", again),
    ]))
}

/// The largest city of each country.
#[route("/rows-grouped")]
async fn rows_grouped(was: Was, cluster: String) -> Result<Merged> {
    let rows = was.dmap(&cluster).rows("SELECT country, population FROM cities", ());
    rows.group_by("country", [count(), max("population")]).await?.top(3, "-max")
}

/// What cannot be had of rows as they come is refused.
#[route("/rows-filtered")]
async fn rows_filtered(was: Was, cluster: String) -> Result<Streaming> {
    was.dmap(&cluster).filter(|_| {}).rows("SELECT name FROM cities", ()).ndjson().await
}
