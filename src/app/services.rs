//! The services a handler reaches through `was`: the addresses of its thread's own actors, and the shared state.

use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use futures_util::future::join;
use skitai_actors::balance::Health;
use skitai_actors::cache::Store;
use skitai_actors::cluster::{Cluster, Roster, UrlClient};
use skitai_actors::db::{AdHoc, Database};
use skitai_actors::kit::ActorRef;
use skitai_actors::session::{SealedCookies, Sealer, SessionActor};
use skitai_actors::spec::DbSpec;
use skitai_actors::status::{self, StatusActor};
use skitai_wire::Value;

use super::Registry;
use super::acting::InstanceControl;
use super::blocking_pool::BlockingPool;
use super::closing::Lifecycle;
use super::site::Site;
use super::trail::keeper::TrailKeeper;
use crate::config::TrustedProxies;
use crate::ipc::recorder::Recorder;
use crate::observe::counts::Counts;

/// A cluster of databases: its actor on this thread, what it is made of, and the health of its members.
pub(crate) type KnownDatabase = (ActorRef<Database>, Arc<DbSpec>, Arc<Health>);

/// The services of one thread. Made on that thread, where its actors live; usable from any thread.
///
/// Requests clone this `Arc` and not the parts that all threads share: a reference count that all cores write costs
/// each of them more than the rest of a small request.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) site: Arc<Site>,
    pub(crate) clusters: HashMap<Arc<str>, (ActorRef<Cluster>, Arc<Roster>)>,
    pub(crate) databases: HashMap<Arc<str>, KnownDatabase>,
    pub(crate) web: ActorRef<UrlClient>,
    pub(crate) ad_hoc_db: ActorRef<AdHoc>,
    pub(crate) sessions: ActorRef<SessionActor<SealedCookies>>,
    /// Seals which member a client of the proxy has.
    pub(crate) member_sealer: Arc<Sealer>,
    pub(crate) status: ActorRef<StatusActor>,
    /// The counters of this thread's edge.
    pub(crate) counts: Arc<Counts>,
    pub(crate) results: Arc<Store>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) blocking: Arc<BlockingPool>,
    pub(crate) runtime: tokio::runtime::Handle,
    /// The phase of the process.
    pub(crate) lifecycle: Arc<Lifecycle>,
    /// Who does what operators ask for.
    pub(crate) acting: Arc<dyn InstanceControl>,
    /// Where the process says what it does, for its supervisor.
    pub(crate) recorder: Option<Arc<Recorder>>,
    /// Who keeps the records of requests; `None` if nobody does.
    pub(crate) trails: Option<Arc<TrailKeeper>>,
    /// The trusted proxies, if configured. Each thread has its own `Arc`, so that cloning it never crosses cores.
    pub(crate) proxies: Option<Arc<TrustedProxies>>,
}

/// The time an actor has to report before the status page marks it as silent.
pub(crate) const REPORT_WITHIN: Duration = Duration::from_millis(200);

impl Services {
    /// The same for requests to another site of the same thread.
    pub(crate) fn at(&self, site: &Arc<Site>) -> Arc<Services> {
        Arc::new(Services { site: site.clone(), ..self.clone() })
    }

    pub(crate) fn cluster(&self, name: &str) -> Option<&(ActorRef<Cluster>, Arc<Roster>)> {
        self.clusters.get(name)
    }

    pub(crate) fn database(&self, name: &str) -> Option<&KnownDatabase> {
        self.databases.get(name)
    }

    /// Asks the status actor, which asks every actor of every thread.
    pub(crate) async fn tree(&self, filter: Option<&str>) -> Value {
        status::ask(&self.status, filter.map(str::to_owned), REPORT_WITHIN).await
    }

    /// The same of the whole, without what each thread said, and with the newest records of requests, which are told
    /// only if they are asked for.
    pub(crate) async fn sums(&self) -> Value {
        let sums = status::ask_for_sums(&self.status, REPORT_WITHIN);
        let (mut sums, records) = join(sums, self.tree(Some("trail"))).await;
        if let (Value::Map(sums), Some(trail)) = (&mut sums, records.get("trail")) {
            sums.0.push(("trail".into(), trail.clone()));
        }
        sums
    }
}
