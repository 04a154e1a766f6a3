//! RPC: the same handlers, called by name.
//!
//! - [`endpoint`]: content type and path to protocol; [`xml`] and [`json`]: a request of each to its reply;
//! - [`reading`]: parses a body into a call; [`method`]: method to route, answer to document;
//! - [`many`]: several calls of one request, in parallel: a batch of JSON-RPC, and [`multicall`] of both protocols;
//! - [`fault`]: the RPC form of an error.
//!
//! The introspection methods are in `builtin::methods`, and the client of the command `rpc` is `cli::rpc_client`.

pub(crate) mod endpoint;
pub(crate) mod fault;
mod json;
mod many;
mod method;
pub(crate) mod multicall;
mod reading;
mod xml;
