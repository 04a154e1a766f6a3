//! Finds the routes of paths and names: the mounts of a site, and the routes of their apps.

use super::links::{LinkError, Links, RouteRef};
use super::mount::Mount;
use super::pattern::canonical;
use super::table::RouteEntry;
use crate::app::Mounted;

/// The route of a request.
#[derive(Clone, Copy)]
pub(crate) struct MatchedRoute<'s> {
    /// The index of its app's mount.
    pub(crate) mount: usize,
    pub(crate) app: &'s Mounted,
    pub(crate) entry: &'s RouteEntry,
}

impl<'s> MatchedRoute<'s> {
    fn by_name(mount: usize, app: &'s Mounted, name: &str, is_link: bool) -> Option<MatchedRoute<'s>> {
        let entry = if is_link { app.table.named(name)? } else { app.table.method(name)? };
        Some(MatchedRoute { mount, app, entry })
    }
}

/// The mounts of a site, the longest path first.
pub(crate) struct Router {
    mounts: Vec<Mount>,
    /// Whether any of them leads to a cluster.
    has_passed: bool,
    /// Whether a method of the server's own apps can be called under any mount.
    is_own_method: fn(&str) -> bool,
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("mounts", &self.mounts).finish_non_exhaustive()
    }
}

impl Router {
    pub(crate) fn new(mut mounts: Vec<Mount>, is_own_method: fn(&str) -> bool) -> Router {
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.path().len()));
        let has_passed = mounts.iter().any(|mount| mount.passed.is_some());
        Router { mounts, has_passed, is_own_method }
    }

    pub(crate) fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    /// Finds the route of an RPC name: relative to the mount of the path the call was posted to, else by its full name.
    pub(crate) fn method(&self, path: &str, name: &str) -> Option<MatchedRoute<'_>> {
        self.by_name(path, name, false)
    }

    /// The same for a link, which may lead to a route that RPC cannot call.
    fn by_name(&self, path: &str, name: &str, is_link: bool) -> Option<MatchedRoute<'_>> {
        let apps = || self.mounts.iter().enumerate().filter_map(|(at, mount)| Some((at, mount, mount.app.as_ref()?)));
        let mut below = apps().filter(|(_, mount, _)| !mount.path().is_empty() && mount.rest_of(path).is_some());
        below
            .find_map(|(at, _, app)| MatchedRoute::by_name(at, app, name, is_link))
            .or_else(|| {
                apps().find_map(|(at, mount, app)| MatchedRoute::by_name(at, app, mount.rest_of_name(name)?, is_link))
            })
            .or_else(|| {
                // Methods that every server has, unless an app has a method of the same name.
                let mut own = apps().filter(|(_, mount, _)| mount.is_own && (self.is_own_method)(name));
                own.find_map(|(at, _, app)| MatchedRoute::by_name(at, app, name, is_link))
            })
    }

    /// Finds the target of a link in the app at mount `from`, and the links of the app it belongs to: that app, or
    /// another.
    pub(crate) fn linked(&self, from: usize, sought: RouteRef<'_>) -> Result<(&Links, &RouteEntry), LinkError> {
        let own = &self.app(from).links;
        if let Some(entry) = own.find(sought)? {
            return Ok((own, entry));
        }
        let found = match sought {
            RouteRef::Name(name) => self.by_name("/", name, true).map(|found| (&*found.app.links, found.entry)),
            RouteRef::Route(_) => self
                .mounts
                .iter()
                .filter_map(|mount| Some(&*mount.app.as_ref()?.links))
                .find_map(|links| Some((links, links.find(sought).ok()??))),
        };
        found.ok_or_else(|| own.unknown(sought))
    }

    /// The mounts of the site's own apps, without the built-in pages.
    pub(crate) fn of_apps(&self) -> impl Iterator<Item = (&Mount, &Mounted)> {
        let of_site = self.mounts.iter().filter(|mount| !mount.is_own);
        of_site.filter_map(|mount| Some((mount, &**mount.app.as_ref()?)))
    }

    /// The app of a mount that has one.
    pub(crate) fn app(&self, mount: usize) -> &Mounted {
        self.mounts[mount].app.as_ref().expect("requests are led to mounts with an app alone")
    }

    /// True if a request is not the business of any app: the longest mount that answers for its path, which is as sent,
    /// leads to a cluster.
    pub(crate) fn is_passed(&self, path: &str) -> bool {
        let leads = || {
            let path = canonical(path);
            self.mounts.iter().find(|mount| mount.answers(&path)).is_some_and(|mount| mount.passed.is_some())
        };
        self.has_passed && leads()
    }

    /// The index of the mount whose app serves a path.
    pub(crate) fn app_at(&self, path: &str) -> Option<usize> {
        self.mounts.iter().position(|mount| mount.app.is_some() && mount.rest_of(path).is_some())
    }
}
