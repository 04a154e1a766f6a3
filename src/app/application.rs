//! An app: its routes, packages and templates, and its hooks at start and stop.

use std::future::Future;
use std::sync::Arc;

use actix_web::web::ServiceConfig;

use super::error::failure::{Failure, OnError};
use super::hooks::{Done, Level, Verdict, hooks};
use super::registry::Wasc;
use super::reply::Reply;
use super::reply::templates::Templates;
use super::routing::links::Links;
use super::routing::route::Route;
use super::routing::table::{RouteRegistration, Table};
use super::was::Was;
use crate::observe::panics;

/// The services of actix-web that an app adds.
#[derive(Clone)]
pub(crate) struct ActixServices(pub(crate) Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>);

impl std::fmt::Debug for ActixServices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ActixServices")
    }
}

type Hook = Box<dyn Fn(&Wasc) -> super::Result<()> + Send + Sync>;

/// An app as its author writes it: `App::new("webapp").routes(routes![hello]).use_session(true)`. The configuration
/// mounts it by its name (`/ = webapp`).
pub struct App {
    pub(crate) name: String,
    pub(crate) routes: Vec<RouteRegistration>,
    pub(crate) templates: Vec<(&'static str, &'static str)>,
    pub(crate) use_session: bool,
    pub(crate) rpc: bool,
    pub(crate) on_error: Option<OnError>,
    pub(crate) devel: Option<bool>,
    pub(crate) actix: Option<ActixServices>,
    pub(crate) level: Level,
    startup: Vec<Hook>,
    onreload: Vec<Hook>,
    shutdown: Vec<Hook>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("name", &self.name).field("routes", &self.routes.len()).finish_non_exhaustive()
    }
}

impl App {
    /// Creates an app of this name, without routes.
    pub fn new(name: impl Into<String>) -> App {
        App {
            name: name.into(),
            routes: Vec::new(),
            templates: Vec::new(),
            use_session: false,
            rpc: true,
            on_error: None,
            devel: None,
            actix: None,
            level: Level::default(),
            startup: Vec::new(),
            onreload: Vec::new(),
            shutdown: Vec::new(),
        }
    }

    /// Adds routes: `.routes(routes![hello, search])`.
    #[must_use]
    pub fn routes(mut self, routes: impl IntoIterator<Item = &'static Route>) -> App {
        self.routes.extend(routes.into_iter().map(|route| RouteRegistration::new("", route)));
        self
    }

    /// Adds a package and the packages in it: their routes, hooks and templates become the app's own.
    #[must_use]
    pub fn package(mut self, package: Package) -> App {
        self.routes.extend(within(&package.level, "", package.routes));
        self.startup.extend(package.startup);
        self.onreload.extend(package.onreload);
        self.shutdown.extend(package.shutdown);
        self
    }

    hooks!();

    /// Turns sessions on or off. Default: off; `was.session` is then empty.
    #[must_use]
    pub fn use_session(mut self, on: bool) -> App {
        self.use_session = on;
        self
    }

    /// Whether its routes can be called over RPC. Default: on. `.rpc(false)` makes every route a page alone, as
    /// `#[route("/x", rpc = false)]` makes one: no name finds it, and no list of methods has it.
    #[must_use]
    pub fn rpc(mut self, on: bool) -> App {
        self.rpc = on;
        self
    }

    /// Compiles a template in: `.template("index.html", include_str!("index.html"))`. A file of the same name in the
    /// site's folder takes precedence: in `templates/APP`, or in `templates` if there is no such folder (except for the
    /// subfolders of the program's other apps).
    #[must_use]
    pub fn template(mut self, name: &'static str, text: &'static str) -> App {
        self.templates.push((name, text));
        self
    }

    /// Turns devel mode on or off for this app and overrides the configuration: every page reads its templates again,
    /// and error pages show every detail. The server refuses to start with devel mode on if other machines can reach
    /// it.
    #[must_use]
    pub fn devel(mut self, on: bool) -> App {
        self.devel = Some(on);
        self
    }

    /// Answers errors in the app's own way: `.on_error(|_, failure| Some(Page::new("sorry.html").with("status",
    /// failure.status)))`. If it returns `None`, the app's templates answer (`errors/404.html` for one status,
    /// `errors/error.html` for all others), and without those the built-in page. The reply has the error's status,
    /// unless it is a [`Response`](super::Response). It is called for the errors of every web client, not of browsers
    /// alone; over RPC an error is a fault and stays one. In devel mode a browser gets the detailed error page for
    /// errors of the server (5xx) instead.
    #[must_use]
    pub fn on_error<R: Reply>(mut self, answer: impl Fn(&Was, &Failure) -> Option<R> + Send + Sync + 'static) -> App {
        self.on_error = Some(OnError::new(answer));
        self
    }

    /// Mounts services of actix-web, for what routes cannot express, such as WebSockets: `.actix(|services| {
    /// services.route("/socket", web::get().to(socket)); })`. Their paths are relative to the app's mount.
    ///
    /// Files and routes of the same path take precedence, and a path that none of them serves is a 404 like any other.
    /// The services get the request unchanged and with its body unread: hooks, sessions, `was`, body limits and
    /// deadlines do not apply to them, and RPC cannot call them. Their answers are logged in the access log and
    /// counted, and a panic in one is a 500. A service that runs for long takes a [`Closing`](super::Closing) as an
    /// argument, which tells when the server ends. The crate is re-exported as [`skitai::actix_web`](crate::actix_web).
    ///
    /// The closure is called once on every thread, at the first request for one of its services. A second call of this
    /// method replaces the first.
    #[must_use]
    pub fn actix(mut self, services: impl Fn(&mut ServiceConfig) + Send + Sync + 'static) -> App {
        self.actix = Some(ActixServices(Arc::new(services)));
        self
    }

    /// Runs once when the server starts, before the first request. An error keeps the server from starting.
    #[must_use]
    pub fn startup(mut self, hook: impl Fn(&Wasc) -> super::Result<()> + Send + Sync + 'static) -> App {
        self.startup.push(Box::new(hook));
        self
    }

    /// Runs in a process that takes the place of another one at a `reload` or an `upgrade`, after
    /// [`startup`](App::startup) and before the first request. An error keeps the process from serving, and the one
    /// before goes on.
    #[must_use]
    pub fn onreload(mut self, hook: impl Fn(&Wasc) -> super::Result<()> + Send + Sync + 'static) -> App {
        self.onreload.push(Box::new(hook));
        self
    }

    /// Runs once when the server stops, after the last request. An error is logged.
    #[must_use]
    pub fn shutdown(mut self, hook: impl Fn(&Wasc) -> super::Result<()> + Send + Sync + 'static) -> App {
        self.shutdown.push(Box::new(hook));
        self
    }

    /// Runs `startup`, and `onreload` in a process that takes the place of another one.
    pub(crate) fn run_startup(&self, wasc: &Wasc, is_reload: bool) -> super::Result<()> {
        let hooks = self.startup.iter().chain(self.onreload.iter().filter(|_| is_reload));
        let mut hooks = hooks.map(|hook| panics::catch(|| hook(wasc)).unwrap_or_else(|panic| Err(panic.into())));
        hooks.try_for_each(|ended| ended)
    }

    /// Runs every hook, even if one fails; the hook that was registered last runs first.
    pub(crate) fn run_shutdown(&self, wasc: &Wasc) {
        for hook in self.shutdown.iter().rev() {
            if let Err(error) = panics::catch(|| hook(wasc)).unwrap_or_else(|panic| Err(panic.into())) {
                tracing::error!(app = self.name, "shutdown: {error}");
            }
        }
    }
}

/// Routes and hooks that belong together. A package is added to an app or to another package.
#[derive(Default)]
pub struct Package {
    prefix: &'static str,
    routes: Vec<RouteRegistration>,
    level: Level,
    startup: Vec<Hook>,
    onreload: Vec<Hook>,
    shutdown: Vec<Hook>,
}

impl std::fmt::Debug for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Package").field("routes", &self.routes.len()).finish_non_exhaustive()
    }
}

impl Package {
    /// Creates an empty package without a prefix: its rules are relative to the app.
    pub fn new() -> Package {
        Package::default()
    }

    /// Creates a package whose rules all begin with `prefix`, such as `/greetings`.
    pub fn at(prefix: &'static str) -> Package {
        Package { prefix: prefix.trim_end_matches('/'), ..Package::default() }
    }

    /// Adds routes.
    #[must_use]
    pub fn routes(mut self, routes: impl IntoIterator<Item = &'static Route>) -> Package {
        let prefix = self.prefix;
        self.routes.extend(routes.into_iter().map(|route| RouteRegistration::new(prefix, route)));
        self
    }

    /// Adds a package to this one; the rules of that package then begin with this prefix, too.
    #[must_use]
    pub fn package(mut self, package: Package) -> Package {
        let prefix = self.prefix;
        self.routes.extend(within(&package.level, prefix, package.routes));
        self.startup.extend(package.startup);
        self.onreload.extend(package.onreload);
        self.shutdown.extend(package.shutdown);
        self
    }

    hooks!();

    /// Runs once when the server starts, as for [`App::startup`].
    #[must_use]
    pub fn startup(mut self, hook: impl Fn(&Wasc) -> super::Result<()> + Send + Sync + 'static) -> Package {
        self.startup.push(Box::new(hook));
        self
    }

    /// Runs after a reload, as for [`App::onreload`].
    #[must_use]
    pub fn onreload(mut self, hook: impl Fn(&Wasc) -> super::Result<()> + Send + Sync + 'static) -> Package {
        self.onreload.push(Box::new(hook));
        self
    }

    /// Runs once when the server stops, as for [`App::shutdown`].
    #[must_use]
    pub fn shutdown(mut self, hook: impl Fn(&Wasc) -> super::Result<()> + Send + Sync + 'static) -> Package {
        self.shutdown.push(Box::new(hook));
        self
    }
}

/// Moves a package's routes into the app or package it is added to: adds the prefix and the level of hooks.
fn within(level: &Level, prefix: &str, routes: Vec<RouteRegistration>) -> impl Iterator<Item = RouteRegistration> {
    let level = (!level.is_empty()).then(|| Arc::new(level.clone()));
    routes.into_iter().map(move |mut registration| {
        registration.prefix.insert_str(0, prefix);
        // Outermost first.
        if let Some(level) = &level {
            registration.levels.insert(0, level.clone());
        }
        registration
    })
}

/// A mounted app, as requests see it.
#[derive(Debug)]
pub struct Mounted {
    pub(crate) name: String,
    pub(crate) use_session: bool,
    pub(crate) table: Arc<Table>,
    pub(crate) links: Arc<Links>,
    pub(crate) templates: Arc<Templates>,
    pub(crate) on_error: Option<OnError>,
    pub(crate) devel: bool,
    pub(crate) actix: Option<ActixServices>,
}

impl Mounted {
    /// The app's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it runs in devel mode.
    pub fn is_devel(&self) -> bool {
        self.devel
    }

    pub(crate) fn on_error(&self) -> Option<&OnError> {
        self.on_error.as_ref()
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// The app's templates, to render one by hand.
    pub fn templates(&self) -> &Templates {
        &self.templates
    }
}
