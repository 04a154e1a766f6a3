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
pub(super) const TOP: [&str; 29] = [
    "about",
    "process",
    "processes",
    "threads",
    "apps",
    "clusters",
    "databases",
    "cache",
    "cachefs",
    "sessions",
    "web",
    "adhoc-db",
    "others",
    "actors",
    "requests",
    "connections",
    "routes",
    "queue",
    "held",
    "objects",
    "audit",
    "certificates",
    "forward_proxy",
    "records",
    "otlp",
    "history",
    "config",
    "log",
    RECALLED,
];

/// Records of single requests, which are told only if they are asked for: those of all processes, or of one request.
pub(super) const RECALLED: &str = "trail";

/// Those that actors are beneath.
pub(super) const OF_ACTORS: [&str; 5] = ["cache", "sessions", "web", "adhoc-db", "others"];
/// Those that are known beside the actors.
pub(super) const BESIDE: [&str; 17] = [
    "apps",
    "cachefs",
    "requests",
    "connections",
    "routes",
    "queue",
    "held",
    "objects",
    "audit",
    "certificates",
    "forward_proxy",
    "records",
    "otlp",
    "history",
    "config",
    "log",
    RECALLED,
];
/// Of these, the ones that have things by name.
pub(super) const BESIDE_BY_NAME: [&str; 5] = ["apps", "routes", "objects", "config", RECALLED];
/// Of these, the ones in which nothing is counted, and which are long.
pub(super) const TOLD: [&str; 3] = ["history", "config", "log"];

/// Names of the original Skitai, and the parts that have here what it showed under each.
const ORIGINAL: [(&str, &[&str]); 4] = [
    ("rcache", &["cache"]),
    ("httpserver", &["about", "process", "processes", "requests", "certificates"]),
    ("lifetime", &["process", "processes", "held"]),
    // A number alone says little.
    ("threads", &["threads", "held", "queue"]),
];

/// What a filter selects: all of these paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StatusFilter(pub(super) Vec<TreePath>);

impl StatusFilter {
    /// Whether it selects an actor.
    pub(super) fn has_actor(&self, name: &str) -> bool {
        self.0.iter().any(|path| path.top == "actors" || TreePath::of_actor(name).is_within(path))
    }

    /// The record that it asks for: `Some(None)` for a list of them.
    pub(super) fn recalled(&self) -> Option<Option<&str>> {
        self.0.iter().find(|path| path.top == RECALLED).map(|path| path.name.as_deref())
    }

    /// Whether it selects something that is known beside the actors. The processes are shown with their requests.
    pub(super) fn has_part(&self, part: &str) -> bool {
        self.0.iter().any(|path| path.top == part || (path.top == "processes" && part == "requests"))
    }

    /// What it selects of a whole tree.
    pub(super) fn of(&self, whole: Map) -> Map {
        let part = |(key, value): (Arc<str>, Value)| {
            let mut named = self.0.iter().filter(|path| path.top == &*key).map(|path| path.name.as_deref());
            let first = named.next()?;
            match (first, value) {
                (Some(name), Value::Map(map)) if named.all(|more| more.is_some_and(|more| more == name)) => {
                    let one = map.0.into_iter().filter(|(key, _)| **key == *name);
                    Some((key, Value::Map(Map(one.collect()))))
                }
                (_, value) => Some((key, value)),
            }
        };
        Map(whole.0.into_iter().filter_map(part).collect())
    }
}

/// What a filter may mean, the likeliest first: a top-level key, an actor's name (`cluster:x`, `db:x`), a thing beside
/// the actors (`objects:x`), or a spelling of the original Skitai (`CLUSTER:x`, `was.cluster[x]`, `was.rcache`, an
/// object's own name), which does not distinguish between clusters and databases.
pub(super) fn meanings(filter: &str) -> Vec<StatusFilter> {
    let one = |path: TreePath| vec![StatusFilter(vec![path])];
    let filter = filter.trim();
    let filter = filter.strip_prefix("was.").unwrap_or(filter);
    if let Some(name) = bracketed(filter, "cluster").or_else(|| filter.strip_prefix("CLUSTER:")) {
        return match name.strip_prefix('@').unwrap_or(name) {
            // The original's pools of connections that belong to no cluster.
            "__socketpool__" | "socketpool" => one(TreePath::top("web")),
            "__dbpool__" | "dbpool" => one(TreePath::top("adhoc-db")),
            name => ["clusters", "databases"].map(|top| StatusFilter(vec![TreePath::of(top, name)])).into(),
        };
    }
    // The original wrote its keys in capitals.
    let is_shouted = filter.chars().any(|letter| letter.is_ascii_uppercase())
        && !filter.chars().any(|letter| letter.is_ascii_lowercase());
    let word = if is_shouted { filter.to_ascii_lowercase() } else { filter.to_owned() };
    if let Some((_, tops)) = ORIGINAL.iter().find(|(original, _)| *original == word) {
        return vec![StatusFilter(tops.iter().map(|top| TreePath::top(top)).collect())];
    }
    if let Some(top) = TOP.into_iter().find(|top| *top == word) {
        return one(TreePath::top(top));
    }
    if let Some((top, name)) = filter.split_once(':')
        && let Some(top) = BESIDE_BY_NAME.into_iter().find(|known| *known == top)
    {
        return one(TreePath::of(top, name));
    }
    let of_actor = TreePath::of_actor(filter);
    // `was.searcher` was the object that an app had registered under that name.
    vec![StatusFilter(vec![of_actor]), StatusFilter(vec![TreePath::of("objects", filter)])]
}

/// The part of a whole tree that a filter picks; `None` if there is nothing at it.
pub fn part(whole: &Value, filter: &str) -> Option<Value> {
    // A part that is known may be empty here: a site of clear text has no certificates.
    let is_there =
        |path: &TreePath| path.get(whole).is_some() || (path.name.is_none() && !OF_ACTORS.contains(&path.top));
    let found = meanings(filter).into_iter().find(|meaning| meaning.0.iter().any(is_there))?;
    Some(Value::Map(found.of(whole.as_map()?.clone())))
}

/// The names of all parts of a whole tree, as filters.
pub fn parts(whole: &Value) -> Vec<String> {
    let mut parts: Vec<String> = TOP.into_iter().map(str::to_owned).collect();
    for (top, prefix) in [("clusters", "cluster"), ("databases", "db"), ("objects", "objects")] {
        let named = whole.get(top).and_then(Value::as_map).into_iter().flat_map(Map::iter);
        parts.extend(named.map(|(name, _)| format!("{prefix}:{name}")));
    }
    parts
}

/// `x` of `cluster[x]`, quoted or not.
fn bracketed<'a>(filter: &'a str, prefix: &str) -> Option<&'a str> {
    let name = filter.strip_prefix(prefix)?.strip_prefix('[')?.strip_suffix(']')?;
    Some(name.trim_matches(['"', '\'']))
}
