//! The actors of one thread, started on it.

use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use skitai_actors::cache::CacheActor;
use skitai_actors::cluster::{Cluster, UrlClient, UrlClientLimits};
use skitai_actors::db::{AdHoc, Database};
use skitai_actors::kit::{ActorRef, Admission};
use skitai_actors::session::{SealedCookies, SessionActor};

use super::site::OpenSite;
use crate::app::request::session::COOKIE;
use crate::app::services::Services;

/// Connections to one ad-hoc database per instance, the default of a declared one.
const AD_HOC_CONNECTIONS: usize = 10;
/// How long an ad-hoc statement waits for a connection, connects, and runs: the defaults of a declared database.
const AD_HOC_WAIT: Duration = Duration::from_secs(1);
const AD_HOC_CONNECT: Duration = Duration::from_secs(1);
const AD_HOC_STATEMENT: Duration = Duration::from_secs(10);

/// Starts the actors of one thread on the current thread and registers them with the status actor.
pub(super) fn start(open: &OpenSite, thread: usize) -> Arc<Services> {
    let admission = Admission::default();
    let registry = &open.process.reporters;
    let server = &open.site.server;
    let mut clusters = HashMap::default();
    for roster in open.clusters.iter().map(|fleet| &fleet.roster) {
        let (made, name) = (roster.clone(), &roster.spec().name);
        let actor = ActorRef::open(format!("cluster:{name}"), admission, move || Cluster::new(made.clone()));
        registry.register(thread, actor.reporter());
        clusters.insert(name.clone(), (actor, roster.clone()));
    }
    let mut databases = HashMap::default();
    for (spec, health) in &open.databases {
        let (made, of_actor, files) = (spec.clone(), health.clone(), open.process.files.clone());
        let budgets = open.process.budgets.clone();
        let actor = ActorRef::open(format!("db:{}", spec.name), admission, move || {
            Database::within(made.clone(), of_actor.clone(), budgets.as_ref()).closed_with(&files)
        });
        registry.register(thread, actor.reporter());
        databases.insert(spec.name.clone(), (actor, spec.clone(), health.clone()));
    }
    let web = ActorRef::open("web", admission, || UrlClient::new(UrlClientLimits::default()));
    registry.register(thread, web.reporter());
    let ad_hoc_db = {
        let each = (AD_HOC_CONNECTIONS / (server.threads * server.processes)).max(1);
        ActorRef::open("adhoc-db", admission, move || AdHoc::new(each, AD_HOC_WAIT, AD_HOC_CONNECT, AD_HOC_STATEMENT))
    };
    registry.register(thread, ad_hoc_db.reporter());
    let store = open.process.results.clone();
    let cache = ActorRef::open("cache", admission, move || CacheActor::new(store.clone()));
    registry.register(thread, cache.reporter());
    let sealer = open.process.sealer.clone();
    let sessions =
        ActorRef::open("session", admission, move || SessionActor::new(SealedCookies::new(sealer.clone(), COOKIE)));
    registry.register(thread, sessions.reporter());
    Arc::new(Services {
        counts: open.process.counts(thread).clone(),
        site: open.site.clone(),
        clusters,
        databases,
        web,
        ad_hoc_db,
        sessions,
        member_sealer: open.process.member_sealer.clone(),
        status: open.process.status.clone(),
        results: open.process.results.clone(),
        registry: open.process.wasc.registry().clone(),
        blocking: open.process.blocking.clone(),
        runtime: tokio::runtime::Handle::current(),
        lifecycle: open.process.lifecycle.clone(),
        acting: open.process.acting.clone(),
        recorder: open.process.recorder.clone(),
        trails: open.process.trails.clone(),
        proxies: Some(&server.trusted_proxies)
            .filter(|trusted| !trusted.is_empty())
            .map(|trusted| Arc::new(trusted.clone())),
    })
}
