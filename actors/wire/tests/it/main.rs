//! The crate from outside: properties of every value, hostile input, and foreign implementations as oracles.

mod bombs;
mod counted;
mod crossing;
mod hostile;
mod oracles;
mod properties;
mod shortcut;
mod values;
