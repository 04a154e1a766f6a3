//! The keys of `[server]` that bound the connections of clients: how many, and how much each may ask.

use super::ini::Section;
use super::keys;
use super::reading::Reading;
use super::settings::default_of;

/// Bounds of clients' connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Largest head of a request, in bytes.
    pub max_head: usize,
    /// Longest target of a request, in bytes.
    pub max_target: usize,
    /// The most header lines of a request.
    pub max_headers: usize,
    /// Requests of one connection; `None` for any number.
    pub max_requests: Option<u64>,
    /// Connections of each process; `None` for any number.
    pub max_connections: Option<usize>,
    /// Connections of one address to the whole site; `None` for any number.
    pub max_connections_per_address: Option<usize>,
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        let of = |key| as_size(default_of(key));
        ConnectionLimits {
            max_head: of(&keys::MAX_HEAD),
            max_target: of(&keys::MAX_TARGET),
            max_headers: of(&keys::MAX_HEADERS),
            max_requests: None,
            max_connections: None,
            max_connections_per_address: None,
        }
    }
}

pub(super) fn connection_limits(reading: &mut Reading<'_>, section: Option<&Section>) -> ConnectionLimits {
    // Nothing, and 0, are no limit.
    let mut maybe = |key| reading.maybe_number(section, key).filter(|most| *most > 0);
    let max_requests = maybe(&keys::MAX_REQUESTS);
    let max_connections = maybe(&keys::MAX_CONNECTIONS).map(as_size);
    let max_connections_per_address = maybe(&keys::MAX_CONNECTIONS_PER_ADDRESS).map(as_size);
    ConnectionLimits {
        max_head: reading.count(section, &keys::MAX_HEAD),
        max_target: reading.count(section, &keys::MAX_TARGET),
        max_headers: reading.count(section, &keys::MAX_HEADERS),
        max_requests,
        max_connections,
        max_connections_per_address,
    }
}

fn as_size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
