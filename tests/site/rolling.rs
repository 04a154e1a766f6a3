//! An app for the tests of connections to databases while processes are replaced.

use serde::{Deserialize, Serialize};
use skitai::prelude::*;

#[derive(Debug, Deserialize, Serialize)]
struct Found {
    n: i64,
}

/// The id of the process that answers.
#[route("/pid")]
fn pid() -> u32 {
    std::process::id()
}

/// One statement, which gives a column `n`.
#[route("/select", deadline = 40)]
async fn select(
    was: Was,
    #[arg(default = "SELECT 1::bigint AS n")] sql: String,
    #[arg(default = "db")] cluster: String,
    #[arg(default = false)] shared: bool,
) -> Result<Vec<Found>> {
    let statement = was.dlb(&cluster);
    let statement = if shared { statement.pipelined() } else { statement };
    statement.execute(sql, ()).getwait(secs(30)).await.one()
}

/// Holds a connection for so long, with two statements.
#[route("/holds-connection", deadline = 40)]
async fn holds_connection(was: Was, ms: u64) -> Result<u32> {
    let session = was.dlb("db").patience(secs(40)).session(|session| async move {
        for half in 1..=2 {
            let sql = "SELECT $1::bigint AS n FROM pg_sleep($2)";
            session.execute(sql, (half, ms as f64 / 2_000.0)).await?.ok()?;
        }
        Ok(std::process::id())
    });
    session.await
}

pub(crate) fn app() -> App {
    App::new("rolling").routes(routes![pid, select, holds_connection])
}
