//! A site: a configuration and a program's apps, resolved and ready to be served.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use skitai_actors::cache::Store;
use skitai_actors::cluster::Health;
use skitai_actors::db::Files;
use skitai_actors::kit::{Admission, Post};
use skitai_actors::session::Sealer;
use skitai_actors::spec::DbSpec;
use skitai_actors::status::{Registry, StatusActor};
use skitai_wire::Value;

use super::fleet::Fleet;
use super::keys::Keys;
use super::mount::Mount;
use super::pool::BlockingPool;
use super::watch::keep_of_process;
use crate::admin;
use crate::app::table::{Placed, Table};
use crate::app::{App, Links, Mounted, Sought, Templates, Wasc};
use crate::config::{Declared, Introspection, Loaded, Mount as Mounting, MountTarget, Server, Settings};
use crate::edge::large::Bodies;
use crate::edge::shelf::Shelf;
use crate::observe::access::AccessLog;
use crate::observe::counts::Counts;
use crate::rpc::introspection::{self, Access};

/// The route a request is led to.
#[derive(Clone, Copy)]
pub(crate) struct Meant<'s> {
    /// The place of its app among the mounts.
    pub(crate) mount: usize,
    pub(crate) app: &'s Mounted,
    pub(crate) placed: &'s Placed,
}

impl<'s> Meant<'s> {
    fn by_name(mount: usize, app: &'s Mounted, name: &str) -> Option<Meant<'s>> {
        Some(Meant { mount, app, placed: app.table.named(name)? })
    }
}

/// Everything the workers of a process share.
pub(crate) struct Site {
    pub(crate) settings: Settings,
    /// Longest path first.
    pub(crate) mounts: Vec<Mount>,
    pub(crate) clusters: Vec<Arc<Fleet>>,
    /// Each with what the workers know together of its members.
    pub(crate) databases: Vec<(Arc<DbSpec>, Arc<Health>)>,
    /// Those of SQLite, to be closed at the end.
    pub(crate) files: Arc<Files>,
    pub(crate) results: Arc<Store>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) reporters: Arc<Registry>,
    pub(crate) status: Post<StatusActor>,
    pub(crate) wasc: Wasc,
    /// Who may ask what methods there are.
    pub(crate) access: Arc<Access>,
    pub(crate) blocking: Arc<BlockingPool>,
    /// Where uploaded files are.
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) bodies: Arc<Bodies>,
    /// One set per worker.
    counts: Arc<[Arc<Counts>]>,
    apps: Arc<[App]>,
    // One per worker: what is in their buffers is written at the end.
    logs: Arc<Mutex<Vec<Arc<AccessLog>>>>,
    restart_needed: Vec<String>,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("mounts", &self.mounts).finish_non_exhaustive()
    }
}

/// Where the status page is.
const STATUS: &str = "/status";
/// Where the page of the methods is.
const METHODS: &str = "/status/methods";

/// What keeps a site from starting, one line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub(crate) struct Unfit(pub(crate) Vec<String>);

/// The part of a site that needs no actors: also what `check` and `routes` look at.
pub(crate) fn mounts(loaded: &Loaded, apps: &[App], templates: Option<&Path>) -> Result<Vec<Mount>, Unfit> {
    let names: Vec<&str> = apps.iter().map(|app| app.name.as_str()).collect();
    let mountings = loaded.resolve_mounts(&names).map_err(|report| Unfit(vec![report.to_string()]))?;
    let mut unfit = Vec::new();
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            unfit
                .push(format!("this program has two apps named `{name}`; a configuration could mean only one of them"));
        }
    }
    let mut mounts: Vec<Mount> = Vec::new();
    for Mounting { path, target } in mountings {
        let at = path.trim_end_matches('/').to_owned();
        let index = mounts.iter().position(|mount| mount.is_at(&at)).unwrap_or_else(|| {
            mounts.push(Mount::at(&path, None));
            mounts.len() - 1
        });
        let mount = &mut mounts[index];
        match target {
            MountTarget::Folder(folder) => mount.folders.push(folder),
            MountTarget::App(name) if mount.app.is_some() => {
                unfit.push(format!("{path}: the app `{name}` is mounted where another app is already"));
            }
            MountTarget::App(name) => {
                let found = apps.iter().find(|app| app.name == name);
                match found.map(|app| place(app, (&at, mount.slash), templates, &names, &loaded.settings.server)) {
                    Some(Ok(app)) => mount.app = Some(Arc::new(app)),
                    Some(Err(problems)) => unfit.extend(problems),
                    None => unfit.push(format!("{path}: this program has no app `{name}`")),
                }
            }
        }
    }
    mounts.sort_by_key(|mount| std::cmp::Reverse(mount.path.len()));
    if unfit.is_empty() { Ok(mounts) } else { Err(Unfit(unfit)) }
}

/// The folder `templates` beside the configuration, else in the current folder.
pub(crate) fn templates_of(loaded: &Loaded) -> Option<PathBuf> {
    [loaded.base.join("templates"), PathBuf::from("templates")].into_iter().find(|folder| folder.is_dir())
}

/// An app below a path, which was written with a slash at its end or not; `names` are those of all apps of the program.
fn place(
    app: &App,
    (path, slash): (&str, bool),
    templates: Option<&Path>,
    names: &[&str],
    server: &Server,
) -> Result<Mounted, Vec<String>> {
    let devel = app.devel.unwrap_or(server.devel);
    if devel && !server.ip.is_some_and(|ip| ip.is_loopback()) {
        return Err(vec![format!(
            "app `{}` is in devel mode, which tells its errors to everybody; with `ip = 127.0.0.1` nobody else can reach it",
            app.name
        )]);
    }
    let table = Table::new(&app.routes, &app.level).map_err(|problems| {
        problems.into_iter().map(|problem| format!("app `{}`: {problem}", app.name)).collect::<Vec<_>>()
    })?;
    let table = Arc::new(table);
    let links = Arc::new(Links::new(path, slash, table.clone()));
    let templates = Templates::load(&app.name, app.templates.clone(), templates, devel, (&links, names))
        .map_err(|error| vec![format!("app `{}`: template: {error}", app.name)])?;
    Ok(Mounted {
        name: app.name.clone(),
        use_session: app.use_session,
        table,
        links,
        templates: Arc::new(templates),
        on_error: app.on_error.clone(),
        devel,
        actix: app.actix.clone(),
    })
}

impl Site {
    /// Resolves a site and starts its apps. Must be called inside the actor system: the status actor and the
    /// probers of the clusters start here.
    pub(crate) fn open(
        loaded: &Loaded,
        mut apps: Vec<App>,
        keys: &Keys,
        templates: Option<&Path>,
    ) -> Result<Arc<Site>, Unfit> {
        let settings = loaded.settings.clone();
        let shelf = Shelf::open(settings.server.uploads.folder.as_deref()).map_err(|error| Unfit(vec![error]))?;
        let mut mounts = mounts(loaded, &apps, templates)?;
        let wasc = Wasc::default();
        let counts: Arc<[Arc<Counts>]> = (0..settings.server.threads).map(|_| Arc::default()).collect();
        let reporters = Registry::new();
        if let Some(password) = &keys.admin_password {
            if mounts.iter().any(|mount| mount.path == STATUS) {
                tracing::warn!(
                    "{STATUS} is mounted by the configuration; the server's own status page cannot be reached"
                );
            }
            let (requests, failed) = (counts.clone(), reporters.clone());
            let app = admin::app(&password.0, move || Counts::tree(&requests), move || failed.failed());
            let placed = place(&app, (STATUS, false), None, &[], &settings.server).map_err(Unfit)?;
            mounts.push(Mount { is_own: true, ..Mount::at(STATUS, Some(placed)) });
            apps.push(app);
        }
        let access = Arc::new(Access::of(&settings.server, keys.admin_password.as_ref()));
        if settings.server.introspection != Introspection::Off {
            if mounts.iter().any(|mount| mount.is_at(METHODS)) {
                tracing::warn!("{METHODS} is mounted by the configuration; the page of the methods cannot be reached");
            } else {
                let app = introspection::app();
                let placed = place(&app, (METHODS, false), None, &[], &settings.server).map_err(Unfit)?;
                mounts.push(Mount { is_own: true, ..Mount::at(METHODS, Some(placed)) });
            }
        }
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.path.len()));
        let mut clusters = Vec::new();
        let mut databases = Vec::new();
        for declared in &settings.clusters {
            match declared {
                Declared::Http(spec) => clusters.push(Arc::new(Fleet::open(spec))),
                Declared::Db(spec) => databases.push((Arc::new(spec.clone()), Arc::new(Health::of_databases(spec)))),
            }
        }
        for (index, app) in apps.iter().enumerate() {
            if let Err(error) = app.run_startup(&wasc) {
                // What was opened is closed, by those that were ready and by the one that was half so.
                apps[..=index].iter().rev().for_each(|app| app.run_shutdown(&wasc));
                wasc.clear();
                return Err(Unfit(vec![format!("app `{}`: startup: {error}", app.name)]));
            }
        }
        let about = Value::from_pairs([
            ("name", Value::from(settings.server.name.as_str())),
            ("version", Value::from(env!("CARGO_PKG_VERSION"))),
            ("port", Value::from(i64::from(settings.server.port))),
            ("threads", Value::from(settings.server.threads as i64)),
            ("devel", Value::from(settings.server.devel)),
        ]);
        let status = {
            let reporters = reporters.clone();
            Post::open("status", Admission::default(), move || StatusActor::new(reporters.clone(), about.clone()))
        };
        let most = usize::try_from(settings.server.num_result_cache_max).unwrap_or(usize::MAX);
        let threads = settings.server.threads;
        Ok(Arc::new(Site {
            results: Store::new(most),
            sealer: Arc::new(keys.sealer()),
            settings,
            mounts,
            clusters,
            databases,
            files: Arc::default(),
            reporters,
            status,
            wasc,
            access,
            blocking: Arc::default(),
            shelf: Arc::new(shelf),
            bodies: Arc::new(Bodies::new(threads)),
            counts,
            apps: apps.into(),
            logs: Arc::default(),
            restart_needed: Vec::new(),
        }))
    }

    /// The same process with another configuration: see [`watch`](super::watch). Nothing is changed where it does not
    /// fit.
    pub(super) fn reopened(&self, loaded: &Loaded, templates: Option<&Path>) -> Result<Arc<Site>, Unfit> {
        let mut loaded = loaded.clone();
        let restart_needed = keep_of_process(&mut loaded.settings.server, &self.settings.server);
        let settings = loaded.settings.clone();
        let mut mounts = mounts(&loaded, &self.apps, templates)?;
        // The server's own pages are in no conf.
        mounts.extend(self.mounts.iter().filter(|mount| mount.is_own).cloned());
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.path.len()));
        let (mut clusters, mut databases) = (Vec::new(), Vec::new());
        for declared in &settings.clusters {
            match declared {
                Declared::Http(spec) => {
                    let same = self.clusters.iter().find(|fleet| *fleet.roster.spec() == **spec);
                    clusters.push(same.cloned().unwrap_or_else(|| Arc::new(Fleet::open(spec))));
                }
                Declared::Db(spec) => {
                    let same = self.databases.iter().find(|(known, _)| **known == *spec);
                    let opened = || (Arc::new(spec.clone()), Arc::new(Health::of_databases(spec)));
                    databases.push(same.cloned().unwrap_or_else(opened));
                }
            }
        }
        Ok(Arc::new(Site {
            results: self.results.clone(),
            sealer: self.sealer.clone(),
            settings,
            mounts,
            clusters,
            databases,
            files: self.files.clone(),
            reporters: self.reporters.clone(),
            status: self.status.clone(),
            wasc: self.wasc.clone(),
            access: self.access.clone(),
            blocking: self.blocking.clone(),
            shelf: self.shelf.clone(),
            bodies: self.bodies.clone(),
            counts: self.counts.clone(),
            apps: self.apps.clone(),
            logs: self.logs.clone(),
            restart_needed,
        }))
    }

    /// The route of an RPC name: relative to the mount whose path the call was posted to, else by the mounts' names.
    pub(crate) fn method(&self, path: &str, name: &str) -> Option<Meant<'_>> {
        let apps = || self.mounts.iter().enumerate().filter_map(|(at, mount)| Some((at, mount, mount.app.as_ref()?)));
        let mut below = apps().filter(|(_, mount, _)| !mount.path.is_empty() && mount.rest_of(path).is_some());
        below
            .find_map(|(at, _, app)| Meant::by_name(at, app, name))
            .or_else(|| {
                apps().find_map(|(at, mount, app)| {
                    let prefix = &*mount.prefix;
                    let rest = if prefix.is_empty() { name } else { name.strip_prefix(prefix)?.strip_prefix('.')? };
                    Meant::by_name(at, app, rest)
                })
            })
            .or_else(|| {
                // What every server has under the same names, unless an app has a method of that name.
                let own = self
                    .mounts
                    .iter()
                    .position(|mount| mount.is_at(METHODS))
                    .filter(|_| introspection::is_own(name))?;
                Meant::by_name(own, self.mounts[own].app.as_ref()?, name)
            })
    }

    /// The route that a link of the app at a mount leads to, and whose it is: of the app itself, else of another.
    pub(crate) fn linked(&self, from: usize, sought: Sought<'_>) -> Result<(&Links, &Placed), String> {
        let own = &self.app(from).links;
        if let Some(placed) = own.find(sought)? {
            return Ok((own, placed));
        }
        let found = match sought {
            Sought::Name(name) => self.method("/", name).map(|meant| (&*meant.app.links, meant.placed)),
            Sought::Route(_) => self
                .mounts
                .iter()
                .filter_map(|mount| Some(&*mount.app.as_ref()?.links))
                .find_map(|links| Some((links, links.find(sought).ok()??))),
        };
        found.ok_or_else(|| own.unknown(sought))
    }

    /// The mounts of the site's own apps: not the pages of the server.
    pub(crate) fn of_apps(&self) -> impl Iterator<Item = (&Mount, &Mounted)> {
        let of_server = |mount: &Mount| [STATUS, METHODS].iter().any(|own| mount.is_at(own));
        self.mounts
            .iter()
            .filter(move |mount| !of_server(mount))
            .filter_map(|mount| Some((mount, &**mount.app.as_ref()?)))
    }

    /// The app of a mount that has one.
    pub(crate) fn app(&self, mount: usize) -> &Mounted {
        self.mounts[mount].app.as_ref().expect("requests are led to mounts with an app alone")
    }

    /// The app whose mount leads to a path, and its place among the mounts.
    pub(crate) fn app_at(&self, path: &str) -> Option<usize> {
        self.mounts.iter().position(|mount| mount.app.is_some() && mount.rest_of(path).is_some())
    }

    /// The keys of the configuration that have changed and are taken up by a restart alone.
    pub(crate) fn restart_needed(&self) -> &[String] {
        &self.restart_needed
    }

    /// The counters of one worker.
    pub(crate) fn counts(&self, worker: usize) -> &Arc<Counts> {
        // A worker that was lost is replaced under a new number.
        &self.counts[worker % self.counts.len()]
    }

    pub(crate) fn keep_log(&self, log: Arc<AccessLog>) {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).push(log);
    }

    /// Ends the apps, the last one first, removes what is left of uploads, closes the files of databases, and writes
    /// the logs out. Statements that are under way without a request may take so long to end.
    pub(crate) fn close(&self, statements: Duration) {
        self.apps.iter().rev().for_each(|app| app.run_shutdown(&self.wasc));
        self.wasc.clear();
        self.shelf.clear();
        self.files.close(statements);
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|log| log.flush());
    }
}
