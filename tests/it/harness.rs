//! What scenarios are made of. Read in this order:
//!
//! - [`server`]: the program under test: a configuration in its own folder, a port, its log; stopped on drop
//!   ([`running`]: its process);
//! - [`raw`]: an HTTP client that shows the exact bytes; [`call`]: RPC bodies as text;
//! - [`foreign`]: curl and Python, clients that know nothing of us;
//! - [`member`]: HTTP members on raw sockets, most of which misbehave;
//! - [`chaos`]: members in a process of their own, which misbehave on command; [`drive`]: steady load;
//! - [`postgres`]: a throwaway database cluster; [`relay`]: a wire that can be cut, stalled and mended;
//! - [`data`]: the demo's catalogues, read without the demo's code;
//! - [`instance`]: commands to a site with a supervisor; [`managed`]: a site that a service manager runs;
//! - [`ports`], [`patience`]: ports that nobody else takes, and waiting with an end;
//! - [`proof`]: that all this does what it says.

pub(crate) mod call;
pub(crate) mod chaos;
pub(crate) mod data;
pub(crate) mod drive;
pub(crate) mod foreign;
pub(crate) mod instance;
pub(crate) mod managed;
mod member;
pub(crate) mod patience;
pub(crate) mod ports;
pub(crate) mod postgres;
mod proof;
pub(crate) mod raw;
pub(crate) mod relay;
mod running;
pub(crate) mod server;

pub(crate) use chaos::Chaos;
pub(crate) use drive::{Ended, Steady};
pub(crate) use foreign::{curl, python};
pub(crate) use instance::copy_program;
pub(crate) use member::{Conduct, Member};
pub(crate) use patience::{bound, eventually};
pub(crate) use postgres::Postgres;
pub(crate) use raw::{Conn, End, Reply};
pub(crate) use relay::Relay;
pub(crate) use server::{Scenario, TestServer};
