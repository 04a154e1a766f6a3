//! `run`: serves the site until it is told to end, by itself or as the supervisor of an instance. And the roles in
//! which a supervisor starts this program: one process of the instance, or the next supervisor.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use skitai_actors::status::Siblings;
use tokio::sync::watch;

use super::args::Which;
use super::greeting::greet;
use super::program::{Program, fail, print};
use super::setup::Setup;
use crate::app::closing::Phase;
use crate::config::{ConfFile, Loaded};
use crate::ipc::messages::{FromProcess, Wish};
use crate::observe::{log, panics};
use crate::serve::drain::{Drain, Drained};
use crate::serve::keys::Keys;
use crate::serve::limits::DescriptorNeed;
use crate::serve::listen::{self, BoundAddress, Listener, SocketFiles};
use crate::serve::mounting::{self, NotOpened};
use crate::serve::notify::Notifier;
use crate::serve::relay::{Inheritance, Relay};
use crate::serve::renewal::Duties;
use crate::serve::site::{InstancePlace, OpenSite};
use crate::serve::watch::Watch;
use crate::serve::{activation, counted, learnt, limits, renewal, server, signals};
use crate::supervise::blueprint::Blueprint;
use crate::supervise::{self, RESTART, UNFIT};
use crate::tls::certificates::Certificates;
use crate::tls::files::TlsFiles;
use crate::tls::tickets::{TicketSecrets, Tickets};

/// How long statements that outlive their request may run, once every request is answered.
const LAST_STATEMENTS: Duration = Duration::from_secs(2);

/// Why a site does not serve.
#[derive(Debug, thiserror::Error)]
enum NoSite {
    #[error("{0}")]
    Conf(String),
    #[error("{0}")]
    Start(String),
}

impl NoSite {
    fn code(&self) -> ExitCode {
        match self {
            NoSite::Conf(_) => ExitCode::from(UNFIT),
            NoSite::Start(_) => ExitCode::FAILURE,
        }
    }

    /// Prints it; reports of configurations begin with `error:` already.
    fn fail(&self) -> ExitCode {
        let why = self.to_string();
        fail(&if why.contains("error:") { why } else { format!("error: {why}") });
        self.code()
    }
}

/// The command `run`.
pub(super) fn run(program: Program, which: &Which) -> ExitCode {
    log::start();
    let given = match activation::take() {
        Ok(given) => given,
        Err(error) => return NoSite::Conf(error.to_string()).fail(),
    };
    if which.detached {
        // Fails for the leader of a group, which has no terminal to leave.
        let _ = rustix::process::setsid();
    }
    let loaded = match program.load(which) {
        Ok(loaded) => loaded,
        Err(error) => return NoSite::Conf(error.to_string()).fail(),
    };
    if !loaded.warnings.is_empty() {
        fail(&loaded.warnings.to_string());
    }
    if !loaded.settings.server.is_supervised() {
        return serve(program, which, loaded, given, None).unwrap_or_else(|no_site| no_site.fail());
    }
    limits::set_umask(loaded.settings.server.umask);
    match blueprint(program, which) {
        Ok(blueprint) => supervise::run(blueprint, &loaded, given),
        Err(no_site) => no_site.fail(),
    }
}

/// The role of one process of an instance. What keeps it from serving, the supervisor prints.
pub(super) fn process(program: Program, which: &Which) -> ExitCode {
    log::start();
    let inheritance = match Inheritance::take() {
        Ok(inheritance) => inheritance,
        Err(error) => return NoSite::Start(error.to_string()).fail(),
    };
    // The kernel calls it `exe`, by the link that it was started from.
    let name = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&name).file_name().map(|name| name.as_bytes().to_vec()).unwrap_or_default();
    if let Ok(name) = CString::new(name) {
        let _ = rustix::thread::set_name(&name);
    }
    let relay = inheritance.relay.clone();
    let loaded = accepted(&program, which, inheritance.hello.conf.as_ref()).map_err(NoSite::Conf);
    let served = loaded.and_then(|loaded| serve(program, which, loaded, Vec::new(), Some(inheritance)));
    served.unwrap_or_else(|no_site| {
        let is_conf = matches!(no_site, NoSite::Conf(_));
        relay.say(&FromProcess::Failed { why: no_site.to_string(), is_conf });
        no_site.code()
    })
}

/// The role of the next supervisor, in the process of the last one.
pub(super) fn adopt(program: Program, which: &Which) -> ExitCode {
    log::start();
    match blueprint(program, which) {
        Ok(blueprint) => supervise::adopt(blueprint),
        Err(no_site) => no_site.fail(),
    }
}

/// Tries whether this program could be the next supervisor.
pub(super) fn rehearse(program: Program, which: &Which) -> ExitCode {
    log::start();
    match blueprint(program, which) {
        Ok(blueprint) => match supervise::rehearse(blueprint) {
            Ok(()) => {
                print("ok");
                ExitCode::SUCCESS
            }
            Err(error) => fail(&format!("error: {error}")),
        },
        Err(no_site) => no_site.fail(),
    }
}

/// Whether both paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let number = |path: &Path| path.metadata().map(|metadata| (metadata.dev(), metadata.ino())).ok();
    number(one).is_some_and(|one| number(other) == Some(one))
}

fn blueprint(program: Program, which: &Which) -> Result<Blueprint, NoSite> {
    let file = std::env::current_exe()
        .map_err(|error| NoSite::Start(format!("the file of this program cannot be found: {error}")))?;
    // By the link that it was called by, which may lead to the next release at an upgrade.
    let called = std::env::args_os().next().map(PathBuf::from).filter(|called| called.components().count() > 1);
    let called = called.and_then(|called| std::path::absolute(called).ok());
    let file = called.filter(|called| is_same(called, &file)).unwrap_or(file);
    let (is_detached, arguments, which) = (which.detached, which.arguments(), which.clone());
    let load = Box::new(move |conf: Option<&ConfFile>| accepted(&program, &which, conf));
    Ok(Blueprint { program: file, arguments, is_detached, load })
}

/// The configuration as the supervisor has accepted it, or, if there is no such text, as it is now.
fn accepted(program: &Program, which: &Which, conf: Option<&ConfFile>) -> Result<Loaded, String> {
    let Some(conf) = conf else { return program.load(which).map_err(|error| error.to_string()) };
    let mut loaded = conf.load().map_err(|error| error.to_string())?;
    which.adjust(&mut loaded);
    Ok(loaded)
}

/// The listening sockets: those of the supervisor, those that a service manager gave, else those of the configuration,
/// with the files that are then to be removed at the end.
fn listeners(
    loaded: &mut Loaded,
    given: Vec<Listener>,
    inheritance: Option<&mut Inheritance>,
) -> Result<(Vec<Listener>, Option<SocketFiles>), NoSite> {
    let server = &mut loaded.settings.server;
    let (listeners, is_given) = match inheritance {
        Some(inheritance) => {
            let listeners = inheritance.listeners().map_err(|error| NoSite::Start(error.to_string()))?;
            (listeners, inheritance.hello.is_activated)
        }
        None if given.is_empty() => {
            let opened = listen::open(server).map_err(|error| NoSite::Start(error.to_string()))?;
            let files = SocketFiles::of(&opened);
            return Ok((opened, Some(files)));
        }
        None => (given, true),
    };
    if is_given {
        let (redirect, proxy) = (server.listening.redirect, std::mem::take(&mut server.listening.proxy));
        let admin = std::mem::take(&mut server.listening.admin);
        server.listening = activation::settings_for(server.devel, &listeners)
            .map_err(|error| NoSite::Conf(format!("error: {error}")))?;
        server.listening.redirect = redirect;
        let wanted = proxy.iter().map(|address| (address, "[proxy]"));
        let wanted = wanted.chain(admin.addresses.iter().map(|address| (address, "[admin]")));
        for (address, section) in wanted {
            if !server.listening.addresses.contains(address) {
                let missing =
                    format!("error: the service manager gave no socket at {address}, where {section} listens");
                return Err(NoSite::Conf(missing));
            }
        }
        (server.listening.proxy, server.listening.admin) = (proxy, admin);
    }
    Ok((listeners, None))
}

/// The certificates of a site that speaks TLS.
fn certificates(loaded: &Loaded, inheritance: Option<&mut Inheritance>) -> Result<Option<Arc<Certificates>>, NoSite> {
    let Some(settings) = &loaded.settings.server.tls else { return Ok(None) };
    let (opened, tickets) = match inheritance {
        Some(inheritance) => (inheritance.tls_files(), inheritance.tickets.clone()),
        None => (Vec::new(), Tickets::of(TicketSecrets::made())),
    };
    let files = TlsFiles::read(settings, opened);
    let certificates = Certificates::open(settings.clone(), &files, tickets);
    certificates.map(Some).map_err(|problem| NoSite::Conf(format!("error: {problem}")))
}

/// Serves in this process until it is told to end.
fn serve(
    mut program: Program,
    which: &Which,
    mut loaded: Loaded,
    given: Vec<Listener>,
    mut inheritance: Option<Inheritance>,
) -> Result<ExitCode, NoSite> {
    panics::install_hook();
    signals::unblock();
    // Before any thread runs: both are the whole process's.
    limits::set_umask(loaded.settings.server.umask);
    if let Some(warning) = DescriptorNeed::of(&loaded.settings).warning(limits::raise_descriptors()) {
        fail(&warning);
    }
    let var = loaded.base.join("var");
    let keys = Keys::of(&loaded.settings.server, &var).map_err(|error| NoSite::Start(error.to_string()))?;
    // Files are removed at the end by whoever opened the sockets, however it comes.
    let (listeners, _files) = listeners(&mut loaded, given, inheritance.as_mut())?;
    let addresses: Vec<_> = listeners.iter().filter_map(|listener| listener.address().ok()).collect();
    let port = addresses.iter().find_map(BoundAddress::port).unwrap_or(0);
    let prepare = program.prepare.take().filter(|_| program.uses_own_conf(which));
    let prepared = prepare.map(|prepare| prepare(&mut Setup::new(&mut loaded, &var, port))).transpose();
    let _prepared = prepared.map_err(|error| NoSite::Start(error.to_string()))?;
    let watch = Watch::of(&loaded, which.port);
    let Program { apps, hints, .. } = program;
    actix_rt::System::new().block_on(async move {
        let before = inheritance.as_mut().map(Inheritance::predecessor).unwrap_or_default();
        let templates = mounting::templates_of(&loaded);
        // In devel mode clusters may come and go within the process.
        let budgets = inheritance.as_ref().filter(|_| !loaded.settings.server.devel);
        let budgets = budgets.and_then(|inheritance| inheritance.budgets.clone());
        let certificates = certificates(&loaded, inheritance.as_mut())?;
        let siblings = inheritance.as_ref().map(|inheritance| inheritance.siblings() as Arc<dyn Siblings>);
        let recorder = inheritance.as_ref().and_then(|inheritance| inheritance.recorder.clone());
        let acting = inheritance.as_ref().map(|inheritance| inheritance.acting.clone());
        let place = InstancePlace { budgets: budgets.clone(), siblings, recorder, certificates, acting };
        let opened = OpenSite::open_in_place(&loaded, apps, &keys, templates.as_deref(), &before, place);
        drop(before);
        let site = opened.map_err(|not_opened| match not_opened {
            NotOpened::Unfit(unfit) => NoSite::Conf(unfit.to_string()),
            NotOpened::Startup { .. } => NoSite::Start(not_opened.to_string()),
        })?;
        if let Some(inheritance) = &mut inheritance {
            inheritance.hand_logs(&site.process.log_files);
        }
        if let Some(certificates) = &site.process.certificates {
            let hello = inheritance.as_ref().map(|inheritance| &inheritance.hello);
            let duties = Duties {
                files: hello.is_none_or(|hello| !hello.hands_tls_files),
                tickets: hello.is_none(),
                reminders: hello.is_none_or(|hello| hello.slot == 0),
            };
            renewal::watch(certificates.clone(), duties);
        }
        let not_started = |error| NoSite::Start(format!("the server did not start: {error}"));
        let mut serving = server::start(&site, listeners, watch, || {}).map_err(not_started)?;
        let notifier = inheritance.is_none().then(Notifier::from_environment).flatten();
        let is_in_background = inheritance.as_ref().is_some_and(|inheritance| inheritance.hello.is_detached);
        let is_first = inheritance.as_ref().is_none_or(|inheritance| inheritance.hello.is_first);
        let relay = match inheritance {
            Some(inheritance) => {
                signals::obey_supervised(serving.drain()).map_err(not_started)?;
                let relay = inheritance.obey(serving.drain(), &site).map_err(not_started)?;
                if budgets.is_some() {
                    relay.needs(&loaded);
                }
                let (closing, to) = (site.process.lifecycle.reached(Phase::Closing), relay.clone());
                let leaving = budgets.clone();
                actix_rt::spawn(async move {
                    closing.await;
                    to.say(&FromProcess::Closes);
                    leaving.iter().for_each(|budgets| budgets.leave());
                });
                Some(relay)
            }
            None => {
                signals::obey(serving.drain(), site.process.clone()).map_err(not_started)?;
                None
            }
        };
        let wished = wishes(&site, serving.drain(), relay.clone());
        serving.started().await.map_err(not_started)?;
        site.answers().await;
        if is_first {
            greet(&loaded, &keys, &hints, &addresses, is_in_background);
        }
        if let Some(relay) = &relay {
            relay.say(&FromProcess::Ready);
            learnt::tell(&site, relay.clone());
            counted::tell(&site, relay.clone());
            let last = counted::tell_last(site.clone(), relay.clone());
            let lifecycle = site.process.lifecycle.clone();
            serving.at_last(async move {
                last.await;
                // Its successor waits for them, and what this process held at its end comes later still.
                if let Some(budgets) = budgets.filter(|_| lifecycle.is_replaced()) {
                    budgets.returned().await;
                }
            });
        }
        if let Some(notifier) = notifier {
            let server = &loaded.settings.server;
            let end_within = server.drain_delay + server.drain_timeout + LAST_STATEMENTS;
            let status = format!("serves with {} threads, without a supervisor", server.threads);
            notifier.follow(status, site.process.lifecycle.clone(), serving.turning(), end_within);
        }
        let ended = serving.ended().await;
        // After a second signal nothing is awaited.
        let is_at_once = ended.as_ref().is_ok_and(|drained| drained.is_at_once);
        if !is_at_once {
            site.process.flush_spans().await;
        }
        site.process.close(if is_at_once { Duration::ZERO } else { LAST_STATEMENTS });
        match ended {
            Ok(drained) => Ok(told(&drained, relay.as_ref(), *wished.borrow())),
            Err(error) => Err(NoSite::Start(format!("the server ended: {error}"))),
        }
    })
}

/// Passes on what handlers ask of the instance: to the supervisor, or, without one, to the end of this process.
fn wishes(site: &Arc<OpenSite>, drain: Drain, relay: Option<Relay>) -> watch::Receiver<Option<Wish>> {
    let mut wishes = site.process.lifecycle.wishes();
    let wished = wishes.clone();
    actix_rt::spawn(async move {
        while wishes.changed().await.is_ok() {
            let Some(for_what) = *wishes.borrow_and_update() else { continue };
            match &relay {
                Some(relay) => relay.say(&FromProcess::Asked { for_what }),
                None => {
                    tracing::info!("stopping, as the app asks ({for_what:?}): requests under way may finish");
                    drain.begin();
                }
            }
        }
    });
    wished
}

/// Tells the supervisor how the drain ended. Returns the exit code.
fn told(drained: &Drained, relay: Option<&Relay>, wished: Option<Wish>) -> ExitCode {
    if let Some(relay) = relay {
        relay.say(&FromProcess::Drained { cut: drained.named.clone(), count: drained.cut.values().sum() });
    }
    match (drained.is_at_once, wished) {
        (true, _) => fail("stopped before every request was answered"),
        (false, Some(Wish::Restart)) if relay.is_none() => ExitCode::from(RESTART),
        (false, _) => ExitCode::SUCCESS,
    }
}
