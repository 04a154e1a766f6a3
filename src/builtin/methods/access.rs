//! The clients that may list the methods: all with `introspection = public` in the configuration, in devel mode those
//! on this machine; otherwise the users `admin` and `viewer`.

use crate::app::{Result, Was, Wasc};
use crate::config::{Introspection, ServerSettings};

/// The name under which the server shares it.
const OBJECT: &str = "skitai.methods";

/// Decides which clients may list the methods.
#[derive(Debug)]
pub(crate) struct Access {
    is_public: bool,
    /// Whether clients on this machine may.
    is_devel: bool,
}

impl Access {
    pub(crate) fn new(server: &ServerSettings) -> Access {
        Access {
            is_public: server.introspection == Introspection::Public,
            is_devel: server.devel && server.introspection == Introspection::Admin,
        }
    }

    /// Shares it with the methods.
    pub(crate) fn share(self, wasc: &Wasc) -> Result<()> {
        wasc.register(OBJECT, self)
    }
}

/// An error for a client that may not ask.
pub(crate) async fn check(was: &Was) -> Result<()> {
    let access = was.registered::<Access>(OBJECT)?;
    if access.is_public || (access.is_devel && was.request.is_local()) {
        return Ok(());
    }
    was.require_viewer("the methods are listed for the user `admin` with the admin_password").await.map(drop)
}
