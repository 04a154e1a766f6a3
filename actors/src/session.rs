//! Sessions: what a site remembers of one visitor between requests.
//!
//! The session store is an actor, and behind it is any implementation of actix-session's `SessionStore`. Our own back
//! end keeps no state: the session travels sealed in its cookie, so that any process and any machine with the same
//! `securekey` can open it. Read in this order:
//!
//! - `seal`: the sealed cookie itself: its content, and when it is refused;
//! - `cookies`: the seal as a `SessionStore`;
//! - `actor`: the messages (load, save) and the [`Backend`] behind them;
//! - `text`: values to JSON texts and back, the form in which every `SessionStore` keeps them.
//!
//! A sealed cookie cannot be revoked before it expires: signing out removes it from the browser, but a stolen copy
//! stays valid. That is the price of keeping no state. Use a server-side back end where it matters.

mod actor;
mod cookies;
mod seal;
#[cfg(test)]
mod tests;
mod text;

pub use actor::{Backend, Load, LoadResult, NotSaved, Save, Saved, Session, SessionActor, slots};
pub use cookies::{Clock, SealedCookies};
pub use seal::{LIMIT, NotSealed, Opened, Refusal, Sealer, State, TooLarge};
