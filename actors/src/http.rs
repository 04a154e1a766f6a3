//! One HTTP exchange with one origin.
//!
//! Members of clusters are asked by a leg of our own: a connection, one buffer, the octets by `skitai_wire::http1`. Any
//! URL is asked by awc, whose sockets read by the same code. Both know whether a request left before its connection
//! broke and whether an answer is whole; neither lends a connection on which anything lies. Read in this order:
//!
//! - [`request`]: what to send, in words that every other module may use; `multipart`: forms with files;
//! - `prepared`: the same as octets, made once per call and shared by all members;
//! - `origin`: one host and port: its permits, one exchange, one second try where that is safe;
//! - `dial`: our own connections, and how far an exchange came (`Trace`); `records`: those of TLS below them;
//! - `arrival`: one answer, read from a connection; `exchange`: the leg, which writes and reads; `pool`: where its
//!   connections rest; `client`: awc instead of both, on sockets that are `canonical`;
//! - `tls`: whom to trust;
//! - `failure`: what a broken exchange means, and whether the call may have run;
//! - `answer`: a complete answer as an [`Outcome`](crate::Outcome); `gunzip` unpacks it; `retry_after`: one header of
//!   it.

mod answer;
mod arrival;
mod canonical;
mod client;
mod dial;
mod exchange;
mod failure;
mod gunzip;
mod multipart;
mod origin;
mod pool;
mod prepared;
mod records;
pub mod request;
mod retry_after;
mod tls;

pub use multipart::Part;
pub use request::{Decode, Method, Request, next_id};

#[cfg(test)]
pub(crate) use dial::Trace;
pub(crate) use dial::{Progress, Stage};
pub(crate) use origin::{Endpoint, Origin, OriginLimits};
pub(crate) use pool::KEEP_ALIVE;
pub(crate) use prepared::PreparedRequest;
pub(crate) use retry_after::wait_of;
pub(crate) use tls::TlsTrust;
