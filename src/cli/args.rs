//! The grammar of the command line. Doc comments of the commands and options are their help texts.

use clap::{Args, Parser, Subcommand};

use super::cert::Cert;
use super::new::New;

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
    /// Starts the site in the background and waits until it serves; its log is var/NAME.log
    Start(Which),
    /// Ends a running instance: what is under way may finish
    Stop(Tell),
    /// Ends a running instance and starts it anew; use `reload` to take up a changed configuration without a pause
    Restart(Tell),
    /// Replaces the processes of a running instance by new ones, which read the configuration, without a pause
    Reload(Tell),
    /// Replaces a running instance by the program that is now at its path, without a pause
    Upgrade(Tell),
    /// Opens the log files of a running instance anew, after they were renamed
    Reopen(Which),
    /// Gives the log of a running instance other levels for a time: every process of it
    Log(LogArgs),
    /// Takes a member out: it gets no new calls, and those it has may end
    Drain(OfMember),
    /// Takes a member out at once: it gets no calls, and those it has are ended
    Eject(OfMember),
    /// Lets a member take part again, also one that its health has ejected
    Restore(OfMember),
    /// Shows a running instance: its processes, what they do, since when
    Status(Status),
    /// Lists the requests of a running instance that were slow, failed or partial, or tells one of them
    Trail(TrailArgs),
    /// One process of an instance (started by its supervisor)
    #[command(hide = true)]
    Process(Which),
    /// The next supervisor of an instance (started by the last one)
    #[command(hide = true)]
    Adopt(Which),
    /// Whether this program could be that (asked by the supervisor)
    #[command(hide = true)]
    Rehearse(Which),
    /// Reads the configuration and reports every problem in it; exit code 0 when it can be served
    Check(CheckArgs),
    /// Lists every route with its methods, arguments and RPC name
    Routes(Which),
    /// Makes an authority and a certificate for development, for `ssl = yes`
    Cert(Cert),
    /// Writes a project of your own: app, template, static file, tests, configuration
    New(New),
    /// Reads a password from standard input and prints a hash for `admin_password`
    HashPassword,
    /// Calls a method of any XML-RPC or JSON-RPC server and prints the answer
    Rpc(Box<Rpc>),
}

const RPC_EXAMPLES: &str = "\
Examples:
  rpc http://127.0.0.1:5000/RPC2 add 1 2              XML-RPC, by the path
  rpc http://127.0.0.1:5000/rpc3 add 1 2              JSON-RPC, by the path
  rpc --named 127.0.0.1:5000/rpc3 add a=1 b=2         parameters by name
  rpc 127.0.0.1:5000 echo '{\"a\": [1, null]}' text     values are JSON, everything else is text; '\"1\"' is the text 1
  rpc --list https://user:password@host/api           what methods there are, whatever it speaks
  rpc --describe search 127.0.0.1:5000                how a method is called and what it does

Where neither the path (…/RPC2, …/rpc3) nor --xml or --json says what the server speaks, it is asked. Without a path it is
/RPC2, with --json /rpc3. Exit code: 0 there is an answer, which is printed (a text as it is, everything else as JSON);
1 the server answered with a fault, printed with its code; 2 it could not be called.";

/// A call.
#[derive(Debug, Args)]
#[command(after_help = RPC_EXAMPLES)]
pub(super) struct Rpc {
    /// Where the server is; without a scheme http
    pub(super) url: String,
    /// The method
    #[arg(required_unless_present_any = ["list", "describe"])]
    pub(super) method: Option<String>,
    /// Its arguments: JSON, or plain text
    #[arg(allow_negative_numbers = true)]
    pub(super) args: Vec<String>,
    /// Arguments are NAME=VALUE (JSON-RPC alone has names)
    #[arg(long)]
    pub(super) named: bool,
    /// Lists the methods of the server
    #[arg(long, conflicts_with_all = ["method", "describe"])]
    pub(super) list: bool,
    /// Tells how this method is called and what it does
    #[arg(long, value_name = "METHOD", conflicts_with = "method")]
    pub(super) describe: Option<String>,
    /// Speaks XML-RPC
    #[arg(long, conflicts_with_all = ["json", "named"])]
    pub(super) xml: bool,
    /// Speaks JSON-RPC 2.0
    #[arg(long)]
    pub(super) json: bool,
    /// Logs in with Basic authorization; read from the environment variable RPC_LOGIN where it is not given
    #[arg(long, value_name = "USER:PASSWORD")]
    pub(super) login: Option<String>,
    /// Sends a header; may be given several times
    #[arg(long, value_name = "NAME: VALUE")]
    pub(super) header: Vec<String>,
    /// Waits so many seconds for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    pub(super) timeout: f64,
    /// Trusts the authorities in this PEM file, in place of the web's
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<std::path::PathBuf>,
}

/// A command to a running instance.
#[derive(Debug, Args)]
pub(super) struct Tell {
    #[command(flatten)]
    pub(super) which: Which,
    /// Waits until it is done; the exit code says whether it succeeded
    #[arg(short = 'w', long)]
    pub(super) wait: bool,
}

/// How to show a running instance.
#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    pub(super) which: Which,
    /// As JSON, with all that the status page has as `tree`
    #[arg(long)]
    pub(super) json: bool,
    /// One part of that, as JSON: `cluster:mysearch`, `requests`
    #[arg(long, value_name = "NAME")]
    pub(super) part: Option<String>,
}

/// Which record of a request.
#[derive(Debug, Args)]
pub(super) struct TrailArgs {
    /// The id of the request: X-Request-Id, `request=` in the log; without it there is a list
    pub(super) id: Option<String>,
    #[command(flatten)]
    pub(super) which: Which,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// A member of a cluster, and why.
#[derive(Debug, Args)]
pub(super) struct OfMember {
    /// The cluster, such as @mysearch
    pub(super) cluster: String,
    /// The member as `status` shows it, such as 10.0.0.1:8080 or 10.0.0.1:5432/db
    pub(super) member: String,
    /// Why: it is shown with the member, and in what its calls come to
    #[arg(long, value_name = "TEXT")]
    pub(super) why: Option<String>,
    #[command(flatten)]
    pub(super) which: Which,
}

/// The levels of the log.
#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// `debug`, or `warn,skitai_actors=debug`, as in RUST_LOG; `default` for those of the start
    pub(super) levels: String,
    /// For how long: seconds, or 30s, 10m, 2h
    #[arg(long = "for", value_name = "TIME", default_value = "10m")]
    pub(super) lasting: String,
    #[command(flatten)]
    pub(super) which: Which,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) which: Which,
    /// Whether this program can take over an instance whose state has this version
    #[arg(long, hide = true, value_name = "VERSION")]
    pub(super) takes_over: Option<u32>,
}

/// Which site, and where.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Which {
    /// The configuration: a path, or a name looked for in the current folder, etc/servers-enabled and
    /// /etc/skitaid/servers-enabled (`a/NAME`: servers-available)
    #[arg(short = 'f', long = "conf", value_name = "NAME|PATH")]
    pub(super) conf: Option<String>,
    /// Listen on this port in place of those of the configuration; its Unix sockets stay
    #[arg(short = 'p', long = "port", value_name = "PORT")]
    pub(super) port: Option<u16>,
    /// Log to the console (this program always does)
    #[arg(short = 'c', long = "console", visible_aliases = ["consol", "verbose"], short_alias = 'v')]
    pub(super) console: bool,
    /// Leaves the terminal (what `start` does)
    #[arg(long, hide = true)]
    pub(super) detached: bool,
}
