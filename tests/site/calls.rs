//! Routes that make every other kind of call: to a URL, to a database given on the spot, filtered, and cached.

use serde::Deserialize;
use skitai::prelude::*;

pub(crate) fn package() -> Package {
    Package::new().routes(routes![wget, post, rpc, db, dlb, filtered, cached, forgotten]).routes(routes![
        shard,
        averages,
        export,
        move_all,
        settings,
        asleep,
        mine,
        every,
        own_connection,
        largest,
        traceparent,
        told_trace
    ])
}

/// What a handler may tell whom it asks by itself.
#[route("/traceparent")]
async fn traceparent(was: Was) -> Option<String> {
    was.traceparent()
}

/// A call with a trace of its own.
#[route("/told-trace")]
async fn told_trace(was: Was, cluster: String, parent: String) -> usize {
    let call = was.map(&cluster).header("traceparent", &parent).call("search", ("Mozart",));
    call.getswait(secs(2)).await.coverage().ok
}

/// Fetches a URL with GET, or posts `form` to it; gives code, reason and text back.
#[route("/wget")]
async fn wget(was: Was, url: String, login: Option<String>) -> Value {
    let mut call = was.wget(&url);
    if let Some((user, password)) = login.as_deref().and_then(|login| login.split_once(':')) {
        call = call.login(user, password);
    }
    reply(call.get().getwait(secs(2)).await.into_outcome())
}

#[route("/post")]
async fn post(was: Was, url: String, value: String) -> Value {
    reply(was.wget(&url).post(&[("value", &value), ("other", "a&b=c d")]).getwait(secs(2)).await.into_outcome())
}

#[route("/rpc")]
async fn rpc(was: Was, url: String, method: String) -> Value {
    reply(was.rpc(&url).call(&method, (1, "two")).getwait(secs(2)).await.into_outcome())
}

/// A statement on a database that no configuration names.
#[route("/db")]
async fn db(was: Was, server: String, database: String, password: String, text: String) -> Value {
    let rows = was
        .db(&server, &database, "skitai", &password)
        .execute("SELECT $1::text AS text, $2::int8 + 1 AS next", (text, 41));
    reply(rows.getwait(secs(2)).await.into_outcome())
}

/// A statement on one certain shard of a cluster: the `n`-th, or the one a key belongs to.
#[route("/shard")]
async fn shard(was: Was, cluster: String, n: Option<usize>, key: Option<String>) -> Result<Value> {
    let statement = match (n, key) {
        (Some(n), _) => was.dmap(&cluster).shard(n),
        (None, key) => was.dmap(&cluster).shard_by(key),
    };
    Ok(reply(statement.execute("SELECT current_database() AS name", ()).getwait(secs(2)).await.into_outcome()))
}

/// Several writes in one transaction on one shard; `how` says how it ends.
#[route("/move")]
async fn move_all(was: Was, cluster: String, how: String) -> Result<Value> {
    let end = how.clone();
    let moved = was.dmap(&cluster).shard(0).tx(|t| async move {
        t.execute("INSERT INTO moved VALUES ($1)", (1,)).await?;
        let again = t.savepoint(|t| async move {
            t.execute("INSERT INTO moved VALUES ($1)", (2,)).await?;
            t.execute("INSERT INTO moved VALUES ($1)", (2,)).await?;
            Ok(())
        });
        let again = again.await.is_ok();
        let rows = t.execute("SELECT count(*) AS n FROM moved", ()).await?.ok()?;
        match end.as_str() {
            "commit" => {}
            "error" => return Err(Error::new(409, "changed my mind")),
            "ignore" => drop(t.execute("INSERT INTO moved VALUES (1)", ()).await),
            "panic" => panic!("on purpose, in a transaction"),
            "late" => drop(t.execute("SELECT pg_sleep(60)", ()).await?),
            "begin" => drop(t.execute("COMMIT", ()).await?),
            other => return Err(Error::new(400, other)),
        }
        Ok(Value::from_pairs([("again", Value::Bool(again)), ("rows", rows)]))
    });
    moved.await
}

/// A setting in a session, and what the next borrower of the connection sees of it.
#[route("/settings")]
async fn settings(was: Was, cluster: String) -> Result<Vec<Value>> {
    let session = was.dmap(&cluster).shard(0).session(|s| async move {
        s.execute("SET search_path = nowhere", ()).await?;
        s.execute("BEGIN", ()).await?;
        Ok(s.execute("SELECT current_setting('search_path') AS path", ()).await?.ok()?)
    });
    let during = session.await?;
    let after = was.dmap(&cluster).shard(0).execute("SELECT current_setting('search_path') AS path", ());
    Ok(vec![during, after.getwait(secs(2)).await.ok()?])
}

/// The largest cities in a format of one's choice.
#[route("/export")]
async fn export(was: Was, cluster: String, format: String) -> Result<Response> {
    let all = was.dmap(&cluster).execute("SELECT name, population FROM cities", ()).getswait(secs(5)).await;
    let top = all.top(2, "population desc, name")?;
    if format == "csv" { Ok(top.csv()) } else { top.ndjson() }
}

/// Merges of one column of the cities of all shards.
#[route("/averages")]
async fn averages(was: Was, cluster: String, column: String) -> Result<Value> {
    use skitai::sql::{avg, count, max, min, sum};
    let cities = was.dmap(&cluster).execute("SELECT * FROM cities", ()).getswait(secs(5)).await.merged()?;
    let each = [count(), sum(&column), avg(&column), min(&column), max(&column)];
    cities.aggregate(each)
}

/// Keeps all databases of a cluster busy for longer than anybody waits.
#[route("/asleep")]
async fn asleep(was: Was, cluster: String) -> Vec<String> {
    let asleep = was.dmap(&cluster).execute("SELECT pg_sleep(30)::text AS nobody_waits", ());
    asleep.getswait(secs(25)).await.iter().map(|outcome| outcome.reason.word().to_owned()).collect()
}

/// The asker's own number, from every database.
#[route("/mine")]
async fn mine(was: Was, cluster: String, n: i64) -> Result<Vec<Value>> {
    let all = was.dmap(&cluster).execute("SELECT $1::int8 AS mine_of_this_test", (n,)).getswait(secs(10)).await;
    Ok(all.require(All)?.into_iter().map(|outcome| outcome.data[0]["mine_of_this_test"].clone()).collect())
}

/// A statement on the connection that others share, where the conf says so, or on one of its own.
#[route("/own-connection")]
async fn own_connection(was: Was, cluster: String, sql: String, exclusive: bool) -> Value {
    let statement = was.dmap(&cluster).shard(0);
    let statement = if exclusive { statement.exclusive() } else { statement };
    reply(statement.execute(sql, ()).getwait(secs(25)).await.into_outcome())
}

#[derive(Deserialize)]
struct City {
    name: String,
    population: i64,
}

/// The largest cities of all shards, as a type of its own.
#[route("/largest")]
async fn largest(was: Was, cluster: String, columns: String) -> Result<Vec<String>> {
    let sql = format!("SELECT {columns} FROM cities");
    let all = was.dmap(&cluster).execute(sql, ()).getswait(secs(5)).await;
    let cities: Vec<City> = all.top(3, "-population")?.rows_as()?;
    Ok(cities.into_iter().map(|city| format!("{}: {}", city.name, city.population)).collect())
}

/// How each database's answer ended.
#[route("/every")]
async fn every(was: Was, cluster: String) -> Vec<String> {
    let all = was.dmap(&cluster).execute("SELECT 1 AS one", ()).getswait(secs(5)).await;
    all.iter().map(|outcome| outcome.reason.word().to_owned()).collect()
}

/// A statement on one database of a cluster.
#[route("/dlb")]
async fn dlb(was: Was, cluster: String) -> Value {
    reply(was.dlb(&cluster).execute("SELECT count(*) AS cities FROM cities", ()).getwait(secs(2)).await.into_outcome())
}

/// The filter keeps numbers below ten, makes good what failed, and panics where a member says "panic".
#[route("/filtered")]
async fn filtered(was: Was, cluster: String) -> Vec<Value> {
    let filter = |outcome: &mut Outcome| {
        assert!(outcome.data.as_str() != Some("panic"), "the filter met it");
        if outcome.is_ok() {
            outcome.data.retain(|number| *number < 10);
        } else {
            *outcome.data = Value::from("made good");
        }
    };
    let found = was.map(&cluster).filter(filter).call("numbers", ()).getswait(secs(0.5)).await;
    found.into_iter().map(reply).collect()
}

/// Cached before the verb: equal calls made meanwhile wait for the first.
#[route("/cached")]
async fn cached(was: Was, cluster: String, argument: String) -> Vec<Value> {
    let found = was.map(&cluster).cache(secs(60)).call("search", (argument,)).getswait(secs(2)).await;
    found.into_iter().map(reply).collect()
}

/// Cached after the fact, for a tenth of a second.
#[route("/forgotten")]
async fn forgotten(was: Was, cluster: String) -> Value {
    let found = was.lb(&cluster).call("search", ()).getwait(secs(2)).await;
    found.cache(secs(0.1));
    reply(found.into_outcome())
}

fn reply(outcome: Outcome) -> Value {
    Value::from_pairs([
        ("node", Value::from(outcome.node.to_string())),
        ("status", Value::from(outcome.status as i64)),
        ("reason", Value::from(outcome.reason.word())),
        ("code", Value::from(i64::from(outcome.code))),
        ("msg", Value::from(outcome.msg)),
        ("data", outcome.data.into_value()),
    ])
}
