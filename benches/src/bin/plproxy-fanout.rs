//! The same answer by way of PL/Proxy: one statement on a coordinating database, whose function asks the three. A
//! deadpool per worker. `plproxy-fanout THREADS PORT COORDINATOR`, the password of the user `skitai` in `PGPASSWORD`.

use actix_web::error::{ErrorBadGateway, ErrorGatewayTimeout};
use actix_web::web::{Data, Query};
use actix_web::{App, HttpResponse, HttpServer, Result, web};
use benches::cities::{self, Asked, City, WITHIN};
use deadpool_postgres::{Manager, Pool};
use tokio_postgres::NoTls;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As many as `pool-fanout` has to each database.
const CONNECTIONS: usize = 10;

const AT_LEAST: &str = "SELECT name, country, population FROM cities_at_least($1)";

fn main() -> std::io::Result<()> {
    let (threads, [port, coordinator]) = benches::arguments()?;
    let password = std::env::var("PGPASSWORD").unwrap_or_default();
    actix_rt::System::new().block_on(async move {
        HttpServer::new(move || {
            let manager = Manager::new(cities::login(coordinator, "coordinator", &password), NoTls);
            let pool = Pool::builder(manager).max_size((CONNECTIONS / threads).max(1));
            let pool = pool.build().expect("a pool without timeouts needs no runtime");
            App::new().app_data(Data::new(pool)).route("/cities", web::get().to(cities))
        })
        .workers(threads)
        .bind(("127.0.0.1", port))?
        .run()
        .await
    })
}

async fn cities(asked: Query<Asked>, pool: Data<Pool>) -> Result<HttpResponse> {
    let found = tokio::time::timeout(WITHIN, ask(&pool, asked.at_least)).await.map_err(ErrorGatewayTimeout)??;
    cities::answer(found)
}

async fn ask(pool: &Pool, at_least: i64) -> Result<Vec<City>> {
    let client = pool.get().await.map_err(ErrorBadGateway)?;
    let statement = client.prepare_cached(AT_LEAST).await.map_err(ErrorBadGateway)?;
    let rows = client.query(&statement, &[&at_least]).await.map_err(ErrorBadGateway)?;
    cities::read(&rows).map_err(ErrorBadGateway)
}
