//! The clients that may list the methods: all in devel mode (which listens on loopback alone) and with
//! `introspection = public` in the configuration; otherwise only the user `admin`.

use crate::app::{Error, Face, Result, Was, Wasc};
use crate::config::{Introspection, ServerSettings};

/// The name under which the server shares it.
const OBJECT: &str = "skitai.methods";

/// Decides which clients may list the methods.
#[derive(Debug)]
pub(crate) struct Access {
    is_public: bool,
}

impl Access {
    pub(crate) fn new(server: &ServerSettings) -> Access {
        let is_public = server.introspection == Introspection::Public
            || (server.devel && server.introspection == Introspection::Admin);
        Access { is_public }
    }

    /// Shares it with the methods.
    pub(crate) fn share(self, wasc: &Wasc) -> Result<()> {
        wasc.register(OBJECT, self)
    }
}

/// An error for a client that may not ask.
pub(crate) fn check(was: &Was) -> Result<()> {
    let access = was.registered::<Access>(OBJECT)?;
    if access.is_public || was.is_admin() {
        return Ok(());
    }
    if was.face() == Face::Web {
        was.response.update("www-authenticate", "Basic realm=\"status\", charset=\"UTF-8\"");
    }
    Err(Error::new(401, "the methods are listed for the user `admin` with the admin_password"))
}
