//! Arguments: turns what the client sent into what the handler takes.
//!
//! - [`bind`]: matches the values of a request with the route's table of parameters;
//! - [`argument`]: the types a parameter may have; [`fields`]: a form as the author's own type;
//! - [`form`]: everything that no parameter takes; [`upload`]: a file;
//! - [`unread`]: what a 400 says of a body in which nobody looked for arguments.

pub(crate) mod argument;
pub(crate) mod bind;
pub(crate) mod fields;
pub(crate) mod form;
mod unread;
pub(crate) mod upload;

#[cfg(test)]
pub(crate) mod tests;
