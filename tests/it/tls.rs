//! TLS to clients, by clients that we did not write: Python's ssl, curl, openssl and Node. Certificates are openssl's.
//!
//! - [`made`]: certificates, and the commands that ask;
//! - [`handshakes`]: which certificate a client gets, what handlers learn, and what is not spoken;
//! - [`renewal`]: certificates change under new handshakes; [`tickets`]: sessions are resumed;
//! - [`proxied`]: the reverse proxy between two of them;
//! - [`redirect`]: those who come in clear text; [`bad`]: what is refused, and in which words.

mod bad;
mod handshakes;
mod made;
mod proxied;
mod redirect;
mod renewal;
mod tickets;
