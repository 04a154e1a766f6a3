//! Configuration: reads the text of a conf into [`Settings`], or reports every problem in it at once.
//!
//! Confs are INI files, in the format of the Python server Skitai. Read the modules in this order:
//!
//! - [`settings`]: the result: typed, valid, defaults filled in;
//! - [`keys`]: the one table of all keys with their defaults, limits and units;
//! - `ini`: text → sections and entries with their byte ranges in the file;
//! - `reading`: one section and its table → values; `values` parses each kind of value;
//! - `server` with `listening`, `names`, `connection_limits` and `network`; `certification`; `clusters` with `members`,
//!   `reaching` and `health`; [`routes`]; `mounts` with `rates` and `origins`; `proxy` with `proxy_hosts`: the
//!   sections;
//! - [`report`]: problems with line, column and caret; `source` and `mask` keep secrets out of them;
//! - `in_force`: each key with its value and where it is from, for the status;
//! - `spelling`: "did you mean"; `find`: from `-f NAME` to a file.
//!
//! Nothing here starts anything. Only [`load`], [`find`](find()), a secret's `file:`, a `ca_file` and
//! [`Loaded::resolve_mounts`] read the disk. A conf that asks for a feature this program lacks is refused, so a conf
//! that loads is served as written.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

mod admin;
mod certification;
mod clusters;
mod conf_file;
mod connection_limits;
mod find;
mod folder_rules;
mod globs;
mod header_rules;
mod health;
mod in_force;
mod ini;
pub mod keys;
mod listening;
mod mask;
mod members;
mod mounts;
mod moves;
mod names;
mod network;
mod origins;
mod otlp;
mod outside;
pub(crate) mod password_hash;
mod proxy;
pub(crate) mod proxy_hosts;
mod proxying;
mod rates;
mod reaching;
mod reading;
pub mod report;
pub mod routes;
mod server;
pub mod settings;
mod source;
pub(crate) mod spelling;
mod values;

pub use admin::{AUDIT_LOG, AdminSettings};
pub use certification::{Certification, ClientCertificates, TlsSettings};
pub(crate) use conf_file::ConfFile;
pub use connection_limits::ConnectionLimits;
pub use find::{NotFound, Places, find};
pub use folder_rules::FolderRules;
pub use globs::Glob;
pub use header_rules::HeaderRule;
pub(crate) use in_force::ConfigInForce;
pub use listening::{AdminSockets, LONGEST_SOCKET_PATH, ListenAddress, ListenSettings, SocketOwner};
pub use mounts::{MountSettings, NetworkList};
pub use moves::MoveRule;
pub use names::ServerNames;
pub use network::{Network, NetworkError};
pub use origins::{BrowserRules, Cors, Origins};
pub use otlp::OtlpSettings;
pub(crate) use outside::FileTexts;
pub use password_hash::PasswordHash;
pub use proxy::ProxySettings;
pub use proxy_hosts::{HostPlace, HostRule};
pub use proxying::{Affinity, PassRoute, PassRules, PassedHost};
pub use rates::{Rate, RateKey};
pub use report::{Problem, Report, Severity};
pub use routes::{MountLine, MountTarget, TargetError};
pub use settings::{
    Declared, ForwardedHeader, Introspection, MetricsAccess, PartialAnswers, RouteLine, RouteTarget, ServerSettings,
    Settings, TrustedProxies, Unwritable, Uploads,
};
pub(crate) use values::read_time;

use ini::{Section, SectionKind};
use outside::Outside;
use reading::Reading;
use report::CertificateFiles;
use skitai_actors::spec::Drivers;
use source::ConfText;

/// A valid conf.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its settings.
    pub settings: Settings,
    /// Problems that do not prevent the start.
    pub warnings: Report,
    /// The folder of the conf: its paths are relative to it.
    pub base: PathBuf,
    /// The file of the conf, if it has one.
    pub file: Option<PathBuf>,
    pub(crate) stamp: Option<(SystemTime, u64)>,
    /// That file as it was read.
    pub(crate) conf_file: Option<ConfFile>,
    /// The files that it refers to, as they were read.
    files: FileTexts,
    source: Arc<ConfText>,
    /// Its keys, for the status.
    pub(crate) in_force: ConfigInForce,
}

/// Modification time and length of a file, which together identify a version of it.
pub(crate) fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

/// Reads the conf at `path`, with the environment of this process.
///
/// # Errors
/// A report of all problems.
pub fn load(path: &Path) -> Result<Loaded, Report> {
    // Taken before the file is read, so that the next check notices a change in between.
    let stamp = stamp(path);
    Ok(Loaded { stamp, ..ConfFile::read(path)?.load()? })
}

/// Parses the text of a conf. Its paths are relative to `base`; `env` returns the value of `env:NAME`.
pub fn parse(file_name: &str, text: &str, base: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Report> {
    parse_with(Drivers::BUILT_IN, file_name, text, base, Outside::new(env, FileTexts::default()))
}

fn parse_with(
    drivers: Drivers,
    file_name: &str,
    text: &str,
    base: &Path,
    outside: Outside<'_>,
) -> Result<Loaded, Report> {
    // Some editors write a byte order mark at the start; positions are counted after it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut problems = Vec::new();
    let document = ini::read(text, &mut problems);
    let source = Arc::new(ConfText::new(file_name, text, mask::secrets(text, &document)));
    let mut reading = Reading { text, base, outside: &outside, drivers, problems, cert_files: Vec::new() };
    let sections = known_sections(&mut reading, &document.sections);
    let section = |name: &str| sections.iter().copied().find(|section| section.name == name);

    let instance = Path::new(file_name).file_stem().map_or("skitai".into(), |stem| stem.to_string_lossy());
    let mut server = server::server(&mut reading, section("server"), &instance);
    server::rpc_into_server(&mut reading, section("rpc"), &mut server);
    certification::into_server(&mut reading, &sections, &mut server);
    proxy::into_server(&mut reading, &sections, &mut server);
    admin::into_server(&mut reading, &sections, &mut server);
    otlp::into_server(&mut reading, &sections, &mut server);
    let clusters = clusters::clusters(&mut reading, &sections, server.threads * server.processes);
    let declared: Vec<String> =
        sections.iter().filter_map(|section| section.name.strip_prefix('@').map(str::to_owned)).collect();
    let routes = match section("routes") {
        Some(section) => routes::routes(&mut reading, section, &declared, &clusters),
        None => Vec::new(),
    };
    let mounts = mounts::mounts(&mut reading, &sections, &routes, &clusters);
    let is_refused = reading.problems.iter().any(|problem| problem.severity == Severity::Error);
    if !is_refused && routes.is_empty() {
        let nothing = Problem::warning(0..0, "nothing is mounted: every path will be answered with 404").whole_file();
        reading.push(nothing.help("write `[routes:line]` and under it `/ = target`"));
    }

    let files = CertificateFiles { settings: server.tls.clone(), places: reading.cert_files };
    let report = Report::new(Arc::clone(&source), reading.problems).with_certificates(files);
    if report.has_errors() {
        return Err(report);
    }
    let settings = Settings { server, routes, mounts, clusters };
    let in_force = ConfigInForce::of(&source, &sections);
    Ok(Loaded {
        settings,
        warnings: report,
        base: base.to_owned(),
        file: None,
        stamp: None,
        conf_file: None,
        files: outside.into_files(),
        source,
        in_force,
    })
}

impl Loaded {
    /// The settings of a site without a conf in the folder `here`: see [`Settings::default_for_devel`].
    pub fn without_conf(here: &Path, apps: &[&str]) -> Loaded {
        let source = Arc::new(ConfText::new("no conf", "", Vec::new()));
        Loaded {
            settings: Settings::default_for_devel(here, apps),
            warnings: Report::new(Arc::clone(&source), Vec::new()),
            base: here.to_owned(),
            file: None,
            stamp: None,
            conf_file: None,
            files: FileTexts::default(),
            source,
            in_force: ConfigInForce::default(),
        }
    }

    /// The files that it refers to, as they were read.
    pub(crate) fn files(&self) -> &FileTexts {
        &self.files
    }

    /// Resolves every route for a program with these apps, in the order of the conf.
    pub fn resolve_mounts(&self, apps: &[&str]) -> Result<Vec<MountLine>, Report> {
        let mut problems = Vec::new();
        let mut mounts = Vec::new();
        for route in &self.settings.routes {
            let resolved = match &route.target {
                RouteTarget::Name(target) => routes::resolve(target, &self.base, apps).map_err(|why| {
                    let suggestion =
                        routes::suggestion(target, apps).map(|app| format!("did you mean the app `{app}`?"));
                    (why.to_string(), suggestion)
                }),
                RouteTarget::App(app) if apps.contains(&app.as_str()) => Ok(MountTarget::App(app.clone())),
                RouteTarget::App(app) => Err((format!("this program has no app `{app}`"), None)),
                RouteTarget::Cluster(route) => Ok(MountTarget::Cluster(route.clone())),
            };
            match resolved {
                Ok(target) => mounts.push(MountLine { path: route.path.clone(), target }),
                Err((why, help)) => {
                    let problem = Problem::error(route.span.clone().unwrap_or(0..0), why).maybe_help(help);
                    problems.push(if route.span.is_some() { problem } else { problem.whole_file() });
                }
            }
        }
        if problems.is_empty() { Ok(mounts) } else { Err(Report::new(Arc::clone(&self.source), problems)) }
    }
}

/// Returns the known sections, each once and of its own kind, and reports the others.
fn known_sections<'s>(reading: &mut Reading<'_>, sections: &'s [Section]) -> Vec<&'s Section> {
    let mut known: Vec<&Section> = Vec::new();
    for section in sections {
        let name = section.name.as_str();
        let span = section.name_span.clone();
        if name.is_empty() {
            continue;
        }
        let is_known = name.starts_with('@')
            || mounts::path_of(name).is_some()
            || certification::is_named(name)
            || keys::SECTIONS.contains(&name);
        if !is_known {
            reading.push(unknown_section(section));
            continue;
        }
        let kind = if name == "routes" { SectionKind::Line } else { SectionKind::Pair };
        if section.kind != kind {
            let written = if name == "routes" { "[routes:line]".to_owned() } else { format!("[{name}]") };
            let help = format!("write `{written}`");
            reading.push(Problem::error(span, format!("[{name}] is not of this kind")).label("wrong kind").help(help));
            continue;
        }
        if let Some(first) = known.iter().find(|first| first.name == name || mounts::is_same(&first.name, name)) {
            let line = reading.line_of(first.name_span.start);
            let problem = Problem::error(span, format!("[{name}] is there twice"));
            reading.push(problem.label(format!("the first one is on line {line}")).help("make them one section"));
            continue;
        }
        known.push(section);
    }
    known
}

fn unknown_section(section: &Section) -> Problem {
    let name = section.name.as_str();
    // A `[` before an entry turns the entry into a section name, with its value, which may be a secret.
    let quotable = mask::quotable_word(name).is_some();
    let shown = if quotable { format!("[{name}]") } else { "this".to_owned() };
    let problem = Problem::error(section.name_span.clone(), format!("{shown} is no section of a conf"));
    let has_members = section.entries.iter().any(|entry| entry.key == keys::MEMBERS.name);
    let help = if has_members && quotable {
        format!("a cluster's section is named with an `@`: `[@{name}]`")
    } else if name == "global" {
        "it belongs in skitaid.conf, the file of the whole machine".to_owned()
    } else {
        match spelling::nearest(name, keys::SECTIONS.iter().copied()) {
            Some("routes") => "did you mean `[routes:line]`?".to_owned(),
            Some(near) => format!("did you mean `[{near}]`?"),
            None => "the sections are [server], [routes:line], [mount /path], [rpc], [certification], [proxy], [admin], [otlp] \
                     and [@cluster]"
                .to_owned(),
        }
    };
    problem.label("unknown section").help(help)
}

#[cfg(test)]
mod tests;
