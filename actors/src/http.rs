//! One HTTP exchange with one origin.
//!
//! Members of clusters are called by a client of our own, the leg (decision 0019): one connection, one buffer, HTTP/1
//! by `skitai_wire::http1`. Any URL is called by awc, on sockets that use the same HTTP/1 reader. Both know whether a
//! request left before its connection broke and whether an answer is complete; neither reuses a connection that has
//! unread bytes. Read in this order:
//!
//! - [`request`]: what to send, in types that every other module may use; `multipart`: forms with files;
//! - `prepared`: the request as bytes, encoded once per call and shared by all members;
//! - `origin`: one host and port: its permits, one exchange, one retry where that is safe;
//! - `dial`: makes our connections, and records how far an exchange came (`Trace`); `records`: TLS records on such a
//!   connection;
//! - `arrival`: reads one answer; `exchange`: the leg, which writes a request and reads its answer; `pool`: idle
//!   connections;
//! - `client`: awc in place of these three, on sockets of `canonical`;
//! - [`passed`]: a request that is passed on as it came, for a reverse proxy; `passing`: its leg, with the clock
//!   `silence`; [`pipe`]: its bodies; `coming`: what is sent of them;
//! - `trace_parent`: what members are told of the trace that a call belongs to;
//! - `tls`: trusted roots;
//! - `failure`: the meaning of a failed exchange, and whether the call may have run;
//! - `answer`: a complete answer as an [`Outcome`](crate::Outcome); `body_form`: how its head says that its body is
//!   written; `gunzip`: decompresses it; `retry_after`: parses that header.

mod answer;
mod arrival;
mod body_form;
mod canonical;
mod client;
mod coming;
mod dial;
mod exchange;
mod failure;
mod gunzip;
mod multipart;
mod origin;
pub mod passed;
mod passing;
pub mod pipe;
mod pool;
mod prepared;
mod records;
pub mod request;
mod retry_after;
mod silence;
mod tls;
mod trace_parent;

pub use multipart::Part;
pub use request::{Decode, Method, Request, next_id};

pub(crate) use dial::{Progress, Stage, Trace, unrecorded};
pub(crate) use origin::pass::{AnswerTaker, SWITCHING, reason_of};
pub(crate) use origin::{BadHost, Endpoint, Origin, OriginLimits};
pub(crate) use pool::KEEP_ALIVE;
pub(crate) use prepared::PreparedRequest;
pub(crate) use retry_after::wait_of;
pub(crate) use tls::TlsTrust;
pub use trace_parent::TraceParent;
