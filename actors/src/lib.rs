//! The actors of Skitai: state that outlives a request.
//!
//! Every worker thread has one actor for each cluster, each database cluster, the result cache and the session store;
//! they live on the thread that uses them, because a message to a neighbour on the same thread costs nothing and a
//! message to another thread does. One status actor per process asks them all.
//!
//! Read in this order: [`kit`] (what an actor is here), [`outcome`] (what a call comes to), [`spec`] (what clusters are
//! made of), then the actors themselves.

pub mod cache;
pub mod cluster;
pub mod db;
pub mod http;
pub mod kit;
pub mod outcome;
pub mod session;
pub mod spec;
pub mod status;

pub use outcome::{Coverage, Data, Outcome, Reason, Status};
pub use skitai_wire as wire;
