//! Arguments: turns what the client sent into what the handler takes.
//!
//! - [`bind`]: matches the values of a request with the route's table of parameters;
//! - [`argument`]: the types a parameter may have; [`fields`]: a form as the author's own type;
//! - [`form`]: everything that no parameter takes; [`upload`]: a file.

pub(crate) mod argument;
pub(crate) mod bind;
pub(crate) mod fields;
pub(crate) mod form;
pub(crate) mod upload;

#[cfg(test)]
pub(crate) mod tests;
