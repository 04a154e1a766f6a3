//! Arguments: what the client sent, as what the handler takes.
//!
//! - [`bind`]: the values of a request beside the route's table of parameters;
//! - [`argument`]: the types a parameter may have; [`fields`]: a type of the author's own;
//! - [`form`]: all that no parameter takes; [`upload`]: a file.

pub(crate) mod argument;
pub(crate) mod bind;
pub(crate) mod fields;
pub(crate) mod form;
pub(crate) mod upload;
