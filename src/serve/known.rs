//! What a process knows beside its actors: it is shown on the status page with what they report.

use std::sync::{Arc, Mutex, PoisonError};

use skitai_wire::{Map, Value};

use super::acting::Acting;
use crate::app::blocking_pool::BlockingPool;
use crate::app::registry::Registry;
use crate::app::routing::mount::Mount;
use crate::app::trail::keeper::TrailKeeper;
use crate::edge::watchdog::{self, ThreadHold};
use crate::forward::Forward;
use crate::observe::counts::Counts;
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
}

impl Known {
    /// By top-level keys of the status.
    pub(super) fn tree(&self) -> Map {
        let certificates = self.certificates.as_ref().map(|shown| ("certificates", shown.tree()));
        let known = [
            ("apps", self.apps.tree()),
            // The original kept what its proxies fetched on disk. Nothing is kept so here.
            ("cachefs", Value::from_pairs([("kept", Value::Bool(false))])),
            ("requests", Counts::tree(&self.counts)),
            ("routes", self.routes.tree()),
            ("queue", self.blocking.tree()),
            ("held", watchdog::held(&self.holds)),
            ("objects", self.objects.tree()),
            ("audit", self.acting.audit_tree()),
        ];
        let forward = self.forward.as_ref().map(|forward| ("forward_proxy", forward.tree()));
        let trails = self.trails.as_deref();
        let records = trails.and_then(TrailKeeper::ring).map(|ring| ("records", ring.tree()));
        let spans = trails.and_then(TrailKeeper::spans).map(|spans| ("otlp", spans.tree()));
        Map(known
            .into_iter()
            .chain(certificates)
            .chain(forward)
            .chain(records)
            .chain(spans)
            .map(|(name, value)| (name.into(), value))
            .collect())
    }
}

/// What is mounted where, of the configuration in force.
#[derive(Debug, Default)]
pub(crate) struct MountedApps(Mutex<Value>);

impl MountedApps {
    /// Takes up another configuration.
    pub(super) fn set(&self, mounts: &[Mount]) {
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
}
