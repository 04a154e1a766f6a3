//! One HTTP exchange with one origin: the only place that names awc.
//!
//! awc brings the HTTP/1.1 codec and the pool. It does not say whether a request left before its connection broke,
//! takes a shortened answer for a whole one, keeps dead sockets until their host is asked again, and lets one slow host
//! use up the connections of all. This room adds exactly these. Read in this order:
//!
//! - [`request`]: what to send, in words that every other module may use;
//! - `prepared`: the same in awc's words, made once per call and shared by all members;
//! - `origin`: one host and port: its permits, its pool, one exchange, one second try where that is safe;
//! - `dial`: our own sockets, which note how far the exchange came (`Trace`); `head`: one correction of what they read;
//! - [`names`]: names to addresses, asked of the system; `resolve`: kept for a while; `tls`: whom to trust;
//! - `failure`: what an error of awc means, and whether the call may have run;
//! - `answer`: a complete answer as an [`Outcome`](crate::Outcome); `gunzip` unpacks it; `retry_after`: one header of it.

mod answer;
mod dial;
mod failure;
mod gunzip;
mod head;
mod multipart;
pub mod names;
mod origin;
mod prepared;
pub mod request;
mod resolve;
mod retry_after;
mod tls;

pub use multipart::Part;
pub use request::{Decode, Encoding, Method, Request};
pub use tls::Authority;

pub(crate) use dial::Stage;
#[cfg(test)]
pub(crate) use dial::Trace;
pub(crate) use origin::{KEEP_ALIVE, Limits, Origin, Place, Progress};
pub(crate) use prepared::Prepared;
pub(crate) use retry_after::wait_of;
pub(crate) use tls::Trust;
