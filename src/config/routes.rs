//! `[routes:line]`: the mounts, and their targets once the program's apps are known.

use std::path::{Path, PathBuf};

use super::ini::Section;
use super::mask;
use super::proxying::PassRoute;
use super::reading::Reading;
use super::report::Problem;
use super::settings::{Declared, RouteLine, RouteTarget};
use super::spelling::nearest;

/// One mount of a running instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountLine {
    /// The path, as written in the conf.
    pub path: String,
    /// The target.
    pub target: MountTarget,
}

/// The content of a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountTarget {
    /// The files of a folder.
    Folder(PathBuf),
    /// An app of this program, by its name.
    App(String),
    /// The members of a cluster.
    Cluster(PassRoute),
}

/// Why a target is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is a file. The text may be shown.
    #[error("{0} is a file; a route leads to a folder, an app or a cluster")]
    File(String),
    /// It does not exist.
    #[error("{shown} is neither an existing folder nor an app; {}", has(apps))]
    Nothing {
        /// The target, in a form that may be shown.
        shown: String,
        /// The apps that exist.
        apps: Vec<String>,
    },
}

fn has(apps: &[String]) -> String {
    match apps {
        [] => "this program has no apps".to_owned(),
        _ => format!("the apps of this program are {}", list(apps)),
    }
}

/// Resolves the target of a route: an existing folder (relative to the conf's), or the app whose name is its last part.
/// If both exist the folder is used, as files take precedence over apps everywhere.
pub fn resolve(target: &str, base: &Path, apps: &[&str]) -> Result<MountTarget, TargetError> {
    let path = base.join(target);
    if path.is_dir() {
        return Ok(MountTarget::Folder(path));
    }
    let last = target.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if let Some(app) = apps.iter().find(|app| **app == last) {
        return Ok(MountTarget::App((*app).to_owned()));
    }
    let shown = mask::quotable(target).unwrap_or_else(|| "this target".to_owned());
    if path.is_file() {
        return Err(TargetError::File(shown));
    }
    Err(TargetError::Nothing { shown, apps: apps.iter().map(|app| (*app).to_owned()).collect() })
}

/// The app that a misspelt target probably means.
pub(super) fn suggestion<'a>(target: &str, apps: &[&'a str]) -> Option<&'a str> {
    let last = target.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    nearest(last, apps.iter().copied())
}

/// Reads `[routes:line]`.
pub(super) fn routes(
    reading: &mut Reading<'_>,
    section: &Section,
    declared: &[String],
    clusters: &[Declared],
) -> Vec<RouteLine> {
    let mut routes = Vec::new();
    for entry in &section.entries {
        if !is_path(reading, entry.key.as_str(), &entry.key_span) {
            continue;
        }
        let span = entry.value.span();
        let target = entry.value.text.as_str();
        if target.is_empty() {
            reading.push(
                Problem::error(span, "the route leads nowhere")
                    .label("expected a folder, an app or `@cluster`")
                    .help("write `/path = target`"),
            );
        } else if let Some(text) = target.strip_prefix('@') {
            let route = PassRoute::of(text);
            if is_reachable(reading, &entry.key, &route, span.clone(), declared, clusters) {
                let target = RouteTarget::Cluster(route);
                routes.push(RouteLine { path: entry.key.clone(), target, span: Some(span) });
            }
        } else {
            let target = RouteTarget::Name(target.to_owned());
            routes.push(RouteLine { path: entry.key.clone(), target, span: Some(span) });
        }
    }
    routes
}

fn is_path(reading: &mut Reading<'_>, path: &str, span: &std::ops::Range<usize>) -> bool {
    let problem = Problem::error(span.clone(), "this is no path");
    let problem = if !path.starts_with('/') {
        problem.label("a path starts with `/`")
    } else if path.contains(char::is_whitespace) || path.contains(['?', '#']) {
        problem.label("a path has no blank, `?` or `#` in it")
    } else {
        return true;
    };
    reading.push(problem);
    false
}

/// Whether a route may lead to a cluster: there must be one, and of HTTP members.
fn is_reachable(
    reading: &mut Reading<'_>,
    path: &str,
    route: &PassRoute,
    span: std::ops::Range<usize>,
    declared: &[String],
    clusters: &[Declared],
) -> bool {
    let name = route.cluster.as_str();
    if !declared.iter().any(|other| other == name) {
        let known: Vec<String> = declared.iter().map(|name| format!("@{name}")).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let shown = mask::quotable(&format!("@{name}")).unwrap_or_else(|| "this cluster".to_owned());
        let label = match known.as_slice() {
            [] => "the file declares no clusters".to_owned(),
            known => format!("declared are {}", list(known)),
        };
        let help = nearest(name, declared.iter().map(String::as_str)).map(|near| format!("did you mean `@{near}`?"));
        let message = format!("[routes:line]: {shown} is not declared");
        reading.push(Problem::error(span, message).label(label).maybe_help(help));
        return false;
    }
    let is_db = clusters.iter().any(|cluster| cluster.name() == name && matches!(cluster, Declared::Db(_)));
    if is_db {
        reading.push(
            Problem::error(span, format!("`{path} = @{name}`: a route cannot lead to databases"))
                .label("a cluster of databases")
                .help("write an app that asks it with `was.dmap` or `was.dlb`"),
        );
        return false;
    }
    if !route.folder.bytes().all(|octet| octet.is_ascii_graphic()) || route.folder.contains(['?', '#']) {
        let problem = Problem::error(span, format!("`{path} = @{name}/…`: this is no path at the members"));
        reading.push(problem.label("encode blanks and other signs as %XX"));
        return false;
    }
    true
}

fn list(names: &[impl std::fmt::Display]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
