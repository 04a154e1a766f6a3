//! `check`: reads everything that a start would read, and starts nothing.

use std::process::ExitCode;

use super::args::Which;
use super::program::{Program, fail, print};
use crate::config::Declared;
use crate::serve::mounting;
use crate::supervise::STATE;

/// `takes_over`: the version of the state of an instance that this program is to take over.
pub(super) fn check(program: &Program, which: &Which, takes_over: Option<u32>) -> ExitCode {
    if let Some(version) = takes_over.filter(|version| *version != STATE) {
        return fail(&format!(
            "error: this program takes over instances whose state has version {STATE}, not {version}: use `restart`"
        ));
    }
    let loaded = match program.load(which) {
        Ok(loaded) => loaded,
        Err(error) => return fail(&error.to_string()),
    };
    let mounts = match mounting::mounts(&loaded, &program.apps, mounting::templates_of(&loaded).as_deref()) {
        Ok(mounts) => mounts,
        Err(unfit) => return fail(&unfit.to_string()),
    };
    if !loaded.warnings.is_empty() {
        print(loaded.warnings.to_string().trim_end());
    }
    let server = &loaded.settings.server;
    let ip = server.ip.map_or_else(|| "all interfaces".to_owned(), |ip| ip.to_string());
    print(&format!("{}: {ip}, port {}, {} threads", server.name, server.port, server.threads));
    for mount in &mounts {
        print(&format!("  {}", mount.describe()));
    }
    for declared in &loaded.settings.clusters {
        match declared {
            Declared::Http(spec) => {
                let what = if spec.discover.is_some() { "names to find members by" } else { "members" };
                print(&format!(
                    "  @{}: {} {what}, at most {} connections to each",
                    spec.name,
                    spec.members.len(),
                    spec.connections * server.threads
                ));
            }
            Declared::Db(spec) => {
                let each = spec.connections * server.threads;
                print(&format!(
                    "  @{}: {} databases, at most {each} connections to each, {} in all",
                    spec.name,
                    spec.members.len(),
                    each * spec.members.len()
                ));
            }
        }
    }
    print("ok");
    ExitCode::SUCCESS
}
