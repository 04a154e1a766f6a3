//! The database actors against a real PostgreSQL (a throwaway server of this run) and real SQLite files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop right there")]

mod balance;
mod cancel;
mod conversation;
mod files;
mod health;
mod loss;
mod merge;
mod moved;
mod pipelined;
mod pooler;
mod postgres;
mod read_only;
mod server;
mod share;
mod spread;
mod sqlite;
mod stream;
mod tls;
mod types;

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use skitai_actors::Outcome;
use skitai_actors::balance::Health;
use skitai_actors::db::{ConnMode, Database, IntoParams, Shards, Statement, slots};
use skitai_actors::kit::{ActorRef, Admission, Replies};
use skitai_actors::spec::{DbMember, DbSpec, Spread};
use skitai_actors::wire::Value;

/// Everything here is over long before; a test that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(20);

/// Set by `proof/sql` and `proof/times`, which hold the figures to their bounds; here a machine that builds meanwhile
/// gets more.
fn bound<T>(tight: T, generous: T) -> T {
    let is_tight = ["SQL_ROUNDS", "TIGHT_TIMES"].iter().any(|name| std::env::var_os(name).is_some());
    if is_tight { tight } else { generous }
}

/// Polls what another process or a task has yet to bring about.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        actix_rt::time::sleep(Duration::from_millis(5)).await;
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    actix_rt::System::new().block_on(test)
}

/// One cluster's actor on this thread.
struct Cluster {
    actor: ActorRef<Database>,
    spec: Arc<DbSpec>,
    health: Arc<Health>,
}

impl Cluster {
    fn of(members: Vec<DbMember>) -> Cluster {
        Cluster::with(members, |_| {})
    }

    fn with(members: Vec<DbMember>, change: impl FnOnce(&mut DbSpec)) -> Cluster {
        Cluster::workers(members, change, 1).remove(0)
    }

    /// The same cluster on several threads, which know of its members what one of them learns.
    fn workers(members: Vec<DbMember>, change: impl FnOnce(&mut DbSpec), count: usize) -> Vec<Cluster> {
        let wait = Duration::from_secs(5);
        let limits = DbSpec { connections: 3, wait, connect_timeout: wait, ..DbSpec::new("mydb", members) };
        let mut spec = DbSpec { member_timeout: PATIENCE, ..limits };
        change(&mut spec);
        let spec = Arc::new(spec);
        let health = Arc::new(Health::of_databases(&spec));
        let thread = |_| {
            let (made, known) = (spec.clone(), health.clone());
            let actor =
                ActorRef::open("db mydb", Admission::default(), move || Database::new(made.clone(), known.clone()));
            Cluster { actor, spec: spec.clone(), health: health.clone() }
        };
        (0..count).map(thread).collect()
    }

    fn ask(
        &self,
        spread: impl Into<Shards>,
        sql: impl Into<Cow<'static, str>>,
        params: impl IntoParams,
    ) -> Replies<Outcome> {
        self.ask_in(ConnMode::Configured, spread, sql, params)
    }

    fn ask_in(
        &self,
        mode: ConnMode,
        spread: impl Into<Shards>,
        sql: impl Into<Cow<'static, str>>,
        params: impl IntoParams,
    ) -> Replies<Outcome> {
        let shards = spread.into();
        let statement = Statement {
            shards,
            sql: sql.into(),
            params: params.into_params(),
            asker: "/test",
            asked: Instant::now(),
            mode,
        };
        self.actor.ask(statement, slots(&self.spec, shards), None, Instant::now() + PATIENCE)
    }

    async fn all(&self, sql: impl Into<Cow<'static, str>>, params: impl IntoParams) -> Vec<Outcome> {
        self.ask(Spread::All, sql, params).all(Instant::now() + PATIENCE).await
    }

    async fn one(&self, sql: impl Into<Cow<'static, str>>, params: impl IntoParams) -> Outcome {
        self.ask(Spread::One, sql, params).all(Instant::now() + PATIENCE).await.remove(0)
    }

    /// The first column of the only row of a statement that must succeed.
    async fn value(&self, sql: impl Into<Cow<'static, str>>, params: impl IntoParams) -> Value {
        let sql = sql.into();
        let outcome = self.one(sql.clone(), params).await;
        assert!(outcome.is_ok(), "{sql}: {}", outcome.msg);
        cell(&outcome, 0, 0)
    }

    /// The actor's own report on its first member.
    async fn report(&self) -> Value {
        self.report_on(0).await
    }

    async fn report_on(&self, index: usize) -> Value {
        let told = self.actor.reporter().report(Instant::now() + PATIENCE).all(Instant::now() + PATIENCE).await;
        let Value::List(mut members) = get(&told[0].0, "members") else { panic!("no members in {told:?}") };
        members.remove(index)
    }

    /// What all threads know of a member: one of the names in the report.
    async fn known(&self, index: usize, name: &str) -> Value {
        get(&get(&self.report_on(index).await, "shared"), name)
    }
}

fn rows(outcome: &Outcome) -> &[Value] {
    let Value::List(rows) = &*outcome.data else { panic!("no rows in {outcome:?}") };
    rows
}

fn cell(outcome: &Outcome, row: usize, column: usize) -> Value {
    let Value::Map(map) = &rows(outcome)[row] else { panic!("no map in {outcome:?}") };
    map.0[column].1.clone()
}

fn get(value: &Value, name: &str) -> Value {
    let Value::Map(map) = value else { panic!("no map: {value:?}") };
    map.get(name).unwrap_or_else(|| panic!("no {name} in {value:?}")).clone()
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn text_of(value: &Value) -> String {
    let Value::String(text) = value else { panic!("no text: {value:?}") };
    text.clone()
}
