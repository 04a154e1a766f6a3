//! Statements on database clusters and on databases given in the code: options first, then `execute` or `rows`, which
//! dispatches.

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
use super::coverage::record::{DB, unsent_name};
use super::trail::noted::{CallSource, What};
use super::was::Was;

/// The keys that the section of a database cluster needs, for the error text.
const HOW: &str = "type = postgresql (or sqlite3) and members";

/// The databases a statement is for.
#[derive(Clone, Debug)]
pub(super) enum Base {
    Cluster(Spread, ActorRef<Database>, Arc<DbSpec>),
    Server(DbMember),
    Unusable(Outcome),
}

/// A statement before its verb: [`execute`](Sql::execute) or [`rows`](Sql::rows).
#[must_use = "nothing is sent before .execute(sql, params) or .rows(sql, params)"]
pub struct Sql {
    was: Was,
    base: Base,
    shards: Option<Shards>,
    mode: ConnMode,
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

    /// What it is, in the words of OpenTelemetry.
    fn system(&self) -> &'static str {
        let shard = match self {
            Base::Cluster(.., spec) => spec.members.first().map(|member| &member.shard),
            Base::Server(member) => Some(&member.shard),
            Base::Unusable(_) => None,
        };
        match shard {
            Some(Shard::Sqlite { .. }) => "sqlite",
            Some(Shard::Postgres { .. }) | None => "postgresql",
        }
    }

    /// The name in the coverage of the request.
    fn name(&self) -> Arc<str> {
        match self {
            Base::Cluster(.., spec) => spec.name.clone(),
            Base::Server(_) => DB.clone(),
            Base::Unusable(outcome) => unsent_name(outcome, &DB),
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
            Some((actor, spec, _)) => Base::Cluster(spread, actor.clone(), spec.clone()),
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
        let (mode, options) = (ConnMode::default(), Options::default());
        Sql { was: was.clone(), base, shards: None, mode, options, patience: PATIENCE }
    }

    /// Runs this closure on each outcome as it arrives, failures too, while other shards are still working.
    pub fn filter(mut self, filter: impl FnMut(&mut Outcome) + Send + 'static) -> Sql {
        self.options.on_arrival = Some(Box::new(filter));
        self
    }

    /// Keeps a complete, good answer for `ttl`, as [`Calls::cache`](crate::app::Calls::cache) does. Only for statements
    /// that read.
    pub fn cache(mut self, ttl: Duration) -> Sql {
        self.options.cache = Some(ttl);
        self
    }

    /// Connects to a database of [`Was::db`] with verified TLS: its certificate must be valid for the host and issued
    /// by a root in this PEM file or, without a file, by one of the public web roots. Members of a cluster set TLS in
    /// their URL.
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

    /// Sends the statement to one shard: the `n`-th in the order of the configuration, counted from 0. If that one
    /// fails, no other is asked.
    pub fn shard(mut self, n: usize) -> Sql {
        self.shards = Some(Shards::At(n));
        self
    }

    /// Sends the statement to the shard of a key: `was.dmap("mydb").shard_by(customer)`. Consistent hashing distributes
    /// the keys in proportion to the members' weights: if a member is appended to the list, its share of the keys moves
    /// to it and all others stay. The same key has the same shard in every process.
    pub fn shard_by(mut self, key: impl Param) -> Sql {
        self.shards = Some(Shards::Of(db::hash_key(&key.into_param())));
        self
    }

    /// Sets how long the reader of [`rows`](Sql::rows) may pause while rows wait for it. Default: 30 s. After that the
    /// statements are cancelled, and the stream ends with outcomes that say `unread`.
    pub fn patience(mut self, patience: Duration) -> Sql {
        self.patience = patience;
        self
    }

    /// Shares one connection per thread with other statements, which are sent one behind the other without waiting.
    /// That takes a third less CPU than a connection for each. For short statements: on a shared connection **nothing
    /// is cancelled**. If the deadline passes or the caller gives up, the statement runs to its end and its answer is
    /// discarded. While one statement delays the others, new ones use other connections. Statements that do not begin
    /// with SELECT, VALUES, WITH, INSERT, UPDATE or DELETE are refused. No effect on SQLite, which has no such
    /// connections.
    pub fn pipelined(mut self) -> Sql {
        self.mode = ConnMode::Pipelined;
        self
    }

    /// Uses a connection for this statement alone, so that it can be cancelled, even if the cluster's section has
    /// `pipeline = yes`.
    pub fn exclusive(mut self) -> Sql {
        self.mode = ConnMode::Exclusive;
        self
    }

    completion_rules!();

    /// The parts that a transaction or session needs; filters, caches and rules apply to single statements only.
    pub(super) fn parts(self) -> (Was, Base, Option<Shards>) {
        (self.was, self.base, self.shards)
    }

    /// Executes one statement, now. Parameters are always bound, never inserted into the text: `$1`, `$2`, … refer to
    /// the entries of the tuple `params`. The data of its outcome is a list of rows; `affected` is the number of rows
    /// that were returned or changed. An error of the database is an outcome with the reason `sql`.
    pub fn execute(self, sql: impl Into<Cow<'static, str>>, params: impl IntoParams) -> Task {
        let Sql { was, base, shards, mode, mut options, .. } = self;
        let (sql, params) = (sql.into(), params.into_params());
        if was.trail.is_wanted() {
            options.what = Some(What::Statement(sql.clone(), base.shown(), base.system()));
        }
        let (deadline, asker, party, name) = (was.deadline(), was.rule(), was.request.party, base.name());
        match base {
            Base::Unusable(outcome) => Task::ready(was, name, vec![outcome]),
            Base::Cluster(spread, actor, spec) => {
                // The one answer of a chosen shard is like that of any member: `fetch` returns its data.
                let spread = if shards.is_some() { Spread::One } else { spread };
                let asked = (spec.clone(), sql.clone(), params.clone());
                let caching = Caching::new(&was, move || {
                    let (spec, sql, params) = asked;
                    // The cache key of a chosen shard: cluster names contain no space, so it cannot clash.
                    let shard = shards.map(|one| format!("{} {one:?}", spec.name));
                    statement_key(spread, shard.as_deref().unwrap_or(&spec.name), "", &sql, &params)
                });
                let shards = shards.unwrap_or(spread.into());
                let dispatch = move |on_arrival, asked| {
                    let slots = db::slots(&spec, shards);
                    let statement = Statement { shards, sql, params, asker, asked, mode };
                    actor.ask_for(party, statement, slots, on_arrival, deadline)
                };
                Task::start(was, name, caching, spread, options, dispatch)
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
                    let statement = AdHocStatement { member, sql, params, asker, mode };
                    actor.ask_for(party, statement, slots, on_arrival, deadline)
                };
                Task::start(was, name, caching, Spread::One, options, dispatch)
            }
        }
    }

    /// Executes one statement, now, and returns its rows as they arrive: see [`Rows`]. All of it must end by the
    /// request's deadline, so a route with long replies sets its own: `#[route("/all", deadline = 600)]`.
    ///
    /// The options `filter`, `cache`, `first`, `quorum`, `fraction` and `pipelined` need finished answers and are
    /// refused here. With `pipeline = yes` streamed rows still use a connection of their own.
    pub fn rows(self, sql: impl Into<Cow<'static, str>>, params: impl IntoParams) -> Rows {
        let Sql { was, base, shards, mode, options, patience } = self;
        let (sql, params) = (sql.into(), params.into_params());
        let what = || What::Statement(sql.clone(), base.shown(), base.system());
        let mark = was.note(Instant::now(), options.rule, CallSource::Members, what);
        let (deadline, asker, rule, party) = (was.deadline(), was.rule(), options.rule, was.request.party);
        let shared = (mode == ConnMode::Pipelined).then_some("pipelined()");
        let refused = options.of_finished_answers().or(shared).map(|what| {
            let msg = format!("not sent: .{what} is of finished answers, and .rows(..) gives rows as they come");
            Outcome::failed(base.shown(), Reason::Unsendable, msg)
        });
        let name = base.name();
        let base = refused.map_or(base, Base::Unusable);
        let is_single = shards.is_some() || !matches!(base, Base::Cluster(Spread::All, ..));
        let rows = match base {
            Base::Unusable(outcome) => RowStream::ready(vec![outcome]),
            Base::Cluster(spread, actor, spec) => {
                let shards = shards.unwrap_or(spread.into());
                let statement = Statement { shards, sql, params, asker, asked: Instant::now(), mode };
                streamed(statement, db::slots(&spec, shards), patience, |message, slots| {
                    actor.ask_for(party, message, slots, None, deadline)
                })
            }
            Base::Server(member) => {
                let statement = AdHocStatement { member, sql, params, asker, mode };
                let slots = statement.slots();
                let actor = &was.services().ad_hoc_db;
                streamed(statement, slots, patience, |message, slots| {
                    actor.ask_for(party, message, slots, None, deadline)
                })
            }
        };
        Rows::new((was, mark), name, rows.under(rule), rule, is_single)
    }
}
