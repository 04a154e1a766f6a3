//! A statement on three PostgreSQL databases, hand-written for this one purpose: one connection per worker and
//! database, on which all requests are pipelined; prepared once, rows read by type. `pipelined-fanout THREADS PORT
//! POSTGRES`, the password of the user `skitai` in `PGPASSWORD`.

use actix_web::error::{ErrorBadGateway, ErrorGatewayTimeout};
use actix_web::web::{Data, Query};
use actix_web::{App, HttpResponse, HttpServer, Result, web};
use benches::cities::{self, AT_LEAST, Asked, City, WITHIN};
use futures_util::future::try_join_all;
use tokio::sync::OnceCell;
use tokio_postgres::{Client, Error, NoTls, Statement};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The connections of one worker, made by its first request.
struct Lines {
    postgres: u16,
    password: String,
    lines: OnceCell<Vec<Line>>,
}

struct Line {
    client: Client,
    at_least: Statement,
}

fn main() -> std::io::Result<()> {
    let (threads, [port, postgres]) = benches::arguments()?;
    let password = std::env::var("PGPASSWORD").unwrap_or_default();
    actix_rt::System::new().block_on(async move {
        HttpServer::new(move || {
            let lines = Lines { postgres, password: password.clone(), lines: OnceCell::new() };
            App::new().app_data(Data::new(lines)).route("/cities", web::get().to(cities))
        })
        .workers(threads)
        .bind(("127.0.0.1", port))?
        .run()
        .await
    })
}

impl Lines {
    async fn open(&self) -> Result<&Vec<Line>, Error> {
        let dial = |shard| Line::dial(self.postgres, shard, &self.password);
        self.lines.get_or_try_init(|| try_join_all((0..3).map(dial))).await
    }
}

impl Line {
    async fn dial(port: u16, shard: usize, password: &str) -> Result<Line, Error> {
        let (client, connection) = cities::login(port, &format!("shard{shard}"), password).connect(NoTls).await?;
        actix_rt::spawn(connection);
        let at_least = client.prepare(AT_LEAST).await?;
        Ok(Line { client, at_least })
    }

    async fn ask(&self, at_least: i64) -> Result<Vec<City>, Error> {
        cities::read(&self.client.query(&self.at_least, &[&at_least]).await?)
    }
}

async fn cities(asked: Query<Asked>, lines: Data<Lines>) -> Result<HttpResponse> {
    let lines = lines.open().await.map_err(ErrorBadGateway)?;
    let asking = try_join_all(lines.iter().map(|line| line.ask(asked.at_least)));
    let found = tokio::time::timeout(WITHIN, asking).await.map_err(ErrorGatewayTimeout)?.map_err(ErrorBadGateway)?;
    cities::answer(found.into_iter().flatten().collect())
}
