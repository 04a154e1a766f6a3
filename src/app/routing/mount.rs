//! A mount: a path, and the folders and the app served below it.

use std::path::PathBuf;
use std::sync::Arc;

use super::pattern::fixed;
use super::table::RouteEntry;
use crate::app::Mounted;
use crate::config::{FolderRules, PassRoute, PassRules};

/// Where the requests to a mount are passed on to, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PassTo {
    pub(crate) route: PassRoute,
    pub(crate) rules: PassRules,
}

/// A path with its folders and its app. Folders take precedence.
#[derive(Clone, Debug)]
pub(crate) struct Mount {
    /// Without a trailing slash; empty for `/`.
    pub(crate) path: String,
    /// The prefix of the RPC names of its app: `test.deep` for `/test/deep`; empty for `/`.
    pub(crate) prefix: String,
    /// Whether it was written with a trailing slash; then the path without it redirects there.
    pub(crate) slash: bool,
    pub(crate) folders: Vec<PathBuf>,
    /// How their files are sent.
    pub(crate) folder_rules: Arc<FolderRules>,
    pub(crate) app: Option<Arc<Mounted>>,
    /// Where requests are passed on to, in place of an app.
    pub(crate) passed: Option<Arc<PassTo>>,
    /// True for the server's own apps, which are in no conf.
    pub(crate) is_own: bool,
}

impl Mount {
    pub(crate) fn at(path: &str, app: Option<Mounted>) -> Mount {
        let at = path.trim_end_matches('/');
        Mount {
            path: fixed(at),
            prefix: at.trim_start_matches('/').replace('/', "."),
            slash: path.ends_with('/'),
            folders: Vec::new(),
            folder_rules: Arc::default(),
            app: app.map(Arc::new),
            passed: None,
            is_own: false,
        }
    }

    /// Whether this is the path of this mount. `path` has no trailing slash.
    pub(crate) fn is_at(&self, path: &str) -> bool {
        self.path == path
    }

    /// Its path, without a trailing slash; empty for the root.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The path of one of its rules, from the root of the site.
    pub(crate) fn path_of(&self, rule: &str) -> String {
        format!("{}{rule}", self.path)
    }

    /// The full RPC name of one of its methods.
    pub(crate) fn name_of(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) }
    }

    /// The part of an RPC name below this mount; `None` for a name elsewhere.
    pub(crate) fn rest_of_name<'n>(&self, name: &'n str) -> Option<&'n str> {
        if self.prefix.is_empty() { Some(name) } else { name.strip_prefix(&*self.prefix)?.strip_prefix('.') }
    }

    /// The part of a path below this mount, with its leading slash; `None` for a path elsewhere.
    pub(crate) fn rest_of<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(self.path.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    /// Whether it has an answer of its own for a path, be it that there is nothing.
    pub(crate) fn answers(&self, path: &str) -> bool {
        (self.app.is_some() || self.passed.is_some()) && self.rest_of(path).is_some()
    }

    pub(crate) fn needs_slash(&self, path: &str) -> bool {
        self.slash && path == self.path && !self.path.is_empty()
    }

    /// A line for `check`: the path, its folders and its app.
    pub(crate) fn describe(&self) -> String {
        let mut targets: Vec<String> = self.folders.iter().map(|folder| folder.display().to_string()).collect();
        targets.extend(self.app.as_ref().map(|app| {
            let more = if app.actix.is_some() { ", then services of actix-web" } else { "" };
            format!("app {} ({} routes{more})", app.name, app.table.entries().len())
        }));
        targets.extend(self.passed.as_ref().map(|to| format!("members of {}", to.route)));
        format!("{}/ = {}", self.path, targets.join(", then "))
    }

    /// One line per route: methods, path, RPC name, arguments, and the function behind it.
    pub(crate) fn list(&self) -> Vec<String> {
        let Some(app) = &self.app else { return Vec::new() };
        let line = |entry: &RouteEntry| {
            let name = entry.rpc_name().map(|name| self.name_of(name));
            let route = entry.route;
            let params = route.params.iter().filter(|param| param.is_wire()).map(|param| {
                let default = param.default.map(|default| format!(" = {default}")).unwrap_or_default();
                let optional = if param.required || param.default.is_some() { "" } else { "?" };
                format!("{}{optional}: {}{default}", param.name, param.kind.word())
            });
            let params = params.collect::<Vec<_>>().join(", ");
            let path = self.path_of(&entry.rule);
            let name = name.unwrap_or_else(|| "-".to_owned());
            format!(
                "{:<16} {path:<36} {name}({params})   {}::{}",
                route.methods.join(","),
                route.module,
                route.function
            )
        };
        app.table.entries().iter().map(line).collect()
    }
}
