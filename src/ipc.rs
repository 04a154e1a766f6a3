//! Messages between the processes of an instance, and from its commands to its supervisor.
//!
//! A message is JSON behind its length (four octets, big-endian), on a Unix stream socket. Descriptors travel beside
//! the octets (`SCM_RIGHTS`): listening sockets and log files, which the supervisor opens and its processes inherit. A
//! message that names descriptors takes them off the [`Line`] in the order in which they were sent.
//!
//! - [`acts`]: what operators do to an instance;
//! - [`line`]: a socket with messages on it; never blocks the supervisor;
//! - [`messages`]: what is said, by whom;
//! - [`recorder`]: what a process does, for its supervisor to read when it is gone.

pub(crate) mod acts;
pub(crate) mod line;
pub(crate) mod messages;
pub(crate) mod recorder;

pub(crate) use line::{Line, LineError};
