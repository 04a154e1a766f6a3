//! RPC: the same handlers, called by name.
//!
//! - [`endpoint`]: content type to protocol, method to route, answer to document;
//! - [`fault`]: what an error is over RPC.

pub(crate) mod endpoint;
pub(crate) mod fault;
