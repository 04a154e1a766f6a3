//! What may be written on the command line.

use clap::{Args, Parser, Subcommand};

/// A Skitai site.
#[derive(Debug, Parser)]
#[command(version, about = "Serves this site; without a command, `run`", disable_help_subcommand = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) site: Which,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serves the site (what happens without a command)
    Run(Which),
    /// Reads the configuration and reports every problem in it; exit code 0 when it can be served
    Check(Which),
    /// Lists every route with its methods, arguments and RPC name
    Routes(Which),
}

/// Which site, and where.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Which {
    /// The configuration: a path, or a name looked for in the current folder, etc/servers-enabled and
    /// /etc/skitaid/servers-enabled (`a/NAME`: servers-available)
    #[arg(short = 'f', long = "conf", value_name = "NAME|PATH")]
    pub(super) conf: Option<String>,
    /// Listen on this port, whatever the configuration says
    #[arg(short = 'p', long = "port", value_name = "PORT")]
    pub(super) port: Option<u16>,
    /// Log to the console (this program always does)
    #[arg(short = 'c', long = "console", visible_aliases = ["consol", "verbose"], short_alias = 'v')]
    pub(super) console: bool,
}
