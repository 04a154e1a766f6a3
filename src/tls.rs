//! TLS to clients, from the files of certificates to what a handshake needs.
//!
//! - [`files`]: the files, read from the disk or from descriptors that the supervisor has opened;
//! - [`problem`]: what is wrong with one of them, and what to do about it;
//! - [`facts`]: what a certificate says of itself; [`private_key`]: the key, opened with its passphrase;
//! - [`chain`]: a certificate with its chain and its key, checked against each other;
//! - [`resolver`]: which of them a client gets, by the name that it asks for;
//! - [`tickets`]: keys by which clients resume a session, at whichever process;
//! - [`certificates`]: all of it at this moment, for the next handshake; it changes while connections go on;
//! - [`client`]: what a handshake says of its client.
//!
//! rustls speaks the protocol, with ring. Sockets are the matter of `connection`, and who looks when a file has changed
//! that of `serve` and `supervise`.

pub(crate) mod certificates;
mod chain;
pub(crate) mod client;
pub(crate) mod facts;
pub(crate) mod files;
mod private_key;
pub(crate) mod problem;
mod resolver;
#[cfg(test)]
mod tests;
pub(crate) mod tickets;
