//! `check`: reads everything that a start would read, and starts nothing.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::SystemTime;

use skitai_actors::spec::Shard;

use super::args::Which;
use super::program::{ConfError, Program, fail, print};
use crate::config::{Declared, ListenAddress, ListenSettings, Loaded, Report};
use crate::observe::plain_file::{self, LogKind};
use crate::serve::limits::DescriptorNeed;
use crate::serve::{limits, listen, mounting, owner};
use crate::supervise::STATE;
use crate::tls::certificates::Certificates;
use crate::tls::files::TlsFiles;
use crate::tls::tickets::{TicketSecrets, Tickets};

/// `takes_over`: the version of the state of an instance that this program is to take over.
pub(super) fn check(program: &Program, which: &Which, takes_over: Option<u32>) -> ExitCode {
    if let Some(version) = takes_over.filter(|version| *version != STATE) {
        return fail(&format!(
            "error: this program takes over instances whose state has version {STATE}, not {version}: use `restart`"
        ));
    }
    let loaded = match program.load(which) {
        Ok(loaded) => loaded,
        Err(ConfError::Unfit(report)) => return fail(&with_certificates(report).to_string()),
        Err(error) => return fail(&error.to_string()),
    };
    let report = with_certificates(loaded.warnings.clone());
    if report.has_errors() {
        return fail(&report.to_string());
    }
    let mounts = match mounting::mounts(&loaded, &program.apps, mounting::templates_of(&loaded).as_deref()) {
        Ok(mounts) => mounts,
        Err(unfit) => return fail(&unfit.to_string()),
    };
    if !loaded.warnings.is_empty() {
        print(loaded.warnings.to_string().trim_end());
    }
    let server = &loaded.settings.server;
    let owners = [&server.listening.owner, &server.listening.admin.owner];
    if let Some(Err(error)) = owners.into_iter().flatten().map(owner::ids).find(Result::is_err) {
        return fail(&format!("error: `listen_owner`: {error}"));
    }
    for (key, path) in [("access_log", &server.access_log), ("audit_log", &server.admin.audit_log)] {
        if let Some(path) = path
            && let Err(error) = plain_file::check_appendable(path, LogKind::Lines)
        {
            return fail(&format!("error: `{key}`: {}: {error}", path.display()));
        }
    }
    let of_all = server.threads * server.processes;
    print(&match server.processes {
        1 => format!("{}: {of_all} threads", server.name),
        processes => format!("{}: {of_all} threads in {processes} processes, {} each", server.name, server.threads),
    });
    for address in &server.listening.addresses {
        print(&format!("  listens on {}", told(address, &server.listening)));
    }
    for mount in &mounts {
        print(&format!("  {}", mount.describe()));
    }
    for mount in &loaded.settings.mounts {
        print(&format!("  {mount}"));
    }
    if let Some(proxy) = &server.proxy {
        print(&format!("  {proxy}"));
    }
    for declared in &loaded.settings.clusters {
        match declared {
            Declared::Http(spec) => {
                let what = if spec.discover.is_some() { "names to find members by" } else { "members" };
                print(&format!(
                    "  @{}: {} {what}, at most {} connections to each",
                    spec.name,
                    spec.members.len(),
                    spec.connections * of_all
                ));
            }
            Declared::Db(spec) => {
                let each = spec.connections * of_all;
                print(&format!(
                    "  @{}: {} databases, at most {each} connections to each, {} in all",
                    spec.name,
                    spec.members.len(),
                    each * spec.members.len()
                ));
            }
        }
    }
    for (server, connections) in of_servers(&loaded) {
        print(&format!(
            "  PostgreSQL at {server}: at most {connections} connections of this instance, while it is reloaded and \
             upgraded as well: its `max_connections` needs them beside those that it reserves"
        ));
    }
    if server.processes > 1 {
        let (bodies, results) = (server.max_bodies_of_process(), server.results_of_process());
        print(&format!(
            "  of the instance's limits a process has its share: {} MiB of bodies (in all {} MiB), {results} results (in \
             all {})",
            bodies >> 20,
            (bodies * server.processes) >> 20,
            results * server.processes
        ));
    }
    if let Some(settings) = &server.tls {
        let files = TlsFiles::read(settings, Vec::new());
        let certificates = match Certificates::open(settings.clone(), &files, Tickets::of(TicketSecrets::default())) {
            Ok(certificates) => certificates,
            Err(problem) => return fail(&format!("error: {problem}")),
        };
        certificates.lines().iter().for_each(|line| print(&format!("  {line}")));
        let warnings = certificates.warnings(SystemTime::now());
        warnings.iter().for_each(|warning| print(&format!("warning: {warning}")));
        for name in server.server_names.beyond(|name| certificates.cover(name)) {
            print(&format!("warning: `{name}` of `server_names` is in no certificate: clients refuse it over TLS"));
        }
    }
    if let Some(error) = listen::port_of_root(&server.listening) {
        print(&format!(
            "warning: this user could not start it: {error}; a service manager may give the socket, or start it as root"
        ));
    }
    let need = DescriptorNeed::of(&loaded.settings);
    print(&format!("  {}", need.told(limits::descriptors())));
    if let Some(warning) = need.warning(limits::descriptors()) {
        print(&warning);
    }
    print("ok");
    ExitCode::SUCCESS
}

/// With what is wrong with the files of certificates, at the lines that name them.
fn with_certificates(report: Report) -> Report {
    let Some(settings) = report.tls() else { return report };
    let problems = Certificates::problems(settings, &TlsFiles::read(settings, Vec::new()));
    report.with_files(problems.into_iter().map(|problem| (problem.key, problem.path.clone(), problem.to_string())))
}

/// An address; of a Unix socket with who may connect.
fn told(address: &ListenAddress, listening: &ListenSettings) -> String {
    if listening.proxy.contains(address) {
        return format!("{address} (forward proxy)");
    }
    let listening = listening.of_address(address);
    let told = match (address, &listening.owner) {
        (ListenAddress::Tcp { port, .. }, _) if listening.redirect == Some(*port) => {
            format!("{address} (sends clients to HTTPS)")
        }
        (ListenAddress::Tcp { .. }, _) => address.to_string(),
        (ListenAddress::Unix(_), None) => format!("{address} (mode {:04o})", listening.mode),
        (ListenAddress::Unix(_), Some(owner)) => format!("{address} (mode {:04o}, owner {owner})", listening.mode),
    };
    let is_admin = listening.admin.addresses.contains(address);
    if is_admin { format!("{told} (the server's own pages)") } else { told }
}

/// The connections of the whole instance to each server of PostgreSQL, which may have several of the databases.
fn of_servers(loaded: &Loaded) -> BTreeMap<String, usize> {
    let server = &loaded.settings.server;
    let mut found = BTreeMap::new();
    for declared in &loaded.settings.clusters {
        let Declared::Db(spec) = declared else { continue };
        for member in &spec.members {
            if let Shard::Postgres { host, port, .. } = &member.shard {
                *found.entry(format!("{host}:{port}")).or_default() +=
                    spec.connections * server.threads * server.processes;
            }
        }
    }
    found
}
