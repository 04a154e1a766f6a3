//! What the code that `#[route]` and `routes!` write has to name. It is no author's: any version may change it.

pub use crate::app::args::argument::{Argument, BindError, Kind};
pub use crate::app::args::bind::{Bind, Faults, Given, Values};
pub use crate::app::blocking::blocking;
pub use crate::app::reply::{Answer, Give, GivePlain, Later};
pub use crate::app::routing::route::{Param, Route, Routed, Work};
