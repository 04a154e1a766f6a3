//! What a process knows beside its actors: it is shown on the status page with what they report.

use std::sync::{Arc, Mutex, PoisonError};

use skitai_wire::{Map, Value};

use super::acting::Acting;
use crate::app::blocking_pool::BlockingPool;
use crate::app::registry::Registry;
use crate::app::routing::mount::Mount;
use crate::app::trail::keeper::TrailKeeper;
use crate::config::{ConfigInForce, ServerSettings};
use crate::connection::list::Open;
use crate::edge::watchdog::{self, ThreadHold};
use crate::forward::Forward;
use crate::observe::counts::Counts;
use crate::observe::recent_figures::RecentFigures;
use crate::observe::recent_lines;
use crate::observe::route_counts::RouteCounts;
use crate::tls::certificates::Certificates;

/// Where it is known.
pub(super) struct Known {
    pub(super) counts: Arc<[Arc<Counts>]>,
    pub(super) routes: Arc<RouteCounts>,
    pub(super) holds: Arc<[Arc<ThreadHold>]>,
    pub(super) blocking: Arc<BlockingPool>,
    pub(super) objects: Arc<Registry>,
    pub(super) certificates: Option<Arc<Certificates>>,
    pub(super) apps: Arc<MountedApps>,
    pub(super) forward: Option<Arc<Forward>>,
    pub(super) trails: Option<Arc<TrailKeeper>>,
    pub(super) acting: Arc<Acting>,
    pub(super) connections: Arc<ClientConnections>,
    pub(super) figures: Arc<RecentFigures>,
}

/// Makes a part of the status; `None` if the site has no such thing.
type MakePart = fn(&Known) -> Option<Value>;

/// All parts.
const PARTS: [(&str, MakePart); 16] = [
    ("apps", |known| Some(known.apps.tree())),
    // The original kept what its proxies fetched on disk. Nothing is kept so here.
    ("cachefs", |_| Some(Value::from_pairs([("kept", Value::Bool(false))]))),
    ("requests", |known| Some(Counts::tree(&known.counts))),
    ("connections", |known| Some(known.connections.tree())),
    ("routes", |known| Some(known.routes.tree())),
    ("queue", |known| Some(known.blocking.tree())),
    ("held", |known| Some(watchdog::held(&known.holds))),
    ("objects", |known| Some(known.objects.tree())),
    ("audit", |known| Some(known.acting.audit_tree())),
    ("certificates", |known| Some(known.certificates.as_ref()?.tree())),
    ("forward_proxy", |known| Some(known.forward.as_ref()?.tree())),
    ("records", |known| Some(known.trails.as_deref()?.ring()?.tree())),
    ("otlp", |known| Some(known.trails.as_deref()?.spans()?.tree())),
    ("history", |known| Some(known.figures.tree())),
    ("config", |known| Some(known.apps.config())),
    ("log", |_| Some(recent_lines::tree())),
];

impl Known {
    /// The parts that are wanted, by top-level keys of the status.
    pub(super) fn tree(&self, is_wanted: &dyn Fn(&str) -> bool) -> Map {
        let wanted = PARTS.iter().filter(|(name, _)| is_wanted(name));
        Map(wanted.filter_map(|(name, part)| Some(((*name).into(), part(self)?))).collect())
    }
}

/// The connections of clients to the site, all of them, and how many there may be.
#[derive(Debug, Default)]
pub(crate) struct ClientConnections(Mutex<Option<Arc<Open>>>, Option<usize>);

impl ClientConnections {
    pub(super) fn of(server: &ServerSettings) -> ClientConnections {
        ClientConnections(Mutex::default(), server.limits.max_connections)
    }

    /// They are counted here, once the threads have begun.
    pub(super) fn count_in(&self, open: Arc<Open>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(open);
    }

    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |open| open.count())
    }

    fn tree(&self) -> Value {
        let number = |number: usize| Value::Int(number.cast_signed() as i64);
        let limit = self.1.map(|limit| ("limit", number(limit)));
        Value::from_pairs([("open", number(self.count()))].into_iter().chain(limit))
    }
}

/// What is mounted where, of the configuration in force, and that configuration.
#[derive(Debug, Default)]
pub(crate) struct MountedApps(Mutex<Value>, Mutex<ConfigInForce>);

impl MountedApps {
    /// Takes up another configuration.
    pub(super) fn set(&self, mounts: &[Mount], config: ConfigInForce) {
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) = config;
        let one = |mount: &Mount| {
            let folders = mount.folders.iter().map(|folder| Value::from(folder.display().to_string())).collect();
            let mut pairs = vec![("folders", Value::List(folders)), ("own", Value::Bool(mount.is_own))];
            if let Some(app) = &mount.app {
                pairs.extend([
                    ("app", Value::from(app.name.as_str())),
                    ("routes", Value::from(app.table.entries().len() as i64)),
                    ("sessions", Value::Bool(app.use_session)),
                    ("devel", Value::Bool(app.devel)),
                ]);
            }
            let members = mount.passed.as_ref().map(|to| ("members_of", Value::from(to.route.to_string())));
            (mount.path_of("/"), Value::from_pairs(pairs.into_iter().chain(members)))
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Value::from_pairs(mounts.iter().map(one));
    }

    fn tree(&self) -> Value {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn config(&self) -> Value {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).tree()
    }
}
