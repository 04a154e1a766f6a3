//! The command line of every site's program. Commands have no behaviour of their own: they parse arguments, call other
//! modules, and print.
//!
//! - [`args`]: the grammar of the command line;
//! - [`program`]: a site's program, from its apps to its exit code; [`setup`]: the changes it may make before it
//!   serves;
//! - [`run`]: serves, by itself, as a supervisor or as one process; [`instance`]: commands to a running instance;
//!   [`shown`]: its status in lines, [`trail`]: its records of requests;
//! - [`check`], [`routes`], [`rpc`], [`new`], [`cert`]: one command each.

mod args;
mod cert;
mod check;
mod greeting;
mod hash_password;
mod instance;
mod members;
mod new;
pub(crate) mod program;
mod routes;
mod rpc;
pub(crate) mod rpc_client;
mod run;
pub(crate) mod setup;
mod shown;
mod trail;
