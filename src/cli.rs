//! The command line every site's program has. Commands have no behaviour of their own: they read arguments, ask the
//! rooms behind them, and print.
//!
//! - [`args`]: what may be written;
//! - [`program`]: a site's program, from its apps to its exit code; [`setup`]: what it may change before it serves;
//! - [`run`], [`check`], [`routes`], [`rpc`], [`new`]: one command each.

mod args;
mod check;
mod new;
pub(crate) mod program;
mod routes;
mod rpc;
pub(crate) mod rpc_client;
mod run;
pub(crate) mod setup;
