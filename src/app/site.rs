//! What a request knows of its site: the configuration of the server, and where paths and names lead.

use super::routing::router::Router;
use crate::config::ServerSettings;

/// A site as its requests see it. What is opened and closed for it (actors, pools, files) is elsewhere: see `serve`.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) server: ServerSettings,
    pub(crate) router: Router,
    /// The keys of the configuration that have changed and are taken up by a restart alone.
    pub(crate) restart_needed: Vec<String>,
}
