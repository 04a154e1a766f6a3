//! The serving process.
//!
//! - [`mounting`]: makes mounts from a configuration's routes and the apps;
//! - [`site`]: an open site with its clusters and databases ([`fleet`]); [`process`]: the state that all threads share;
//! - [`own`]: the server's own pages, and where they are;
//! - [`keys`]: the secrets that a first start makes and stores;
//! - [`listen`]: the listening sockets, with [`owner`]s of their files; [`port_holder`]: who has the port;
//!   [`activation`]: sockets that a service manager has opened; [`notify`]: what it is told; [`limits`]: descriptors
//!   and permissions;
//! - [`server`]: the threads; [`drain`]: the end of a process; [`signals`] and the [`relay`] of the supervisor: what
//!   asks for it; [`underway`]: what is served at the moment;
//! - [`learnt`]: what the next process goes on with; [`counted`]: what stays in the sums; [`known`]: what the status
//!   has beside the actors' reports;
//! - [`siblings`]: the other processes, which are asked and answered; [`acting`]: what operators say and do;
//! - [`slot`]: a thread and the site it serves; [`actors`]: its actors;
//! - [`entrance`]: what a port leads to; [`entry`]: receives requests;
//! - [`exporter`]: posts spans to the collector of traces;
//! - [`renewal`]: takes up certificates when their files change;
//! - [`watch`]: reloads a changed configuration in devel mode;
//! - [`background`]: a small server inside a program.

pub(crate) mod acting;
pub(crate) mod activation;
mod actors;
pub(crate) mod background;
pub(crate) mod counted;
mod crowd;
pub(crate) mod drain;
mod entrance;
mod entry;
pub(crate) mod exporter;
mod figures;
mod fleet;
pub(crate) mod guesses;
pub(crate) mod keys;
mod known;
pub(crate) mod learnt;
pub(crate) mod limits;
pub(crate) mod listen;
pub(crate) mod listen_error;
pub(crate) mod mounting;
pub(crate) mod notify;
pub(crate) mod own;
pub(crate) mod owner;
pub(crate) mod port_holder;
mod process;
pub(crate) mod relay;
pub(crate) mod renewal;
pub(crate) mod server;
pub(crate) mod siblings;
pub(crate) mod signals;
pub(crate) mod site;
pub(crate) mod slot;
#[cfg(test)]
mod tests;
mod underway;
pub(crate) mod watch;
