//! RPC: the same handlers, called by name.
//!
//! - [`endpoint`]: content type to protocol, method to route, answer to document;
//! - [`reading`]: a body becomes a call;
//! - [`many`]: several calls of one request, side by side: a batch of JSON-RPC, and [`multicall`] of both protocols;
//! - [`fault`]: what an error is over RPC;
//! - [`asking`]: the other side, calls of a command to any server;
//! - [`introspection`]: what methods there are, for programs and for readers.

pub(crate) mod endpoint;
pub(crate) mod fault;
mod many;
pub(crate) mod multicall;
mod reading;
