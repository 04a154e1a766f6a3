//! The server's own pages: which there are, and where. On the site's ports, or where `[admin]` listens: there is a site
//! of its own then, of these pages alone, in the same process.

use std::sync::Arc;

use super::mounting::{Unfit, place};
use crate::app::routing::mount::Mount;
use crate::app::routing::router::Router;
use crate::app::routing::table::RouteMatch;
use crate::app::site::Site;
use crate::app::{App, Wasc};
use crate::builtin::{self, act, admin, methods, metrics, trail};
use crate::config::{Introspection, MetricsAccess, ServerSettings};
use crate::edge::gate::Gates;
use crate::edge::moves::Moves;

/// The path of the status page.
const STATUS: &str = "/status";
/// The path of the form by which operators act.
const ACT: &str = "/status/act";
/// The path of the records of requests.
const TRAIL: &str = "/status/trail";
/// The path of the same for programs.
const STATUS_JSON: &str = "/status.json";
/// The path of the figures for monitoring.
const METRICS: &str = "/metrics";
/// The path of the page of the methods.
const METHODS: &str = "/status/methods";

/// The pages by where they are.
#[derive(Debug, Default)]
pub(super) struct OwnPages {
    /// Beside what the site mounts.
    pub(super) on_site: Vec<Mount>,
    /// Where `[admin]` listens; empty if it does not.
    pub(super) apart: Vec<Mount>,
}

/// The site that `[admin]` listens for.
#[derive(Debug)]
pub(crate) struct AdminSite {
    pub(crate) site: Arc<Site>,
    pub(crate) gates: Arc<Gates>,
    pub(crate) moves: Arc<Moves>,
}

impl OwnPages {
    /// The pages that these settings ask for. `of_site` are the mounts of the site, which stand before those beside
    /// them; `has_admin`: whether there is a user `admin`.
    pub(super) fn of(server: &ServerSettings, has_admin: bool, of_site: &[Mount], wasc: &Wasc) -> Result<Self, Unfit> {
        let has_methods = server.introspection != Introspection::Off;
        if has_methods {
            let access = methods::Access::new(server);
            access.share(wasc).map_err(|error| Unfit(vec![error.to_string()]))?;
        }
        let has_metrics =
            server.metrics == MetricsAccess::Public || (has_admin && server.metrics == MetricsAccess::Admin);
        let mut all = Vec::new();
        if has_admin {
            all.extend([own_mount(STATUS, &admin::app(), server)?, own_mount(ACT, &act::app(), server)?]);
            all.push(own_mount(TRAIL, &trail::app(), server)?);
            all.push(own_mount(STATUS_JSON, &admin::json(), server)?);
        }
        if has_methods {
            all.push(own_mount(METHODS, &methods::app(), server)?);
        }
        if has_metrics {
            all.push(own_mount(METRICS, &metrics::app(), server)?);
        }
        let apart = if server.listening.admin.addresses.is_empty() { Vec::new() } else { all.clone() };
        // What everybody may ask for is of the site's clients.
        let stays = |mount: &Mount| {
            !server.admin.is_moved || (mount.is_at(METHODS) && server.introspection == Introspection::Public)
        };
        let on_site = all.into_iter().filter(|mount| stays(mount) && !is_hidden(of_site, mount)).collect();
        Ok(OwnPages { on_site, apart })
    }
}

impl AdminSite {
    /// The site of these pages beside `main`; `None` if there are none.
    pub(super) fn of(mounts: Vec<Mount>, main: &Arc<Site>) -> Option<AdminSite> {
        if mounts.is_empty() {
            return None;
        }
        let router = Router::new(mounts, builtin::is_own);
        let gates = Gates::of(&[], router.mounts().iter().map(Mount::path), main.server.processes);
        let site = Arc::new(main.apart(router));
        Some(AdminSite { site, gates: Arc::new(gates), moves: Arc::new(Moves::of(&[])) })
    }
}

/// Whether the site itself has something where a page of the server's own would be, which then stands there.
fn is_hidden(of_site: &[Mount], page: &Mount) -> bool {
    let path = page.path();
    match path {
        STATUS | METHODS if of_site.iter().any(|mount| mount.is_at(path)) => {
            let what = if path == STATUS { "the server's own status page" } else { "the page of the methods" };
            tracing::warn!("{path} is mounted by the configuration; {what} cannot be reached");
            path == METHODS
        }
        STATUS_JSON | METRICS => is_taken(of_site, path),
        _ => false,
    }
}

/// Whether the site itself has a page at a path of the server's own, which then stands there.
fn is_taken(mounts: &[Mount], path: &str) -> bool {
    let mut holding: Vec<&Mount> = mounts.iter().filter(|mount| !mount.is_own && mount.app.is_some()).collect();
    holding.sort_by_key(|mount| std::cmp::Reverse(mount.path().len()));
    let rest = holding.into_iter().find_map(|mount| Some((mount.app.as_ref()?, mount.rest_of(path)?)));
    // A rule for any path is not meant for this one.
    let is_taken = rest.is_some_and(
        |(app, rest)| matches!(app.table.find(rest, "GET"), RouteMatch::Route(_, values) if values.is_empty()),
    );
    if is_taken {
        tracing::info!("{path} is a page of the site; the server's own cannot be reached there");
    }
    is_taken
}

/// A mount of the server's own pages.
fn own_mount(path: &str, app: &App, server: &ServerSettings) -> Result<Mount, Unfit> {
    let placed = place(app, (path, false), None, &[], server)?;
    Ok(Mount { is_own: true, ..Mount::at(path, Some(placed)) })
}
