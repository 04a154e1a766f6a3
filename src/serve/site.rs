//! An open site: a configuration and a program's apps, resolved and ready to be served.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use skitai_actors::cache::Store;
use skitai_actors::cluster::Health;
use skitai_actors::db::Budgets;
use skitai_actors::kit::{ActorRef, Admission};
use skitai_actors::spec::DbSpec;
use skitai_actors::status::{Beside, Recall, Registry, Siblings, StatusActor};
use skitai_wire::Value;

use super::acting::Acting;
use super::exporter;
use super::fleet::Fleet;
use super::keys::Keys;
use super::known::{ClientConnections, Known, MountedApps};
use super::learnt::Predecessor;
use super::mounting::{NotOpened, Unfit, mounts};
use super::own::{AdminSite, OwnPages};
use super::process::Process;
use super::watch::keep_of_process;
use crate::app::blocking_pool::BlockingPool;
use crate::app::closing::Lifecycle;
use crate::app::request::act_token::ActKey;
use crate::app::request::admin_login::Role;
use crate::app::routing::mount::Mount;
use crate::app::routing::router::Router;
use crate::app::site::Site;
use crate::app::trail::keeper::TrailKeeper;
use crate::app::trail::span_queue::SpanQueue;
use crate::app::trail::trace_context::Sampling;
use crate::app::{App, Wasc};
use crate::builtin;
use crate::config::{AUDIT_LOG, Declared, Loaded, ServerSettings, Settings};
use crate::edge::gate::Gates;
use crate::edge::large::Bodies;
use crate::edge::moves::Moves;
use crate::edge::shelf::Shelf;
use crate::edge::watchdog::{ThreadHold, Watchdog};
use crate::forward::Forward;
use crate::ipc::recorder::Recorder;
use crate::observe::counts::Counts;
use crate::observe::log_files::LogFiles;
use crate::observe::recent_figures::RecentFigures;
use crate::observe::route_counts::RouteCounts;
use crate::tls::certificates::Certificates;

/// What a process has of its instance. Without one, nothing.
#[derive(Default)]
pub(crate) struct InstancePlace {
    /// How many connections to databases it may hold.
    pub(crate) budgets: Option<Arc<Budgets>>,
    /// The other processes.
    pub(crate) siblings: Option<Arc<dyn Siblings>>,
    /// Where it says what it does.
    pub(crate) recorder: Option<Arc<Recorder>>,
    /// What clients are shown over TLS; without any the site speaks clear text.
    pub(crate) certificates: Option<Arc<Certificates>>,
    /// What operators say and do; `None` without a supervisor.
    pub(crate) acting: Option<Arc<Acting>>,
}

/// An open site with its clusters and databases, in a process.
pub(crate) struct OpenSite {
    pub(crate) site: Arc<Site>,
    /// The server's own pages, where they have an address of their own.
    pub(crate) admin_site: Option<AdminSite>,
    /// What the configuration says of its mounts.
    pub(crate) gates: Arc<Gates>,
    pub(crate) moves: Arc<Moves>,
    pub(crate) clusters: Vec<Arc<Fleet>>,
    /// Each with the health of its members, which the threads share.
    pub(crate) databases: Vec<(Arc<DbSpec>, Arc<Health>)>,
    pub(crate) process: Arc<Process>,
}

impl std::fmt::Debug for OpenSite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenSite").field("site", &self.site).finish_non_exhaustive()
    }
}

/// How long the actors have to answer for the first time.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

impl OpenSite {
    /// Resolves a site and starts its apps. Must be called inside the actor system: it starts the status actor and the
    /// health checks of the clusters.
    pub(crate) fn open(
        loaded: &Loaded,
        apps: Vec<App>,
        keys: &Keys,
        templates: Option<&Path>,
    ) -> Result<Arc<OpenSite>, NotOpened> {
        OpenSite::open_in_place(loaded, apps, keys, templates, &Predecessor::default(), InstancePlace::default())
    }

    /// The same in a process of an instance, which goes on with what the one before it has learnt.
    pub(crate) fn open_in_place(
        loaded: &Loaded,
        mut apps: Vec<App>,
        keys: &Keys,
        templates: Option<&Path>,
        before: &Predecessor,
        place: InstancePlace,
    ) -> Result<Arc<OpenSite>, NotOpened> {
        let processes = loaded.settings.server.processes;
        let Settings { server, mounts: of_mounts, clusters: declared, .. } = loaded.settings.clone();
        let shelf = Shelf::open(server.uploads.folder.as_deref()).map_err(|error| Unfit(vec![error.to_string()]))?;
        let mut mounts = mounts(loaded, &apps, templates)?;
        let wasc = Wasc::default();
        let counts: Arc<[Arc<Counts>]> = (0..server.threads).map(|_| Arc::default()).collect();
        let holds: Arc<[Arc<ThreadHold>]> = (0..server.threads).map(|_| Arc::default()).collect();
        let reporters = Registry::new();
        let admin = keys.admin_password.as_ref().map(|password| Arc::new(Role::Admin.login(password)));
        let viewer = server.viewer_password.as_ref().map(|password| Arc::new(Role::Viewer.login(password)));
        let own = OwnPages::of(&server, admin.is_some(), &mounts, &wasc)?;
        mounts.extend(own.on_site);
        if admin.is_some() {
            apps.push(builtin::admin::app());
        }
        let lifecycle = Arc::<Lifecycle>::default();
        let acting = place.acting.unwrap_or_else(|| {
            let audit_log = server.admin.audit_log.clone();
            let audit_log = audit_log.unwrap_or_else(|| loaded.base.join("var").join(AUDIT_LOG));
            Arc::new(Acting::alone(server.name.clone(), &audit_log, lifecycle.clone()))
        });
        let (clusters, databases) = started(&declared, &[], &[], before, &acting);
        for (index, app) in apps.iter().enumerate() {
            if let Err(error) = app.run_startup(&wasc, before.is_reload) {
                // Shuts down the apps that have started, and the one that failed half-way.
                apps[..=index].iter().rev().for_each(|app| app.run_shutdown(&wasc));
                wasc.clear();
                return Err(NotOpened::Startup { app: app.name.clone(), error: Box::new(error) });
            }
        }
        let forward = Forward::of(&server);
        let (routes, mounted) = (Arc::<RouteCounts>::default(), Arc::<MountedApps>::default());
        let (connections, figures) = (Arc::new(ClientConnections::of(&server)), Arc::<RecentFigures>::default());
        let blocking = Arc::<BlockingPool>::default();
        // The processes share out the room.
        let export = server.otlp.as_ref().map(|otlp| {
            let sampling = Sampling { ratio: otlp.ratio(), trust: otlp.trust.clone() };
            (sampling, Arc::<SpanQueue>::default())
        });
        if let (Some(otlp), Some((_, spans))) = (&server.otlp, &export) {
            let started = exporter::start(otlp, &server, spans.clone());
            started.map_err(|why| Unfit(vec![format!("`endpoint` of [otlp]: {why}")]))?;
        }
        let trails = TrailKeeper::new(server.trace_ring / server.processes, export).map(Arc::new);
        let status = {
            let (reporters, about, siblings) = (reporters.clone(), about(&server), place.siblings);
            let known = Known {
                counts: counts.clone(),
                routes: routes.clone(),
                holds: holds.clone(),
                blocking: blocking.clone(),
                objects: wasc.registry().clone(),
                certificates: place.certificates.clone(),
                apps: mounted.clone(),
                forward: forward.clone(),
                trails: trails.clone(),
                acting: acting.clone(),
                connections: connections.clone(),
                figures: figures.clone(),
            };
            let known: Beside = Arc::new(move |is_wanted| known.tree(is_wanted));
            let recall = trails.clone().filter(|trails| trails.ring().is_some()).map(|trails| -> Recall {
                Arc::new(move |id| trails.ring().map_or(Value::List(Vec::new()), |ring| ring.told(id)))
            });
            ActorRef::open("status", Admission::default(), move || {
                let actor = StatusActor::new(reporters.clone(), about.clone());
                actor.beside(known.clone()).among(siblings.clone()).recalling(recall.clone())
            })
        };
        let polled = mounts.iter().filter_map(|mount| mount.app.as_ref());
        let polled = polled.flat_map(|app| app.table().entries().iter().map(|entry| entry.route));
        let polled = polled.chain(apps.iter().flat_map(|app| app.routes.iter().map(|listed| listed.route))).collect();
        let process = Arc::new(Process {
            watchdog: Watchdog::start(holds.clone(), polled, server.devel),
            holds,
            files: Arc::default(),
            results: Store::new(server.results_of_process()),
            sealer: Arc::new(keys.sealer()),
            member_sealer: Arc::new(keys.sealer()),
            reporters,
            status,
            wasc,
            blocking,
            shelf: Arc::new(shelf),
            certificates: place.certificates,
            crowd: Arc::default(),
            forward: forward.clone(),
            forward_crowd: Arc::default(),
            admin_crowd: Arc::default(),
            bodies: Arc::new(Bodies::new(server.threads)),
            counts,
            routes,
            mounted,
            connections,
            figures,
            apps,
            lifecycle,
            acting,
            log_files: LogFiles::default(),
            budgets: place.budgets,
            recorder: place.recorder,
            trails,
            logs: Mutex::default(),
        });
        process.mounted.set(&mounts, loaded.in_force.clone().listening(&server.listening));
        let router = Router::new(mounts, builtin::is_own);
        let act_key = ActKey::of(keys.securekey.0.as_bytes());
        let site = Arc::new(Site::new(server, router, (admin, viewer), act_key, Vec::new()));
        let admin_site = AdminSite::of(own.apart, &site);
        let gates = Arc::new(Gates::of(&of_mounts, own_paths(&site.router), processes));
        let moves = Arc::new(Moves::of(&of_mounts));
        Ok(Arc::new(OpenSite { site, admin_site, gates, moves, clusters, databases, process }))
    }

    /// Waits until every actor has answered, or had the time to.
    pub(crate) async fn answers(&self) {
        skitai_actors::status::snapshot(&self.process.status, None, ANSWERS_WITHIN).await;
    }

    /// Opens another configuration in the same process: see [`watch`](super::watch). An invalid one changes nothing.
    pub(super) fn reopened(&self, loaded: &Loaded, templates: Option<&Path>) -> Result<Arc<OpenSite>, Unfit> {
        let mut loaded = loaded.clone();
        let restart_needed = keep_of_process(&mut loaded.settings.server, &self.site.server);
        let mut mounts = mounts(&loaded, &self.process.apps, templates)?;
        // The server's own pages are in no conf.
        mounts.extend(self.site.router.mounts().iter().filter(|mount| mount.is_own).cloned());
        let (clusters, databases) = started(
            &loaded.settings.clusters,
            &self.clusters,
            &self.databases,
            &Predecessor::default(),
            &self.process.acting,
        );
        let listening = &loaded.settings.server.listening;
        self.process.mounted.set(&mounts, loaded.in_force.clone().listening(listening));
        let router = Router::new(mounts, builtin::is_own);
        let Site { admin, viewer, act_key, .. } = &*self.site;
        let (logins, act_key) = ((admin.clone(), viewer.clone()), act_key.clone());
        let site_processes = loaded.settings.server.processes;
        let gates = Arc::new(Gates::of(&loaded.settings.mounts, own_paths(&router), site_processes));
        let moves = Arc::new(Moves::of(&loaded.settings.mounts));
        let site = Arc::new(Site::new(loaded.settings.server, router, logins, act_key, restart_needed));
        let apart = self.admin_site.iter().flat_map(|apart| apart.site.router.mounts().iter().cloned()).collect();
        let (admin_site, process) = (AdminSite::of(apart, &site), self.process.clone());
        Ok(Arc::new(OpenSite { site, admin_site, gates, moves, clusters, databases, process }))
    }
}

/// The paths of the server's own pages.
fn own_paths(router: &Router) -> impl Iterator<Item = &str> {
    router.mounts().iter().filter(|mount| mount.is_own).map(Mount::path)
}

type Fleets = Vec<Arc<Fleet>>;
type Databases = Vec<(Arc<DbSpec>, Arc<Health>)>;

/// Starts the declared clusters and databases; those that already run under the same declaration continue.
fn started(
    declared: &[Declared],
    fleets: &[Arc<Fleet>],
    running: &[(Arc<DbSpec>, Arc<Health>)],
    before: &Predecessor,
    acting: &Acting,
) -> (Fleets, Databases) {
    let (mut clusters, mut databases) = (Vec::new(), Vec::new());
    for declared in declared {
        match declared {
            Declared::Http(spec) => {
                let same = fleets.iter().find(|fleet| *fleet.roster.spec() == **spec);
                let opened = || {
                    let fleet = Fleet::open(spec, before.cluster(&spec.name));
                    acting.follow_cluster(&fleet.roster);
                    Arc::new(fleet)
                };
                clusters.push(same.cloned().unwrap_or_else(opened));
            }
            Declared::Db(spec) => {
                let same = running.iter().find(|(known, _)| **known == *spec);
                let health = || Health::of_databases_after(spec, before.database(&spec.name));
                let opened = || {
                    let health = Arc::new(health());
                    acting.follow_databases(&spec.name, &health);
                    (Arc::new(spec.clone()), health)
                };
                databases.push(same.cloned().unwrap_or_else(opened));
            }
        }
    }
    (clusters, databases)
}

/// The server's own entries in the status tree.
fn about(server: &ServerSettings) -> Value {
    let listens = server.listening.addresses.iter().map(|address| Value::from(address.to_string()));
    Value::from_pairs([
        ("name", Value::from(server.name.as_str())),
        ("version", Value::from(env!("CARGO_PKG_VERSION"))),
        ("port", server.listening.tcp().map_or(Value::Nil, |(_, port)| Value::from(i64::from(port)))),
        ("listen", Value::List(listens.collect())),
        ("threads", Value::from(server.threads as i64)),
        ("processes", Value::from(server.processes as i64)),
        ("devel", Value::from(server.devel)),
    ])
}
