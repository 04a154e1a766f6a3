//! The actors of Skitai: state that outlives a request.
//!
//! Every thread has one actor for each cluster, each database cluster, the result cache and the session store. An actor
//! lives on the thread that uses it, because a message within a thread costs almost nothing and a message to another
//! thread does cost. One status actor per process collects the reports of all actors.
//!
//! A module may import only those above it in this list:
//!
//! - [`kit`]: actors, addresses, deadlines, fair sharing;
//! - [`outcome`]: the result of one call to one member; [`merge`]: the rows of many shards as one table;
//! - [`spec`]: the settings of a cluster;
//! - [`balance`]: the choice of a member and its health; [`dns`]: names to addresses;
//! - [`http`]: one exchange with one server;
//! - [`cluster`] and [`db`]: the actors that fan out; [`cache`], [`session`] and [`status`]: the other actors.

pub mod balance;
pub mod cache;
pub mod cluster;
pub mod db;
pub mod dns;
pub mod http;
pub mod kit;
pub mod merge;
pub mod outcome;
pub mod session;
pub mod spec;
pub mod status;

pub use outcome::coverage;
pub use outcome::{ClusterCoverage, Coverage, CoverageDetail, CoverageReport, Data, Leaves, Outcome, Reason, Status};
pub use skitai_wire as wire;
