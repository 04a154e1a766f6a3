//! One process that serves.
//!
//! - [`mounting`]: a configuration's routes and the apps become mounts;
//! - [`site`]: the site, opened: its clusters and databases ([`fleet`]); [`process`]: what all of its threads share;
//! - [`keys`]: the secrets a first start makes and keeps;
//! - [`server`]: sockets, threads, drain;
//! - [`slot`]: a thread and what serves there; [`actors`]: its actors;
//! - [`entry`]: where a request comes in;
//! - [`watch`]: in devel mode, a changed configuration is taken up;
//! - [`background`]: a small server inside a program.

mod actors;
pub(crate) mod background;
mod entry;
mod fleet;
pub(crate) mod keys;
pub(crate) mod mounting;
mod process;
pub(crate) mod server;
pub(crate) mod site;
pub(crate) mod slot;
#[cfg(test)]
mod tests;
pub(crate) mod watch;
