//! The state that the threads of a process share, independent of changes of the configuration.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use skitai_actors::cache::Store;
use skitai_actors::db::{Budgets, Files};
use skitai_actors::kit::{ActorRef, tasks};
use skitai_actors::session::Sealer;
use skitai_actors::status::{Registry, StatusActor};

use super::acting::Acting;
use super::crowd::Crowd;
use super::exporter;
use super::known::{ClientConnections, MountedApps};
use crate::app::blocking_pool::BlockingPool;
use crate::app::closing::Lifecycle;
use crate::app::routing::mount::Mount;
use crate::app::routing::router::Router;
use crate::app::trail::keeper::TrailKeeper;
use crate::app::{App, Wasc};
use crate::edge::large::Bodies;
use crate::edge::shelf::Shelf;
use crate::edge::watchdog::{ThreadHold, Watchdog};
use crate::forward::Forward;
use crate::ipc::messages::Descriptor;
use crate::ipc::recorder::Recorder;
use crate::observe::access::AccessLog;
use crate::observe::counts::Counts;
use crate::observe::log_files::LogFiles;
use crate::observe::recent_figures::RecentFigures;
use crate::observe::route_counts::{RouteCounts, ThreadRoutes};
use crate::tls::certificates::Certificates;

/// Made once, at the start; a changed configuration does not affect it.
pub(crate) struct Process {
    /// The SQLite databases, closed at the end.
    pub(crate) files: Arc<Files>,
    pub(crate) results: Arc<Store>,
    /// Seals sessions.
    pub(crate) sealer: Arc<Sealer>,
    /// Seals which member a client of the proxy has. A sealer of its own, because each counts what it refuses.
    pub(crate) member_sealer: Arc<Sealer>,
    pub(crate) reporters: Arc<Registry>,
    pub(crate) status: ActorRef<StatusActor>,
    pub(crate) wasc: Wasc,
    pub(crate) blocking: Arc<BlockingPool>,
    /// The folder of uploaded files.
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) bodies: Arc<Bodies>,
    /// What clients are shown over TLS; `None` for a site of clear text.
    pub(crate) certificates: Option<Arc<Certificates>>,
    /// The connections of clients, counted.
    pub(super) crowd: Arc<Crowd>,
    /// The forward proxy, and the connections of its clients.
    pub(crate) forward: Option<Arc<Forward>>,
    pub(super) forward_crowd: Arc<Crowd>,
    /// The connections to the address of the server's own pages.
    pub(super) admin_crowd: Arc<Crowd>,
    /// One set per thread.
    pub(super) counts: Arc<[Arc<Counts>]>,
    /// The same by route.
    pub(super) routes: Arc<RouteCounts>,
    /// What is mounted, for the status.
    pub(super) mounted: Arc<MountedApps>,
    /// The connections of clients, for the same.
    pub(super) connections: Arc<ClientConnections>,
    /// The figures of the last minutes.
    pub(super) figures: Arc<RecentFigures>,
    /// What each thread polls, and who looks at that.
    pub(super) holds: Arc<[Arc<ThreadHold>]>,
    pub(super) watchdog: Watchdog,
    pub(super) apps: Vec<App>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) log_files: LogFiles,
    /// How many connections to databases this process may hold; `None` for all that its configuration gives it.
    pub(crate) budgets: Option<Arc<Budgets>>,
    /// What operators say and do.
    pub(crate) acting: Arc<Acting>,
    /// Where this process says what it does, for its supervisor.
    pub(crate) recorder: Option<Arc<Recorder>>,
    /// Who keeps the records of requests; `None` if nobody does.
    pub(crate) trails: Option<Arc<TrailKeeper>>,
    /// One per thread, by its number: a changed configuration continues them, and the end flushes their buffers.
    pub(super) logs: Mutex<HashMap<usize, Arc<AccessLog>>>,
}

impl Process {
    /// Sends the spans that wait, as far as there is time for it.
    pub(crate) async fn flush_spans(&self) {
        if let Some(spans) = self.trails.as_deref().and_then(TrailKeeper::spans) {
            exporter::flush(spans).await;
        }
    }

    /// The counters of one thread.
    pub(crate) fn counts(&self, thread: usize) -> &Arc<Counts> {
        // A thread that dies is replaced by one with a new number.
        &self.counts[thread % self.counts.len()]
    }

    /// The counters of one thread by route.
    pub(crate) fn routes_of(&self, thread: usize, router: &Router) -> ThreadRoutes {
        let rules = |mount: &Mount| {
            // What is passed on has rules that only the members know.
            if mount.passed.is_some() {
                return vec![mount.path_of("/*")];
            }
            let entries = mount.app.iter().flat_map(|app| app.table.entries());
            entries.map(|entry| mount.path_of(&entry.rule)).collect()
        };
        self.routes.of_thread(thread % self.counts.len(), router.mounts().iter().map(rules))
    }

    /// The slot of one thread, in which it says what it polls.
    pub(crate) fn hold(&self, thread: usize) -> &Arc<ThreadHold> {
        &self.holds[thread % self.holds.len()]
    }

    /// The access log of the current thread, which is opened at the first call.
    pub(crate) fn access_log(&self, thread: usize, path: &Path) -> io::Result<Arc<AccessLog>> {
        match self.logs.lock().unwrap_or_else(PoisonError::into_inner).entry(thread) {
            Entry::Occupied(open) => Ok(open.get().clone()),
            Entry::Vacant(none) => Ok(none.insert(AccessLog::open(path, &self.log_files)?).clone()),
        }
    }

    /// Opens the files of the access log anew, by their names: a file that was renamed is let go. Those that the
    /// supervisor has opened come with their names.
    pub(crate) fn reopen_logs(&self, handed: Vec<(Descriptor, OwnedFd)>) {
        for (what, descriptor) in handed {
            if let Descriptor::Log(path) = what {
                self.log_files.take(path, descriptor);
            } else if let Descriptor::Console = what {
                let taken =
                    rustix::stdio::dup2_stdout(&descriptor).and_then(|()| rustix::stdio::dup2_stderr(&descriptor));
                if let Err(error) = taken {
                    tracing::error!("the console's new log: {error}; the file so far goes on");
                }
            }
        }
        self.acting.reopen_audit();
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        for log in logs.values() {
            if let Err(error) = log.reopen(&self.log_files) {
                tracing::error!("access log {}: {error}; the file so far goes on", log.path().display());
            }
        }
        tracing::info!("the access log was opened anew ({} threads)", logs.len());
    }

    /// Shuts down the apps, the last one first, removes remaining uploads, closes the databases' files, and flushes the
    /// logs. Statements that still run without a request have the time `statements` to end.
    pub(crate) fn close(&self, statements: Duration) {
        self.watchdog.stop();
        self.apps.iter().rev().for_each(|app| app.run_shutdown(&self.wasc));
        self.wasc.clear();
        self.shelf.clear();
        self.files.close(statements);
        let tasks: Vec<String> = tasks::counts().iter().map(|(name, count)| format!("{count} {name}")).collect();
        tracing::info!("stopped; what was at work besides requests: {}", tasks.join(", "));
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).values().for_each(|log| log.flush());
    }
}
