//! The routes of one mounted app: by path for the web, by name for RPC.
//!
//! Exact rules are found by their text, patterns are tried in the order they were added. The RPC name of a rule is its
//! fixed segments joined by dots; placeholders become the first arguments. Where two rules give one name, the one
//! without placeholders has it; any other clash keeps the server from starting.

use std::collections::HashMap;

use super::pattern::Pattern;
use super::route::Route;
use skitai_wire::Value;

/// A route in its app.
#[derive(Debug)]
pub(crate) struct Placed {
    /// The rule with its package's prefix.
    pub(crate) rule: String,
    pub(crate) route: &'static Route,
    pub(crate) pattern: Pattern,
}

/// All routes of an app.
#[derive(Debug, Default)]
pub(crate) struct Table {
    placed: Vec<Placed>,
    // One rule may stand several times with different methods, so each path leads to a list.
    exact: HashMap<String, Vec<usize>>,
    patterns: Vec<usize>,
    names: HashMap<String, usize>,
}

/// What a path leads to.
pub(crate) enum Found<'t> {
    Route(&'t Placed, Vec<(String, Value)>),
    /// The path is known, but not for this method; these are.
    WrongMethod(Vec<&'static str>),
    Nothing,
}

impl Table {
    /// Places routes given with their package's prefix. The errors are all that is wrong, one line each.
    pub(crate) fn new(routes: &[(&'static str, &'static Route)]) -> Result<Table, Vec<String>> {
        let mut table = Table::default();
        let mut errors = Vec::new();
        for &(prefix, route) in routes {
            let rule = format!("{}{}", prefix.trim_end_matches('/'), route.rule);
            match Pattern::parse(&rule) {
                Ok(pattern) => table.placed.push(Placed { rule, route, pattern }),
                Err(problem) => errors.push(format!("{}: rule {rule}: {problem}", who(route))),
            }
        }
        for (index, placed) in table.placed.iter().enumerate() {
            if placed.pattern.is_exact() {
                table.exact.entry(placed.rule.clone()).or_default().push(index);
            } else {
                table.patterns.push(index);
            }
        }
        table.check_methods(&mut errors);
        table.name_all(&mut errors);
        if errors.is_empty() { Ok(table) } else { Err(errors) }
    }

    /// Two routes for the same rule and method: the second could never be reached.
    fn check_methods(&self, errors: &mut Vec<String>) {
        for (index, one) in self.placed.iter().enumerate() {
            for other in &self.placed[index + 1..] {
                let shared = one.route.methods.iter().find(|method| other.route.methods.contains(method));
                if let Some(method) = shared.filter(|_| one.rule == other.rule) {
                    errors.push(format!(
                        "{} and {} both answer {method} {}",
                        who(one.route),
                        who(other.route),
                        one.rule
                    ));
                }
            }
        }
    }

    fn name_all(&mut self, errors: &mut Vec<String>) {
        for index in 0..self.placed.len() {
            let placed = &self.placed[index];
            let name = placed.route.name.map_or_else(|| placed.pattern.rpc_name(), str::to_owned);
            let Some(&holder) = self.names.get(&name) else {
                self.names.insert(name, index);
                continue;
            };
            let held = &self.placed[holder];
            match (held.pattern.is_exact(), placed.pattern.is_exact()) {
                (true, false) => {}
                (false, true) => {
                    self.names.insert(name, index);
                }
                // The same function under one rule twice (by method) is one method over RPC.
                _ if held.rule == placed.rule => {}
                _ => errors.push(format!(
                    "the RPC name `{name}` is claimed by {} (rule {}) and by {} (rule {}); give one of them #[route(.., name = \"…\")]",
                    who(held.route),
                    held.rule,
                    who(placed.route),
                    placed.rule
                )),
            }
        }
    }

    /// Finds the route of a path (decoded segment by segment by the pattern) for a method.
    pub(crate) fn find(&self, path: &str, method: &str) -> Found<'_> {
        let path = if path.is_empty() { "/" } else { path };
        let mut allowed: Vec<&'static str> = Vec::new();
        if let Some(indexes) = self.exact.get(path) {
            for &index in indexes {
                let placed = &self.placed[index];
                if placed.route.methods.contains(&method) {
                    return Found::Route(placed, Vec::new());
                }
                allowed.extend(placed.route.methods);
            }
        }
        for &index in &self.patterns {
            let placed = &self.placed[index];
            if let Some(values) = placed.pattern.matches(path) {
                if placed.route.methods.contains(&method) {
                    return Found::Route(placed, values);
                }
                allowed.extend(placed.route.methods);
            }
        }
        if allowed.is_empty() {
            return Found::Nothing;
        }
        allowed.sort_unstable();
        allowed.dedup();
        Found::WrongMethod(allowed)
    }

    /// The route of an RPC name, relative to the mount.
    pub(crate) fn named(&self, name: &str) -> Option<&Placed> {
        self.names.get(name).map(|&index| &self.placed[index])
    }

    /// All RPC names with their routes, sorted.
    pub(crate) fn names(&self) -> Vec<(&str, &Placed)> {
        let mut names: Vec<_> = self.names.iter().map(|(name, &index)| (name.as_str(), &self.placed[index])).collect();
        names.sort_unstable_by_key(|(name, _)| *name);
        names
    }

    /// All routes in the order they were added.
    pub(crate) fn placed(&self) -> &[Placed] {
        &self.placed
    }
}

fn who(route: &Route) -> String {
    format!("{}::{}", route.module, route.function)
}
