//! Paths made from the rules of routes: `was.url_for("company", (555, "Skitai Corp"))`, and `url_for` in templates.
//!
//! A hand-written link breaks when the rule or the mount changes, and for a name that contains a `/`. A link made here
//! always matches the rule it was made from; if that is not possible, the error says why.

use std::sync::Arc;

use skitai_wire::Value;

use super::pattern::{FillError, UNRESERVED_ALONE, canonical};
use super::route::{Route, Routed};
use super::table::{RouteEntry, Table};
use crate::config::spelling::nearest;

/// The target of a link: a route's name, or its function, given as the type of the same name: `company {}`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a link can lead to",
    note = "give the name of a route (\"company\"), or its function with braces behind it: company {{}}"
)]
pub trait IntoRouteRef {
    /// Returns the reference to look up.
    fn sought(&self) -> RouteRef<'_>;
}

/// A reference to a route.
#[derive(Clone, Copy, Debug)]
pub enum RouteRef<'n> {
    /// By its RPC name, else by the name of its function.
    Name(&'n str),
    /// The route itself.
    Route(&'static Route),
}

impl IntoRouteRef for &str {
    fn sought(&self) -> RouteRef<'_> {
        RouteRef::Name(self)
    }
}

impl IntoRouteRef for &String {
    fn sought(&self) -> RouteRef<'_> {
        RouteRef::Name(self)
    }
}

impl<R: Routed> IntoRouteRef for R {
    fn sought(&self) -> RouteRef<'_> {
        RouteRef::Route(R::ROUTE)
    }
}

/// Why no link can be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("the function `{function}` stands at {one} and at {other}: use the RPC name of one")]
    Ambiguous { function: &'static str, one: String, other: String },
    #[error("url_for: no app of this site has the route {}::{}", .0.module, .0.function)]
    Foreign(&'static Route),
    #[error("url_for: there is no route `{name}`{}", suggestion.as_ref().map(|suggestion| format!("; did you mean `{suggestion}`?")).unwrap_or_default())]
    Unknown { name: String, suggestion: Option<String> },
    #[error("url_for: {rule} ({function}): {why}")]
    Unfit { rule: String, function: &'static str, why: Box<ArgumentsError> },
}

/// Why a route has no path for these arguments.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgumentsError {
    #[error(transparent)]
    Unwritable(#[from] skitai_wire::Error),
    #[error("{given} arguments were given, and the function takes {takes}")]
    TooMany { given: usize, takes: usize },
    #[error("arguments are a tuple in the order of the function, or names with values, not one {0}")]
    NoArguments(&'static str),
    #[error("`{name}` {why}")]
    NoText { name: String, why: TextError },
    #[error("`{name}` was given {count} values and stands in the path, where there is room for one")]
    Several { name: String, count: usize },
    #[error(transparent)]
    Path(#[from] FillError),
}

/// Why a value cannot be part of a link.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TextError {
    #[error("is no UTF-8 text, and a link is text")]
    Octets,
    #[error("cannot be written as JSON")]
    NoJson,
    #[error("cannot be {0} in a link")]
    NoPart(Value),
}

/// The routes of one mounted app.
#[derive(Debug)]
pub(crate) struct Links {
    /// The path of the mount, without a trailing slash; empty for `/`.
    path: String,
    /// Whether the mount was written with a trailing slash.
    slash: bool,
    table: Arc<Table>,
}

impl Links {
    pub(crate) fn new(mount: &str, slash: bool, table: Arc<Table>) -> Links {
        Links { path: mount.trim_end_matches('/').to_owned(), slash, table }
    }

    /// Finds the route if it belongs to this app. A function with several rules is ambiguous, which is an error.
    pub(crate) fn find(&self, sought: RouteRef<'_>) -> Result<Option<&RouteEntry>, LinkError> {
        if let RouteRef::Name(name) = sought
            && let Some(entry) = self.table.named(name)
        {
            return Ok(Some(entry));
        }
        let mut candidates = self.table.entries().iter().filter(|entry| match sought {
            RouteRef::Name(name) => entry.route.function == name,
            RouteRef::Route(route) => is_same(entry.route, route),
        });
        match (candidates.next(), candidates.next()) {
            (Some(one), Some(other)) => Err(LinkError::Ambiguous {
                function: one.route.function,
                one: one.rule.clone(),
                other: other.rule.clone(),
            }),
            (found, _) => Ok(found),
        }
    }

    /// The path and query that lead to a route of this app with these arguments.
    pub(crate) fn path_to(&self, entry: &RouteEntry, arguments: Value) -> Result<String, ArgumentsError> {
        let named = named(entry.route, arguments)?;
        let mut texts: Vec<(String, Vec<String>)> = Vec::with_capacity(named.len());
        for (name, value) in named {
            match texts_of(value) {
                Ok(value) => texts.push((name, value)),
                Err(why) => return Err(ArgumentsError::NoText { name, why }),
            }
        }
        let in_path: Vec<&str> = entry.pattern.names().collect();
        if let Some((name, many)) = texts.iter().find(|(name, of)| of.len() > 1 && in_path.contains(&name.as_str())) {
            return Err(ArgumentsError::Several { name: name.clone(), count: many.len() });
        }
        let value = |name: &str| texts.iter().find(|(known, _)| known == name)?.1.first().map(String::as_str);
        let mut url = match entry.pattern.fill(value)? {
            // `/test` acts like a file and `/test/` like a folder: relative links in the page depend on it.
            root if root == "/" && !self.slash && !self.path.is_empty() => self.path.clone(),
            rest => format!("{}{rest}", self.path),
        };
        let mut divider = '?';
        for (name, values) in texts.iter().filter(|(name, _)| !in_path.contains(&name.as_str())) {
            for value in values {
                url.push(divider);
                url.extend(percent_encoding::utf8_percent_encode(name, UNRESERVED_ALONE));
                url.push('=');
                url.extend(percent_encoding::utf8_percent_encode(value, UNRESERVED_ALONE));
                divider = '&';
            }
        }
        Ok(url)
    }

    /// The path by which a call by name would be one on the web, from what it gave for each placeholder. Where nothing
    /// was given, the placeholder itself stands.
    pub(crate) fn path_of_call(&self, entry: &RouteEntry, given: impl Fn(&str) -> Option<Value>) -> Arc<str> {
        let path = || {
            let text = |name: &str| texts_of(given(name)?).ok()?.into_iter().next();
            match entry.pattern.written_as_far(text) {
                root if root == "/" && !self.slash && !self.path.is_empty() => Arc::from(&*self.path),
                rest => Arc::from(canonical(&format!("{}{rest}", self.path))),
            }
        };
        match entry.pattern.is_exact() {
            true => entry.exact_path.get_or_init(path).clone(),
            false => path(),
        }
    }

    /// The same for a route by its name, for templates: they know the routes of their own app.
    pub(crate) fn url(&self, name: &str, arguments: Value) -> Result<String, LinkError> {
        let entry = self.find(RouteRef::Name(name))?.ok_or_else(|| self.unknown(RouteRef::Name(name)))?;
        self.path_to(entry, arguments).map_err(|why| about(entry, why))
    }

    /// The error for an unknown route.
    pub(crate) fn unknown(&self, sought: RouteRef<'_>) -> LinkError {
        let name = match sought {
            RouteRef::Route(route) => return LinkError::Foreign(route),
            RouteRef::Name(name) => name,
        };
        let names = self.table.names().into_iter();
        let functions = self.table.entries().iter().map(|entry| entry.route.function);
        let suggestion = nearest(name, names.chain(functions)).map(str::to_owned);
        LinkError::Unknown { name: name.to_owned(), suggestion }
    }
}

/// Adds the route to an error about its arguments.
pub(crate) fn about(entry: &RouteEntry, why: impl Into<ArgumentsError>) -> LinkError {
    LinkError::Unfit { rule: entry.rule.clone(), function: entry.route.function, why: Box::new(why.into()) }
}

/// Whether two references mean one route. A constant may exist twice in a program, so addresses cannot decide.
fn is_same(one: &Route, other: &Route) -> bool {
    (one.function, one.module, one.rule, one.line) == (other.function, other.module, other.rule, other.line)
}

/// Arguments by name, as calls have them: a tuple in the order of the function's parameters, a structure by its fields.
fn named(route: &Route, arguments: Value) -> Result<Vec<(String, Value)>, ArgumentsError> {
    match arguments {
        Value::Nil => Ok(Vec::new()),
        Value::Map(map) => Ok(map.0.into_iter().map(|(name, value)| (name.to_string(), value)).collect()),
        Value::List(values) => {
            let names: Vec<&str> =
                route.params.iter().filter(|param| param.is_wire()).map(|param| param.name).collect();
            if values.len() > names.len() {
                return Err(ArgumentsError::TooMany { given: values.len(), takes: names.len() });
            }
            Ok(names.into_iter().map(str::to_owned).zip(values).collect())
        }
        other => Err(ArgumentsError::NoArguments(other.kind())),
    }
}

/// A value as a query or a form has it: no text, one, or several. A structure becomes JSON, as `Json<T>` reads it.
fn texts_of(value: Value) -> Result<Vec<String>, TextError> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::List(values) => values.into_iter().map(text_of).collect(),
        one => Ok(vec![text_of(one)?]),
    }
}

fn text_of(value: Value) -> Result<String, TextError> {
    match value {
        Value::String(text) | Value::DateTime(text) => Ok(text),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Int(number) => Ok(number.to_string()),
        Value::UInt(number) => Ok(number.to_string()),
        Value::Double(number) if number.is_finite() => Ok(number.to_string()),
        Value::Bytes(octets) => String::from_utf8(octets).map_err(|_| TextError::Octets),
        Value::Map(_) => skitai_wire::json::to_vec(&value)
            .ok()
            .and_then(|json| String::from_utf8(json).ok())
            .ok_or(TextError::NoJson),
        Value::Double(_) | Value::Nil | Value::List(_) => Err(TextError::NoPart(value)),
    }
}

#[cfg(test)]
mod tests;
