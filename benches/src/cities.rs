//! What all fan-outs over the cities have in common beside the way they ask: the question and the answer.

use std::time::Duration;

use actix_web::error::ErrorInternalServerError;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{HttpResponse, Result};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

/// As the demo's handler waits.
pub const WITHIN: Duration = Duration::from_secs(5);

/// The demo's statement.
pub const AT_LEAST: &str =
    "SELECT name, country, population FROM cities WHERE population >= $1 ORDER BY population DESC, name";

/// The question.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// So many people.
    pub at_least: i64,
}

/// A row.
#[derive(Debug, Serialize)]
pub struct City {
    name: String,
    country: String,
    population: i64,
}

/// The rows of one database, read by type.
pub fn read(rows: &[Row]) -> Result<Vec<City>, tokio_postgres::Error> {
    let city = |row: &Row| Ok(City { name: row.try_get(0)?, country: row.try_get(1)?, population: row.try_get(2)? });
    rows.iter().map(city).collect()
}

/// The answer, the largest city first.
pub fn answer(mut cities: Vec<City>) -> Result<HttpResponse> {
    cities.sort_by(|one, other| other.population.cmp(&one.population).then_with(|| one.name.cmp(&other.name)));
    let cities = serde_json::to_vec(&cities).map_err(ErrorInternalServerError)?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json"))).body(cities))
}

/// The login of one of the benchmark's databases.
pub fn login(port: u16, database: &str, password: &str) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(port).dbname(database).user("skitai").password(password);
    config
}
