//! `run`: serves the site until a signal ends it.

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::args::Which;
use super::program::{Program, fail, print};
use super::setup::Setup;
use crate::config::Loaded;
use crate::observe::{log, panics};
use crate::serve::keys::Keys;
use crate::serve::site::OpenSite;
use crate::serve::watch::Watch;
use crate::serve::{listen, mounting, server, signals};

/// How long statements that outlive their request may run, once every request is answered.
const LAST_STATEMENTS: Duration = Duration::from_secs(2);

pub(super) fn run(mut program: Program, which: &Which) -> ExitCode {
    log::start();
    panics::install_hook();
    let mut loaded = match program.load(which) {
        Ok(loaded) => loaded,
        Err(error) => return fail(&error.to_string()),
    };
    if !loaded.warnings.is_empty() {
        fail(&loaded.warnings.to_string());
    }
    let var = loaded.base.join("var");
    let keys = match Keys::of(&loaded.settings.server, &var) {
        Ok(keys) => keys,
        Err(error) => return fail(&format!("error: {error}")),
    };
    let server = &loaded.settings.server;
    let listener = match listen::listen(server.ip, server.port) {
        Ok(listener) => listener,
        Err(error) => {
            let ip = server.ip.map_or_else(|| "every interface".to_owned(), |ip| ip.to_string());
            return fail(&format!(
                "error: port {} of {ip} cannot be listened on: {error}; -p PORT picks another port",
                server.port
            ));
        }
    };
    let port = listener.local_addr().map_or(server.port, |address| address.port());
    let prepare = program.prepare.take().filter(|_| program.uses_own_conf(which));
    let _prepared = match prepare.map(|prepare| prepare(&mut Setup::new(&mut loaded, &var, port))) {
        Some(Ok(prepared)) => Some(prepared),
        Some(Err(error)) => return fail(&format!("error: {error}")),
        None => None,
    };
    let watch = Watch::of(&loaded, which.port);
    serve(program, &loaded, &keys, listener, watch)
}

fn serve(program: Program, loaded: &Loaded, keys: &Keys, listener: TcpListener, watch: Option<Arc<Watch>>) -> ExitCode {
    let Program { apps, hints, .. } = program;
    actix_rt::System::new().block_on(async move {
        let site = match OpenSite::open(loaded, apps, keys, mounting::templates_of(loaded).as_deref()) {
            Ok(site) => site,
            Err(unfit) => return fail(&format!("error: {unfit}")),
        };
        let address = listener.local_addr();
        let not_started = |error| fail(&format!("error: the server did not start: {error}"));
        let mut serving = match server::start(&site, listener, watch, || {}) {
            Ok(serving) => serving,
            Err(error) => return not_started(error),
        };
        let started = match signals::obey(serving.drain(), site.process.clone()) {
            Ok(()) => serving.started().await,
            Err(error) => Err(error),
        };
        if let Err(error) = started {
            return not_started(error);
        }
        if let Ok(address) = address {
            greet(loaded, keys, &hints, address);
        }
        let ended = serving.ended().await;
        // After a second signal nothing is awaited.
        let is_at_once = ended.as_ref().is_ok_and(|drained| drained.is_at_once);
        site.process.close(if is_at_once { Duration::ZERO } else { LAST_STATEMENTS });
        match ended {
            Ok(_) if is_at_once => fail("stopped before every request was answered"),
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("error: the server ended: {error}")),
        }
    })
}

/// Prints the address of the site and the pages to open.
fn greet(loaded: &Loaded, keys: &Keys, hints: &[String], address: std::net::SocketAddr) {
    let server = &loaded.settings.server;
    let base = if address.ip().is_unspecified() {
        format!("http://127.0.0.1:{}", address.port())
    } else {
        format!("http://{address}")
    };
    let reach = if address.ip().is_unspecified() { ", on all interfaces" } else { "" };
    let mode = if server.devel { ", devel mode" } else { "" };
    print(&format!("{} serves {base}/ with {} threads{reach}{mode}", server.name, server.threads));
    for hint in hints {
        print(&format!("  {base}{hint}"));
    }
    if let (Some(password), Some(file)) = (&keys.admin_password, &keys.password_file) {
        print(&format!("  {base}/status   user admin, password {} (kept in {})", password.0, file.display()));
    }
    print("Ctrl-C stops it.");
}
