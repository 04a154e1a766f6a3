//! The crate from outside: properties of every value, hostile input, and foreign implementations as oracles.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise; the panic names the line")]

mod bombs;
mod counted;
mod crossing;
mod hostile;
mod http1;
mod oracles;
mod properties;
mod shortcut;
mod values;
