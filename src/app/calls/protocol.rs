//! The protocol of a call, and the one rule by which a path decides it.

/// The language of an RPC call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// XML-RPC.
    XmlRpc,
    /// JSON-RPC 2.0.
    JsonRpc,
    /// JSON over plain HTTP: it has verbs such as [`get`](super::Calls::get) and no [`call`](super::Calls::call).
    Rest,
}

impl Protocol {
    /// The protocol that the last segment of a path or URL decides: `rpc2` is XML-RPC and `rpc3` JSON-RPC, in any case
    /// and with any query. `None` if it is neither.
    pub(crate) fn of_path(path: &str) -> Option<Protocol> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let (_, last) = path.trim_end_matches('/').rsplit_once('/')?;
        match last {
            last if last.eq_ignore_ascii_case("rpc2") => Some(Protocol::XmlRpc),
            last if last.eq_ignore_ascii_case("rpc3") => Some(Protocol::JsonRpc),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Protocol;

    #[test]
    fn the_last_segment_decides() {
        for path in ["/rpc3", "/api/RPC3/", "/rpc3?key=1", "/rpc3/?to=/rpc2", "http://host/rpc3#part"] {
            assert_eq!(Protocol::of_path(path), Some(Protocol::JsonRpc), "{path}");
        }
        for path in ["/RPC2", "/api/rpc2/", "/rpc2?next=/rpc3"] {
            assert_eq!(Protocol::of_path(path), Some(Protocol::XmlRpc), "{path}");
        }
        for path in ["", "/", "rpc3", "/xrpc3", "/rpc3/more", "/?path=/rpc3"] {
            assert_eq!(Protocol::of_path(path), None, "{path}");
        }
    }
}
