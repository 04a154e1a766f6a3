//! A site as its requests see it: the server's configuration and the router.

use std::sync::Arc;

use super::request::act_token::ActKey;
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
    /// The same of the user `viewer`.
    pub(crate) viewer: Option<Arc<BasicLogin>>,
    /// Signs the tokens of the server's own forms.
    pub(crate) act_key: ActKey,
    /// The configuration keys that have changed and take effect only after a restart.
    pub(crate) restart_needed: Vec<String>,
    /// Of the server's own pages on an address of their own: the site that they are about.
    main: Option<Arc<Site>>,
}

impl Site {
    /// A site of its own.
    pub(crate) fn new(
        server: ServerSettings,
        router: Router,
        (admin, viewer): (Option<Arc<BasicLogin>>, Option<Arc<BasicLogin>>),
        act_key: ActKey,
        restart_needed: Vec<String>,
    ) -> Site {
        Site { server, router, admin, viewer, act_key, restart_needed, main: None }
    }

    /// The same logins with other mounts, which are about this one.
    pub(crate) fn apart(self: &Arc<Site>, router: Router) -> Site {
        let Site { server, admin, viewer, act_key, restart_needed, .. } = &**self;
        let logins = (admin.clone(), viewer.clone());
        let apart = Site::new(server.clone(), router, logins, act_key.clone(), restart_needed.clone());
        Site { main: Some(self.clone()), ..apart }
    }

    /// The site that clients see: this one, or that which it is about.
    pub(crate) fn main(&self) -> &Site {
        self.main.as_deref().unwrap_or(self)
    }
}
