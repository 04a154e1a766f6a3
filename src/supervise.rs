//! The supervisor: one instance, whose processes come and go while its sockets stay.
//!
//! ```text
//!   commands, signals ──► supervisor ── starts, replaces, ends ──► process 0, process 1, …
//!                          owns the listening sockets                each serves with them
//! ```
//!
//! The supervisor is the site's own program in another role. It has one thread, no runtime and no apps. It opens the
//! listening sockets once and hands them down to each process ([`ipc`](crate::ipc)), so that a process can go and
//! another come without a connection that is refused. It reads nothing of what clients send.
//!
//! - [`blueprint`]: what is given; [`plan`]: what the configuration says; [`identity`]: as whom the processes run;
//! - [`place`]: pid file and control socket; [`control`]: who gives commands; [`signals`];
//! - [`instance`]: the state and the loop; [`answers`]: what it answers at once;
//! - [`learnt`]: what processes have learnt, for their successors; [`totals`]: what they have counted, for good;
//! - [`processes`]: they are started, speak and end; [`child`]: one of them; [`words`]: what they say, made harmless;
//!   [`backoff`]: when one that crashed comes back; [`crashes`]: which requests it is to be named with;
//! - [`bank`]: how many connections to databases each of them may hold;
//! - [`operators`]: what they do, and the audit log of it;
//! - [`roll`] and [`rolling`]: a reload or an upgrade, one process at a time;
//! - [`tls`]: keys of tickets, and the certificates that were accepted;
//! - [`notices`]: what the service manager is told;
//! - [`upgrade`]: the supervisor becomes another program, and hands its [`state`] over.

mod answers;
mod backoff;
mod bank;
pub(crate) mod blueprint;
mod child;
mod control;
mod crashes;
pub(crate) mod identity;
mod instance;
mod learnt;
mod notices;
mod operators;
pub(crate) mod place;
mod plan;
mod processes;
mod roll;
mod rolling;
mod signals;
mod state;
mod tls;
mod totals;
mod upgrade;
mod words;

use std::ffi::CString;
use std::fmt::Display;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use nix::unistd::execv;

use crate::config::Loaded;
use crate::observe::plain_file::LogKind;
use crate::serve::activation;
use crate::serve::listen::Listener;
use bank::Bank;
use blueprint::Blueprint;
use control::Control;
use crashes::Crashes;
use instance::{Instance, Over, Slot};
use learnt::LearntBySlot;
use notices::Notices;
use operators::Operators;
use plan::{OpenSocket, Plan, PlanError};
use signals::Signals;
use tls::{HeldCertificates, TicketRotation, TlsWatch};
use totals::Totals;

pub(crate) use crate::ipc::messages::RESTART;
pub(crate) use state::STATE;
pub(crate) use upgrade::AdoptError;

/// The exit code for a configuration that cannot be served (`EX_CONFIG` of sysexits.h).
pub(crate) const UNFIT: u8 = 78;

/// How long the processes of an instance that was killed may take to close its sockets.
const LET_GO: Duration = Duration::from_secs(1);

/// Runs an instance with this configuration until it ends: on the sockets that a service manager gave, if it gave any.
pub(crate) fn run(blueprint: Blueprint, loaded: &Loaded, given: Vec<Listener>) -> ExitCode {
    let plan = match Plan::of(loaded) {
        Ok(plan) => plan,
        Err(error) => return refused(&error, UNFIT),
    };
    if let Err(error) = plan.refuse_program(&blueprint.program) {
        return refused(&error, UNFIT);
    }
    if let Err(error) = plan.refuse_secrets(loaded) {
        return refused(&error, UNFIT);
    }
    let certificates = match HeldCertificates::begun(&plan) {
        Ok(certificates) => certificates,
        Err(problem) => return refused(&problem, UNFIT),
    };
    let signals = match Signals::block() {
        Ok(signals) => signals,
        Err(error) => return refused(&format!("signals cannot be read: {error}"), 1),
    };
    let pid_file = match plan.place.lock(plan.identity.as_ref()) {
        Ok(pid_file) => pid_file,
        Err(error) => return refused(&error, 1),
    };
    let addresses = activation::settings(&given).addresses;
    let given = addresses.iter().zip(given);
    let given: Vec<_> = given.map(|(address, listener)| OpenSocket::activated(address.to_string(), listener)).collect();
    let sockets = match opened(&plan, &given, pid_file.was_left) {
        Ok(sockets) => sockets,
        Err(error) => {
            plan.place.leave(&pid_file);
            return refused(&error, 1);
        }
    };
    let control = match plan.place.listen(plan.identity.as_ref()) {
        Ok(listener) => Control::new(listener),
        Err(error) => {
            plan.place.leave(&pid_file);
            return refused(&error, 1);
        }
    };
    let operators = Operators::begun(&plan);
    let mut slots = vec![Slot::default(); plan.processes];
    // The others follow when the first one serves.
    if let Some(first) = slots.first_mut() {
        first.start_at = Some(Instant::now());
    }
    finish(Instance {
        blueprint,
        plan,
        sockets,
        pid_file,
        control,
        signals,
        children: Vec::new(),
        slots,
        generation: 1,
        began: SystemTime::now(),
        has_served: false,
        roll: None,
        wanted: None,
        ending: None,
        last_crash: None,
        last_refusal: None,
        notices: Notices::new(false),
        bank: Bank::default(),
        learnt: LearntBySlot::default(),
        totals: Totals::default(),
        crashes: Crashes::default(),
        levels: None,
        tickets: TicketRotation::begun(Instant::now()),
        tls_watch: TlsWatch::default(),
        certificates,
        operators,
    })
}

/// Takes over the instance of the program that ran in this process before.
pub(crate) fn adopt(blueprint: Blueprint) -> ExitCode {
    match Instance::adopt(blueprint, false) {
        Ok(mut instance) => {
            instance.take_over();
            finish(instance)
        }
        Err(error) => refused(&error, 1),
    }
}

/// Tries whether [`adopt`] would succeed, and changes nothing.
pub(crate) fn rehearse(blueprint: Blueprint) -> Result<(), AdoptError> {
    Instance::adopt(blueprint, true).map(drop)
}

/// Opens the file to which an instance in the background writes.
pub(crate) fn console_log(loaded: &Loaded) -> io::Result<File> {
    let plan = Plan::of(loaded).map_err(io::Error::other)?;
    plan.place.make_var(plan.identity.as_ref())?;
    plan.open_log(&plan.place.log_path(), LogKind::Console)
}

/// The sockets of an instance. `was_left`: an earlier one was killed, whose processes close theirs within this time.
fn opened(plan: &Plan, given: &[OpenSocket], was_left: bool) -> Result<Vec<OpenSocket>, PlanError> {
    let until = Instant::now() + LET_GO;
    loop {
        match plan.sockets(given) {
            Err(PlanError::Listen(error)) if was_left && error.is_in_use() && Instant::now() < until => pause(),
            opened => return opened,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing runs yet that would be held up")]
fn pause() {
    std::thread::sleep(Duration::from_millis(50));
}

fn refused(error: &impl Display, code: u8) -> ExitCode {
    tracing::error!("{error}");
    ExitCode::from(code)
}

fn finish(mut instance: Instance) -> ExitCode {
    let over = instance.run();
    let is_activated = instance.is_activated();
    let Instance { plan, pid_file, control, sockets, blueprint, .. } = instance;
    plan.place.leave(&pid_file);
    drop((control, sockets, pid_file));
    match over {
        Over::Exit(code) => ExitCode::from(code),
        // The service manager alone can give the sockets again. Until then clients wait in their queues.
        Over::Restart if is_activated => {
            tracing::info!("ends with exit code {RESTART}: the service manager has the sockets, and starts it anew");
            ExitCode::from(RESTART)
        }
        Over::Restart => {
            // It may have been replaced while the processes left.
            if let Err(error) = plan.refuse_program(&blueprint.program) {
                return refused(&error, UNFIT);
            }
            let error = match start_anew(&blueprint) {
                Ok(never) => match never {},
                Err(error) => error,
            };
            refused(&format!("{} cannot be started anew: {error}", blueprint.program.display()), 1)
        }
    }
}

/// Becomes a new supervisor of the same arguments.
fn start_anew(blueprint: &Blueprint) -> Result<std::convert::Infallible, Box<dyn std::error::Error>> {
    let program = CString::new(blueprint.program.as_os_str().as_bytes())?;
    let mut words = vec![program.clone(), CString::new("run")?];
    for argument in &blueprint.arguments {
        words.push(CString::new(argument.as_bytes())?);
    }
    if blueprint.is_detached {
        words.push(CString::new("--detached")?);
    }
    Ok(execv(&program, &words)?)
}
