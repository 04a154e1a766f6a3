//! The filter and its spellings.

use std::sync::Arc;

use skitai_wire::{Map, Value};

/// The path of an actor's report in the tree: a top-level key, and a name under it if there can be several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TreePath {
    pub(super) top: &'static str,
    pub(super) name: Option<String>,
}

impl TreePath {
    fn top(top: &'static str) -> TreePath {
        TreePath { top, name: None }
    }

    fn of(top: &'static str, name: &str) -> TreePath {
        TreePath { top, name: Some(name.to_owned()) }
    }

    /// The path of the actor with this name.
    pub(super) fn of_actor(actor: &str) -> TreePath {
        match (actor.split_once(':'), actor) {
            (Some(("cluster", name)), _) => TreePath::of("clusters", name),
            (Some(("db", name)), _) => TreePath::of("databases", name),
            (_, "cache") => TreePath::top("cache"),
            (_, "session") => TreePath::top("sessions"),
            (_, "web") => TreePath::top("web"),
            (_, "adhoc-db") => TreePath::top("adhoc-db"),
            (_, other) => TreePath::of("others", other),
        }
    }

    /// Puts a value at this path of a tree.
    pub(super) fn put(&self, tree: &mut Vec<(Arc<str>, Value)>, value: Value) {
        let Some(name) = &self.name else { return tree.push((Arc::from(self.top), value)) };
        let named = (Arc::from(name.as_str()), value);
        match tree.iter_mut().find(|(top, _)| **top == *self.top) {
            Some((_, Value::Map(under))) => under.0.push(named),
            _ => tree.push((Arc::from(self.top), Value::Map(Map(vec![named])))),
        }
    }

    /// The value at this path of a tree.
    pub(super) fn get<'v>(&self, tree: &'v Value) -> Option<&'v Value> {
        let top = tree.get(self.top)?;
        self.name.as_ref().map_or(Some(top), |name| top.get(name))
    }

    /// Whether this path is equal to the other or beneath it.
    pub(super) fn is_within(&self, wanted: &TreePath) -> bool {
        self.top == wanted.top && (wanted.name.is_none() || wanted.name == self.name)
    }
}

/// The top-level keys of the tree, in its order.
pub(super) const TOP: [&str; 16] = [
    "about",
    "process",
    "processes",
    "threads",
    "clusters",
    "databases",
    "cache",
    "sessions",
    "web",
    "adhoc-db",
    "others",
    "actors",
    "requests",
    "held",
    "certificates",
    "forward_proxy",
];

/// The paths that a filter may mean, the likeliest first: a top-level key, an actor's name (`cluster:x`, `db:x`), or a
/// spelling of the original Skitai (`CLUSTER:x`, `was.cluster[x]`, `RCACHE`), which does not distinguish between
/// clusters and databases.
pub(super) fn paths(filter: &str) -> Vec<TreePath> {
    let filter = filter.trim();
    if let Some(name) = bracketed(filter, "was.cluster").or_else(|| filter.strip_prefix("CLUSTER:")) {
        return match name {
            // The original's pools of connections that belong to no cluster.
            "__socketpool__" | "socketpool" => vec![TreePath::top("web")],
            "__dbpool__" | "dbpool" => vec![TreePath::top("adhoc-db")],
            name => vec![TreePath::of("clusters", name), TreePath::of("databases", name)],
        };
    }
    if filter == "RCACHE" {
        return vec![TreePath::top("cache")];
    }
    match TOP.into_iter().find(|top| *top == filter) {
        Some(top) => vec![TreePath::top(top)],
        None => vec![TreePath::of_actor(filter)],
    }
}

/// `x` of `was.cluster[x]`, quoted or not.
fn bracketed<'a>(filter: &'a str, prefix: &str) -> Option<&'a str> {
    let name = filter.strip_prefix(prefix)?.strip_prefix('[')?.strip_suffix(']')?;
    Some(name.trim_matches(['"', '\'']))
}
