//! A statement on three PostgreSQL databases, hand-written for this one purpose: a deadpool per worker and database,
//! prepared once per connection, rows read by type. `pool-fanout THREADS PORT POSTGRES`, the password of the user
//! `skitai` in `PGPASSWORD`.

use actix_web::error::{ErrorBadGateway, ErrorGatewayTimeout};
use actix_web::web::{Data, Query};
use actix_web::{App, HttpResponse, HttpServer, Result, web};
use benches::cities::{self, AT_LEAST, Asked, City, WITHIN};
use deadpool_postgres::{Manager, Pool};
use futures_util::future::try_join_all;
use tokio_postgres::NoTls;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The default of a database cluster, per member and instance; the workers share it out.
const CONNECTIONS: usize = 10;

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
    let config = cities::login(port, &format!("shard{shard}"), password);
    let pool = Pool::builder(Manager::new(config, NoTls)).max_size(connections);
    pool.build().expect("a pool without timeouts needs no runtime")
}

async fn cities(asked: Query<Asked>, pools: Data<Vec<Pool>>) -> Result<HttpResponse> {
    let asking = try_join_all(pools.iter().map(|pool| ask(pool, asked.at_least)));
    let found = tokio::time::timeout(WITHIN, asking).await.map_err(ErrorGatewayTimeout)??;
    cities::answer(found.into_iter().flatten().collect())
}

async fn ask(pool: &Pool, at_least: i64) -> Result<Vec<City>> {
    let client = pool.get().await.map_err(ErrorBadGateway)?;
    let statement = client.prepare_cached(AT_LEAST).await.map_err(ErrorBadGateway)?;
    let rows = client.query(&statement, &[&at_least]).await.map_err(ErrorBadGateway)?;
    cities::read(&rows).map_err(ErrorBadGateway)
}
