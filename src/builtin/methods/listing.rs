//! The methods of the site's apps, from their tables.

use crate::app::routing::pattern::Pattern;
use crate::app::{Kind, Param, Route, Was};

/// A method of a mounted app.
pub(crate) struct Method {
    /// Its full RPC name.
    pub(crate) name: String,
    /// The path on the web, with placeholders.
    pub(crate) path: String,
    /// The path of its mount, without a trailing slash, and its rule below that.
    pub(crate) mount: String,
    pub(crate) pattern: Pattern,
    /// The app it belongs to.
    pub(crate) app: String,
    pub(crate) route: &'static Route,
}

/// All methods, sorted by name. If two apps share a name, the one that a call reaches.
pub(crate) fn all(was: &Was) -> Vec<Method> {
    let mut methods = Vec::new();
    for (mount, app) in was.services().site.main().router.of_apps() {
        for (name, entry) in app.table.methods() {
            let (name, path) = (mount.name_of(name), mount.path_of(&entry.rule));
            let (app, mount, pattern) = (app.name.clone(), mount.path().to_owned(), entry.pattern.clone());
            methods.push(Method { name, path, mount, pattern, app, route: entry.route });
        }
    }
    // A stable sort: mounts are in the order in which a call looks for its method.
    methods.sort_by(|one, other| one.name.cmp(&other.name));
    methods.dedup_by(|later, first| later.name == first.name);
    methods
}

/// The method of this name, as a call posted to the same path would find it.
pub(crate) fn one(was: &Was, name: &str) -> Option<Method> {
    let mut all = all(was);
    let at = all.iter().position(|method| method.name == name)?;
    Some(all.swap_remove(at))
}

impl Method {
    /// The parameters that take values.
    pub(crate) fn params(&self) -> impl Iterator<Item = &'static Param> {
        self.route.params.iter().filter(|param| param.is_wire())
    }

    /// Whether a parameter is a placeholder of its rule.
    pub(crate) fn is_in_path(&self, name: &str) -> bool {
        self.pattern.names().any(|placeholder| placeholder == name)
    }

    /// Whether it also accepts names that no parameter has.
    pub(crate) fn takes_rest(&self) -> bool {
        self.route.params.iter().any(|param| param.kind == Kind::Rest)
    }

    /// Whether RPC cannot carry its answer, or a file that it requires.
    pub(crate) fn is_web_only(&self) -> bool {
        self.route.returns == Kind::WebOnly || self.params().any(|param| param.required && param.kind == Kind::File)
    }

    /// One list for each number of positional parameters it accepts; `None` if a type is not known, because XML-RPC has
    /// no name for such a type.
    pub(crate) fn signatures(&self) -> Option<Vec<Vec<String>>> {
        let is_known = |kind: Kind| !matches!(kind, Kind::Any | Kind::WebOnly | Kind::File);
        if !is_known(self.route.returns) || !self.params().all(|param| is_known(param.kind)) {
            return None;
        }
        let words: Vec<&str> = self.params().map(|param| param.kind.word()).collect();
        let least = self.params().enumerate().filter(|(_, param)| param.required).map(|(at, _)| at + 1).max();
        let returns = self.route.returns.word();
        let of = |count: usize| [returns].iter().chain(&words[..count]).map(|word| (*word).to_owned()).collect();
        Some((least.unwrap_or(0)..=words.len()).map(of).collect())
    }

    /// The first sentence of its comment.
    pub(crate) fn summary(&self) -> String {
        let first: Vec<&str> = self.route.doc.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
        let first = first.join(" ");
        match first.find(". ") {
            Some(end) => first[..=end].to_owned(),
            None => first,
        }
    }
}
