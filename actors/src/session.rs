//! Sessions: what a site remembers of one visitor between requests.
//!
//! The session store is an actor, and what is behind it is anything that implements actix-session's `SessionStore`. Our
//! own back end keeps no state at all: the session travels in its cookie, sealed, so any process and any machine with
//! the same `securekey` can open it. Read in this order:
//!
//! - `seal`: the sealed cookie itself: what is in it, when it opens and when it does not;
//! - `cookies`: the seal as a `SessionStore`;
//! - `actor`: the messages: load, save, and the [`Backend`] behind them;
//! - `text`: values to JSON texts and back, the form every `SessionStore` keeps.
//!
//! A sealed cookie cannot be called back before it expires: signing out removes it from the browser, not from a thief.
//! That is the price of keeping no state, and the reason for a server-side back end where it matters.

mod actor;
mod cookies;
mod seal;
#[cfg(test)]
mod tests;
mod text;

pub use actor::{Backend, Load, LoadResult, NotSaved, Save, Saved, Session, SessionActor, slots};
pub use cookies::{Clock, SealedCookies};
pub use seal::{LIMIT, Opened, Refusal, Sealer, State, TooLarge};
