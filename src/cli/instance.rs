//! Commands to a running instance: `start`, `stop`, `restart`, `reload`, `upgrade`, `reopen`, `status`.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::geteuid;
use rustix::net::sockopt::socket_peercred;
use serde_json::Value;

use super::args::{Tell, Which};
use super::program::{Program, fail, print};
use super::shown::{described, troubles};
use super::trail;
use crate::config::{Loaded, ServerSettings, read_time};
use crate::ipc::messages::{ControlAnswer, ControlRequest, InstanceCommand as Order, LogLevels};
use crate::ipc::{Line, LineError};
use crate::observe::log::one_lines;
use crate::observe::plain_file;
use crate::serve::notify;
use crate::supervise;
use crate::supervise::place::Place;

/// How long an instance may take to answer what it can answer at once.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many processes are asked for the whole status, one after the other, and how long each may take for it: one that
/// works answers within half a second.
const ASKED: usize = 3;
const OF_ONE: Duration = Duration::from_secs(2);
/// How often to look whether an instance serves.
const LOOK: Duration = Duration::from_millis(20);
/// How much of a log is shown, in octets.
const SHOWN: u64 = 4096;

/// Why an instance could not be told.
#[derive(Debug, thiserror::Error)]
pub(super) enum Untold {
    #[error("{0} does not run, or runs without a supervisor; `start` starts it in the background, `run` here")]
    NotRunning(String),
    #[error("{name} runs with process id {pid}, but takes no commands at {path}: {error}")]
    Silent { name: String, pid: String, path: String, error: std::io::Error },
    #[error(
        "{name} has not answered within {PATIENCE:?}: its supervisor, process id {pid}, is busy or stopped. Look at its \
         log; `kill -CONT {pid}` lets a stopped one go on, and signals are heard where commands are not: `kill -TERM \
         {pid}` ends it"
    )]
    Late { name: String, pid: String },
    #[error("{name} has not answered: {error}")]
    Line { name: String, error: LineError },
    #[error(
        "{name} is told nothing: who listens at {path} is user id {other}, and no supervisor that this user ({own}) can \
         trust. If that user runs the instance, give the command as that user; if not, remove the socket: the \
         instance, process id {pid}, hears signals all the same"
    )]
    Stranger { name: String, path: String, other: u32, own: u32, pid: String },
}

/// Where an instance has its files, and its name.
pub(super) struct RunningInstance {
    place: Place,
    pub(super) name: String,
    /// Whether the configuration is known to leave it to who starts the instance as whom its processes run.
    is_of_any_user: bool,
}

/// Finds the instance of a configuration. A configuration with errors still leads to the instance that runs.
pub(super) fn target(program: &Program, which: &Which) -> Result<RunningInstance, String> {
    match program.load(which) {
        Ok(loaded) => Ok(RunningInstance::of(&loaded)),
        Err(error) => {
            let report = error.to_string();
            program
                .broken(which)
                .map(|(base, name)| {
                    let place = Place::new(&base.join("var"), &name);
                    RunningInstance { place, name, is_of_any_user: false }
                })
                .ok_or(report)
        }
    }
}

/// Tells a running instance something. Returns the exit code: 0 if it was done, or has begun where nobody waits.
pub(super) fn tell(program: &Program, tell: &Tell, order: Order) -> ExitCode {
    let target = match target(program, &tell.which) {
        Ok(target) => target,
        Err(report) => return fail(&report),
    };
    let answer = match target.ask(order, tell.wait) {
        Ok(answer) => answer,
        Err(error) => return fail(&format!("error: {error}")),
    };
    if !answer.is_done {
        return fail(&format!("error: {}: {}", target.name, answer.text));
    }
    print(&format!("{}: {}", target.name, answer.text));
    match order {
        Order::Restart if tell.wait => target.wait_until_it_serves(|| None),
        _ => ExitCode::SUCCESS,
    }
}

/// Gives the log of a running instance other levels.
pub(super) fn log(program: &Program, which: &Which, levels: &str, lasting: &str) -> ExitCode {
    let lasting = match read_time(lasting) {
        Ok(lasting) => lasting,
        Err(error) => return fail(&format!("error: --for {lasting}: {error}")),
    };
    let target = match target(program, which) {
        Ok(target) => target,
        Err(report) => return fail(&report),
    };
    let levels = Some(levels).filter(|levels| *levels != "default").map(str::to_owned);
    let levels = LogLevels { levels, seconds: lasting.as_secs().max(1) };
    let request = ControlRequest { levels: Some(levels), ..ControlRequest::of(Order::Log) };
    target.told(&request)
}

/// Shows the records of requests: a list, or those of the request with this id.
pub(super) fn trail(program: &Program, which: &Which, id: Option<&str>, as_json: bool) -> ExitCode {
    let target = match target(program, which) {
        Ok(target) => target,
        Err(report) => return fail(&report),
    };
    let status = match target.ask(Order::Status, false) {
        Ok(answer) if !answer.is_done => return fail(&format!("error: {}: {}", target.name, answer.text)),
        Ok(answer) => answer.status,
        Err(error) => return fail(&format!("error: {error}")),
    };
    let part = id.map_or_else(|| "trail".to_owned(), |id| format!("trail:{id}"));
    let Some(tree) = target.tree(&status, Some(&part)) else {
        return fail(&format!("error: {}: no process has answered", target.name));
    };
    let records = tree["trail"].as_array().map(Vec::as_slice).unwrap_or_default();
    match id {
        Some(id) if records.is_empty() => {
            return fail(&format!("error: no process has a record of the request {id:?}"));
        }
        _ if as_json => print(&format!("{tree:#}")),
        Some(_) => records.iter().for_each(|record| print(&trail::whole(record))),
        None => print(&trail::listed(records)),
    }
    ExitCode::SUCCESS
}

/// Shows a running instance.
pub(super) fn status(program: &Program, which: &Which, as_json: bool, part: Option<&str>) -> ExitCode {
    let target = match target(program, which) {
        Ok(target) => target,
        Err(report) => return fail(&report),
    };
    let mut status = match target.ask(Order::Status, false) {
        Ok(answer) if !answer.is_done => return fail(&format!("error: {}: {}", target.name, answer.text)),
        Ok(answer) => answer.status,
        Err(error) => return fail(&format!("error: {error}")),
    };
    let tree = target.tree(&status, part);
    match (part, tree) {
        (Some(_), Some(tree)) if tree["error"].is_string() => return fail(&format!("error: {:#}", tree)),
        (Some(_), Some(tree)) => print(&format!("{tree:#}")),
        (Some(_), None) => return fail(&format!("error: {}: no process has answered", target.name)),
        (None, tree) if as_json => {
            status["tree"] = tree.unwrap_or_default();
            print(&format!("{status:#}"));
        }
        (None, tree) => print(&[described(&status), troubles(tree.as_ref())].concat()),
    }
    ExitCode::SUCCESS
}

/// Starts an instance in the background and waits until it serves.
pub(super) fn start(program: &Program, which: &Which) -> ExitCode {
    let loaded = match program.load(which) {
        Ok(loaded) => loaded,
        Err(error) => return fail(&error.to_string()),
    };
    let name = loaded.settings.server.name.clone();
    if !loaded.settings.server.is_supervised() {
        return fail(&format!(
            "error: {name} is configured to run without a supervisor (`supervise = no`, or devel mode); use `run`"
        ));
    }
    let target = RunningInstance::of(&loaded);
    if let Some(pid) = target.place.running() {
        return fail(&format!("error: {} runs already, with process id {pid}", target.name));
    }
    let path = target.place.log_path();
    let log = match supervise::console_log(&loaded) {
        Ok(log) => log,
        Err(error) => return fail(&format!("error: {}: {error}", path.display())),
    };
    let began = log.metadata().map_or(0, |metadata| metadata.len());
    let spawned = std::env::current_exe().and_then(|file| {
        let mut command = Command::new(file);
        // What runs in the background is no service of the manager that may run this command.
        notify::hide_from(&mut command);
        command
            .args(["run", "--detached"])
            .args(which.arguments())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            .spawn()
    });
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return fail(&format!("error: {} could not be started: {error}", target.name)),
    };
    target.wait_until_it_serves(|| {
        let status = child.try_wait().ok().flatten()?;
        let said = match tail(&log, began) {
            said if said.trim().is_empty() => "nothing; if the disk is full, `run` says more".to_owned(),
            said => said,
        };
        fail(&format!("error: {} ended ({status}); {} says:\n{said}", target.name, path.display()));
        Some(ExitCode::from(
            status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0).unwrap_or(1),
        ))
    })
}

/// What was written to a log since it had this length, if not too long ago.
fn tail(log: &File, began: u64) -> String {
    let read = || {
        // The file that is open for writing, whatever has its path by now.
        let mut file = plain_file::read(&PathBuf::from(format!("/proc/self/fd/{}", log.as_raw_fd())), true)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(began.max(length.saturating_sub(SHOWN))))?;
        let mut text = Vec::new();
        file.take(SHOWN).read_to_end(&mut text)?;
        Ok::<_, std::io::Error>(one_lines(&String::from_utf8_lossy(&text)))
    };
    read().unwrap_or_else(|error| error.to_string())
}

impl RunningInstance {
    fn of(loaded: &Loaded) -> RunningInstance {
        let ServerSettings { name, user, .. } = &loaded.settings.server;
        let place = Place::new(&loaded.base.join("var"), name);
        RunningInstance { place, name: name.clone(), is_of_any_user: user.is_none() }
    }

    fn ask(&self, order: Order, wait: bool) -> Result<ControlAnswer, Untold> {
        self.say(&ControlRequest { wait, ..ControlRequest::of(order) })
    }

    /// What the supervisor knows.
    pub(super) fn status(&self) -> Result<Value, Untold> {
        self.ask(Order::Status, false).map(|answer| answer.status)
    }

    /// Tells it something that it answers at once, and shows the answer. Returns the exit code.
    pub(super) fn told(&self, request: &ControlRequest) -> ExitCode {
        match self.say(request) {
            Ok(ControlAnswer { is_done: true, text, .. }) => {
                print(&format!("{}: {text}", self.name));
                ExitCode::SUCCESS
            }
            Ok(answer) => fail(&format!("error: {}: {}", self.name, answer.text)),
            Err(error) => fail(&format!("error: {error}")),
        }
    }

    /// What all processes know, as the first one tells it that answers. `None` if none does: one may hang.
    pub(super) fn tree(&self, status: &Value, part: Option<&str>) -> Option<Value> {
        let serving = status["processes"].as_array().into_iter().flatten().filter(|one| one["state"] == "serving");
        serving.take(ASKED).find_map(|process| {
            let process = process["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
            let filter = part.map(str::to_owned);
            let request = ControlRequest { process, filter, ..ControlRequest::of(Order::Tree) };
            let answer = self.say_within(&request, Some(OF_ONE)).ok().filter(|answer| answer.is_done)?;
            serde_json::from_str(&answer.text).ok()
        })
    }

    fn say(&self, request: &ControlRequest) -> Result<ControlAnswer, Untold> {
        // What is waited for has limits of its own, which the supervisor keeps.
        let answer = self.say_within(request, Some(PATIENCE).filter(|_| !request.wait))?;
        Ok(ControlAnswer { text: one_lines(&answer.text), ..answer })
    }

    fn say_within(&self, request: &ControlRequest, patience: Option<Duration>) -> Result<ControlAnswer, Untold> {
        let late = || Untold::Late { name: self.name.clone(), pid: self.pid() };
        let socket = self.place.connect(PATIENCE).map_err(|error| match self.place.running() {
            None => Untold::NotRunning(self.name.clone()),
            Some(_) if is_late(&error) => late(),
            Some(pid) => Untold::Silent { name: self.name.clone(), pid, path: self.path(), error },
        })?;
        self.check_who_listens(&socket)?;
        let mut line = Line::from(socket);
        let lost = |error| match error {
            LineError::Io(error) if is_late(&error) => late(),
            error => Untold::Line { name: self.name.clone(), error },
        };
        line.set_patience(patience).map_err(|error| lost(error.into()))?;
        // One that has no place for us says so before it hears what we want, and closes the line.
        let said = line.say(request);
        line.wait().map_err(|error| lost(said.err().unwrap_or(error)))
    }

    /// The socket is in a folder that the user of the processes may write, so it may be anybody's. Told are root, who
    /// could do everything anyway, the own user, and the owner of `var` where nothing says that the instance is root's.
    fn check_who_listens(&self, socket: &UnixStream) -> Result<(), Untold> {
        let lost = |error: std::io::Error| Untold::Line { name: self.name.clone(), error: error.into() };
        let other = socket_peercred(socket).map_err(|error| lost(error.into()))?.uid.as_raw();
        let own = geteuid().as_raw();
        let is_owner = self.is_of_any_user && self.place.owner().is_ok_and(|owner| owner == other);
        match other == 0 || other == own || is_owner {
            true => Ok(()),
            false => Err(Untold::Stranger { name: self.name.clone(), path: self.path(), other, own, pid: self.pid() }),
        }
    }

    fn path(&self) -> String {
        self.place.socket_path().display().to_string()
    }

    /// As far as it is known.
    fn pid(&self) -> String {
        self.place.running().unwrap_or_else(|| "unknown".to_owned())
    }

    /// Waits until every process serves, or `ended` says that it never will.
    #[expect(clippy::disallowed_methods, reason = "a command waits for another process; no event loop here")]
    fn wait_until_it_serves(&self, mut ended: impl FnMut() -> Option<ExitCode>) -> ExitCode {
        let began = Instant::now();
        loop {
            if let Some(code) = ended() {
                return code;
            }
            match self.ask(Order::Status, false) {
                Ok(answer) if answer.status["state"] == "serving" => {
                    print(&described(&answer.status));
                    return ExitCode::SUCCESS;
                }
                Ok(answer) => {
                    let limit = answer.status["start_timeout"].as_f64().unwrap_or(60.0);
                    if began.elapsed().as_secs_f64() > limit + PATIENCE.as_secs_f64() {
                        let told = described(&answer.status);
                        return fail(&format!("error: {} does not serve yet:\n{told}", self.name));
                    }
                }
                Err(error @ (Untold::Late { .. } | Untold::Stranger { .. })) => {
                    return fail(&format!("error: {error}"));
                }
                Err(_) if began.elapsed() > PATIENCE && self.place.running().is_none() => {
                    return fail(&format!("error: {} has ended; see {}", self.name, self.place.log_path().display()));
                }
                // It opens its socket, or has closed it to start anew.
                Err(_) => {}
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// Whether a time was over.
fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
