//! What a worker reaches out with: the addresses of its own actors, and what the process shares.

use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use skitai_actors::cache::{CacheActor, Store};
use skitai_actors::cluster::{Cluster, Roster, Web, WebLimits};
use skitai_actors::db::{AdHoc, Database};
use skitai_actors::kit::{Admission, Post};
use skitai_actors::session::{SealedCookies, SessionActor};
use skitai_actors::spec::DbSpec;
use skitai_actors::status::{self, StatusActor};
use skitai_wire::Value;

use super::pool::BlockingPool;
use super::site::Site;
use crate::app::Registry;
use crate::config::TrustedProxies;
use crate::edge::sessions::COOKIE;

/// One worker's actors. Made on the worker's thread, where they live; usable from any.
pub(crate) struct Hands {
    site: Arc<Site>,
    clusters: HashMap<Arc<str>, (Post<Cluster>, Arc<Roster>)>,
    databases: HashMap<Arc<str>, (Post<Database>, Arc<DbSpec>)>,
    web: Post<Web>,
    ad_hoc_db: Post<AdHoc>,
    sessions: Post<SessionActor<SealedCookies>>,
    status: Post<StatusActor>,
    results: Arc<Store>,
    registry: Arc<Registry>,
    blocking: Arc<BlockingPool>,
    runtime: tokio::runtime::Handle,
    deadline: Duration,
    proxies: Option<Arc<TrustedProxies>>,
}

/// How long an actor may take to tell of itself before the status page says that it did not.
const REPORT_WITHIN: Duration = Duration::from_millis(500);

/// Connections to one ad-hoc database per instance, as for a declared one (design: 10).
const AD_HOC_CONNECTIONS: usize = 10;
/// How long an ad-hoc statement waits for a connection, dials, and runs: the defaults of a declared database.
const AD_HOC_WAIT: Duration = Duration::from_secs(1);
const AD_HOC_CONNECT: Duration = Duration::from_secs(1);
const AD_HOC_STATEMENT: Duration = Duration::from_secs(10);

impl Hands {
    /// Starts the actors of one worker on the current thread and makes them known to the status actor.
    pub(crate) fn start(site: &Arc<Site>, worker: usize) -> Arc<Hands> {
        let admission = Admission::default();
        let registry = &site.reporters;
        let mut clusters = HashMap::default();
        for roster in site.clusters.iter().map(|fleet| &fleet.roster) {
            let (made, name) = (roster.clone(), &roster.spec().name);
            let post = Post::open(format!("cluster:{name}"), admission, move || Cluster::new(made.clone()));
            registry.register(worker, post.reporter());
            clusters.insert(name.clone(), (post, roster.clone()));
        }
        let mut databases = HashMap::default();
        for (spec, health) in &site.databases {
            let (made, health, files) = (spec.clone(), health.clone(), site.files.clone());
            let post = Post::open(format!("db:{}", spec.name), admission, move || {
                Database::new(made.clone(), health.clone()).closed_with(&files)
            });
            registry.register(worker, post.reporter());
            databases.insert(spec.name.clone(), (post, spec.clone()));
        }
        let web = Post::open("web", admission, || Web::new(WebLimits::default()));
        registry.register(worker, web.reporter());
        let ad_hoc_db = {
            let each = (AD_HOC_CONNECTIONS / site.settings.server.threads).max(1);
            Post::open("adhoc-db", admission, move || AdHoc::new(each, AD_HOC_WAIT, AD_HOC_CONNECT, AD_HOC_STATEMENT))
        };
        registry.register(worker, ad_hoc_db.reporter());
        let store = site.results.clone();
        let cache = Post::open("cache", admission, move || CacheActor::new(store.clone()));
        registry.register(worker, cache.reporter());
        let sealer = site.sealer.clone();
        let sessions =
            Post::open("session", admission, move || SessionActor::new(SealedCookies::new(sealer.clone(), COOKIE)));
        registry.register(worker, sessions.reporter());
        Arc::new(Hands {
            site: site.clone(),
            clusters,
            databases,
            web,
            ad_hoc_db,
            sessions,
            status: site.status.clone(),
            results: site.results.clone(),
            registry: site.wasc.registry().clone(),
            blocking: site.blocking.clone(),
            runtime: tokio::runtime::Handle::current(),
            deadline: site.settings.server.deadline,
            proxies: Some(&site.settings.server.trusted_proxies)
                .filter(|trusted| !trusted.networks.is_empty())
                .map(|trusted| Arc::new(trusted.clone())),
        })
    }

    /// What the process shares. Requests hold on to a worker's own hands and not to parts of this: a counter of
    /// references that all cores write to costs each of them more than the rest of a small request.
    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    pub(crate) fn cluster(&self, name: &str) -> Option<&(Post<Cluster>, Arc<Roster>)> {
        self.clusters.get(name)
    }

    pub(crate) fn database(&self, name: &str) -> Option<&(Post<Database>, Arc<DbSpec>)> {
        self.databases.get(name)
    }

    pub(crate) fn web(&self) -> &Post<Web> {
        &self.web
    }

    pub(crate) fn ad_hoc_db(&self) -> &Post<AdHoc> {
        &self.ad_hoc_db
    }

    pub(crate) fn sessions(&self) -> &Post<SessionActor<SealedCookies>> {
        &self.sessions
    }

    pub(crate) fn results(&self) -> &Arc<Store> {
        &self.results
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn blocking(&self) -> &Arc<BlockingPool> {
        &self.blocking
    }

    pub(crate) fn runtime(&self) -> &tokio::runtime::Handle {
        &self.runtime
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Who is believed for whom it asks, where anybody is. A worker's own: requests share it by counting.
    pub(crate) fn proxies(&self) -> Option<&Arc<TrustedProxies>> {
        self.proxies.as_ref()
    }

    /// Asks the status actor, which asks every actor of every worker.
    pub(crate) async fn status(&self, filter: Option<&str>) -> Value {
        status::ask(&self.status, filter.map(str::to_owned), REPORT_WITHIN).await
    }
}
