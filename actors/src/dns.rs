//! Names to addresses.
//!
//! - [`names`]: look-ups by the system's resolver;
//! - `resolve`: a cache of their results, one resolver for each origin.

pub mod names;
pub(crate) mod resolve;
