//! The filter and the spellings it takes.

/// Where an actor's tree stands in the whole: a top-level key, and a name under it where there can be several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) top: &'static str,
    pub(super) name: Option<String>,
}

impl Place {
    fn top(top: &'static str) -> Place {
        Place { top, name: None }
    }

    fn of(top: &'static str, name: &str) -> Place {
        Place { top, name: Some(name.to_owned()) }
    }

    /// The place of the actor of this name.
    pub(super) fn of_actor(actor: &str) -> Place {
        match (actor.split_once(':'), actor) {
            (Some(("cluster", name)), _) => Place::of("clusters", name),
            (Some(("db", name)), _) => Place::of("databases", name),
            (_, "cache") => Place::top("cache"),
            (_, "session") => Place::top("sessions"),
            (_, "web") => Place::top("web"),
            (_, "adhoc-db") => Place::top("adhoc-db"),
            (_, other) => Place::of("others", other),
        }
    }

    /// Whether this place is the other one or beneath it.
    pub(super) fn is_within(&self, wanted: &Place) -> bool {
        self.top == wanted.top && (wanted.name.is_none() || wanted.name == self.name)
    }
}

/// The keys of the tree, in its order.
pub(super) const TOP: [&str; 11] = [
    "about",
    "process",
    "workers",
    "clusters",
    "databases",
    "cache",
    "sessions",
    "web",
    "adhoc-db",
    "others",
    "actors",
];

/// The places a filter may mean, the likeliest first: a top-level key, an actor's name (`cluster:x`, `db:x`), or the
/// original's spellings (`CLUSTER:x`, `was.cluster[x]`, `RCACHE`), which know no difference between clusters and
/// databases.
pub(super) fn places(filter: &str) -> Vec<Place> {
    let filter = filter.trim();
    if let Some(name) = bracketed(filter, "was.cluster").or_else(|| filter.strip_prefix("CLUSTER:")) {
        return match name {
            // The original's pools of connections that belong to no cluster.
            "__socketpool__" | "socketpool" => vec![Place::top("web")],
            "__dbpool__" | "dbpool" => vec![Place::top("adhoc-db")],
            name => vec![Place::of("clusters", name), Place::of("databases", name)],
        };
    }
    if filter == "RCACHE" {
        return vec![Place::top("cache")];
    }
    match TOP.into_iter().find(|top| *top == filter) {
        Some(top) => vec![Place::top(top)],
        None => vec![Place::of_actor(filter)],
    }
}

/// `x` of `was.cluster[x]`, with or without quotes.
fn bracketed<'a>(filter: &'a str, prefix: &str) -> Option<&'a str> {
    let name = filter.strip_prefix(prefix)?.strip_prefix('[')?.strip_suffix(']')?;
    Some(name.trim_matches(['"', '\'']))
}
