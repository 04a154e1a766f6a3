//! A site's program: its apps, its built-in configuration, and the exit code of `main`.

use std::any::Any;
use std::borrow::Cow;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use super::args::{Arguments, Command, OfMember, Tell, Which};
use super::setup::Setup;
use super::{cert, check, hash_password, instance, members, new, routes, rpc, run};
use crate::app::{App, Result};
use crate::config;
use crate::config::{ConfFile, Loaded, NotFound, Places, Report};
use crate::ipc::messages::InstanceCommand as Order;

type Prepare = Box<dyn FnOnce(&mut Setup<'_>) -> Result<Box<dyn Any>>>;

/// A site's program, before it runs. For a site that has only apps, [`main`] is shorter.
pub struct Program {
    pub(super) apps: Vec<App>,
    conf: Option<(String, Cow<'static, str>)>,
    pub(super) prepare: Option<Prepare>,
    pub(super) hints: Vec<String>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("apps", &self.apps).finish_non_exhaustive()
    }
}

/// Runs a site's command line: `fn main() -> ExitCode { skitai::main([webapp()]) }`. Without `-f` there is no
/// configuration file: the site runs in devel mode at http://127.0.0.1:5000, with `./static` before the first app at
/// `/`.
pub fn main(apps: impl IntoIterator<Item = App>) -> ExitCode {
    Program::new(apps).main()
}

impl Program {
    /// Creates a program with these apps.
    pub fn new(apps: impl IntoIterator<Item = App>) -> Program {
        Program { apps: apps.into_iter().collect(), conf: None, prepare: None, hints: Vec::new() }
    }

    /// Sets the configuration to use if the command line names none. Its paths are relative to the current folder.
    #[must_use]
    pub fn conf(mut self, name: &str, text: impl Into<Cow<'static, str>>) -> Program {
        self.conf = Some((name.to_owned(), text.into()));
        self
    }

    /// Runs a closure before the site starts, but only with the configuration set by [`conf`](Program::conf): it starts
    /// what that configuration needs, such as the program's own members ([`Setup::members`]). Its return value is kept
    /// until the server has stopped, then dropped.
    #[must_use]
    pub fn prepare<T: Any>(mut self, prepare: impl FnOnce(&mut Setup<'_>) -> Result<T> + 'static) -> Program {
        self.prepare = Some(Box::new(move |setup| Ok(Box::new(prepare(setup)?))));
        self
    }

    /// Adds a path to open in a browser, with a description; both are printed at the start.
    #[must_use]
    pub fn hint(mut self, path: &str, what: &str) -> Program {
        self.hints.push(format!("{path:<28} {what}"));
        self
    }

    /// Reads the command line and runs its command. Returns the exit code.
    pub fn main(self) -> ExitCode {
        // clap prints help and errors itself, and exits with 0 or 2.
        let arguments = Arguments::parse();
        match arguments.command {
            None => run::run(self, &arguments.site),
            Some(Command::Run(which)) => run::run(self, &which.or(&arguments.site)),
            Some(Command::Start(which)) => instance::start(&self, &which.or(&arguments.site)),
            Some(Command::Stop(tell)) => instance::tell(&self, &tell.or(&arguments.site), Order::Stop),
            Some(Command::Restart(tell)) => instance::tell(&self, &tell.or(&arguments.site), Order::Restart),
            Some(Command::Reload(tell)) => instance::tell(&self, &tell.or(&arguments.site), Order::Reload),
            Some(Command::Upgrade(tell)) => instance::tell(&self, &tell.or(&arguments.site), Order::Upgrade),
            Some(Command::Reopen(which)) => {
                instance::tell(&self, &Tell { which: which.or(&arguments.site), wait: true }, Order::Reopen)
            }
            Some(Command::Log(log)) => instance::log(&self, &log.which.or(&arguments.site), &log.levels, &log.lasting),
            Some(Command::Drain(of)) => members::of_member(&self, &of.or(&arguments.site), Order::Drain),
            Some(Command::Eject(of)) => members::of_member(&self, &of.or(&arguments.site), Order::Eject),
            Some(Command::Restore(of)) => members::of_member(&self, &of.or(&arguments.site), Order::Restore),
            Some(Command::Status(status)) => {
                instance::status(&self, &status.which.or(&arguments.site), status.json, status.part.as_deref())
            }
            Some(Command::Trail(trail)) => {
                instance::trail(&self, &trail.which.or(&arguments.site), trail.id.as_deref(), trail.json)
            }
            Some(Command::Process(which)) => run::process(self, &which),
            Some(Command::Adopt(which)) => run::adopt(self, &which),
            Some(Command::Rehearse(which)) => run::rehearse(self, &which),
            Some(Command::Check(check)) => check::check(&self, &check.which.or(&arguments.site), check.takes_over),
            Some(Command::Rpc(call)) => rpc::rpc(&call),
            Some(Command::Routes(which)) => routes::routes(&self, &which.or(&arguments.site)),
            Some(Command::HashPassword) => hash_password::hash_password(),
            Some(Command::Cert(asked)) => cert::cert(&self, &asked, &asked.which.or(&arguments.site)),
            Some(Command::New(asked)) => new::new(&asked),
        }
    }

    /// The configuration of this command: the named one, the program's own, or none.
    pub(super) fn load(&self, which: &Which) -> std::result::Result<Loaded, ConfError> {
        let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        let names: Vec<&str> = self.apps.iter().map(|app| app.name.as_str()).collect();
        let mut loaded = match (&which.conf, &self.conf) {
            (Some(asked), _) => {
                config::load(&config::find(asked, &Places { here: here.clone(), ..Places::default() })?)?
            }
            (None, Some((name, text))) => {
                let env = |name: &str| std::env::var(name).ok();
                let mut loaded = config::parse(name, text, &here, &env)?;
                // So a second one can be tried beside the first, in the same folder.
                if let Some(port) = which.port {
                    loaded.settings.server.name += &format!("-{port}");
                }
                loaded
            }
            (None, None) => Loaded::without_conf(&here, &names),
        };
        which.adjust(&mut loaded);
        Ok(loaded)
    }

    /// The folder and the name of an instance whose configuration has errors now.
    pub(super) fn broken(&self, which: &Which) -> Option<(PathBuf, String)> {
        let here = std::env::current_dir().ok()?;
        let path = config::find(which.conf.as_ref()?, &Places { here, ..Places::default() }).ok()?;
        Some((path.parent()?.to_owned(), ConfFile::instance_name(&path)?))
    }

    /// Whether the configuration is the program's own.
    pub(super) fn uses_own_conf(&self, which: &Which) -> bool {
        which.conf.is_none() && self.conf.is_some()
    }
}

/// Why a command has no configuration.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfError {
    #[error(transparent)]
    NotFound(#[from] NotFound),
    #[error(transparent)]
    Unfit(#[from] Report),
}

impl Which {
    fn or(&self, outer: &Which) -> Which {
        Which {
            conf: self.conf.clone().or_else(|| outer.conf.clone()),
            port: self.port.or(outer.port),
            console: self.console || outer.console,
            detached: self.detached || outer.detached,
        }
    }

    /// Makes a configuration listen where the command line says.
    pub(super) fn adjust(&self, loaded: &mut Loaded) {
        if let Some(port) = self.port {
            loaded.settings.server.listening.set_port(port);
        }
    }

    /// The arguments that lead another process of this program to the same configuration.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let conf = self.conf.iter().flat_map(|conf| ["--conf".into(), conf.into()]);
        let port = self.port.iter().flat_map(|port| ["--port".into(), port.to_string().into()]);
        conf.chain(port).collect()
    }
}

impl OfMember {
    fn or(self, outer: &Which) -> OfMember {
        OfMember { which: self.which.or(outer), ..self }
    }
}

impl Tell {
    fn or(self, outer: &Which) -> Tell {
        Tell { which: self.which.or(outer), wait: self.wait }
    }
}

/// Prints to standard output. A closed pipe is not an error.
pub(super) fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints to standard error and returns the exit code of a failure.
pub(super) fn fail(text: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
    ExitCode::FAILURE
}
