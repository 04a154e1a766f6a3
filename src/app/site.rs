//! A site as its requests see it: the server's configuration and the router.

use std::sync::Arc;

use super::request::basic_login::BasicLogin;
use super::routing::router::Router;
use crate::config::ServerSettings;

/// The part of a site that requests read. `serve` opens and closes the rest (actors, pools, files).
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) server: ServerSettings,
    pub(crate) router: Router,
    /// The login of the user `admin`; `None` if there is no such user.
    pub(crate) admin: Option<Arc<BasicLogin>>,
    /// The configuration keys that have changed and take effect only after a restart.
    pub(crate) restart_needed: Vec<String>,
}
