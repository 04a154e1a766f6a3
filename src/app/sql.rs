//! Statements to database clusters and databases given on the spot: options first, then `execute` or `rows`, which
//! dispatch.

pub(crate) mod csv;
pub(crate) mod export;
pub(crate) mod merged;
pub(crate) mod rows;
pub(crate) mod transaction;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use skitai_actors::db::stream::{RowStream, streamed};
use skitai_actors::db::{self, AdHocStatement, ConnMode, Database, IntoParams, Param, Shards, Statement};
use skitai_actors::kit::{ActorRef, Rule};
use skitai_actors::spec::{DbMember, DbSpec, DbTls, Secret, Shard, Spread};
use skitai_actors::{Outcome, Reason};

use self::rows::{PATIENCE, Rows};
use super::calls::caching::{Caching, statement_key};
use super::calls::task::Task;
use super::calls::{Options, completion_rules, undeclared};
use super::was::Was;

/// What a section of a cluster of databases needs.
const HOW: &str = "type = postgresql (or sqlite3) and members";

/// Whose databases.
#[derive(Clone, Debug)]
pub(super) enum Base {
    Cluster(Spread, ActorRef<Database>, Arc<DbSpec>),
    Server(DbMember),
    Unusable(Outcome),
}

/// A statement on its spread to [`execute`](Sql::execute) or [`rows`](Sql::rows).
#[must_use = "nothing is sent before .execute(sql, params) or .rows(sql, params)"]
pub struct Sql {
    was: Was,
    base: Base,
    shards: Option<Shards>,
    lane: ConnMode,
    options: Options,
    patience: Duration,
}

impl Base {
    fn shown(&self) -> Arc<str> {
        match self {
            Base::Cluster(.., spec) => format!("@{}", spec.name).into(),
            Base::Server(member) => member.node.clone(),
            Base::Unusable(outcome) => outcome.node.clone(),
        }
    }
}

impl std::fmt::Debug for Sql {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sql").field("base", &self.base.shown()).finish_non_exhaustive()
    }
}

impl Sql {
    pub(super) fn cluster(was: &Was, spread: Spread, name: &str) -> Sql {
        let name = name.strip_prefix('@').unwrap_or(name);
        let base = match was.services().database(name) {
            Some((actor, spec)) => Base::Cluster(spread, actor.clone(), spec.clone()),
            None => Base::Unusable(undeclared(name, HOW)),
        };
        Sql::new(was, base)
    }

    pub(super) fn server(was: &Was, server: &str, database: &str, user: &str, password: &str) -> Sql {
        let (host, port) = server.rsplit_once(':').map_or((server, Ok(5432)), |(host, port)| (host, port.parse()));
        let node: Arc<str> = format!("{server}/{database}").into();
        let base = match port {
            Ok(port) => Base::Server(DbMember {
                node,
                shard: Shard::Postgres {
                    host: host.trim_matches(['[', ']']).to_owned(),
                    port,
                    database: database.to_owned(),
                    user: user.to_owned(),
                    password: Secret(password.to_owned()),
                    tls: DbTls::Off,
                },
                weight: 1,
            }),
            Err(_) => Base::Unusable(Outcome::failed(
                node,
                Reason::Unsendable,
                format!("`{server}` is not host:port: the part after the last `:` is no port"),
            )),
        };
        Sql::new(was, base)
    }

    fn new(was: &Was, base: Base) -> Sql {
        let (lane, options) = (ConnMode::default(), Options::default());
        Sql { was: was.clone(), base, shards: None, lane, options, patience: PATIENCE }
    }

    /// Runs on each outcome as it arrives, failures too, while other shards are still under spread.
    pub fn filter(mut self, filter: impl FnMut(&mut Outcome) + Send + 'static) -> Sql {
        self.options.on_arrival = Some(Box::new(filter));
        self
    }

    /// Keeps a complete, good answer for `ttl`, as for [`Calls::cache`]. Only for statements that read.
    pub fn cache(mut self, ttl: Duration) -> Sql {
        self.options.cache = Some(ttl);
        self
    }

    /// Speaks TLS to a database of [`Was::db`], verified: its certificate has to be for the host, and of a root in this
    /// PEM file or, without one, of the web's. Members of a cluster have it in their URL.
    pub fn tls(mut self, roots: Option<PathBuf>) -> Sql {
        match &mut self.base {
            Base::Server(DbMember { shard: Shard::Postgres { tls, .. }, .. }) => *tls = DbTls::Verified(roots),
            Base::Server(_) | Base::Unusable(_) => {}
            Base::Cluster(.., spec) => {
                let name = &spec.name;
                let msg = format!("TLS to the members of @{name} is said in their URLs: ?sslmode=verify-full");
                self.base = Base::Unusable(Outcome::failed(format!("@{name}").into(), Reason::Unsendable, msg));
            }
        }
        self
    }

    /// Sends it to one certain shard: the `n`-th in the order of the configuration, counted from 0. No other is asked
    /// when that one fails.
    pub fn shard(mut self, n: usize) -> Sql {
        self.shards = Some(Shards::At(n));
        self
    }

    /// Sends it to the one shard a key belongs to: `was.dmap("mydb").shard_by(customer)`. The keys are shared out by
    /// consistent hashing, in proportion to the members' weights: with one more member at the end of the list a share
    /// of the keys moves to it, and all others stay where they are. The same key has the same shard in every process.
    pub fn shard_by(mut self, key: impl Param) -> Sql {
        self.shards = Some(Shards::Of(db::hash_key(&key.into_param())));
        self
    }

    /// How long the reader of [`rows`](Sql::rows) may read nothing while rows wait for it: 30 s unless said otherwise.
    /// Then its statements are cancelled, and the stream ends with outcomes that say `unread`.
    pub fn patience(mut self, patience: Duration) -> Sql {
        self.patience = patience;
        self
    }

    /// Shares one connection per thread with other statements, which travel one behind the other without waiting: a
    /// third less CPU than a connection for each. For short statements: on a shared connection **nothing is
    /// cancelled**. When the time is up, or the asker gone, the statement runs to its end and its answer is thrown
    /// away. One that keeps others waiting makes new ones go elsewhere. Refused for statements that begin with other
    /// words than SELECT, VALUES, WITH, INSERT, UPDATE and DELETE; without effect on SQLite, which has no such
    /// connections.
    pub fn pipelined(mut self) -> Sql {
        self.lane = ConnMode::Pipelined;
        self
    }

    /// Has a connection of its own, so that it can be cancelled, also where the cluster's section has `pipeline = yes`.
    pub fn exclusive(mut self) -> Sql {
        self.lane = ConnMode::Exclusive;
        self
    }

    completion_rules!();

    /// What a conversation needs; filters, caches and rules are of single statements.
    pub(super) fn parts(self) -> (Was, Base, Option<Shards>) {
        (self.was, self.base, self.shards)
    }

    /// Executes one statement, now. Parameters are always bound, never pasted into the text: `$1`, `$2`, … stand for
    /// the entries of the tuple `params`.
    pub fn execute(self, sql: impl Into<Cow<'static, str>>, params: impl IntoParams) -> Task {
        let Sql { was, base, shards, lane, mut options, .. } = self;
        let (sql, params) = (sql.into(), params.into_params());
        if was.trace().is_some() {
            options.what = Some(sql.to_string());
        }
        let (deadline, asker, party) = (was.deadline(), was.rule(), was.request.party);
        match base {
            Base::Unusable(outcome) => Task::ready(was, vec![outcome]),
            Base::Cluster(spread, actor, spec) => {
                // One answer of a certain shard is like one of any: `fetch` gives its data.
                let spread = if shards.is_some() { Spread::One } else { spread };
                let asked = (spec.clone(), sql.clone(), params.clone());
                let caching = Caching::new(&was, move || {
                    let (spec, sql, params) = asked;
                    // No cluster's name has a space.
                    let shard = shards.map(|one| format!("{} {one:?}", spec.name));
                    statement_key(spread, shard.as_deref().unwrap_or(&spec.name), "", &sql, &params)
                });
                let shards = shards.unwrap_or(spread.into());
                let dispatch = move |on_arrival, asked| {
                    let slots = db::slots(&spec, shards);
                    let statement = Statement { shards, sql, params, asker, asked, lane };
                    actor.ask_for(party, statement, slots, on_arrival, deadline)
                };
                Task::start(was, caching, spread, options, dispatch)
            }
            Base::Server(member) => {
                let asked = (member.clone(), sql.clone(), params.clone());
                let caching = Caching::new(&was, move || {
                    let (member, sql, params) = asked;
                    let user = match &member.shard {
                        Shard::Postgres { user, .. } => user,
                        Shard::Sqlite { .. } => "",
                    };
                    statement_key(Spread::One, &member.node, user, &sql, &params)
                });
                let actor = was.services().ad_hoc_db.clone();
                let dispatch = move |on_arrival, _| {
                    let slots = vec![Outcome::unsent(member.node.clone())];
                    let statement = AdHocStatement { member, sql, params, asker, lane };
                    actor.ask_for(party, statement, slots, on_arrival, deadline)
                };
                Task::start(was, caching, Spread::One, options, dispatch)
            }
        }
    }

    /// Executes one statement, now, and gives its rows as they come: see [`Rows`]. All of it has to be over by the end
    /// of the request's time, which a route of long replies sets for itself: `#[route("/all", deadline = 600)]`.
    ///
    /// Of the options, `filter`, `cache`, `first`, `quorum`, `fraction` and `pipelined` are of finished answers and
    /// refused here. With `pipeline = yes` rows as they come have a connection of their own.
    pub fn rows(self, sql: impl Into<Cow<'static, str>>, params: impl IntoParams) -> Rows {
        let Sql { was, base, shards, lane, options, patience } = self;
        let (sql, params) = (sql.into(), params.into_params());
        let (deadline, asker, rule, party) = (was.deadline(), was.rule(), options.rule, was.request.party);
        let shared = (lane == ConnMode::Pipelined).then_some("pipelined()");
        let refused = options.of_finished_answers().or(shared).map(|what| {
            let msg = format!("not sent: .{what} is of finished answers, and .rows(..) gives rows as they come");
            Outcome::failed(base.shown(), Reason::Unsendable, msg)
        });
        let base = refused.map_or(base, Base::Unusable);
        let rows = match base {
            Base::Unusable(outcome) => RowStream::ready(vec![outcome]),
            Base::Cluster(spread, actor, spec) => {
                let shards = shards.unwrap_or(spread.into());
                let statement = Statement { shards, sql, params, asker, asked: Instant::now(), lane };
                streamed(statement, db::slots(&spec, shards), patience, |message, slots| {
                    actor.ask_for(party, message, slots, None, deadline)
                })
            }
            Base::Server(member) => {
                let statement = AdHocStatement { member, sql, params, asker, lane };
                let slots = statement.slots();
                let actor = &was.services().ad_hoc_db;
                streamed(statement, slots, patience, |message, slots| {
                    actor.ask_for(party, message, slots, None, deadline)
                })
            }
        };
        Rows::new(rows.under(rule), rule == Rule::AllOrError, was.request.uri())
    }
}
