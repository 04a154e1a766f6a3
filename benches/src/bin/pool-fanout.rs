//! A statement on three PostgreSQL databases, hand-written for this one purpose: a deadpool per worker and database,
//! prepared once per connection, rows read by type. `pool-fanout THREADS PORT POSTGRES`, the password of the user
//! `skitai` in `PGPASSWORD`.

use std::time::Duration;

use actix_web::error::{ErrorBadGateway, ErrorGatewayTimeout, ErrorInternalServerError};
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::web::{Data, Query};
use actix_web::{App, HttpResponse, HttpServer, Result, web};
use deadpool_postgres::{Manager, Pool};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use tokio_postgres::NoTls;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As the demo's handler waits.
const WITHIN: Duration = Duration::from_secs(5);
/// The default of a database cluster, per member and instance; the workers share it out.
const CONNECTIONS: usize = 10;

const AT_LEAST: &str =
    "SELECT name, country, population FROM cities WHERE population >= $1 ORDER BY population DESC, name";

#[derive(Deserialize)]
struct Asked {
    at_least: i64,
}

#[derive(Serialize)]
struct City {
    name: String,
    country: String,
    population: i64,
}

fn main() -> std::io::Result<()> {
    let (threads, [port, postgres]) = benches::arguments()?;
    let password = std::env::var("PGPASSWORD").unwrap_or_default();
    actix_rt::System::new().block_on(async move {
        HttpServer::new(move || {
            let each = (CONNECTIONS / threads).max(1);
            let pools: Vec<Pool> = (0..3).map(|shard| pool(postgres, shard, &password, each)).collect();
            App::new().app_data(Data::new(pools)).route("/cities", web::get().to(cities))
        })
        .workers(threads)
        .bind(("127.0.0.1", port))?
        .run()
        .await
    })
}

fn pool(port: u16, shard: usize, password: &str, connections: usize) -> Pool {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(port).dbname(format!("shard{shard}")).user("skitai").password(password);
    let pool = Pool::builder(Manager::new(config, NoTls)).max_size(connections);
    pool.build().expect("a pool without timeouts needs no runtime")
}

async fn cities(asked: Query<Asked>, pools: Data<Vec<Pool>>) -> Result<HttpResponse> {
    let asking = try_join_all(pools.iter().map(|pool| ask(pool, asked.at_least)));
    let found = tokio::time::timeout(WITHIN, asking).await.map_err(ErrorGatewayTimeout)??;
    let mut cities: Vec<City> = found.into_iter().flatten().collect();
    cities.sort_by(|one, other| other.population.cmp(&one.population).then_with(|| one.name.cmp(&other.name)));
    let cities = skitai_wire::json::to_vec(&cities).map_err(ErrorInternalServerError)?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json"))).body(cities))
}

async fn ask(pool: &Pool, at_least: i64) -> Result<Vec<City>> {
    let client = pool.get().await.map_err(ErrorBadGateway)?;
    let statement = client.prepare_cached(AT_LEAST).await.map_err(ErrorBadGateway)?;
    let rows = client.query(&statement, &[&at_least]).await.map_err(ErrorBadGateway)?;
    let city = |row: &tokio_postgres::Row| {
        Ok(City { name: row.try_get(0)?, country: row.try_get(1)?, population: row.try_get(2)? })
    };
    rows.iter().map(city).collect::<Result<_, tokio_postgres::Error>>().map_err(ErrorBadGateway)
}
