//! Makes mounts from a configuration's routes and a program's apps. Needs no actors: `check` and `routes` use it too.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::routing::mount::{Mount, PassTo};
use crate::app::routing::pattern::fixed;
use crate::app::routing::table::{RouteRegistration, Table};
use crate::app::{App, Links, Mounted, Templates};
use crate::config::{FolderRules, Loaded, MountLine, MountSettings, MountTarget, ServerSettings};

/// The reasons why a site cannot start, one line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub(crate) struct Unfit(pub(crate) Vec<String>);

/// Why a site was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOpened {
    /// The configuration and the program's apps do not fit.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// An app refused to start.
    #[error("app `{app}`: startup: {error}")]
    Startup { app: String, error: Box<crate::app::Error> },
}

/// Makes the mounts of the configuration.
pub(crate) fn mounts(loaded: &Loaded, apps: &[App], templates: Option<&Path>) -> Result<Vec<Mount>, Unfit> {
    let names: Vec<&str> = apps.iter().map(|app| app.name.as_str()).collect();
    let lines = loaded.resolve_mounts(&names).map_err(|report| Unfit(vec![report.to_string()]))?;
    let mut unfit = Vec::new();
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            unfit
                .push(format!("this program has two apps named `{name}`; a configuration could mean only one of them"));
        }
    }
    let mut mounts: Vec<Mount> = Vec::new();
    for MountLine { path, target } in lines {
        let at = path.trim_end_matches('/').to_owned();
        let index = mounts.iter().position(|mount| mount.is_at(&at)).unwrap_or_else(|| {
            let folder_rules = Arc::new(folder_rules(&at, &loaded.settings.mounts));
            mounts.push(Mount { folder_rules, ..Mount::at(&path, None) });
            mounts.len() - 1
        });
        let mount = &mut mounts[index];
        match target {
            MountTarget::Folder(folder) => mount.folders.push(folder),
            MountTarget::Cluster(route) if mount.app.is_some() || mount.passed.is_some() => {
                unfit.push(format!("{path}: `{route}` is mounted where something else answers already"));
            }
            MountTarget::Cluster(route) => {
                let of_mount = loaded.settings.mounts.iter().find(|settings| settings.path == at);
                let rules = of_mount.and_then(|settings| settings.passing.clone()).unwrap_or_default();
                mount.passed = Some(Arc::new(PassTo { route, rules }));
            }
            MountTarget::App(name) if mount.app.is_some() || mount.passed.is_some() => {
                unfit.push(format!("{path}: the app `{name}` is mounted where another app is already"));
            }
            MountTarget::App(name) => {
                let found = apps.iter().find(|app| app.name == name);
                match found.map(|app| place(app, (&at, mount.slash), templates, &names, &loaded.settings.server)) {
                    Some(Ok(app)) => mount.app = Some(Arc::new(app)),
                    Some(Err(Unfit(problems))) => unfit.extend(problems),
                    None => unfit.push(format!("{path}: this program has no app `{name}`")),
                }
            }
        }
    }
    if unfit.is_empty() { Ok(mounts) } else { Err(Unfit(unfit)) }
}

/// What the sections of a conf say of the folders at a path: the longest one that holds it first.
fn folder_rules(path: &str, sections: &[MountSettings]) -> FolderRules {
    let holds = |section: &&MountSettings| {
        path.strip_prefix(&*section.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut holding: Vec<&MountSettings> = sections.iter().filter(holds).collect();
    holding.sort_by_key(|section| std::cmp::Reverse(section.path.len()));
    holding.iter().fold(FolderRules::default(), |rules, section| rules.or(&section.folders))
}

/// The folder `templates` beside the configuration, else in the current folder.
pub(crate) fn templates_of(loaded: &Loaded) -> Option<PathBuf> {
    [loaded.base.join("templates"), PathBuf::from("templates")].into_iter().find(|folder| folder.is_dir())
}

/// Mounts an app at a path, which was written with a trailing slash or not. `names` are those of all apps of the
/// program.
pub(super) fn place(
    app: &App,
    (path, slash): (&str, bool),
    templates: Option<&Path>,
    names: &[&str],
    server: &ServerSettings,
) -> Result<Mounted, Unfit> {
    let devel = app.devel.unwrap_or(server.devel);
    if devel && !server.listening.is_private() {
        return Err(Unfit(vec![format!(
            "app `{}` is in devel mode, which tells its errors to everybody; with `ip = 127.0.0.1` (or a Unix socket of \
             `listen_mode = 0600`) nobody else can reach it",
            app.name
        )]));
    }
    let routes: Vec<_> = app.routes.iter().cloned().map(|route| RouteRegistration { rpc: app.rpc, ..route }).collect();
    let table = Table::new(&routes, &app.level)
        .map_err(|problems| Unfit(problems.iter().map(|why| format!("app `{}`: {why}", app.name)).collect()))?;
    let table = Arc::new(table);
    let links = Arc::new(Links::new(&fixed(path), slash, table.clone()));
    let templates = Templates::load(&app.name, app.templates.clone(), templates, devel, (&links, names))
        .map_err(|error| Unfit(vec![format!("app `{}`: template: {error}", app.name)]))?;
    Ok(Mounted {
        name: app.name.clone(),
        use_session: app.use_session,
        table,
        links,
        templates: Arc::new(templates),
        on_error: app.on_error.clone(),
        devel,
        actix: app.actix.clone(),
    })
}
