//! The routes of one mounted app: by path for the web, by name for RPC.
//!
//! Exact rules are found by their text; patterns are tried in the order in which they were added. The RPC name of a
//! rule is its fixed segments joined by dots, and placeholders become the first arguments. If two rules have the same
//! name, the one without placeholders gets it; any other clash prevents the start. A route with `rpc = false`, and
//! every route of an app with `rpc(false)`, has a name for links alone.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use foldhash::fast::FixedState;

use super::pattern::{Pattern, PatternError};
use super::route::Route;
use crate::app::args::argument::Kind;
use crate::app::hooks::Level;
use skitai_wire::Value;

/// A route as an app or a package lists it, not yet in a table.
#[derive(Clone, Debug)]
pub(crate) struct RouteRegistration {
    /// The prefix of its rule.
    pub(crate) prefix: String,
    pub(crate) route: &'static Route,
    /// Its levels that have hooks, outermost first.
    pub(crate) levels: Vec<Arc<Level>>,
    /// Whether its app can be called over RPC at all.
    pub(crate) rpc: bool,
}

impl RouteRegistration {
    pub(crate) fn new(prefix: &str, route: &'static Route) -> RouteRegistration {
        RouteRegistration { prefix: prefix.to_owned(), route, levels: Vec::new(), rpc: true }
    }
}

/// A route in its app's table.
#[derive(Debug)]
pub(crate) struct RouteEntry {
    /// The rule with its package's prefix.
    pub(crate) rule: String,
    pub(crate) route: &'static Route,
    pub(crate) pattern: Pattern,
    /// Its levels that have hooks, the app's first.
    pub(crate) levels: Box<[Arc<Level>]>,
    /// Its position in the table.
    pub(crate) index: usize,
    /// The name by which links and RPC calls find it, relative to the mount; `None` if another route has it.
    pub(crate) name: Option<String>,
    /// Whether RPC calls find it.
    pub(crate) rpc: bool,
    /// The path of a rule without placeholders, from the root of the site; made at the first RPC call.
    pub(crate) exact_path: OnceLock<Arc<str>>,
}

impl RouteEntry {
    /// Its RPC name relative to the mount; `None` if it cannot be called over RPC.
    pub(crate) fn rpc_name(&self) -> Option<&str> {
        self.name.as_deref().filter(|_| self.rpc)
    }
}

/// Why a route cannot be added to its app.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RouteError {
    #[error("{}: rule {rule}: it must start with `/`, or no path would ever lead to it", who(route))]
    NoSlash { route: &'static Route, rule: String },
    #[error("{}: rule {rule}: {why}", who(route))]
    NoRule { route: &'static Route, rule: String, why: PatternError },
    #[error(
        "{}: rule {rule}: `{name}` is a number there and of kind {kind} in the function; write <{name}>, or take a number",
        who(route)
    )]
    NoNumber { route: &'static Route, rule: String, name: String, kind: &'static str },
    /// The second could never be reached.
    #[error("{} and {} both answer {method} {rule}", who(.routes[0]), who(.routes[1]))]
    Twice { routes: [&'static Route; 2], method: &'static str, rule: String },
    #[error(
        "the RPC name `{name}` is claimed by {} (rule {}) and by {} (rule {}); give one of them #[route(.., name = \"…\")]",
        who(.routes[0]), .rules[0], who(.routes[1]), .rules[1]
    )]
    NameTaken { name: String, routes: [&'static Route; 2], rules: [String; 2] },
}

/// All routes of an app.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: Vec<RouteEntry>,
    // One rule may exist several times with different methods, so each path has a list.
    exact: HashMap<String, Vec<usize>, FixedState>,
    patterns: Vec<usize>,
    // Only the author chooses the keys, so a fast hash without a random seed is safe.
    names: HashMap<String, usize, FixedState>,
}

/// The result of a path lookup.
pub(crate) enum RouteMatch<'t> {
    Route(&'t RouteEntry, Vec<(String, Value)>),
    /// The path exists, but only with these methods.
    WrongMethod(Vec<&'static str>),
    Nothing,
}

impl Table {
    /// Makes the table from routes with their packages' prefixes. Returns every error, not only the first.
    pub(crate) fn new(routes: &[RouteRegistration], app: &Level) -> Result<Table, Vec<RouteError>> {
        let mut table = Table::default();
        let mut errors = Vec::new();
        let app = (!app.is_empty()).then(|| Arc::new(app.clone()));
        for &RouteRegistration { ref prefix, route, ref levels, rpc } in routes {
            let rule = format!("{prefix}{}", route.rule);
            if !rule.starts_with('/') {
                errors.push(RouteError::NoSlash { route, rule: rule.clone() });
            }
            match Pattern::parse(&rule) {
                Ok(pattern) => {
                    check_kinds(&pattern, &rule, route, &mut errors);
                    let levels = app.iter().chain(levels).cloned().collect();
                    let (index, name, rpc, exact_path) = (table.entries.len(), None, rpc && route.rpc, OnceLock::new());
                    table.entries.push(RouteEntry { rule, route, pattern, levels, index, name, rpc, exact_path });
                }
                Err(why) => errors.push(RouteError::NoRule { route, rule, why }),
            }
        }
        for (index, entry) in table.entries.iter().enumerate() {
            if entry.pattern.is_exact() {
                table.exact.entry(entry.pattern.as_path()).or_default().push(index);
            } else {
                table.patterns.push(index);
            }
        }
        table.check_methods(&mut errors);
        table.name_all(&mut errors);
        if errors.is_empty() { Ok(table) } else { Err(errors) }
    }

    /// Reports two routes for the same rule and method.
    fn check_methods(&self, errors: &mut Vec<RouteError>) {
        for (index, one) in self.entries.iter().enumerate() {
            for other in &self.entries[index + 1..] {
                let shared = one.route.methods.iter().find(|method| other.route.methods.contains(method));
                if let Some(method) = shared.filter(|_| one.rule == other.rule) {
                    errors.push(RouteError::Twice { routes: [one.route, other.route], method, rule: one.rule.clone() });
                }
            }
        }
    }

    fn name_all(&mut self, errors: &mut Vec<RouteError>) {
        // Rules without placeholders first: they get the name in whatever order they were added. What RPC cannot call
        // comes last and has a name for links alone, so that a page and a method may share it.
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        order.sort_by_key(|&index| (!self.entries[index].rpc, !self.entries[index].pattern.is_exact()));
        for index in order {
            let entry = &self.entries[index];
            let name = entry.route.name.map_or_else(|| entry.pattern.rpc_name(), str::to_owned);
            let Some(&holder) = self.names.get(&name) else {
                self.names.insert(name.clone(), index);
                self.entries[index].name = Some(name);
                continue;
            };
            let held = &self.entries[holder];
            if entry.rpc && held.pattern.is_exact() == entry.pattern.is_exact() {
                let (routes, rules) = ([held.route, entry.route], [held.rule.clone(), entry.rule.clone()]);
                errors.push(RouteError::NameTaken { name, routes, rules });
            }
        }
    }

    /// Finds the route for a path, in [canonical](super::pattern::canonical) form, and a method.
    pub(crate) fn find(&self, path: &str, method: &str) -> RouteMatch<'_> {
        let path = if path.is_empty() { "/" } else { path };
        let mut allowed: Vec<&'static str> = Vec::new();
        if let Some(indexes) = self.exact.get(path) {
            for &index in indexes {
                let entry = &self.entries[index];
                if answers(entry.route, method) {
                    return RouteMatch::Route(entry, Vec::new());
                }
                allowed.extend(entry.route.methods);
            }
        }
        for &index in &self.patterns {
            let entry = &self.entries[index];
            if let Some(values) = entry.pattern.matches(path) {
                if answers(entry.route, method) {
                    return RouteMatch::Route(entry, values);
                }
                allowed.extend(entry.route.methods);
            }
        }
        if allowed.is_empty() {
            return RouteMatch::Nothing;
        }
        if allowed.contains(&"GET") {
            allowed.push("HEAD");
        }
        allowed.sort_unstable();
        allowed.dedup();
        RouteMatch::WrongMethod(allowed)
    }

    /// The route of a name relative to the mount, whether RPC may call it or not.
    pub(crate) fn named(&self, name: &str) -> Option<&RouteEntry> {
        self.names.get(name).map(|&index| &self.entries[index])
    }

    /// The route that an RPC call of this name finds.
    pub(crate) fn method(&self, name: &str) -> Option<&RouteEntry> {
        self.named(name).filter(|entry| entry.rpc)
    }

    /// All RPC names with their routes, sorted.
    pub(crate) fn methods(&self) -> Vec<(&str, &RouteEntry)> {
        let mut methods: Vec<_> = self.entries.iter().filter_map(|entry| Some((entry.rpc_name()?, entry))).collect();
        methods.sort_unstable_by_key(|(name, _)| *name);
        methods
    }

    /// All names that a link may have, sorted.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.names.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// All routes in the order they were added.
    pub(crate) fn entries(&self) -> &[RouteEntry] {
        &self.entries
    }
}

/// A route that answers GET answers HEAD as well (RFC 9110, 9.3.2); the code that writes the reply omits the body.
fn answers(route: &Route, method: &str) -> bool {
    route.methods.contains(&method) || (method == "HEAD" && route.methods.contains(&"GET"))
}

/// A placeholder for numbers yields a number: a path could never call a function whose argument is not one.
fn check_kinds(pattern: &Pattern, rule: &str, route: &'static Route, errors: &mut Vec<RouteError>) {
    for name in pattern.numbers() {
        let taker = route.params.iter().find(|param| param.is_wire() && param.name == name);
        if let Some(param) =
            taker.filter(|param| matches!(param.kind, Kind::String | Kind::Bool | Kind::Bytes | Kind::File))
        {
            let (rule, name, kind) = (rule.to_owned(), name.to_owned(), param.kind.word());
            errors.push(RouteError::NoNumber { route, rule, name, kind });
        }
    }
}

fn who(route: &Route) -> String {
    format!("{}::{}", route.module, route.function)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate as skitai;
    use skitai_macros::route;

    #[route("/item")]
    async fn item() -> &'static str {
        ""
    }

    #[route("/item/<int:id>")]
    async fn by_number(id: i64) -> i64 {
        id
    }

    #[route("/item/<name>")]
    async fn by_name(name: String) -> String {
        name
    }

    #[route("/item", methods = ["PUT"])]
    async fn save() -> &'static str {
        ""
    }

    #[route("/text/<int:text>")]
    async fn text(text: String) -> String {
        text
    }

    fn table(prefix: &str, routes: &[&'static Route]) -> Result<Table, String> {
        let routes: Vec<_> = routes.iter().map(|&route| RouteRegistration::new(prefix, route)).collect();
        Table::new(&routes, &Level::default()).map_err(|all| all.iter().map(|one| format!("{one}\n")).collect())
    }

    #[test]
    fn the_rule_without_placeholders_has_the_name_wherever_it_stands() {
        for routes in [skitai::routes![item, by_number], skitai::routes![by_number, item]] {
            let table = table("", &routes).expect("no clash");
            assert_eq!(table.named("item").map(|entry| entry.rule.as_str()), Some("/item"));
        }
        for routes in [skitai::routes![item, by_number, by_name], skitai::routes![by_number, by_name, item]] {
            assert!(table("", &routes).is_ok(), "the two do not have the name, so they do not clash");
        }
    }

    #[test]
    fn any_other_clash_of_names_is_an_error_that_tells_both() {
        let problem = table("", &skitai::routes![by_number, by_name]).expect_err("a clash");
        assert!(
            problem.contains("by_number") && problem.contains("by_name") && problem.contains("`item`"),
            "{problem}"
        );
        let problem = table("", &skitai::routes![item, save]).expect_err("one of them could not be called");
        assert!(problem.contains("save"), "{problem}");
    }

    #[test]
    fn rules_that_no_path_leads_to_are_refused() {
        assert!(table("shop", &skitai::routes![item]).expect_err("no slash").contains("must start with `/`"));
        let problem = table("", &skitai::routes![text]).expect_err("never a text");
        assert!(problem.contains("`text` is a number there"), "{problem}");
        assert!(table("", &skitai::routes![item, item]).expect_err("twice").contains("both answer"));
    }
}
