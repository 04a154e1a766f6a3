//! One process that serves.
//!
//! - [`site`]: a configuration and the apps, resolved: mounts, clusters, what the process shares;
//! - [`fleet`]: a cluster, as far as workers share it;
//! - [`mount`]: what is served below one path;
//! - [`keys`]: the secrets a first start makes and keeps;
//! - [`hands`]: the actors of one worker; [`worker`]: all that a request meets on its thread;
//! - [`pool`]: the bound before the blocking pool;
//! - [`server`]: sockets, worker threads, drain;
//! - [`watch`]: in devel mode, a changed configuration is taken up;
//! - [`background`]: a small server inside a program.

pub(crate) mod background;
pub(crate) mod fleet;
pub(crate) mod hands;
pub(crate) mod keys;
pub(crate) mod mount;
pub(crate) mod pool;
pub(crate) mod server;
pub(crate) mod site;
pub(crate) mod watch;
pub(crate) mod worker;
