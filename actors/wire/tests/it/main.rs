//! The crate from outside: properties of every value, hostile input, and foreign implementations as oracles.

mod hostile;
mod oracles;
mod properties;
mod values;
