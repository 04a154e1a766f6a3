//! The actors of Skitai: state that outlives a request.
//!
//! Every thread has one actor for each cluster, each database cluster, the result cache and the session store;
//! they live on the thread that uses them, because a message to a neighbour on the same thread costs nothing and a
//! message to another thread does. One status actor per process asks them all.
//!
//! Each of these rooms may name those before it:
//!
//! - [`kit`]: what an actor is here;
//! - [`outcome`]: what a call comes to; [`merge`]: the rows of many shards as one table;
//! - [`spec`]: what clusters are made of;
//! - [`balance`]: which member is asked next, and which takes part at all; [`dns`]: names to addresses;
//! - [`http`]: one exchange with one server;
//! - [`cluster`] and [`db`]: the actors that fan out; [`cache`], [`session`] and [`status`]: those beside them.

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

pub use outcome::{Coverage, Data, Outcome, Reason, Status};
pub use skitai_wire as wire;
