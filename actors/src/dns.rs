//! Names to addresses.
//!
//! - [`names`]: asked of the system;
//! - [`resolve`]: kept for a while, one resolver for each origin.

pub mod names;
pub(crate) mod resolve;
