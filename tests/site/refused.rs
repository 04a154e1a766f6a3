//! Statements that a database refuses, and files that are not there.

use skitai::prelude::*;

pub(crate) fn package() -> Package {
    Package::at("/refused").routes(routes![sign_up, run, told, shown])
}

/// Signs a name up; one that is taken is a conflict, in words of our own.
#[route("/sign-up")]
async fn sign_up(was: Was, name: String) -> Result<&'static str> {
    let sql = "INSERT INTO account (name) VALUES ($1)";
    let inserted = was.dlb("accounts").execute(sql, (name,)).getwait(secs(2)).await;
    if let Some(refused) = &inserted.sql_error
        // PostgreSQL's unique violation, and SQLite's of UNIQUE and of PRIMARY KEY.
        && ["23505", "2067", "1555"].contains(&refused.code.as_str())
    {
        return Err(Error::new(409, "this name is taken"));
    }
    inserted.ok()?;
    Ok("welcome")
}

/// A statement whose refusal nobody catches.
#[route("/run")]
async fn run(was: Was, cluster: String, sql: String) -> Result<Value> {
    Ok(was.dmap(&cluster).execute(sql, ()).fetch(secs(5)).await?)
}

/// All outcomes, good and bad.
#[route("/told")]
async fn told(was: Was, cluster: String, sql: String) -> Vec<Outcome> {
    was.dmap(&cluster).execute(sql, ()).getswait(secs(5)).await.into_iter().collect()
}

/// The same by what the code itself sees.
#[route("/shown")]
async fn shown(was: Was, cluster: String, sql: String) -> Vec<String> {
    let results = was.dmap(&cluster).execute(sql, ()).getswait(secs(5)).await;
    results.iter().map(|outcome| format!("{} {}", outcome.node, outcome.msg)).collect()
}
