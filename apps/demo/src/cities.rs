//! A statement on every shard of a database cluster at once.

use serde::{Deserialize, Serialize};
use skitai::prelude::*;
use skitai::sql::sum;

/// A row of `cities`.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct City {
    name: String,
    country: String,
    population: i64,
}

const AT_LEAST: &str =
    "SELECT name, country, population FROM cities WHERE population >= $1 ORDER BY population DESC, name";

/// The cities with at least this population, the largest first. A list that lacks a shard's cities looks like a whole
/// one, so only a client that sends `Prefer: allow-partial` gets it; the others get a 503 that says what is missing.
#[route("/cities", partial = "consent")]
pub(crate) async fn cities(was: Was, #[arg(default = 1_000_000)] at_least: i64) -> Result<Vec<City>> {
    let found = was.dmap("mydb").execute(AT_LEAST, (at_least,)).getswait(secs(5)).await;
    let mut cities: Vec<City> = found.rows()?;
    cities.sort_by(|one, other| other.population.cmp(&one.population).then_with(|| one.name.cmp(&other.name)));
    Ok(cities)
}

/// Every city, the largest first, one per line, sent while the shards still send theirs. A client that reads slowly
/// slows the shards down. If a shard fails, the last line says so.
#[route("/cities/all")]
pub(crate) async fn all_cities(was: Was) -> Result<Streaming> {
    let sql = "SELECT name, country, population FROM cities ORDER BY population DESC";
    was.dmap("mydb").rows(sql, ()).of::<City>().sorted_by("-population").ndjson().await
}

/// The population of the cities of each country, the largest first. Each shard sums its own rows, and the sums of all
/// shards are added here.
#[route("/countries")]
pub(crate) async fn countries(was: Was, #[arg(default = 10)] top: u16) -> Result<Merged> {
    let sums = "SELECT country, count(*) AS cities, sum(population) AS people FROM cities GROUP BY country";
    let found = was.dmap("mydb").execute(sums, ()).getswait(secs(5)).await;
    let countries = [sum("cities").named("cities"), sum("people").named("people")];
    found.require(All)?.group_by("country", countries)?.top(top.into(), "-people, country")
}

/// The largest city, by name and population, merged from all shards.
#[route("/test/get_top_city")]
pub(crate) async fn get_top_city(was: Was) -> Result<(String, i64)> {
    let s = was.dmap("mydb").execute("SELECT name, country, population FROM cities", ());
    let cities: Vec<City> = s.getswait(secs(5)).await.require(All)?.rows()?;
    let top = cities.into_iter().max_by_key(|city| city.population);
    top.map(|city| (city.name, city.population)).ok_or_else(|| Error::new(404, "there are no cities"))
}

/// The largest cities of one shard, the least busy one.
#[route("/test/dlb")]
pub(crate) async fn dlb(was: Was) -> Result<Vec<City>> {
    let s =
        was.dlb("mydb").execute("SELECT name, country, population FROM cities ORDER BY population DESC LIMIT 10", ());
    s.getswait(secs(2)).await.rows()
}

/// The largest city. The filter runs on each shard's answer as it arrives, while the others still work.
#[route("/top-city")]
pub(crate) async fn top_city(was: Was) -> Result<City> {
    let found = was
        .dmap("mydb")
        .filter(|shard| shard.data.retain(|city| city["population"] >= 100_000))
        .execute("SELECT name, country, population FROM cities", ())
        .getswait(secs(5))
        .await;
    let cities: Vec<City> = found.require(All)?.rows()?;
    let top = cities.into_iter().max_by_key(|city| city.population);
    top.ok_or_else(|| Error::new(404, "no city has 100 000 people"))
}
