//! All that a request meets on the thread it is served on.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::AppConfig;

use super::hands::Hands;
use super::site::Site;
use crate::app::Spares;
use crate::edge::behind::Behind;
use crate::edge::files::Misses;
use crate::observe::access::AccessLog;
use crate::observe::counts::Counts;

/// One worker thread's own things. Never leaves the thread.
pub(crate) struct Worker {
    pub(crate) site: Arc<Site>,
    pub(crate) hands: Arc<Hands>,
    /// One for each mount, in their order.
    pub(crate) misses: Vec<Misses>,
    pub(crate) log: Option<Arc<AccessLog>>,
    /// Its own: what it counts is in its own core's cache.
    pub(crate) counts: Arc<Counts>,
    pub(crate) behind: Behind,
    pub(crate) spares: Spares,
}

impl Worker {
    /// Starts the actors of this thread. `config` says where the server listens.
    pub(crate) fn start(site: Arc<Site>, number: usize, config: AppConfig) -> Rc<Worker> {
        let hands = Hands::start(&site, number);
        let log = site.settings.server.access_log.as_deref().and_then(|path| match AccessLog::open(path) {
            Ok(log) => {
                site.keep_log(log.clone());
                Some(log)
            }
            Err(error) => {
                tracing::error!("access log {}: {error}; requests are not logged", path.display());
                None
            }
        });
        let misses = site.mounts.iter().map(|_| Misses::new(!site.settings.server.devel)).collect();
        let counts = site.counts(number).clone();
        let (behind, spares) = (Behind::new(config), Spares::default());
        Rc::new(Worker { site, hands, misses, log, counts, behind, spares })
    }
}
