//! The RPC form of an error of the server or a handler: a code and a text, always with HTTP 200.

use crate::app::coverage::Audience;
use crate::app::{Error, code, shortened};

/// A fault of XML-RPC, an error of JSON-RPC.
#[derive(Clone, Debug)]
pub(crate) struct RpcFault {
    pub(crate) code: i64,
    pub(crate) message: String,
}

impl RpcFault {
    pub(crate) fn new(code: i64, message: impl Into<String>) -> RpcFault {
        RpcFault { code, message: message.into() }
    }

    /// A handler's error, with only the text that the client may see.
    pub(crate) fn of(error: &Error, reader: Audience) -> RpcFault {
        let shown = error.shown_to(reader);
        // The client's text hides the cause of an internal fault, so it gets the id of the log line.
        match error.id().filter(|_| error.cause().is_some()) {
            Some(id) => RpcFault::new(error.code(), format!("{shown} (id {id})")),
            None => RpcFault::new(error.code(), shown),
        }
    }

    /// The text could not be parsed.
    pub(crate) fn malformed(error: &skitai_wire::Error) -> RpcFault {
        RpcFault::new(code::PARSE, error.to_string())
    }

    /// No method of this name.
    pub(crate) fn unknown(method: &str) -> RpcFault {
        RpcFault::new(code::METHOD_NOT_FOUND, format!("there is no method `{}`", shortened(method)))
    }
}
